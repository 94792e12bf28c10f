"""The gradebook: one SQLite file with nbgrader's tables, and some of the course's own.

nbgrader (0.9, schema e43177bfe90b) opens it, and it opens nbgrader's. Each finished submission is
one transaction: a command that is killed leaves all of it or nothing.
"""

import dataclasses
import hashlib
import json
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_lib.assignments.cells import Essay, Exercise
from course_lib.assignments.schema import NBGRADER, OWN, VERSION
from course_lib.assignments.verdicts import Graded, Verdict

FILE = "gradebook.db"
UNMARKED = """
    SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM grade WHERE notebook_id = ? AND cell_id = ?)
        OR NOT EXISTS (SELECT 1 FROM course_graded WHERE student = ? AND chapter = ? AND sha256 = ?)
"""


@dataclass(frozen=True)
class Attempt:
    """A notebook that was handed in.

    Attributes:
        student: the learner's id in the gradebook.
        chapter: of which it is.
        sha256: of its content.
        file: where it is kept, from the class's folder.
        origin: what it was called when it came.
        time: when it came, as 2027-01-31 17:00:00, in UTC; or nothing.
        late: the whole days after the due time, begun ones counted.
        place: its number among the learner's attempts, from 1.
    """

    student: str
    chapter: str
    sha256: str
    file: str
    origin: str
    time: str | None
    late: int
    place: int


