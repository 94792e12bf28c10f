"""Grade what was collected: each submission in its sandbox, each result written at once.

A command that was killed goes on where it was. A submission is graded again only if its content,
the exercises' tests or the seed have changed; for other points, nothing is run.
"""

import argparse
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from course_lib.assignments import cluster, sandbox
from course_lib.assignments.cells import (
    NOTEBOOKS,
    Essay,
    chapter_path,
    read_chapter,
    read_essays,
)
from course_lib.assignments.engines import PROGRAMS, Engine
from course_lib.assignments.gradebook import FILE, Attempt, Gradebook, fingerprint
from course_lib.assignments.names import count, positive
from course_lib.assignments.pool import grade_many
from course_lib.assignments.variants import own_key
from course_lib.assignments.verdicts import Graded, Job

Runner = Callable[[Sequence[Job], int], Iterator[Graded]]


def grade(
    course: Path,
    chapters: Sequence[str] = (),
    *,
    runner: Runner,
    workers: int = 2,
    seed: int | None = None,
    again: bool = False,
    partial: float = 0.0,
    late: float = 0.0,
    grace: int = 0,
    folder: Path = NOTEBOOKS,
    progress: bool = False,
) -> dict[str, Any]:
    """Grade the attempts that count; return how many were graded, left as they were, and problems.

    Args:
        course: the class's folder, with its gradebook.
        chapters: which to grade; all that were handed in by default.
        runner: takes jobs and a number of workers and yields what comes out, in any order.
        workers: submissions at a time.
        seed: of the hidden tests; the one of before, or one that is drawn and kept, by default.
        again: whether to grade what is graded already.
        partial: the share of its points for an answer that passes the visible test only.
        late: the share of a submission's points that each day late takes off.
        grace: the days late that are free.
        folder: of the chapters.
        progress: whether to show a progress bar.

    Raises:
        ValueError: if a chapter isn't there, or nothing of it was collected.
    """
    with Gradebook(course / FILE) as book:
        found = list(dict.fromkeys(attempt.chapter for attempt in book.current()))
        strange = [name for name in chapters if name not in found]
        if strange or not found:
            raise ValueError(
                f"CHAPTER: expected one that was collected ({', '.join(found) or 'none is'}), "
                f"got {strange[0] if strange else 'none'}"
            )
        # What each chapter's exercises and seed are, and what is to do.
        todo: list[Job] = []
        which: dict[tuple[str, str], Attempt] = {}
        marks: dict[str, str] = {}
        essays: dict[str, list[Essay]] = {}
        held = book.graded()
        points: dict[str, float] = {}
        worth: dict[str, dict[str, float]] = {}

        def record(attempt: Attempt, result: Graded) -> None:
            days = max(0, attempt.late - grace)
            penalty = min(1.0, late * days) * points[attempt.chapter]
            book.record(
                attempt,
                scored(result, worth[attempt.chapter]),
                marks[attempt.chapter],
                essays=essays[attempt.chapter],
                partial=partial,
                penalty=penalty,
            )

        kept = 0
        for name in chapters or found:
            path = chapter_path(name, folder)
            exercises, essays[name] = read_chapter(path), read_essays(path)
            worth[name] = {one.name: one.points for one in exercises}
            points[name] = sum(worth[name].values())
            points[name] += sum(one.points for one in essays[name])
            own = book.own(name)
            marks[name] = fingerprint(exercises) + ("" if own is None else f"/{own}")
            draw = book.seed(name, seed, secrets.randbelow(2**31))
            for attempt in book.current(name):
                mine = "" if own is None else own_key(own, attempt.student)
                job = Job(course / attempt.file, name, draw, mine)
                if not again and book.is_graded(attempt, marks[name], draw):
                    # Its share or its penalty may have changed; nothing is run for that.
                    record(attempt, held[name, attempt.student])
                    kept += 1
                    continue
                todo.append(job)
                which[name, str(job.submission)] = attempt
        problems = []
        bar = tqdm(total=len(todo), desc="grading", unit="", disable=not progress)
        with bar:
            for result in runner(todo, workers):
                attempt = which[result.chapter, str(result.submission)]
                record(attempt, result)
                who = f"{attempt.student}, {attempt.chapter}"
                problems += [f"{who}: {' '.join(said.split())}" for said in result.problems]
                bar.update()
        scores = [row for row in book.scores() if row["assignment"] in (chapters or found)]
    return {
        "graded": len(todo),
        "unchanged": kept,
        "to_mark": sum(int(row["to_mark"]) for row in scores),
        "problems": problems,
    }


def scored(result: Graded, points: Mapping[str, float]) -> Graded:
    """Return what came out of grading, in the points that the exercises are worth today."""
    verdicts = [
        replace(one, points=most, earned=most * (one.visible == "passed" and one.hidden))
        for one in result.verdicts
        for most in [points.get(one.name, one.points)]
    ]
    return replace(result, verdicts=verdicts)


def share(text: str) -> float:
    """Read a share from 0 to 1, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a share from 0 to 1, got {text!r}")
    return value


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("chapters", metavar="CHAPTER", nargs="*", help="which (all collected ones)")
    parser.add_argument("--course", metavar="DIR", type=Path, default=Path(), help="class's folder")
    parser.add_argument("--workers", type=positive, default=2, help="submissions at a time (2)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--engine",
        choices=PROGRAMS,
        help="whose containers take bubblewrap's place, where it can't be had",
    )
    parser.add_argument(
        "--image", metavar="IMAGE", help="for --engine: with Python and what the chapters import"
    )
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a Dask cluster that grades, such as tls://10.0.0.1:8786; then each thread of its "
        "workers grades one submission at a time",
    )
    parser.add_argument(
        "--seed", type=count, help="of the hidden tests' inputs (drawn once per chapter, and kept)"
    )
    parser.add_argument("--again", action="store_true", help="grade what is graded already, too")
    parser.add_argument(
        "--partial",
        type=share,
        default=0.0,
        metavar="SHARE",
        help="of the points for an answer that passes the visible test only (0)",
    )
    parser.add_argument(
        "--late", type=share, default=0.0, metavar="SHARE", help="each day late takes off (0)"
    )
    parser.add_argument("--grace", type=count, default=0, metavar="DAYS", help="late days for free")


def run(args: argparse.Namespace) -> tuple[int, dict[str, Any], str]:
    """Do the command; return its exit status, what --json prints, and what is said."""
    if bool(args.image) != bool(args.engine):
        raise ValueError("--engine and --image: expected both of them or none, got one")
    if args.scheduler:
        runner = cluster.runner(args.scheduler)
    elif args.engine:
        engine = Engine(args.engine, args.image)
        engine.need()
        runner = partial(grade_many, engine=engine)
    else:
        sandbox.need()
        runner = grade_many
    done = grade(
        args.course,
        args.chapters,
        runner=runner,
        workers=args.workers,
        seed=args.seed,
        again=args.again,
        partial=args.partial,
        late=args.late,
        grace=args.grace,
        progress=not args.json,
    )
    lines = [f"{done['graded']} graded, {done['unchanged']} unchanged"]
    if done["to_mark"]:
        lines.append(f"{done['to_mark']} answers in words to mark: the command mark")
    return int(bool(done["problems"])), done, "\n".join([*lines, *done["problems"]])
