"""Marks as tables that platforms take, in which nothing is run as a formula."""

import csv
import io
import json

import pytest

from course_lib.assignments.__main__ import main
from course_lib.assignments.export import FORMATS, NBGRADER, export
from course_lib.assignments.gradebook import FILE, Gradebook
from course_lib.assignments.tables import safe, text


def rows(said):
    return list(csv.reader(io.StringIO(said)))


@pytest.mark.parametrize(
    ("cell", "stands"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'=1"),
        ("\n=1", "'=1"),
        (" =1", "'=1"),
        ("\x00=1", "'=1"),
        ("Ada", "Ada"),
        (None, ""),
        (-1.5, "-1.5"),
        (8.0, "8"),
    ],
)
def test_no_cell_is_a_formula(cell, stands):
    assert safe(cell) == stands


def test_csv_has_a_row_for_each_learner(course):
    head, ada, bob, cy = rows(export(course, "csv"))
    assert head == [
        *("student_id", "last_name", "first_name", "email"),
        *("background", "total", "max_score"),
    ]
    assert ada == ["ada", "'=HYPERLINK(1)", "Ada", "'+1@x.org", "8", "8", "8"]
    assert [bob[4], cy[4]] == ["5", "5"]


def test_canvas_finds_learners_by_their_ids_and_says_what_was_possible(course):
    with Gradebook(course / FILE) as book:
        book.add_student("bob", lms_user_id="77")
    head, most, _, bob, _ = rows(export(course, "canvas"))
    assert head[:5] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    assert (most[0], most[5]) == ("Points Possible", "8")
    assert (bob[1], bob[5]) == ("77", "5")


def test_moodle_has_its_grading_worksheet_of_one_chapter(course):
    head, ada, *_ = rows(export(course, "moodle"))
    assert head == [
        *("Identifier", "Full name", "Email address", "Grade", "Maximum Grade"),
        "Last modified (grade)",
    ]
    assert ada == ["Participant ada", "Ada =HYPERLINK(1)", "'+1@x.org", "8", "8", ""]


def test_nbgraders_columns_with_nought_where_nothing_came(course):
    with Gradebook(course / FILE) as book:
        book.add_student("di")
    head, ada, *_, di = rows(export(course, "nbgrader"))
    assert head == list(NBGRADER)
    assert (ada[0], ada[3], ada[7], ada[9], ada[10]) == ("background", "ada", "8", "8", "8")
    assert (di[3], di[9], di[10]) == ("di", "0", "8")


def test_what_is_not_graded_is_one_line(course, tmp_path, capsys):
    assert main(["export", "csv", "scaling", "--course", str(course)]) == 2
    assert "CHAPTER: expected one that is graded, got scaling" in capsys.readouterr().err
    assert main(["export", "csv", "--course", str(tmp_path / "new")]) == 2


@pytest.mark.parametrize("form", FORMATS)
def test_the_command_prints_or_writes_the_table(form, course, capsys):
    assert main(["export", form, "--course", str(course)]) == 0
    printed = capsys.readouterr().out
    assert printed == export(course, form)
    file = course / f"{form}.csv"
    assert main(["export", form, "--course", str(course), "--out", str(file), "--json"]) == 0
    assert file.read_text(encoding="utf-8") == printed
    assert json.loads(capsys.readouterr().out)["rows"] == rows(printed)


def test_a_sign_that_parts_cells_elsewhere_makes_no_formula():
    """Where a comma is for fractions, a program takes semicolons, or tabs, for what parts cells."""
    assert text([["a", "b"], ["x;=1+1", "y"], ["z", 2]]) == 'a,b\n"x;=1+1","y"\nz,2\n'
    for sign in ";\t":
        said = text([[f"x{sign}=1+1", "y"]])
        assert list(csv.reader(io.StringIO(said), delimiter=sign)) == [[f'x{sign}=1+1,"y"']]