def fingerprint(exercises: Sequence[Exercise]) -> str:
    """Return what changes when a verdict on a chapter's exercises might; points are no part."""
    parts = [
        (one.name, one.imports, one.test, one.hidden_test, one.own and dataclasses.astuple(one.own))
        for one in exercises
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class Gradebook:
    """The gradebook of a class.

    Args:
        path: the file; it is made if it isn't there.

    Raises:
        ValueError: if the file is no gradebook.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Each statement is its own transaction, unless `together` holds several.
        self.db = sqlite3.connect(path, timeout=60, isolation_level=None)
        self.db.row_factory = sqlite3.Row
        try:
            with self.together():
                new = not self.rows("SELECT 1 FROM sqlite_master WHERE name = 'student'")
                for table, columns in (NBGRADER | OWN).items():
                    self.db.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
                if new:
                    self.db.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
                    self.db.execute("INSERT INTO alembic_version VALUES (?)", (VERSION,))
                self.db.execute("INSERT OR IGNORE INTO course VALUES ('default_course')")
        except sqlite3.DatabaseError as error:
            self.db.close()
            raise ValueError(f"{path}: expected a gradebook, got a file where {error}") from None

    def __enter__(self) -> "Gradebook":
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Do several statements, or none of them."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Return what a query finds."""
        return self.db.execute(query, values).fetchall()

    def row(self, table: str, keys: Mapping[str, object], **values: object) -> str:
        """Write values into the row that has the keys; make it if it isn't there; return its id."""
        where = " AND ".join(f"{key} = ?" for key in keys)
        found = self.rows(f"SELECT id FROM {table} WHERE {where}", *keys.values())
        if found:
            name = str(found[0]["id"])
            for column, value in values.items():
                self.db.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (value, name))
            return name
        held = {"id": uuid.uuid4().hex, **keys, **values}
        marks = ", ".join("?" * len(held))
        self.db.execute(
            f"INSERT INTO {table} ({', '.join(held)}) VALUES ({marks})", [*held.values()]
        )
        return str(held["id"])

    # Learners and what they hand in

    def add_student(self, student: str, **known: str | None) -> None:
        """Add a learner, or what is known of one: first_name, last_name, email, lms_user_id."""
        self.row("student", {"id": student}, **{k: v for k, v in known.items() if v})

    def students(self) -> list[dict[str, Any]]:
        """Return all learners, by their ids."""
        return [dict(row) for row in self.rows("SELECT * FROM student ORDER BY id")]

    def enroll(self, student: str) -> None:
        """Put a learner on the class's list."""
        self.db.execute("INSERT OR IGNORE INTO course_roster VALUES (?)", (student,))

    def enrolled(self) -> list[dict[str, Any]]:
        """Return the learners of the class's list, by their ids; none if it has none."""
        query = "SELECT * FROM student WHERE id IN (SELECT student FROM course_roster) ORDER BY id"
        return [dict(row) for row in self.rows(query)]

    def set_number(self, student: str, chapter: str, number: str) -> None:
        """Write what Moodle calls a learner in a chapter's assignment."""
        self.db.execute(
            "INSERT OR REPLACE INTO course_number VALUES (?, ?, ?)", (student, chapter, number)
        )

    def numbers(self, chapter: str) -> dict[str, str]:
        """Return what Moodle calls learners in a chapter's assignment."""
        found = self.rows("SELECT student, number FROM course_number WHERE chapter = ?", chapter)
        return {row["student"]: row["number"] for row in found}

    def add_attempt(self, attempt: Attempt) -> None:
        """Add what was handed in; the same content twice is one attempt, the later."""
        held = dataclasses.asdict(attempt)
        self.db.execute(
            f"INSERT OR REPLACE INTO course_attempt ({', '.join(held)}) "
            f"VALUES ({', '.join('?' * len(held))})",
            [*held.values()],
        )

    def attempts(self, chapter: str | None = None) -> list[Attempt]:
        """Return all attempts, each learner's in their order."""
        found = self.rows(
            "SELECT * FROM course_attempt WHERE ?1 IS NULL OR chapter = ?1 "
            "ORDER BY chapter, student, place",
            chapter,
        )
        return [Attempt(**dict(row)) for row in found]

    def current(self, chapter: str | None = None) -> list[Attempt]:
        """Return of each learner and chapter the attempt that counts, the last."""
        found = {(one.chapter, one.student): one for one in self.attempts(chapter)}
        return list(found.values())

    # Grades

    def seed(self, chapter: str, seed: int | None, draw: int) -> int:
        """Return what a chapter's hidden tests draw from: as given, as before, or ``draw``."""
        held = self.rows("SELECT seed FROM course_seed WHERE chapter = ?", chapter)
        chosen = seed if seed is not None else held[0]["seed"] if held else draw
        self.db.execute("INSERT OR REPLACE INTO course_seed VALUES (?, ?)", (chapter, chosen))
        return int(chosen)

    def set_own(self, chapter: str, seed: int | None) -> None:
        """Write what learners' own numbers in a chapter are drawn from; None for the book's."""
        self.db.execute("DELETE FROM course_own WHERE chapter = ?", (chapter,))
        if seed is not None:
            self.db.execute("INSERT INTO course_own VALUES (?, ?)", (chapter, seed))

    def own(self, chapter: str) -> int | None:
        """Return what learners' own numbers in a chapter are drawn from, or None."""
        held = self.rows("SELECT seed FROM course_own WHERE chapter = ?", chapter)
        return int(held[0]["seed"]) if held else None

    def is_graded(self, attempt: Attempt, mark: str, seed: int) -> bool:
        """Whether this content was graded with these exercises and this seed."""
        keys = (attempt.student, attempt.chapter, attempt.sha256, mark, seed)
        query = "SELECT 1 FROM course_graded WHERE student = ? AND chapter = ? AND sha256 = ? "
        return bool(self.rows(query + "AND fingerprint = ? AND seed = ?", *keys))

    def record(
        self,
        attempt: Attempt,
        graded: Graded,
        mark: str,
        *,
        essays: Sequence[Essay] = (),
        partial: float = 0.0,
        penalty: float = 0.0,
    ) -> None:
        """Write one submission's grades, all of them or none.

        Args:
            attempt: what was graded.
            graded: what came out.
            mark: the exercises' fingerprint.
            essays: what a person will mark.
            partial: the share of its points for an answer that passes the visible test only.
            penalty: the points that are taken off because it was late.
        """
        with self.together():
            assignment = self.row(
                "assignment", {"name": attempt.chapter}, course_id="default_course"
            )
            notebook = self.row("notebook", {"name": attempt.chapter, "assignment_id": assignment})
            self.add_student(attempt.student)
            submitted = self.row(
                "submitted_assignment",
                {"assignment_id": assignment, "student_id": attempt.student},
                timestamp=attempt.time and f"{attempt.time}.000000",
            )
            mine = self.row(
                "submitted_notebook",
                {"notebook_id": notebook, "assignment_id": submitted},
                flagged=bool(graded.problems),
                late_submission_penalty=penalty or None,
            )
            kept, known = [], (attempt.student, attempt.chapter, attempt.sha256)
            # A person's score and words of before stay: they are in columns of their own.
            for one in graded.verdicts:
                tests = self.cell(notebook, f"grade_{one.name}", one.points, "code")
                answer = self.cell(notebook, one.name)
                keys = {"notebook_id": mine, "cell_id": tests}
                score = earned(one, partial)
                self.row("grade", keys, auto_score=score, needs_manual_grade=False)
                kept.append(tests)
                keys = {"notebook_id": mine, "cell_id": answer}
                self.row("comment", keys, auto_comment=one.message)
            for essay in essays:
                asked = self.cell(notebook, essay.name, essay.points, "markdown")
                keys = {"notebook_id": mine, "cell_id": asked}
                # It is marked anew if the learner wrote something new.
                if self.rows(UNMARKED, *keys.values(), *known):
                    self.row("grade", keys, needs_manual_grade=True)
                kept.append(asked)
            # What the chapter no longer asks doesn't count.
            gone = f"notebook_id = ? AND cell_id NOT IN ({', '.join('?' * len(kept))})"
            self.db.execute(f"DELETE FROM grade WHERE {gone}", [mine, *kept])
            held = dataclasses.asdict(graded) | {"submission": str(graded.submission)}
            self.db.execute(
                "INSERT OR REPLACE INTO course_graded VALUES (?, ?, ?, ?, ?, ?)",
                (
                    *(*known, mark, graded.seed),
                    json.dumps(held, ensure_ascii=False),
                ),
            )

    def cell(
        self, notebook: str, name: str, points: float | None = None, kind: str = "code"
    ) -> str:
        """Return the id of a cell of nbgrader's: one with points is graded, else it answers."""
        table = "SolutionCell" if points is None else "GradeCell"
        found = self.row("base_cell", {"name": name, "notebook_id": notebook, "type": table})
        if points is None:
            self.db.execute("INSERT OR IGNORE INTO solution_cells VALUES (?)", (found,))
        else:
            self.db.execute(
                "INSERT OR REPLACE INTO grade_cells VALUES (?, ?, ?)", (found, points, kind)
            )
        return found

    def set_due(self, chapter: str, due: str | None) -> None:
        """Write when a chapter's exercises are due, as 2027-01-31 17:00:00, in UTC."""
        stamp = due and f"{due}.000000"
        self.row("assignment", {"name": chapter}, course_id="default_course", duedate=stamp)

    def graded(self, chapter: str | None = None) -> dict[tuple[str, str], Graded]:
        """Return what came out of grading, by chapter and learner."""
        found = self.rows(
            "SELECT * FROM course_graded WHERE ?1 IS NULL OR chapter = ?1 "
            "ORDER BY chapter, student",
            chapter,
        )
        return {(row["chapter"], row["student"]): read_graded(row["graded"]) for row in found}

    def scores(self, chapter: str | None = None) -> list[dict[str, Any]]:
        """Return a row for each learner and chapter that was graded, with points and penalty."""
        query = """
            SELECT a.name AS assignment, a.duedate, s.timestamp, t.id AS student_id, t.last_name,
                t.first_name, t.email, t.lms_user_id, n.id AS notebook,
                coalesce(n.late_submission_penalty, 0) AS late_submission_penalty,
                sum(coalesce(g.manual_score, g.auto_score, 0) + coalesce(g.extra_credit, 0))
                    AS raw_score,
                sum(c.max_score) AS max_score, sum(g.needs_manual_grade) AS to_mark
            FROM submitted_assignment s JOIN assignment a ON a.id = s.assignment_id
                JOIN student t ON t.id = s.student_id
                JOIN submitted_notebook n ON n.assignment_id = s.id
                JOIN grade g ON g.notebook_id = n.id JOIN grade_cells c ON c.id = g.cell_id
            WHERE ?1 IS NULL OR a.name = ?1 GROUP BY n.id ORDER BY a.name, t.id
        """
        rows = [dict(row) for row in self.rows(query, chapter)]
        for row in rows:
            row["score"] = max(0.0, row["raw_score"] - row["late_submission_penalty"])
        return rows

    def cells(self, notebook: str) -> dict[str, dict[str, Any]]:
        """Return the grades of one submitted notebook, by the exercise's or essay's name."""
        query = """
            SELECT b.name, c.max_score, g.auto_score, g.manual_score, g.needs_manual_grade,
                m.manual_comment FROM grade g
                JOIN base_cell b ON b.id = g.cell_id JOIN grade_cells c ON c.id = b.id
                LEFT JOIN comment m ON m.cell_id = b.id AND m.notebook_id = g.notebook_id
            WHERE g.notebook_id = ?
        """
        return {row["name"].removeprefix("grade_"): dict(row) for row in self.rows(query, notebook)}

    def mark(self, notebook: str, name: str, points: float, comment: str) -> None:
        """Write a person's points and words for an essay."""
        with self.together():
            query = "SELECT g.id, g.cell_id FROM grade g JOIN base_cell b ON b.id = g.cell_id "
            found = self.rows(query + "WHERE g.notebook_id = ? AND b.name = ?", notebook, name)
            if not found:
                raise ValueError(f"essay: expected one that was handed in, got {name!r}")
            keys = {"notebook_id": notebook, "cell_id": found[0]["cell_id"]}
            self.row("grade", keys, manual_score=points, needs_manual_grade=False)
            self.row("comment", keys, manual_comment=comment)


def earned(verdict: Verdict, partial: float) -> float:
    """Return the points of an answer; ``partial`` of them if only the visible test passed."""
    if verdict.visible == "passed" and not verdict.hidden:
        return max(verdict.earned, partial * verdict.points)
    return verdict.earned


def read_graded(text: str) -> Graded:
    """Return what :meth:`Gradebook.record` wrote."""
    held = json.loads(text)
    verdicts = [Verdict(**one) for one in held.pop("verdicts")]
    return Graded(**held | {"submission": Path(held["submission"]), "verdicts": verdicts})
