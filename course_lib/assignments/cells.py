"""A chapter's exercises, read from the tagged cells of its notebook.

An exercise is a text under a heading ``### Exercise N: Title (P points)`` and four code cells with
the metadata ``exercise``, tagged ``test``, ``exercise``, ``solution`` and ``hidden-test``. They see
the chapter's import cell, its second code cell. A text cell tagged ``essay``, with the same
metadata, asks for an answer in words, which a person marks.
"""

import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PARTS = ("test", "exercise", "solution", "hidden-test")
NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
HEADING = re.compile(r"^### Exercise \d+: (.+?) \(\d+ points?\)$", re.M)

Cell = dict[str, Any]


@dataclass(frozen=True)
class Own:
    """A number that may be another for each learner.

    Attributes:
        given: as the book has it.
        choices: others.
        forms: how it is written, ``{}`` in its place.
    """

    given: str
    choices: tuple[str, ...]
    forms: tuple[str, ...]


@dataclass(frozen=True)
class Exercise:
    """One exercise; its parts are the sources of cells.

    Attributes:
        chapter: the notebook's name, such as "background".
        name: the exercise's own within the chapter; tests are ``test_NAME``, ``hidden_test_NAME``.
        points: that a right answer earns.
        imports: what the chapter imports; each part sees it.
        test: the test in the learner's sight.
        hidden_test: calls ``test`` first and goes on with inputs of its own.
        stub: what the learner writes the answer into.
        solution: an answer that is right.
        statement: what is asked, as Markdown, its heading first.
        own: a number that may be another for each learner.
    """

    chapter: str
    name: str
    points: float
    imports: str
    test: str
    hidden_test: str
    stub: str
    solution: str
    statement: str
    own: Own | None = None

    @property
    def title(self) -> str:
        """What the heading calls it."""
        found = HEADING.search(self.statement)
        return found[1] if found else self.name


@dataclass(frozen=True)
class Essay:
    """A question that is answered in words; a person gives up to ``points``."""

    chapter: str
    name: str
    points: float
    statement: str


def chapter_names(folder: Path = NOTEBOOKS) -> list[str]:
    """Return the names of the chapters that have exercises."""
    return [path.stem for path in sorted(folder.glob("*.ipynb")) if has_exercises(path)]


def has_exercises(path: Path) -> bool:
    """Whether a notebook has a cell with the metadata of an exercise."""
    return path.is_file() and '"exercise": {' in path.read_text(encoding="utf-8")


def chapter_path(chapter: str, folder: Path = NOTEBOOKS) -> Path:
    """Return a chapter's notebook.

    Raises:
        ValueError: if no chapter of that name has exercises; it names those that come near.
    """
    path = folder / f"{chapter}.ipynb"
    if path.parent != folder or not has_exercises(path):
        names = chapter_names(folder)
        near = difflib.get_close_matches(chapter, names) or names
        here = f"one of {', '.join(near)}" if near else f"a chapter, and {folder} holds none"
        raise ValueError(f"CHAPTER: expected {here}, got {chapter!r}")
    return path


def chapter_title(cells: Sequence[Cell]) -> str:
    """Return what a chapter is called, by its first heading."""
    heading = next(text for cell in cells if (text := source(cell)).startswith("# "))
    return heading.splitlines()[0].removeprefix("# ")


def short_title(path: Path) -> str:
    """Return what a chapter is called, without what stands behind a colon."""
    return chapter_title(read_cells(path)).partition(":")[0]


def source(cell: Cell) -> str:
    """Return a cell's text; a notebook may store it as one string or as lines."""
    text = cell.get("source", "")
    return text if isinstance(text, str) else "".join(text)


def tags(cell: Cell) -> list[str]:
    """Return a cell's tags."""
    return list(cell.get("metadata", {}).get("tags", []))


def read_cells(path: Path) -> list[Cell]:
    """Return the cells of a notebook of the course's own.

    Raises:
        ValueError: if it is none.
    """
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["cells"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        said = str(error).split("\n")[0][:100]
        raise ValueError(f"{path.name}: expected a notebook, got {said!r}") from None


def read_chapter(path: Path) -> list[Exercise]:
    """Return a chapter's exercises in their order.

    Raises:
        ValueError: if its cells aren't whole; it says what is wrong, all faults in one sentence.
    """
    cells = read_cells(path)
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    faults = [] if len(code) > 1 else [f"{path.name}: expected an install and an import cell"]
    # Each cell goes to its exercise; the text before the first of them is what is asked.
    parts: dict[str, dict[str, str]] = {}
    points: dict[str, float] = {}
    own: dict[str, Own] = {}
    text = ""
    for cell in cells:
        if cell["cell_type"] == "markdown":
            heading = HEADING.search(more := source(cell))
            text = more[heading.start() :] if heading else f"{text}\n\n{more}"
            continue
        if "exercise" not in cell["metadata"]:
            continue
        said = cell["metadata"]["exercise"]
        name, kinds = said.get("name"), sorted(set(PARTS) & set(tags(cell)))
        if name is None or len(kinds) != 1:
            faults.append(
                f"{path.name}, cell {cell.get('id')}: expected metadata exercise.name and one tag "
                f"of {', '.join(PARTS)}; got {name!r} and {kinds}"
            )
            continue
        mine = parts.setdefault(name, {"statement": text})
        if kinds[0] in mine:
            faults.append(
                f"{path.name}, cell {cell.get('id')}: exercise {name} has another cell tagged "
                f"{kinds[0]!r}; keep one, or give this exercise a name of its own"
            )
        mine[kinds[0]] = source(cell)
        points[name] = float(said.get("points", 0))
        if held := said.get("own"):
            own[name] = Own(held["given"], tuple(held["choices"].split()), tuple(held["forms"]))
    for name, mine in parts.items():
        lacking = [part for part in PARTS if part not in mine]
        if lacking:
            faults.append(f"{path.name}, exercise {name}: add a cell tagged {lacking[0]!r}")
    if faults:
        raise ValueError("; ".join(faults))
    return [
        Exercise(
            chapter=path.stem,
            name=name,
            points=points[name],
            imports=source(code[1]),
            test=mine["test"],
            hidden_test=mine["hidden-test"],
            stub=mine["exercise"],
            solution=mine["solution"],
            statement=mine["statement"],
            own=own.get(name),
        )
        for name, mine in parts.items()
    ]


def shown_cells(path: Path) -> frozenset[tuple[str, str]]:
    """Return a chapter's own code that answers nothing: cells beside exercises, and solutions.

    Each is the name of the exercise whose solution it is, or "", and its text.
    """
    return frozenset(
        (cell["metadata"].get("exercise", {}).get("name", ""), source(cell).strip())
        for cell in read_cells(path)
        if cell["cell_type"] == "code"
        and ("exercise" not in cell["metadata"] or "solution" in tags(cell))
    )


def read_essays(path: Path) -> list[Essay]:
    """Return the questions of a chapter that are answered in words."""
    return [
        Essay(path.stem, said["name"], float(said.get("points", 0)), source(cell))
        for cell in read_cells(path)
        if cell["cell_type"] == "markdown" and "essay" in tags(cell)
        for said in [cell["metadata"]["exercise"]]
    ]
