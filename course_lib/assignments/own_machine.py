"""Run the tests of a notebook's exercises on this machine, as its page does.

It runs the notebook's own code, without a sandbox: it is for your own notebook. Whoever grades
others' runs the command grade.
"""

import argparse
import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from course_lib.assignments import check
from course_lib.assignments.submission import read_notebook

OWN = "It runs your own code, without a sandbox; for the work of others there is the command grade."


def verdicts(path: Path) -> dict[str, str]:
    """Return of each exercise what its test says, such as "passed", as the notebook's page does.

    Raises:
        ValueError: if it is no notebook, or has no exercises.
    """
    try:
        cells = read_notebook(path)
    except ValueError as error:
        raise ValueError(f"NOTEBOOK: {path}: {error}") from None
    code = [cell for cell in cells if cell["kind"] == "code"]
    tests = {
        cell["name"]: cell["source"] for cell in code if cell["name"] and "test" in cell["tags"]
    }
    answers = {
        cell["name"]: cell["source"]
        for cell in code
        if cell["name"] in tests and "exercise" in cell["tags"]
    }
    if not tests or len(code) < 3:
        raise ValueError(f"NOTEBOOK: expected exercises with their tests, got none in {path}")
    imports = code[1]["source"]  # behind the one that installs
    return {name: verdict(name, imports, test, answers.get(name)) for name, test in tests.items()}


def verdict(name: str, imports: str, test: str, answer: str | None) -> str:
    """Return what an exercise's test says of an answer; what the code prints is left out."""
    if answer is None:
        return "missing"
    names: dict[str, Any] = {"__name__": name}

    def run_answer(_: Callable[..., Any]) -> None:
        for text in (imports, test, answer):
            exec(compile(text, name, "exec"), names)
        for wanted in (f"test_{name}", name):
            if wanted not in names:
                raise AssertionError(f"expected {wanted} in the exercise's cells, got none")

    run_answer.__name__ = f"test_{name}"
    said = spoken(run_answer, check)
    return said if said != "passed" else spoken(names[f"test_{name}"], names[name])


def spoken(test: Callable[..., None], answer: Callable[..., Any]) -> str:
    """Return the verdict that ``check`` prints last, without the test's name."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        check(test, answer)
    return printed.getvalue().splitlines()[-1].partition(": ")[2]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("notebook", metavar="NOTEBOOK", type=Path, help="your own")


def run(args: argparse.Namespace) -> tuple[int, dict[str, Any], str]:
    """Do the command; return its exit status, what --json prints, and what is said."""
    found = verdicts(args.notebook)
    passed = sum(said == "passed" for said in found.values())
    lines = [OWN, *(f"test_{name}: {said}" for name, said in found.items())]
    lines.append(f"{passed} of {len(found)} passed")
    return int(passed < len(found)), {"verdicts": found}, "\n".join(lines)
