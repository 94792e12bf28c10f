"""Marks as a table: for a spreadsheet, for Canvas, for Moodle, and as nbgrader writes it.

Best is to fill in the table that the platform itself gives (``--into``). A cell that a spreadsheet
would run as a formula gets an apostrophe in front.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from course_lib.assignments.cells import NOTEBOOKS, chapter_path, short_title
from course_lib.assignments.gradebook import FILE, Gradebook
from course_lib.assignments.names import full_name
from course_lib.assignments.sheets import How, Sheet, fill_canvas, fill_moodle, marks_of
from course_lib.assignments.tables import Table, read, safe, text
from course_lib.files import written_whole

FORMATS = ("csv", "canvas", "moodle", "nbgrader")
NBGRADER = (
    *("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email"),
    *("raw_score", "late_submission_penalty", "score", "max_score"),
)
# What Moodle looks for when it reads a grading worksheet.
MOODLE = (
    *("Identifier", "Full name", "Email address", "Grade", "Maximum Grade"),
    "Last modified (grade)",
)


def graded(
    book: Gradebook, form: str, chapters: Sequence[str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the scores that a table is of, and their chapters.

    Raises:
        ValueError: if nothing is graded, or Moodle's table would hold more than one chapter.
    """
    scores = [row for row in book.scores() if not chapters or row["assignment"] in chapters]
    found = list(dict.fromkeys(row["assignment"] for row in scores))
    missing = [name for name in chapters if name not in found]
    if missing or not found:
        raise ValueError(f"CHAPTER: expected one that is graded, got {(missing or ['none'])[0]}")
    if form == "moodle" and len(found) > 1:
        raise ValueError(f"CHAPTER: expected one for Moodle's table, got {', '.join(found)}")
    return scores, found


def table(book: Gradebook, form: str, chapters: Sequence[str], zero: bool = False) -> Table:
    """Return the rows of a table, its header first.

    Args:
        book: the class's.
        form: one of ``FORMATS``.
        chapters: which; all that are graded by default.
        zero: whether what wasn't handed in counts 0, rather than nothing.

    Raises:
        ValueError: if nothing is graded, or Moodle's table would hold more than one chapter.
    """
    scores, found = graded(book, form, chapters)
    nought: Any = 0 if zero else ""
    by = {(row["student_id"], row["assignment"]): row for row in scores}
    got: dict[tuple[str, str], Any] = {key: row["score"] for key, row in by.items()}
    most = {row["assignment"]: row["max_score"] for row in scores}
    students = book.students()
    rows: Table
    if form == "csv":
        head = ["student_id", "last_name", "first_name", "email", *found, "total", "max_score"]
        rows = [head]
        for one in students:
            marks = [got.get((one["id"], name), nought) for name in found]
            total, whole = sum(mark for mark in marks if mark != ""), sum(most.values())
            who = [one["id"], one["last_name"], one["first_name"], one["email"]]
            rows.append([*who, *marks, total, whole])
        return rows
    if form == "canvas":
        head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *found]
        rows = [head, ["Points Possible", "", "", "", "", *(most[name] for name in found)]]
        for one in students:
            marks = [got.get((one["id"], name), nought) for name in found]
            ids = [one["lms_user_id"] or one["id"], "", one["email"], ""]
            rows.append([full_name(one), *ids, *marks])
        return rows
    if form == "moodle":
        rows = [[*MOODLE]]
        numbers = book.numbers(found[0])
        for one in students:
            number = numbers.get(one["id"]) or one["lms_user_id"] or one["id"]
            if (row := by.get((one["id"], found[0]))) or zero:
                points = row["score"] if row else 0
                who = [f"Participant {number}", full_name(one), one["email"]]
                rows.append([*who, points, most[found[0]], ""])
        return rows
    # As nbgrader: a row for each learner and chapter, 0 where nothing came.
    nothing: dict[str, Any] = {
        "raw_score": 0.0,
        "late_submission_penalty": 0.0,
        "score": 0.0,
        "timestamp": None,
    }
    due = {row["assignment"]: row["duedate"] for row in scores}
    rows = [[*NBGRADER]]
    for name in found:
        for one in students:
            known = {"assignment": name, "duedate": due[name], "max_score": most[name]}
            known["student_id"] = one["id"]
            held = {**nothing, **one, **known, **by.get((one["id"], name), {})}
            rows.append([held[column] for column in NBGRADER])
    return rows


def export(course: Path, form: str, chapters: Sequence[str] = (), zero: bool = False) -> str:
    """Return the marks of a class as CSV in one of the forms of ``FORMATS``."""
    with Gradebook(course / FILE) as book:
        return text(plain(table(book, form, chapters, zero)))


def plain(rows: Table) -> Table:
    """Return a table whose cells are safe."""
    return [[safe(cell) for cell in row] for row in rows]


def filled(
    book: Gradebook,
    form: str,
    chapters: Sequence[str],
    rows: list[list[str]],
    how: How,
    folder: Path = NOTEBOOKS,
) -> Sheet:
    """Return a platform's table, filled in.

    Raises:
        ValueError: if it isn't the platform's, nothing is graded, or no column fits.
    """
    scores, found = graded(book, form, chapters)
    if form not in ("canvas", "moodle"):
        raise ValueError(f"--into: expected moodle or canvas before it, got {form}")
    if how.column and len(found) > 1:
        raise ValueError(f"--column: expected one chapter with it, got {', '.join(found)}")
    every = [marks_of(scores, name, short_title(chapter_path(name, folder))) for name in found]
    if form == "moodle":
        return fill_moodle(rows, every[0], book, how)
    return fill_canvas(rows, every, book, how)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("format", choices=FORMATS, help="of the table")
    parser.add_argument("chapters", metavar="CHAPTER", nargs="*", help="which (all graded ones)")
    parser.add_argument("--course", metavar="DIR", type=Path, default=Path(), help="class's folder")
    parser.add_argument("--out", metavar="FILE", type=Path, help="where to (the screen)")
    parser.add_argument(
        "--into",
        metavar="FILE",
        type=Path,
        help="Moodle's grading worksheet or Canvas's gradebook, to be filled in",
    )
    parser.add_argument(
        "--column", metavar="NAME", help="what to fill in (Grade; Canvas: the chapter's name)"
    )
    parser.add_argument(
        "--scale", action="store_true", help="marks up to what the platform says is possible"
    )
    parser.add_argument("--zero", action="store_true", help="0 for what wasn't handed in")


def run(args: argparse.Namespace) -> tuple[int, dict[str, Any], str]:
    """Do the command; return its exit status, what --json prints, and what is said."""
    if not args.into and (args.column or args.scale):
        raise ValueError("--column, --scale: expected --into with it, got none")
    problems: list[str] = []
    delimiter = ","
    with Gradebook(args.course / FILE) as book:
        if args.into:
            given, delimiter = read(args.into)
            how = How(args.zero, args.scale, args.column)
            sheet = filled(book, args.format, args.chapters, given, how)
            rows: Table = [*sheet.rows]
            problems += sheet.problems
        else:
            rows = plain(table(book, args.format, args.chapters, args.zero))
        waiting = sum(int(row["to_mark"]) for row in book.scores())
    if waiting:
        problems.append(f"{waiting} answers in words are not marked yet, and count 0")
    said = text(rows, delimiter).rstrip("\n")
    if args.out:
        with written_whole(args.out) as part:
            part.write_text(f"{said}\n", encoding="utf-8")
        said = f"{args.out}: {len(rows) - 1} rows"
    for problem in problems:
        print(problem, file=sys.stderr)
    return int(bool(problems)), {"rows": rows, "problems": problems}, said
