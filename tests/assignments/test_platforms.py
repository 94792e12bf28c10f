"""Moodle's and Canvas's own tables: the class's list is taken in, marks are filled in."""

import csv
import io
import json
import zipfile

import pytest
from graded_class import answers, verdicts

from course_lib.assignments.__main__ import main
from course_lib.assignments.collect import collect
from course_lib.assignments.export import export
from course_lib.assignments.grade import grade
from course_lib.assignments.gradebook import FILE, Gradebook
from course_lib.assignments.names import key
from course_lib.assignments.report import report
from course_lib.assignments.roster import people, roster
from course_lib.assignments.tables import read
from course_lib.assignments.verdicts import Graded

# As Moodle downloads its participants; names of many scripts, one of them hostile.
PARTICIPANTS = (
    "\ufeff"
    + """"First name","Last name","Email address",Groups
Ada,Abel,ada@example.org,
Zoë,"O'Néil-Ōta",zoe@example.org,"Group A"
小明,王,xm@example.org,
"=cmd|' /C calc'!A0",Bad,bad@example.org,
Dora,Absent,dora@example.org,
"""
)
HANDED = {"Ada Abel": 41, "Group A-Zoë ONéil-Ōta": 42, "小明 王": 43, "=cmd' C calc'!A0 Bad": 44}
WORKSHEET = """Identifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed,\
Last modified (submission),Online text,Last modified (grade),Feedback comments
Participant 41,Ada Abel,ada@example.org,Submitted,,8.00,Yes,"1 May 2027, 9:00 AM",=1+1,-,
Participant 42,Zoë O'Néil-Ōta,zoe@example.org,Submitted,,8.00,Yes,-,,-,"+ good, - short"
Participant 43,小明 王,xm@example.org,Submitted,,8.00,Yes,-,,-,
Participant 44,=cmd|' /C calc'!A0 Bad,bad@example.org,Submitted,,8.00,Yes,-,,-,
Participant 45,Dora Absent,dora@example.org,No submission,,8.00,Yes,-,,-,
""".replace("\\\n", "")
GRADEBOOK = """Student,ID,SIS User ID,SIS Login ID,Section,Background (4711),Essay (4712),Total
    Points Possible,,,,,8,5,(read only)
"Abel, Ada",41,S1,ada@example.org,"Lab, A",,4,50
"=O'Néil-Ōta, Zoë",42,S2,zoe@example.org,B,1,,
"Absent, Dora",45,S5,dora@example.org,B,,,
"Student, Test",99,,x,B,,,
"""


def rows(said):
    return list(csv.reader(io.StringIO(said)))


def write(path, said):
    path.write_text(said, encoding="utf-8")
    return path


def download(tmp_path, handed):
    """Return a zip file as Moodle gives it, a different notebook of each learner."""
    path = tmp_path / "background.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, number in handed.items():
            file = answers(times_read=f"def times_read(*a): return {number}")
            archive.writestr(f"{name}_{number}_assignsubmission_file/background.ipynb", file)
    return path


def runner(jobs, workers):
    for job in jobs:
        yield Graded(job.submission, job.chapter, job.seed, verdicts(), [], 0.1)


@pytest.fixture
def folder(tmp_path):
    """Return the folder of a class with a list, whose learners but one handed in."""
    made = tmp_path / "class"
    roster(write(tmp_path / "participants.csv", PARTICIPANTS), made)
    assert collect([download(tmp_path, HANDED)], made)["problems"] == []
    grade(made, runner=runner)
    return made


def filled(folder, tmp_path, capsys, form, said, *options):
    """Return the rows of a platform's table that was filled in, the exit status, and problems."""
    sheet = write(tmp_path / "sheet.csv", said)
    out = tmp_path / "filled.csv"
    status = main(
        ["export", form, "--course", str(folder), "--into", str(sheet), "--out", str(out), *options]
    )
    return rows(out.read_text(encoding="utf-8")), status, capsys.readouterr().err


