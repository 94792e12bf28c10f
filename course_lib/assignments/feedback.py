"""One page for each learner and chapter: what was asked, what was given, what the tests saw."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from course_lib.assignments.cells import (
    NOTEBOOKS,
    Exercise,
    chapter_path,
    read_chapter,
    read_essays,
    short_title,
    shown_cells,
)
from course_lib.assignments.gradebook import FILE, Attempt, Gradebook
from course_lib.assignments.pages import code, page, prose, shown
from course_lib.assignments.release import leaks
from course_lib.assignments.submission import Submission, read_file, read_submission
from course_lib.assignments.variants import own_key, with_own
from course_lib.assignments.verdicts import Graded, Verdict
from course_lib.files import written_whole

BEYOND = "not yet. The test in sight passes; with other inputs it doesn't hold."


def told(verdict: Verdict, exercises: Sequence[Exercise]) -> str:
    """Return what the tests saw, as one line of text; nothing of a hidden test's source."""
    if verdict.visible == "passed" and verdict.hidden:
        return "passed"
    message = " ".join(verdict.message.split())
    if verdict.visible in ("missing", "not written yet"):
        return f"{verdict.visible}. {message}" if "can't be run" in message else verdict.visible
    if verdict.visible == "passed":
        return BEYOND if not message or leaks(message, exercises) else message
    return f"not yet. {message}"


def given(course: Path, attempt: Attempt, names: list[str], folder: Path) -> Submission:
    """Return what a learner wrote, or what is wrong with the file."""
    try:
        shown = shown_cells(chapter_path(attempt.chapter, folder))
        return read_submission(read_file(course / attempt.file), names, shown)
    except (ValueError, OSError) as error:
        return Submission(problems=[str(error)])


def feedback_page(
    course: Path,
    attempt: Attempt,
    graded: Graded,
    row: dict[str, Any],
    grades: dict[str, dict[str, Any]],
    folder: Path = NOTEBOOKS,
    own: str = "",
) -> str:
    """Return the page of one learner's attempt.

    Args:
        course: the class's folder.
        attempt: the one that was graded.
        graded: what came out.
        row: its row of :meth:`Gradebook.scores`.
        grades: its grades, by the exercises' names.
        folder: of the chapters.
        own: what the learner's own numbers are drawn from.
    """
    path = chapter_path(attempt.chapter, folder)
    exercises = [with_own(one, own) for one in read_chapter(path)]
    essays = read_essays(path)
    asked = {one.name: one for one in exercises}
    names = [*asked, *(essay.name for essay in essays)]
    wrote = given(course, attempt, names, folder)
    parts = [f"<p><strong>{row['score']:g} of {row['max_score']:g} points</strong>"]
    if row["late_submission_penalty"]:
        parts.append(f" ({row['late_submission_penalty']:g} taken off: {attempt.late} days late)")
    parts.append(f"</p><p class='muted'>{shown(attempt.origin)}, attempt {attempt.place}</p>")
    parts += [f"<p class='bad'>{shown(one)}</p>" for one in (*graded.problems, *wrote.problems)]
    # Each exercise: what was asked, what was given, what the tests saw.
    for verdict in graded.verdicts:
        if verdict.name not in asked:
            continue
        one, grade = asked[verdict.name], grades.get(verdict.name, {})
        points = next(
            (p for k in ("manual_score", "auto_score") if (p := grade.get(k)) is not None), 0
        )
        look = "good" if verdict.visible == "passed" and verdict.hidden else "bad"
        parts += [
            f"<h2>{shown(one.title)} ({points:g} of {one.points:g})</h2>",
            prose(one.statement),
            code(wrote.answers.get(one.name, "")),
            f"<p class='{look}'>{shown(told(verdict, exercises))}</p>",
        ]
    for essay in essays:
        grade = grades.get(essay.name, {})
        score = grade.get("manual_score")
        said = "not marked yet" if score is None else f"{score:g} of {essay.points:g}"
        parts += [
            f"<h2>{shown(essay.name)} ({said})</h2>",
            prose(essay.statement),
            code(wrote.answers.get(essay.name, "")),
            f"<p>{shown(grade.get('manual_comment') or '')}</p>",
        ]
    return page(f"Feedback: {short_title(path)}", *parts)


def feedback(course: Path, chapters: Sequence[str] = (), folder: Path = NOTEBOOKS) -> list[Path]:
    """Write a page for each learner and chapter that is graded; return where they are."""
    files = []
    with Gradebook(course / FILE) as book:
        rows = {(row["assignment"], row["student_id"]): row for row in book.scores()}
        every = {(one.chapter, one.student, one.sha256): one for one in book.attempts()}
        query = "SELECT chapter, student, sha256 FROM course_graded"
        shas = {(row["chapter"], row["student"]): row["sha256"] for row in book.rows(query)}
        for (chapter, student), graded in book.graded().items():
            if chapters and chapter not in chapters:
                continue
            row, attempt = rows[chapter, student], every[chapter, student, shas[chapter, student]]
            grades = book.cells(row["notebook"])
            file = course / "feedback" / student / chapter / f"{chapter}.html"
            file.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(file) as part:
                seed = book.own(chapter)
                own = "" if seed is None else own_key(seed, student)
                made = feedback_page(course, attempt, graded, row, grades, folder, own)
                part.write_text(made, encoding="utf-8")
            files.append(file)
    return files


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("chapters", metavar="CHAPTER", nargs="*", help="which (all graded ones)")
    parser.add_argument("--course", metavar="DIR", type=Path, default=Path(), help="class's folder")


def run(args: argparse.Namespace) -> tuple[int, dict[str, Any], str]:
    """Do the command; return its exit status, what --json prints, and what is said."""
    files = feedback(args.course, args.chapters)
    if not files:
        got = ", ".join(args.chapters) or "none"
        raise ValueError(f"CHAPTER: expected one that is graded, got {got}; first: grade")
    said = f"{len(files)} pages in {args.course / 'feedback'}"
    return 0, {"files": [str(file) for file in files]}, said
