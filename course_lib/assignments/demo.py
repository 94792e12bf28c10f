"""A made-up class: 30 learners hand in one chapter, to try every step of grading on.

Their notebooks are made from the chapter's own: its solutions, the same with other names, small
slips, what is half done, late, broken or hostile. They come as one download of Moodle's naming.
"""

import argparse
import ast
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from course_lib.assignments import sandbox
from course_lib.assignments.cells import NOTEBOOKS, Exercise, chapter_path, read_chapter
from course_lib.assignments.collect import collect
from course_lib.assignments.feedback import feedback
from course_lib.assignments.grade import Runner, grade
from course_lib.assignments.gradebook import FILE, Gradebook
from course_lib.assignments.names import positive
from course_lib.assignments.release import notebooks, release, without_check, written
from course_lib.assignments.report import report
from course_lib.files import written_whole

DUE = datetime(2027, 1, 31, 17, tzinfo=UTC)
FIRST = [
    "Ada",
    "Ben",
    "Chen",
    "Dora",
    "Emil",
    "Fatima",
    "Goran",
    "Hana",
    "Ivo",
    "Jun",
    "Kofi",
    "Lena",
    "Mei",
    "Noor",
    "Olga",
]
LAST = ("Abel", "Brook")
# What a hostile answer does in place of the work; none of it earns a point or stops the batch.
HOSTILE = {
    "leaves": "import os\nos._exit(0)",
    "calls home": "import socket\nsocket.create_connection(('192.0.2.1', 80), 2)",
    "patches the tests": "import torch\ntorch.allclose = lambda *_, **__: True\nreturn None",
    "never ends": "while True:\n    pass",
}
# What went round in the class: the report shows who has it, whatever they called its parts.
COPIED = """
def sorted_steps(values):
    found = []
    for place, value in enumerate(values):
        if place % 2 == 0 and value is not None:
            found.append((place + 1, value * 2))
        elif value in found or not found:
            found.insert(0, (value, place))
    return sorted(found, key=lambda pair: pair[0])[::-1]
"""
# How many learners do what; 30 in all.
CLASS = {
    "right": 9,
    "right, with other names": 4,
    "a slip in one answer": 6,
    "the first half only": 3,
    "nothing written": 1,
    "right, but late": 2,
    "no cell for one answer": 1,
    **dict.fromkeys(HOSTILE, 1),
}


class Handed(NamedTuple):
    """What a learner handed in: who, in which way, when, and the notebook's text."""

    name: str
    kind: str
    time: datetime
    notebook: str


