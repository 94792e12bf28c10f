"""Essays are marked on a page of this machine; nobody else's page can mark them."""

import http.client
import json
import re
import threading
from urllib.parse import urlencode, urlsplit

import pytest
from graded_class import HOSTILE, answers, verdicts

from course_lib.assignments.__main__ import main
from course_lib.assignments.cells import chapter_path
from course_lib.assignments.collect import collect
from course_lib.assignments.feedback import feedback
from course_lib.assignments.grade import grade
from course_lib.assignments.gradebook import FILE, Gradebook
from course_lib.assignments.mark import server
from course_lib.assignments.release import notebooks
from course_lib.assignments.verdicts import Graded

POINTS = 3.0


@pytest.fixture
def chapters(tmp_path):
    """Return a folder with a chapter that asks for an essay, too."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    held = json.loads(chapter_path("background").read_text(encoding="utf-8"))
    mark = {"tags": ["essay"], "exercise": {"name": "why", "points": POINTS}}
    asked = {"cell_type": "markdown", "id": "why", "metadata": mark, "source": "Why `<b>`?"}
    held["cells"].append(asked)
    (folder / "background.ipynb").write_text(json.dumps(held), encoding="utf-8")
    return folder


@pytest.fixture
def course(tmp_path, chapters):
    """Return the folder of a class of one, whose essay waits."""
    made = json.loads(answers())
    mark = {"tags": ["essay"], "exercise": {"name": "why", "points": POINTS}}
    made["cells"].append({"cell_type": "markdown", "metadata": mark, "source": f"So {HOSTILE}"})
    inbox, folder = tmp_path / "inbox", tmp_path / "class"
    inbox.mkdir()
    (inbox / "ada.ipynb").write_text(json.dumps(made), encoding="utf-8")
    collect([inbox], folder, chapter="background", folder=chapters)

    def runner(jobs, workers):
        for job in jobs:
            yield Graded(job.submission, job.chapter, job.seed, verdicts())

    assert grade(folder, runner=runner, folder=chapters)["to_mark"] == 1
    return folder


@pytest.fixture
def ask(course, chapters):
    """Return a function that asks the running page."""
    made, address = server(course, folder=chapters)
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    word = urlsplit(address).path

    def asked(method="GET", path=word, fields=None, **headers):
        line = http.client.HTTPConnection("127.0.0.1", made.server_port, timeout=10)
        body = urlencode(fields) if fields else None
        line.request(method, path, body, {name.title(): text for name, text in headers.items()})
        got = line.getresponse()
        text = got.read().decode()
        line.close()
        return got.status, text

    yield asked
    made.shutdown()
    thread.join()
    made.server_close()


def hidden(text):
    """Return the hidden fields of the form."""
    return dict(re.findall(r"type='hidden' name='(\w+)' value='([^']*)'", text))


def test_a_released_notebook_has_a_place_for_the_essay(chapters):
    cells = notebooks(chapters / "background.ipynb")["release"]["cells"]
    *_, asked, place = cells
    assert asked["source"] == "Why `<b>`?"
    meta = place["metadata"]["nbgrader"]
    assert (meta["grade"], meta["solution"], meta["points"]) == (True, True, POINTS)


def test_an_answer_is_marked_and_the_learner_reads_it(ask, course, chapters):
    status, text = ask()
    assert status == 200
    assert "Why <code>&lt;b&gt;</code>?" in text
    assert "<script" not in text
    assert "ada" not in text
    sent = {**hidden(text), "points": "2.5", "comment": "Well <said>."}
    assert ask("POST", fields=sent)[0] == 303
    assert "All answers are marked" in ask()[1]
    with Gradebook(course / FILE) as book:
        (row,) = book.scores()
    assert (row["score"], row["max_score"], row["to_mark"]) == (10.5, 11.0, 0)
    (file,) = feedback(course, folder=chapters)
    written = file.read_text(encoding="utf-8")
    assert "2.5 of 3" in written
    assert "Well &lt;said&gt;." in written


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"fields": {"token": "x"}}, 403),
        ({"fields": {"points": "4"}}, 400),
        ({"fields": {"points": "nan"}}, 400),
        ({"fields": {"points": "many"}}, 400),
        ({"fields": {"essay": "times_read"}}, 400),
        ({"origin": "http://evil.example"}, 404),
        ({"host": "evil.example"}, 404),
        ({"path": "/"}, 404),
        ({"fields": {"comment": "x" * 70_000}}, 404),
    ],
)
def test_what_does_not_come_from_the_page_changes_nothing(ask, course, change, status):
    fields = {**hidden(ask()[1]), "points": "1", **change.pop("fields", {})}
    try:
        assert ask("POST", fields=fields, **change)[0] == status
    except ConnectionError:
        assert status == 404, "a form that is too long may find the door shut"
    with Gradebook(course / FILE) as book:
        assert book.scores()[0]["to_mark"] == 1


def test_the_page_is_shown_to_nobody_without_its_word(ask):
    assert ask(path="/")[0] == 404
    assert ask(host="evil.example")[0] == 404


def test_where_nothing_waits_the_command_says_so(tmp_path, capsys):
    Gradebook(tmp_path / FILE).db.close()
    assert main(["mark", "--course", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "0 answers to mark\n"
