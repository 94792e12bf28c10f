"""What a learner handed in: a file that may be anything, read without believing it."""

import ast
import json
import os
import re
import stat
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LARGEST, MOST_CELLS = 20 * 2**20, 10_000
BROKEN = {
    UnicodeDecodeError: "a file that isn't text",
    json.JSONDecodeError: "a file that isn't JSON",
    Exception: "JSON without cells",
}
# What these hold is no name of the notebook's.
OWN_NAMES = ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
LONGEST = 50_000  # characters of a cell that is read as a program, outside of the sandbox


@dataclass(frozen=True)
class Submission:
    """A notebook as handed in.

    Attributes:
        answers: the source of each exercise's or essay's answer, by its name.
        problems: what is wrong with the file, in one sentence each.
    """

    answers: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_file(path: Path, limit: int = LARGEST) -> bytes:
    """Return a file's bytes; follow no link, wait for no pipe, read no more than ``limit``.

    Raises:
        ValueError: if it is not a plain file of at most ``limit`` bytes.
        OSError: if it can't be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if path.is_symlink():
            raise ValueError("expected a file, got a link") from None
        raise error
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("expected a file, got something else")
        if found.st_nlink > 1:
            raise ValueError(f"expected a file of its own, got one with {found.st_nlink} names")
        read = file.read(limit + 1)
    if len(read) > limit:
        raise ValueError(f"expected at most {limit / 2**20:g} MB, got more")
    return read


def parse(content: bytes) -> list[dict[str, Any]]:
    """Return the cells of a notebook; of each only what has the right type.

    Raises:
        ValueError: if it is no notebook.
    """
    try:
        cells = json.loads(content.decode("utf-8-sig"))["cells"]
        found = [cell for cell in cells[:MOST_CELLS] if isinstance(cell, dict)]
    except RecursionError:
        raise ValueError("expected a notebook, got one nested too deep") from None
    except (ValueError, KeyError, TypeError) as error:
        # The first kinds are kinds of the last.
        said = next(why for kind, why in BROKEN.items() if isinstance(error, kind))
        said = said if content.strip() else "an empty file"
        raise ValueError(f"expected a notebook, got {said}") from None
    if len(cells) > MOST_CELLS:
        raise ValueError(f"expected at most {MOST_CELLS:,} cells, got {len(cells):,}")
    return [plain_cell(cell) for cell in found]


def read_notebook(path: Path, limit: int = LARGEST) -> list[dict[str, Any]]:
    """Return the cells of a file, as :func:`parse` does.

    Raises:
        ValueError: if it is no plain file of at most ``limit`` bytes, or no notebook.
    """
    try:
        return parse(read_file(path, limit))
    except OSError as error:
        raise ValueError(f"expected a notebook, got: {error.strerror}") from None


def plain_cell(cell: dict[str, Any]) -> dict[str, Any]:
    """Return a cell's kind, text, tags and the name of the exercise that it belongs to."""
    text = cell.get("source", "")
    lines = text if isinstance(text, list) else [text]
    meta = cell.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    marks = [meta.get(key) for key in ("exercise", "nbgrader")]
    ours, theirs = (mark if isinstance(mark, dict) else {} for mark in marks)
    tags = meta.get("tags")
    found = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    name = ours.get("name")
    if name is None and theirs.get("solution") is True:
        name, found = theirs.get("grade_id"), [*found, "exercise"]
    return {
        "kind": cell.get("cell_type"),
        "source": "".join(line for line in lines if isinstance(line, str)),
        "tags": found,
        "name": name if isinstance(name, str) else None,
    }


def plain(source: str) -> str:
    """Return a cell's code without a notebook's magics, which need a notebook."""
    if source.lstrip().startswith("%%"):
        return ""
    return re.sub(r"^(\s*)[%!].*", r"\1pass", source, flags=re.M)


def learners_code(
    cells: Sequence[dict[str, Any]], shown: Container[tuple[str, str]] = ()
) -> list[dict[str, Any]]:
    """Return the cells of code that are a learner's, which the judge runs in this order.

    Args:
        cells: of the notebook.
        shown: the chapter's own, which aren't run again whoever hands them in.
    """
    return [
        cell
        for cell in cells
        if cell["kind"] == "code"
        and ("", cell["source"].strip()) not in shown
        and not ("solution" in cell["tags"] and (cell["name"], cell["source"].strip()) in shown)
    ]


def defined(text: str) -> set[str]:
    """Return the names that a cell gives to what is called or read later."""
    if len(text) > LONGEST:
        return set()
    try:
        waiting: list[ast.AST] = list(ast.parse(plain(text)).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    found = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)  # what is within is its own
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif not isinstance(node, OWN_NAMES):
            waiting += ast.iter_child_nodes(node)
    return found


def read_submission(
    content: bytes, names: list[str], shown: Container[tuple[str, str]] = ()
) -> Submission:
    """Return what a notebook answers to the exercises and essays of these names.

    An answer is what the judge takes: the last cell that defines it, wherever it stands. Where none
    can be seen to, it is the cell with its metadata, as for what is answered in words.

    Args:
        content: the notebook's.
        names: of the exercises and essays.
        shown: the chapter's own cells that answer nothing.

    Raises:
        ValueError: if it is no notebook.
    """
    cells = parse(content)
    code = [(cell, defined(cell["source"])) for cell in learners_code(cells, shown)]
    answers: dict[str, str] = {}
    problems = []
    for name in names:
        tagged = [cell for cell in cells if cell["name"] == name]
        mine = [cell for cell in tagged if "essay" in cell["tags"]]
        mine = mine or [cell for cell, its in code if name in its]
        mine = mine or [cell for cell in tagged if "exercise" in cell["tags"]]
        if mine:
            answers[name] = mine[-1]["source"]
        else:
            problems.append(f"{name}: expected a cell with its answer, got none")
        if len(mine) > 1:
            problems.append(f"{name}: expected one answer, got {len(mine)}; the last one counts")
    return Submission(answers, problems)