def test_moodle_s_participants_are_read_with_names_of_any_script(tmp_path):
    found = people(write(tmp_path / "list.csv", PARTICIPANTS))
    assert [one["last_name"] for one in found] == ["Abel", "O'Néil-Ōta", "王", "Bad", "Absent"]
    assert found[2] == {"first_name": "小明", "last_name": "王", "email": "xm@example.org"}


def test_canvas_s_gradebook_is_a_list_too(tmp_path):
    found = people(write(tmp_path / "list.csv", GRADEBOOK))
    assert [(one["first_name"], one["lms_user_id"]) for one in found] == [
        *(("Ada", "41"), ("Zoë", "42"), ("Dora", "45"))
    ]


@pytest.mark.parametrize("said", ["", "one\ntwo\n", "a,b\n1,2\n", "\0", "First name,Email\nx,y\n"])
def test_what_is_no_list_is_one_line(said, tmp_path, capsys):
    path = write(tmp_path / "list.csv", said)
    assert main(["roster", str(path), "--course", str(tmp_path)]) == 2
    assert str(path) in capsys.readouterr().err
    assert main(["roster", str(tmp_path / "none.csv"), "--course", str(tmp_path)]) == 2


def test_what_learners_hand_in_is_known_by_their_names(folder):
    with Gradebook(folder / FILE) as book:
        came = [one.student for one in book.current()]
        assert book.numbers("background")["zoe@example.org"] == "42"
    ids = ["ada@example.org", "bad@example.org", "xm@example.org", "zoe@example.org"]
    assert came == ids


def test_another_chapter_s_numbers_are_the_same_learners(folder, tmp_path):
    again = {name: number + 100 for name, number in HANDED.items()}
    collect([download(tmp_path, again)], folder)
    with Gradebook(folder / FILE) as book:
        assert len(book.students()) == 5


def test_a_name_that_is_not_on_the_list_is_taken_and_told(folder, tmp_path):
    done = collect([download(tmp_path, {"Eve Nobody": 77})], folder)
    [problem] = done["problems"]
    assert "expected a learner of the class's list, got 'Eve Nobody'; taken as 77" in problem


def test_who_was_collected_before_the_list_keeps_the_id(tmp_path):
    made = tmp_path / "class"
    collect([download(tmp_path, {"Ada Abel": 41, "Eve Nobody": 77})], made)
    done = roster(write(tmp_path / "list.csv", PARTICIPANTS), made)
    assert done == {"learners": 5, "problems": ["77: handed in, but is not on the list"]}
    with Gradebook(made / FILE) as book:
        assert {one["id"]: one["email"] for one in book.enrolled()}["41"] == "ada@example.org"


def test_two_of_one_name_are_two_and_neither_is_guessed(tmp_path):
    made = tmp_path / "class"
    said = "First name,Last name,Email address\nAda,Abel,a@x.org\nAda,Abel,b@x.org\n"
    roster(write(tmp_path / "list.csv", said), made)
    [problem] = collect([download(tmp_path, {"Ada Abel": 41})], made)["problems"]
    assert "taken as 41" in problem


def test_who_handed_in_nothing_stands_in_every_table(folder):
    for form, nothing in (("csv", ""), ("canvas", ""), ("nbgrader", "0")):
        [row] = [one for one in rows(export(folder, form)) if any("dora@" in cell for cell in one)]
        assert nothing in row[4:]
        [row] = [
            one
            for one in rows(export(folder, form, zero=True))
            if any("dora@" in cell for cell in one)
        ]
        assert "0" in row
    page, data = report(folder)
    assert data["background"]["missing"] == ["Dora Absent"]
    assert "1 handed nothing in: Dora Absent" in page


def test_moodle_s_worksheet_is_filled_in_and_else_as_it_was(folder, tmp_path, capsys):
    made, status, _ = filled(folder, tmp_path, capsys, "moodle", WORKSHEET)
    given = rows(WORKSHEET)
    assert status == 0
    assert made[0] == given[0]
    assert [row[4] for row in made[1:]] == ["8", "8", "8", "8", ""]
    # Comments that the instructor wrote go back as they were; what a learner wrote is no formula.
    assert made[2][10] == "+ good, - short"
    assert (made[1][8], made[4][1]) == ("'=1+1", "'=cmd|' /C calc'!A0 Bad")
    for before, after in zip(given[1:], made[1:], strict=True):
        assert before[0] == after[0]
        assert before[5:8] == after[5:8]


