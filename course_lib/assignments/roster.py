"""Take in the list of a class, as Moodle and Canvas give it, so that who is missing is known.

Moodle numbers learners anew in each assignment. With the list, what they hand in is known by
their names, and one learner's chapters come together.
"""

import argparse
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from course_lib.assignments.gradebook import FILE, Gradebook
from course_lib.assignments.names import full_name, key, shown, student_id
from course_lib.assignments.tables import read

# What the platforms call their columns; a course of one's own may call them so, too.
COLUMNS = {
    "first_name": ("first name", "firstname", "first_name"),
    "last_name": ("last name", "surname", "lastname", "last_name"),
    "name": ("student", "full name", "name"),
    "email": ("email address", "email", "e-mail"),
    "id": ("id number", "student_id", "username", "sis login id"),
    "lms_user_id": ("id", "lms_user_id"),
}
# Canvas's rows that are no learner.
NOBODY = re.compile(r"\s*(points possible|student, test|test student|manual posting.*)?\s*", re.I)


def people(path: Path) -> list[dict[str, str]]:
    """Return what a list of learners says of each: names, email, id, the platform's number.

    Raises:
        ValueError: if it is no table with names in it.
    """
    rows, _ = read(path)
    head = [cell.lower() for cell in rows[0]]
    where = {
        field: head.index(name)
        for field, names in COLUMNS.items()
        for name in [next((one for one in names if one in head), "")]
        if name
    }
    if "name" not in where and not {"first_name", "last_name"} <= where.keys():
        raise ValueError(
            f"{path}: expected columns First name and Last name (Moodle's participants), or "
            f"Student and ID (Canvas's gradebook), got {shown(', '.join(rows[0]))}"
        )
    found = []
    for row in rows[1:]:
        one = {field: row[place].strip() for field, place in where.items()}
        if "name" in one:
            if NOBODY.fullmatch(one["name"]):
                continue
            # Canvas writes "Lovelace, Ada".
            last, comma, first = one.pop("name").partition(", ")
            if not comma:
                first, _, last = last.rpartition(" ")
            one = {"first_name": first, "last_name": last, **one}
        found.append(one)
    return found


def full(one: dict[str, str]) -> str:
    """Return a learner's full name."""
    return f"{one['first_name']} {one['last_name']}".strip()


class Roster:
    """Finds the learner that a file or a row of a table speaks of.

    Args:
        students: rows of the gradebook.
    """

    def __init__(self, students: Iterable[dict[str, Any]]) -> None:
        self.sure: dict[str, str] = {}
        self.named: dict[str, set[str]] = {}
        for one in students:
            for said in (one["id"], one["email"], one["lms_user_id"]):
                if said:
                    self.sure.setdefault(str(said).casefold(), one["id"])
            for name in (full_name(one), f"{one['last_name'] or ''} {one['first_name'] or ''}"):
                self.named.setdefault(key(name), set()).add(one["id"])

    def find(self, name: str = "", *ids: str | None) -> str | None:
        """Return the id of the only learner with one of these ids, else of this name; or None."""
        for one in ids:
            if one and (found := self.sure.get(one.casefold())):
                return found
        # In a course with groups, Moodle writes the group's name in front: "Group-Name".
        parts = name.split("-")
        for start in range(len(parts)):
            found_ids = self.named.get(key("-".join(parts[start:])) or "-", set())
            if len(found_ids) == 1:
                return next(iter(found_ids))
        return None


def roster(path: Path, course: Path) -> dict[str, Any]:
    """Write the learners of a list into the gradebook; return how many, and problems.

    Raises:
        ValueError: if it is no list of learners.
    """
    listed = people(path)
    problems = []
    with Gradebook(course / FILE) as book, book.together():
        before = {one["id"] for one in book.students()}
        known = Roster(book.students())
        taken: dict[str, str] = {}
        for one in listed:
            given = one.pop("id", "")
            name = full(one)
            # Who was collected before keeps the id; a new one is called by what is surest.
            number = one.get("lms_user_id", "")
            student = known.find(name, number, one.get("email"))
            if student is None or student in taken:
                student = student_id(number or given or one.get("email") or name)
            if student in taken:
                problems.append(
                    f"{shown(name)}: listed twice, or with {shown(taken[student])}'s id"
                )
                continue
            taken[student] = name
            book.add_student(student, **one)
            book.enroll(student)
        strange = sorted(before - taken.keys())
    problems += [f"{one}: handed in, but is not on the list" for one in strange]
    return {"learners": len(taken), "problems": problems}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "list", metavar="FILE", type=Path, help="CSV: Moodle's participants, or Canvas's gradebook"
    )
    parser.add_argument("--course", metavar="DIR", type=Path, default=Path(), help="class's folder")


def run(args: argparse.Namespace) -> tuple[int, dict[str, Any], str]:
    """Do the command; return its exit status, what --json prints, and what is said."""
    done = roster(args.list, args.course)
    said = f"{done['learners']} learners in the class"
    return int(bool(done["problems"])), done, "\n".join([said, *done["problems"]])
