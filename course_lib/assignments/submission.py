"""What a learner handed in: a file that may be anything, read without believing it."""

import ast
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LARGEST = 20 * 2**20
BROKEN = {
    UnicodeDecodeError: "a file that isn't text",
    json.JSONDecodeError: "a file that isn't JSON",
    Exception: "JSON without cells",
}
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
        found = [cell for cell in cells if isinstance(cell, dict)]
    except RecursionError:
        raise ValueError("expected a notebook, got one nested too deep") from None
    except (ValueError, KeyError, TypeError) as error:
        # The first kinds are kinds of the last.
        said = next(why for kind, why in BROKEN.items() if isinstance(error, kind))
        said = said if content.strip() else "an empty file"
        raise ValueError(f"expected a notebook, got {said}") from None
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


def defined(text: str) -> set[str]:
    """Return the functions and classes that a cell defines."""
    if len(text) > LONGEST:
        return set()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    try:
        return {one.name for one in ast.parse(text).body if isinstance(one, kinds)}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()


def read_submission(content: bytes, names: list[str]) -> Submission:
    """Return what a notebook answers to the exercises of these names.

    An answer's cell is found by its metadata; where these are lost, as some editors lose them, by
    the function that it defines. Of several the last one counts.

    Raises:
        ValueError: if it is no notebook.
    """
    cells = parse(content)
    answers: dict[str, str] = {}
    problems = []
    for name in names:
        mine = [
            cell
            for cell in cells
            if cell["name"] == name and {"exercise", "essay"} & set(cell["tags"])
        ]
        if not mine:
            mine = [
                cell
                for cell in cells
                if cell["kind"] == "code"
                and not {"test", "solution", "hidden-test"} & set(cell["tags"])
                and name in defined(cell["source"])
            ]
        if mine:
            answers[name] = mine[-1]["source"]
        else:
            problems.append(f"{name}: expected a cell with its answer, got none")
        if len(mine) > 1:
            problems.append(f"{name}: expected one answer, got {len(mine)}; the last one counts")
    return Submission(answers, problems)
