"""Laws of the instructors' guide: it says what chapters, exercises and commands are today."""

import re
import shlex
import sys

import pytest
from project import PAGES, ROOT

from course_lib.assignments.__main__ import COMMANDS, parser
from course_lib.assignments.cells import chapter_names, chapter_path, read_chapter

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import teaching

GUIDE = (ROOT / "book" / "instructors.md").read_text(encoding="utf-8")
CHAPTERS = [page.removeprefix("notebooks/") for page in PAGES if page.startswith("notebooks/")]


def week_by_week(weeks: int) -> list[str]:
    """Return the chapters of the syllabus of so many weeks, in its order."""
    tables = re.findall(r"\| Week \| Chapters \|\n\| --- \| --- \|\n((?:\|.*\n)+)", GUIDE)
    [rows] = [rows for rows in tables if rows.count("\n") == weeks]
    return re.findall(r"notebooks/(\w+)\.ipynb", rows)


def test_twelve_weeks_take_every_chapter_in_the_book_s_order():
    assert week_by_week(12) == CHAPTERS


def test_six_weeks_keep_the_book_s_order():
    short = week_by_week(6)
    assert short == sorted(short, key=CHAPTERS.index)


@pytest.mark.parametrize("name", chapter_names())
def test_exercises_stand_in_the_guide_with_their_points(name):
    parts = re.split(r"^\*\*([\d.]+) points?\*\*", teaching.exercise_lists(), flags=re.M)
    listed = dict(zip(map(float, parts[1::2]), parts[2::2], strict=True))
    for one in read_chapter(chapter_path(name)):
        [line] = [row for row in listed[one.points].splitlines() if f"/{name}.ipynb" in row]
        assert one.title in line


def test_every_chapter_has_goals_and_hours():
    table = teaching.chapter_table()
    for name in CHAPTERS:
        assert re.search(rf"^\| \[.*/{name}\.ipynb\) \| [\d.]+ \|", table, re.M), name
    assert len(re.findall(r"^- \*\*.+\*\*: .+; ", table, re.M)) == len(CHAPTERS)


def test_what_the_guide_fills_in_is_marked_there():
    for mark in teaching.MARKS:
        assert GUIDE.count(mark) == 1, mark


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_of_a_command_are_understood(command):
    for example in COMMANDS[command][1:]:
        assert parser().parse_args(shlex.split(example)).command == command
