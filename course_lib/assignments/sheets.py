"""Fill in the tables that Moodle and Canvas give: their rows and columns stay as they are.

Moodle's grading worksheet is known by its columns Identifier and Grade, Canvas's gradebook by
Student and ID. What a platform would not take, such as more points than it allows, is told.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from course_lib.assignments.gradebook import Gradebook
from course_lib.assignments.names import key, shown
from course_lib.assignments.roster import NOBODY, Roster
from course_lib.assignments.tables import safe

NUMBER = re.compile(r"\d+(?:[.,]\d+)?")


@dataclass
class Marks:
    """What a chapter's learners got: points by their ids, and what was possible."""

    chapter: str
    title: str
    most: float
    got: Mapping[str, float]


@dataclass
class Sheet:
    """A platform's table.

    Attributes:
        rows: its rows, the header first.
        who: the columns that say who a learner is: the number, the name, and others.
        first: the column behind those.
        problems: what a person should look at.
    """

    rows: list[list[str]]
    who: tuple[int, ...]
    first: int
    problems: list[str] = field(default_factory=list)

    def column(self, marks: Marks, name: str | None) -> int:
        """Return the column that a chapter's marks go into.

        Raises:
            ValueError: if there is none, or several.
        """
        head = self.rows[0][self.first :]
        # Canvas writes an assignment's number behind its name.
        bare = [re.sub(r" \(\d+\)$", "", title) for title in head]
        wanted = {key(name)} if name else {key(marks.chapter), key(marks.title)}
        found = [i for i, one in enumerate(bare) if {key(one), key(head[i])} & wanted]
        if len(found) != 1:
            said = shown(", ".join(head)) or "none"
            raise ValueError(
                f"--column: expected {name or f'one called {marks.title}'}, once; there is {said}"
            )
        return self.first + found[0]

    def fill(
        self, marks: Marks, place: int, most: Sequence[str], students: Roster, how: "How"
    ) -> None:
        """Write a chapter's marks into a column.

        Args:
            marks: the chapter's.
            place: the column.
            most: what the platform says is possible, as far as it says it.
            students: finds a row's learner.
            how: what to do where nothing came, and where more is possible.
        """
        allowed = {float(one[0].replace(",", ".")) for said in most if (one := NUMBER.match(said))}
        factor = 1.0
        if len(allowed) == 1 and (top := min(allowed)) != marks.most:
            factor = top / marks.most if how.scale else 1.0
            if not how.scale:
                self.problems.append(
                    f"{marks.chapter}: {marks.most:g} points are possible, the platform says "
                    f"{top:g}; change it there, or add --scale"
                )
        # Who is found gets the mark, or what is for one who handed in nothing.
        seen, strangers = set(), []
        for row in self.rows[1:]:
            number, name, *others = (row[where] for where in self.who)
            if NOBODY.fullmatch(name):
                continue
            if (student := students.find(name, number, *others)) is None:
                strangers.append(row)
            elif student in marks.got:
                row[place] = safe(round(marks.got[student] * factor, 2))
            elif how.zero:
                row[place] = "0"
            seen.add(student)
        # Who isn't found handed in nothing, unless a mark is left over, which may be theirs.
        lost = sorted(marks.got.keys() - seen)
        self.problems += [f"{one}: has a mark in {marks.chapter}, but no row" for one in lost]
        for row in strangers:
            name = shown(row[self.who[1]])
            if lost:
                self.problems.append(f"{name}: not in the gradebook; the row is left as it was")
            elif how.zero:
                row[place] = "0"

    def protect(self) -> None:
        """Let no name, and nothing that a learner wrote, be run as a formula."""
        online = [i for i, name in enumerate(self.rows[0]) if key(name) == "onlinetext"]
        for row in self.rows[1:]:
            for place in (*range(self.first), *online):
                row[place] = safe(row[place]) if row[place].strip() else row[place]


@dataclass(frozen=True)
class How:
    """How a table is filled in.

    Attributes:
        zero: whether what wasn't handed in gets 0, rather than nothing.
        scale: whether marks are scaled to what the platform says is possible.
        column: what the column is called, where its name doesn't tell.
    """

    zero: bool = False
    scale: bool = False
    column: str | None = None


def place_of(head: Sequence[str], *names: str) -> int | None:
    """Return the column of one of these names, or None."""
    keys = [key(name) for name in head]
    return next((keys.index(key(one)) for one in names if key(one) in keys), None)


def fill_moodle(rows: list[list[str]], marks: Marks, book: Gradebook, how: How) -> Sheet:
    """Fill in a grading worksheet of Moodle's.

    Raises:
        ValueError: if it is none.
    """
    head = rows[0]
    number, grade = place_of(head, "Identifier"), place_of(head, how.column or "Grade")
    name, changed = place_of(head, "Full name"), place_of(head, "Last modified (grade)")
    if number is None or grade is None or name is None or changed is None:
        raise ValueError(
            "--into: expected Moodle's grading worksheet, with the columns Identifier, Full name, "
            f"Grade and Last modified (grade); got {shown(', '.join(head))}"
        )
    email = place_of(head, "Email address")
    who = (number, name) if email is None else (number, name, email)
    sheet = Sheet(rows, who, grade)
    # The number behind "Participant" is the one in the names of the files that came.
    students = Roster(book.students())
    students.sure |= {
        f"participant {its}": student for student, its in book.numbers(marks.chapter).items()
    }
    possible = place_of(head, "Maximum grade")
    most = [row[possible] for row in rows[1:]] if possible is not None else []
    sheet.fill(marks, grade, most, students, how)
    sheet.protect()
    return sheet


def fill_canvas(rows: list[list[str]], every: Sequence[Marks], book: Gradebook, how: How) -> Sheet:
    """Fill in Canvas's gradebook, a column for each chapter.

    Raises:
        ValueError: if it is none.
    """
    head = rows[0]
    name, number = place_of(head, "Student"), place_of(head, "ID")
    section = place_of(head, "Section")
    if name is None or number is None or section is None:
        raise ValueError(
            "--into: expected Canvas's gradebook, with the columns Student, ID and Section; got "
            f"{shown(', '.join(head))}"
        )
    login = place_of(head, "SIS Login ID")
    sheet = Sheet(rows, (number, name) if login is None else (number, name, login), section + 1)
    students = Roster(book.students())
    for marks in every:
        place = sheet.column(marks, how.column)
        most = [row[place] for row in rows[1:] if "points possible" in row[name].lower()]
        sheet.fill(marks, place, most, students, how)
    sheet.protect()
    return sheet


def marks_of(scores: Sequence[Mapping[str, Any]], chapter: str, title: str) -> Marks:
    """Return a chapter's marks, of the rows of :meth:`Gradebook.scores`."""
    mine = [row for row in scores if row["assignment"] == chapter]
    got = {str(row["student_id"]): float(row["score"]) for row in mine}
    return Marks(chapter, title, float(mine[0]["max_score"]), got)
