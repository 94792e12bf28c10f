"""A learner's file may be anything: what can be read is read, the rest is said in a sentence."""

import contextlib
import json
import os

import pytest

from course_lib.assignments.cells import chapter_path, read_chapter, shown_cells
from course_lib.assignments.release import notebooks
from course_lib.assignments.submission import (
    learners_code,
    parse,
    plain,
    read_file,
    read_submission,
)

NAMES = [exercise.name for exercise in read_chapter(chapter_path("background"))]


def book(*cells):
    return json.dumps({"cells": list(cells)}).encode()


def answer(text, name="twice", tag="exercise"):
    metadata = {"exercise": {"name": name}, "tags": [tag]}
    return {"cell_type": "code", "metadata": metadata, "source": text}


def test_a_released_notebook_answers_each_exercise_by_its_stub():
    made = notebooks(chapter_path("background"))
    stubs = {exercise.name: exercise.stub for exercise in read_chapter(chapter_path("background"))}
    found = read_submission(json.dumps(made["release"]).encode(), NAMES)
    assert (found.answers, found.problems) == (stubs, [])


def test_a_whole_chapter_is_answered_by_its_stubs_not_by_its_solutions():
    path = chapter_path("background")
    found = read_submission(path.read_bytes(), NAMES, shown_cells(path))
    assert found.problems == []
    assert all("NotImplementedError" in found.answers[name] for name in NAMES)


def test_an_answer_without_metadata_is_found_by_what_it_defines():
    cell = {"cell_type": "code", "metadata": {}, "source": "def twice(x):\n    return 2 * x"}
    assert read_submission(book(cell), ["twice"]).answers == {"twice": cell["source"]}
    # Metadata of nbgrader alone will do, too.
    cell["metadata"] = {"nbgrader": {"grade_id": "double", "solution": True}}
    assert read_submission(book(cell), ["double"]).answers == {"double": cell["source"]}


def test_of_several_answers_the_last_counts_and_it_is_said():
    found = read_submission(book(answer("a"), answer("b")), ["twice"])
    assert found.answers == {"twice": "b"}
    assert found.problems == ["twice: expected one answer, got 2; the last one counts"]


WIDE = "\uff54\uff57\uff49\uff43\uff45"
LEARNERS = {  # what a learner wrote: cells, each with the tag that it has, or none
    "below the answer's cell, another one": [("exercise", 1), ("", 2)],
    "above it": [("", 1), ("exercise", 2)],
    "in the test's cell": [("exercise", 1), ("test", 2)],
    "in a cell that calls itself the solution": [("exercise", 1), ("solution", 2)],
    "a value": [("exercise", 1), ("", "twice = lambda: 2")],
    "a class": [("exercise", 1), ("", "class twice(int):\n def __new__(cls): return 2")],
    "an import": [("exercise", 1), ("", "from math import pi as twice\ntwice = twice.conjugate")],
    "under a condition": [("exercise", 1), ("", "if True:\n def twice():\n  return 2")],
    "in a loop": [("exercise", 1), ("", "for twice in [lambda: 2]: pass")],
    "with a magic": [("exercise", 1), ("", "%pip install x\ndef twice(): return 2")],
    "of bash": [("exercise", 1), ("", "%%bash\ndef twice(): return 2")],
    "no Python": [("exercise", 1), ("", "def twice(: return 2")],
    "within another function": [("exercise", 1), ("", "def other():\n twice = 2\n return twice")],
    "of a list that is made": [
        ("exercise", 1),
        ("", "[twice for twice in [2]]\n(lambda twice: 2)"),
    ],
    "in wide letters": [("exercise", 1), ("", f"def {WIDE}(): return 2")],
    "as text": [("exercise", 1), ("", "'def twice(): return 2'")],
}


@pytest.mark.parametrize("cells", LEARNERS.values(), ids=LEARNERS)
def test_what_is_shown_is_what_the_judge_takes(cells):
    texts = [(f"def twice(): return {o}" if isinstance(o, int) else o, tag) for tag, o in cells]
    content = book(*(answer(text, tag=tag) for text, tag in texts))
    names = {}
    for cell in learners_code(parse(content)):  # as the judge's worker runs them
        with contextlib.suppress(Exception):
            exec(plain(cell["source"]), names)
    shown = read_submission(content, ["twice"]).answers["twice"]
    alone = {}
    exec(plain(shown), alone)
    assert alone["twice"]() == names["twice"]()


def test_the_chapter_s_own_solution_is_no_answer_where_it_stands_as_such():
    shown = {("twice", "def twice(): ..."), ("", "def other(): ...")}
    solution = answer("def twice(): ...", tag="solution")
    found = read_submission(book(solution), ["twice"], shown)
    assert found.problems == ["twice: expected a cell with its answer, got none"]
    # Written as one's own answer it counts, and so does one that was edited.
    for cell in (answer("def twice(): ..."), answer("def twice(): 1", tag="solution")):
        found = read_submission(book(solution, cell), ["twice"], shown)
        assert found.answers == {"twice": cell["source"]}


@pytest.mark.parametrize(
    "content",
    [b"", b"  ", b"{", b"[]", b"3", b"null", b'{"cells": 1}', b"\xff\xfe", b"[" * 100_000],
)
def test_what_is_no_notebook_is_said(content):
    with pytest.raises(ValueError, match="expected a notebook, got"):
        parse(content)


def test_cells_of_wrong_types_do_no_harm():
    strange = [
        3,
        {},
        {"source": 3, "metadata": 3},
        {"source": [3, "a"], "metadata": {"tags": 3, "exercise": 3, "nbgrader": 3}},
        {"cell_type": "code", "source": "(" * 10_000, "metadata": {"tags": [3]}},
        answer("x", name=3),
    ]
    found = read_submission(book(*strange), ["twice"])
    assert found.answers == {}


def test_links_pipes_and_large_files_are_refused(tmp_path):
    plain = tmp_path / "plain"
    plain.write_bytes(b"12345")
    assert read_file(plain) == b"12345"
    with pytest.raises(ValueError, match="expected at most"):
        read_file(plain, limit=4)
    (tmp_path / "link").symlink_to(plain)
    with pytest.raises(ValueError, match="expected a file, got a link"):
        read_file(tmp_path / "link")
    os.link(plain, tmp_path / "hard")
    with pytest.raises(ValueError, match="got one with 2 names"):
        read_file(tmp_path / "hard")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="expected a file, got something else"):
        read_file(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such file"):
        read_file(tmp_path / "none")