def test_nothing_handed_in_is_nought_where_asked(folder, tmp_path, capsys):
    made, status, _ = filled(folder, tmp_path, capsys, "moodle", WORKSHEET, "--zero")
    assert (made[5][4], status) == ("0", 0)


def test_marks_are_scaled_to_what_moodle_allows_where_asked(folder, tmp_path, capsys):
    hundred = WORKSHEET.replace("8.00", '"100,00"')
    made, status, said = filled(folder, tmp_path, capsys, "moodle", hundred)
    assert (made[1][4], status) == ("8", 1)
    assert "8 points are possible, the platform says 100; change it there, or add --scale" in said
    made, status, _ = filled(folder, tmp_path, capsys, "moodle", hundred, "--scale")
    assert (made[1][4], status) == ("100", 0)


def test_a_mark_without_a_row_is_told_and_no_stranger_gets_nought(folder, tmp_path, capsys):
    other = WORKSHEET.replace("Participant 41,Ada Abel,ada@", "Participant 9,Ada Bell,ida@")
    made, status, said = filled(folder, tmp_path, capsys, "moodle", other, "--zero")
    assert (made[1][4], status) == ("", 1)
    assert "ada@example.org: has a mark in background, but no row" in said
    assert "Ada Bell: not in the gradebook; the row is left as it was" in said


def test_canvas_s_gradebook_is_filled_in_and_else_as_it_was(folder, tmp_path, capsys):
    semicolons = "\n".join(
        ";".join(f'"{cell}"' for cell in row) for row in rows(GRADEBOOK)
    )  # as Canvas gives it where a comma is the decimal sign
    sheet = write(tmp_path / "semicolons.csv", semicolons)
    assert read(sheet) == (rows(GRADEBOOK), ";")
    made, status, said = filled(folder, tmp_path, capsys, "canvas", GRADEBOOK)
    assert [row[5] for row in made] == ["Background (4711)", "8", "8", "8", "", ""]
    assert [row[6:] for row in made] == [row[6:] for row in rows(GRADEBOOK)]
    assert made[3][0] == "'=O'Néil-Ōta, Zoë"
    assert status == 1
    assert "xm@example.org: has a mark in background, but no row" in said


def test_a_column_is_named_where_its_name_does_not_tell(folder, tmp_path, capsys):
    other = GRADEBOOK.replace("Background (4711)", "Week 1 (4711)")
    sheet = write(tmp_path / "sheet.csv", other)
    line = ["export", "canvas", "--course", str(folder), "--into", str(sheet)]
    assert main(line) == 2
    said = capsys.readouterr().err
    assert "expected one called Background, once; there is Week 1 (4711), Essay (4712)" in said
    assert main([*line, "--column", "Week 1", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["rows"][2][5] == "8"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["moodle", "--into", "canvas.csv"], "expected Moodle's grading worksheet, with"),
        (["canvas", "--into", "moodle.csv"], "expected Canvas's gradebook, with the columns"),
        (["csv", "--into", "moodle.csv"], "expected moodle or canvas before it, got csv"),
        (["moodle", "--into", "none.csv"], "expected a table as CSV in UTF-8"),
        (["canvas", "--scale"], "expected --into with it, got none"),
    ],
)
def test_another_table_is_one_line(line, said, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "canvas.csv", GRADEBOOK)
    write(tmp_path / "moodle.csv", WORKSHEET)
    assert main(["export", *line, "--course", str(folder)]) == 2
    assert said in capsys.readouterr().err


def test_names_are_compared_by_their_letters():
    assert key("Zoë O'Néil-Ōta") == key("ZOE\u0308  ONéil Ōta".replace("E\u0308", "Ë"))
    assert key("王 小明") != key("王 小红")