class Rename(ast.NodeTransformer):
    """Gives a function's own variables other names; its arguments keep theirs."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """Rename a variable."""
        if node.id in self.names:
            node.id = f"my_{node.id}"
        return node


def renamed(code: str) -> str:
    """Return the same answer, its variables called otherwise, its comments gone."""
    tree = ast.parse(code)
    nodes = list(ast.walk(tree))
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    kept = {n.arg for n in nodes if isinstance(n, ast.arg)}
    kept |= {name for n in nodes if isinstance(n, ast.Global | ast.Nonlocal) for name in n.names}
    return ast.unparse(Rename(stored - kept).visit(tree))


def slipped(code: str) -> str:
    """Return an answer with one slip: another operation, or no result if there is none."""
    tree = ast.parse(code)
    swaps = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and type(node.op) in swaps:
            node.op = swaps[type(node.op)]()
            return ast.unparse(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Return):
            node.value = ast.Constant(None)
    return ast.unparse(tree)


def hostile(exercise: Exercise, deed: str) -> str:
    """Return an answer that does something else than what is asked."""
    body = "\n".join(f"    {line}" for line in HOSTILE[deed].splitlines())
    return f"def {exercise.name}(*args, **kwargs):\n{body}"


def answers(exercises: Sequence[Exercise], kind: str, number: int) -> dict[str, str | None]:
    """Return what a learner wrote for each exercise; None for a cell that isn't there."""
    found: dict[str, str | None] = {one.name: without_check(one.solution) for one in exercises}
    one = exercises[number % len(exercises)]
    right = without_check(one.solution)
    if kind == "right, with other names":
        went_round = renamed(COPIED) if number % 2 else COPIED
        last = f"{renamed(without_check(exercises[-1].solution))}\n\n{went_round}"
        found = {each.name: renamed(without_check(each.solution)) for each in exercises}
        return found | {exercises[-1].name: last}
    if kind == "nothing written":
        return {each.name: each.stub for each in exercises}
    if kind == "the first half only":
        return found | {each.name: each.stub for each in exercises[len(exercises) // 2 :]}
    if kind == "a slip in one answer":
        return found | {one.name: slipped(right)}
    if kind == "no cell for one answer":
        return found | {one.name: None}
    return found | ({one.name: hostile(one, kind)} if kind in HOSTILE else {})


def handed_in(chapter: Path) -> Iterator[Handed]:
    """Yield what the made-up class handed in of a chapter."""
    exercises = read_chapter(chapter)
    sheet = json.dumps(notebooks(chapter)["release"])
    kinds = [kind for kind, count in CLASS.items() for _ in range(count)]
    people = [f"{first} {last}" for last in LAST for first in FIRST]
    for number, (name, kind) in enumerate(zip(people, kinds, strict=True)):
        notebook = json.loads(sheet)
        wrote = answers(exercises, kind, number)
        if kind != "right, with other names":  # these have copied from one another
            last = exercises[-1].name
            wrote[last] = f"# {name}'s own work\n{wrote[last]}"
        for cell in list(notebook["cells"]):
            asked = cell["metadata"]["nbgrader"]["grade_id"]
            text = wrote.get(asked, cell["source"])
            if text is None:
                notebook["cells"].remove(cell)
            else:
                cell["source"] = text
        late = 24 * (number % 3 + 1) if kind == "right, but late" else -number
        yield Handed(name, kind, DUE + timedelta(hours=late), written(notebook))


def download(handed: Sequence[Handed], chapter: str) -> bytes:
    """Return a zip file such as Moodle gives for all submissions."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, one in enumerate(handed, 1001):
            place = f"{one.name}_{number}_assignsubmission_file/{chapter}.ipynb"
            archive.writestr(zipfile.ZipInfo(place, one.time.timetuple()[:6]), one.notebook)
    return held.getvalue()


def demo(
    out: Path, chapter: str, runner: Runner, workers: int = 2, folder: Path = NOTEBOOKS
) -> dict[str, Any]:
    """Make the class, grade it, write feedback and report; return what each kind got.

    Args:
        out: the class's folder; it must be new or empty.
        chapter: what is handed in.
        runner: grades jobs, each in its sandbox.
        workers: submissions at a time.
        folder: of the chapters.

    Raises:
        ValueError: if the folder holds something, or there is no such chapter.
    """
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"--out: expected a new folder, got {out}, which holds something")
    path = chapter_path(chapter, folder)
    release([chapter], out, folder=folder)
    # What the learners hand in, as one download.
    handed = list(handed_in(path))
    packed = out / "downloads" / f"{chapter}.zip"
    packed.parent.mkdir()
    packed.write_bytes(download(handed, chapter))
    taken = collect([packed], out, due=DUE, folder=folder)
    done = grade(out, [chapter], runner=runner, workers=workers, late=0.1, seed=1, folder=folder)
    feedback(out, folder=folder)
    with written_whole(out / "report.html") as part:
        part.write_text(report(out, folder=folder)[0], encoding="utf-8")
    # What each kind of submission got.
    with Gradebook(out / FILE) as book:
        scores = {row["student_id"]: row for row in book.scores()}
    rows = [
        {
            "student": str(number),
            "name": one.name,
            "kind": one.kind,
            "score": scores[str(number)]["score"],
            "max_score": scores[str(number)]["max_score"],
        }
        for number, one in enumerate(handed, 1001)
    ]
    return {"collected": taken["collected"], "graded": done["graded"], "class": rows}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="a new folder")
    parser.add_argument("--chapter", default="background", help="what they hand in (background)")
    parser.add_argument("--workers", type=positive, default=2, help="submissions at a time (2)")


def run(args: argparse.Namespace) -> tuple[int, dict[str, Any], str]:
    """Do the command; return its exit status, what --json prints, and what is said."""
    sandbox.need()  # before anything is written
    runner = import_module("course_lib.assignments.pool").grade_many
    done = demo(args.out, args.chapter, runner, args.workers)
    said = [f"{done['collected']} submissions collected, {done['graded']} graded: {args.out}"]
    for kind in CLASS:
        got = [f"{row['score']:g}" for row in done["class"] if row["kind"] == kind]
        said.append(f"  {kind}: {', '.join(got)}")
    most = done["class"][0]["max_score"]
    said += [
        f"These are points, of {most:g}. Open {args.out / 'report.html'}; each learner's page "
        f"is in {args.out / 'feedback'}. Now try:",
        f"python -m course_lib.assignments export csv --course {args.out}",
    ]
    return 0, done, "\n".join(said)
