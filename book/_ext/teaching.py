"""Sphinx extension: what the instructors' guide says of chapters, exercises and commands.

It is read from the notebooks and from ``course_lib.assignments``, so that it can't go stale. The
page says where each stands by a paragraph: ``<!-- chapters -->``, ``<!-- exercises -->``,
``<!-- commands -->``, ``<!-- limits -->``, ``<!-- own -->``.
"""

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from package import titles
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from usage import chapters

from course_lib.assignments.__main__ import COMMANDS, PROGRAM
from course_lib.assignments.cells import read_cells, read_chapter, source
from course_lib.assignments.verdicts import Limits

PAGE = "book/instructors"
# An estimate of the time to work a chapter through, and its exercises.
WORDS_A_MINUTE, MINUTES_A_CELL, MINUTES_A_POINT = 150, 1, 10
ASKED = {
    1: "a formula or one step in code",
    2: "a method of the chapter, written anew",
    3: "several steps, or edge cases that need thought",
    4: "the chapter's whole thread in one piece of code",
}


def hours(minutes: float) -> str:
    """Return a time in half hours."""
    return f"{max(1, round(minutes / 30)) / 2:g}"


def time_to_read(cells: list[dict]) -> str:
    """Return the hours in which a chapter is read and tried, without its exercises."""
    words = sum(len(source(c).split()) for c in cells if c["cell_type"] == "markdown")
    code = sum(cell["cell_type"] == "code" for cell in cells)
    return hours(words / WORDS_A_MINUTE + code * MINUTES_A_CELL)


def goals(cells: list[dict]) -> str:
    """Return what a chapter says that a learner can do after it."""
    opening = next(t for c in cells if "After this chapter you can:" in (t := source(c)))
    items = re.findall(r"^- (.+)$", opening.partition("After this chapter you can:")[2], re.M)
    return "; ".join(item.rstrip(";,.") for item in items)


def chapter_table() -> str:
    """Return a row for each chapter: its time, points and slides, and its goals below."""
    called = titles()
    rows = ["| Chapter | Hours | Exercises | Points | Hours for them | |", "| --- |" + " --- |" * 5]
    told = []
    for path in chapters():
        cells, exercises = read_cells(path), read_chapter(path)
        points = sum(one.points for one in exercises)
        link = f"[{called[path.stem]}](../notebooks/{path.name})"
        time = time_to_read(cells)
        own = hours(points * MINUTES_A_POINT) if points else ""
        slides = f'<a href="../slides/{path.stem}.html">slides</a>'
        rows.append(f"| {link} | {time} | {len(exercises)} | {points:g} | {own} | {slides} |")
        told.append(f"- **{called[path.stem]}**: {goals(cells)}.")
    return "\n".join(rows) + "\n\nAfter each chapter a learner can:\n\n" + "\n".join(told)


def exercise_lists() -> str:
    """Return the exercises of each number of points, chapter by chapter."""
    called = titles()
    found: dict[float, dict[str, list[str]]] = defaultdict(dict)
    for path in chapters():
        for one in read_chapter(path):
            link = f"[{called[path.stem]}](../notebooks/{path.name})"
            found[one.points].setdefault(link, []).append(one.title)
    parts = []
    for points, by in sorted(found.items()):
        many = sum(map(len, by.values()))
        name = f"{points:g} point{'s' if points != 1 else ''}"
        items = "\n".join(f"- {link}: {', '.join(names)}" for link, names in by.items())
        parts.append(f"**{name}**: {ASKED[int(points)]} ({many} exercises)\n\n{items}")
    return "\n\n".join(parts)


def command_list() -> str:
    """Return the commands, each with what it is for and an example."""
    items = (f"- {what}: `{PROGRAM} {example}`" for what, example, *_ in COMMANDS.values())
    return "\n".join(items)


def own_list() -> str:
    """Return the exercises that have a number of each learner's own."""
    called = titles()
    return "\n".join(
        f"- [{called[path.stem]}](../notebooks/{path.name}): {one.title}"
        for path in chapters()
        for one in read_chapter(path)
        if one.own
    )


def limit_list() -> str:
    """Return what one submission may use."""
    at = Limits()
    mega = 2**20
    return (
        f"{at.seconds:g} seconds for an exercise and {at.total_seconds / 60:g} minutes for a "
        f"submission, {at.memory / 2**30:g} GB of memory, {at.disk / mega:g} MB of disk, "
        f"{at.output / mega:g} MB of output, {at.processes} processes and threads"
    )


MARKS: dict[str, Callable[[], str]] = {
    "<!-- chapters -->": chapter_table,
    "<!-- exercises -->": exercise_lists,
    "<!-- commands -->": command_list,
    "<!-- limits -->": limit_list,
    "<!-- own -->": own_list,
}


def _draw(app: Sphinx, page: str, text: list[str]) -> None:
    if page == PAGE:
        for mark, made in MARKS.items():
            text[0] = text[0].replace(mark, made())


def _follow(app: Sphinx, env: BuildEnvironment, *_: set[str]) -> list[str]:
    """Read the page again if a chapter or a command is newer than what was read."""
    folder = Path(__file__).resolve().parents[2] / "course_lib" / "assignments"
    read = env.all_docs.get(PAGE, 0) / 1e6  # microseconds
    sources = [*chapters(), *folder.glob("*.py")]
    return [PAGE] if any(path.stat().st_mtime > read for path in sources) else []


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", _draw)
    app.connect("env-get-outdated", _follow)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
