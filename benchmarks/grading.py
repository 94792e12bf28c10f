"""Submissions graded per minute, beside nbgrader's autograde on the same notebooks and cores.

Each submission holds the solutions of one chapter. Prints a table. nbgrader runs each notebook in
a kernel of its own, one after the other; it is timed if ``--nbgrader`` names a Python that has it.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
from common import positive, processor, seconds

from course_lib.assignments import pool, zygote
from course_lib.assignments.cells import Exercise, chapter_path, read_chapter
from course_lib.assignments.verdicts import Job


def notebook(exercises: list[Exercise], part: str) -> str:
    """Return a notebook with nbgrader's metadata: the answers, and their tests below."""

    def cell(name: str, source: str, points: float = 0) -> dict[str, object]:
        said: dict[str, object] = {"grade": bool(points), "grade_id": name, "schema_version": 3}
        said |= {"solution": name.startswith("answer"), "locked": bool(points), "task": False}
        said |= {"points": points} if points else {}
        metadata = {"nbgrader": said}
        base = {"cell_type": "code", "execution_count": None, "outputs": [], "id": name}
        return base | {"source": source, "metadata": metadata}

    cells = [cell("imports", exercises[0].imports)]
    for one in exercises:
        test = one.test + "\n\n" + one.hidden_test.replace("check(", "(lambda test, f: test(f))(")
        cells.append(cell(f"answer_{one.name}", getattr(one, part)))
        cells[-1]["source"] = one.test + "\n\n" + str(cells[-1]["source"])
        cells.append(cell(f"test_{one.name}", test, one.points))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4}
    return json.dumps(made | {"nbformat_minor": 5})


def nbgrader(python: str, exercises: list[Exercise], count: int) -> float:
    """Return how many seconds nbgrader takes for so many submissions."""
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder)
        spec = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]}
        kernel = course / "share" / "kernels" / "python3" / "kernel.json"
        places = [course / "source" / "week" / "week.ipynb"]
        places += [course / "submitted" / f"s{i}" / "week" / "week.ipynb" for i in range(count)]
        for place in (kernel, *places):
            place.parent.mkdir(parents=True)
        kernel.write_text(json.dumps(spec | {"display_name": "Python 3", "language": "python"}))
        for place in places:
            place.write_text(notebook(exercises, "solution"))
        more = {"JUPYTER_PATH": str(course / "share"), "HOME": folder}
        more["PATH"] = f"{Path(python).parent}:{os.environ['PATH']}"  # its alembic
        run = [python, "-m", "nbgrader"]

        def call(*what: str) -> None:
            done = subprocess.run(
                [*run, *what], cwd=course, env=os.environ | more, capture_output=True, text=True
            )
            if done.returncode:
                raise SystemExit(f"nbgrader {what[0]}: {done.stderr[-500:]}")

        call("generate_assignment", "week", "--create")
        return seconds(lambda: call("autograde", "week"))


def peak(pid: int) -> int:
    """Return the most memory that a process has had, in kB."""
    [line] = [
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    ]
    return int(line.split()[1])


def zygotes() -> list[int]:
    """Return the process that forks workers; it stands before its forks."""
    for one in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # a fork that has ended meanwhile
            if one.name() != "bwrap" and zygote.__name__ in one.cmdline():
                return [one.pid]
    return []


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chapter", default="numbers_that_learn", help="(numbers_that_learn)")
    parser.add_argument("--submissions", type=positive, default=40, help="how many (40)")
    parser.add_argument("--workers", type=positive, default=2, help="at once (2)")
    parser.add_argument("--nbgrader", metavar="PYTHON", help="a Python that has nbgrader")
    parser.add_argument("--theirs", type=positive, default=6, help="nbgrader's submissions (6)")
    args = parser.parse_args()
    exercises = read_chapter(chapter_path(args.chapter))
    print(f"{processor()}, Python {platform.python_version()}; {args.chapter}\n")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "week.ipynb")
        path.write_text(notebook(exercises, "solution"))
        jobs = [Job(path, args.chapter, seed) for seed in range(args.submissions)]
        sizes: dict[int, list[int]] = {}
        points: list[float] = []
        marks = {max(1, round(args.submissions * part)) for part in (0, 0.1, 0.5, 1)}

        def grade() -> None:
            for done in pool.grade_many(jobs, args.workers):
                points.append(sum(one.earned for one in done.verdicts))
                if len(points) in marks:
                    sizes[len(points)] = [peak(pid) for pid in (os.getpid(), *zygotes())]

        took = seconds(grade)
    assert set(points) == {sum(one.points for one in exercises)}, set(points)
    ours = 60 * args.submissions / took
    print(f"ours      {args.submissions:5} submissions  {took:6.1f} s  {ours:6.1f} a minute")
    print("          peak memory of the process that starts all, and of the one that forks, in MB:")
    for count, both in sizes.items():
        print(f"          after {count:5}: " + ", ".join(str(one >> 10) for one in both))
    if args.nbgrader:
        took = nbgrader(args.nbgrader, exercises, args.theirs)
        theirs = 60 * args.theirs / took
        print(f"nbgrader  {args.theirs:5} submissions  {took:6.1f} s  {theirs:6.1f} a minute")
        print(f"          ours / nbgrader: {ours / theirs:.1f}")


if __name__ == "__main__":
    main()
