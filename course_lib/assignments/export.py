"""Marks as a table: for a spreadsheet, for Canvas, for Moodle, and as nbgrader writes it.

A cell that a spreadsheet would run as a formula gets an apostrophe in front.
"""

import argparse
import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from course_lib.assignments.gradebook import FILE, Gradebook
from course_lib.files import written_whole

FORMATS = ("csv", "canvas", "moodle", "nbgrader")
FORMULA = tuple("=+-@\t\r\n|%＝＋－＠")
NBGRADER = (
    *("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email"),
    *("raw_score", "late_submission_penalty", "score", "max_score"),
)
Table = list[list[Any]]


def safe(cell: object) -> str:
    """Return what stands in a cell: no formula, no control character, numbers as they are."""
    if isinstance(cell, int | float):
        return f"{cell:g}"
    text = "" if cell is None else str(cell)
    text = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    raw = "" if cell is None else str(cell)
    return f"'{text}" if raw.startswith(FORMULA) or text.startswith(FORMULA) else text


def full_name(student: dict[str, Any]) -> str:
    """Return a learner's name, or the id of one whose name isn't known."""
    names = [student["first_name"], student["last_name"]]
    return " ".join(filter(None, names)) or str(student["id"])


def table(book: Gradebook, form: str, chapters: Sequence[str]) -> Table:
    """Return the rows of a table, its header first.

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
    by = {(row["student_id"], row["assignment"]): row for row in scores}
    got: dict[tuple[str, str], Any] = {key: row["score"] for key, row in by.items()}
    most = {row["assignment"]: row["max_score"] for row in scores}
    students = book.students()
    rows: Table
    if form == "csv":
        head = ["student_id", "last_name", "first_name", "email", *found, "total", "max_score"]
        rows = [head]
        for one in students:
            marks = [got.get((one["id"], name), "") for name in found]
            total, whole = sum(mark for mark in marks if mark != ""), sum(most.values())
            who = [one["id"], one["last_name"], one["first_name"], one["email"]]
            rows.append([*who, *marks, total, whole])
        return rows
    if form == "canvas":
        head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *found]
        rows = [head, ["Points Possible", "", "", "", "", *(most[name] for name in found)]]
        for one in students:
            marks = [got.get((one["id"], name), "") for name in found]
            ids = [one["lms_user_id"] or one["id"], "", one["email"], ""]
            rows.append([full_name(one), *ids, *marks])
        return rows
    if form == "moodle":
        rows = [["Identifier", "Full name", "Email address", "Grade", "Maximum Grade"]]
        for one in students:
            if (one["id"], found[0]) in by:
                row = by[one["id"], found[0]]
                mark = f"Participant {one['lms_user_id'] or one['id']}"
                rows.append([mark, full_name(one), one["email"], row["score"], row["max_score"]])
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


def text(rows: Table) -> str:
    """Return a table as CSV."""
    held = io.StringIO()
    csv.writer(held, lineterminator="\n").writerows([[safe(cell) for cell in row] for row in rows])
    return held.getvalue()


def export(course: Path, form: str, chapters: Sequence[str] = ()) -> str:
    """Return the marks of a class as CSV in one of the forms of ``FORMATS``."""
    with Gradebook(course / FILE) as book:
        return text(table(book, form, chapters))


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("format", choices=FORMATS, help="of the table")
    parser.add_argument("chapters", metavar="CHAPTER", nargs="*", help="which (all graded ones)")
    parser.add_argument("--course", metavar="DIR", type=Path, default=Path(), help="class's folder")
    parser.add_argument("--out", metavar="FILE", type=Path, help="where to (the screen)")


def run(args: argparse.Namespace) -> tuple[int, dict[str, Any], str]:
    """Do the command; return its exit status, what --json prints, and what is said."""
    with Gradebook(args.course / FILE) as book:
        rows = table(book, args.format, args.chapters)
        waiting = sum(int(row["to_mark"]) for row in book.scores())
    if waiting:
        print(f"{waiting} answers in words are not marked yet, and count 0", file=sys.stderr)
    said = text(rows).rstrip("\n")
    if args.out:
        with written_whole(args.out) as part:
            part.write_text(f"{said}\n", encoding="utf-8")
        said = f"{args.out}: {len(rows) - 1} rows"
    return int(bool(waiting)), {"rows": [[safe(cell) for cell in row] for row in rows]}, said
