"""What decides: it runs an exercise's tests on a stand-in for the answer, far from its code.

The tests run here, as they are written; a call of the answer goes over the protocol to a process
in the sandbox (:mod:`course_lib.assignments.asking`).
"""

import ast
import contextlib
import functools
import hashlib
import io
import random
import re
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from course_lib.assignments import sandbox
from course_lib.assignments.asking import Lost, Runs, Start, copied
from course_lib.assignments.cells import Exercise, chapter_path, read_chapter, shown_cells
from course_lib.assignments.own import borrowed
from course_lib.assignments.peers import Thing, limited
from course_lib.assignments.submission import learners_code, read_notebook
from course_lib.assignments.variants import with_own
from course_lib.assignments.verdicts import Graded, Limits, Verdict

COMPARISONS = {"allclose", "isclose", "eq", "ne", "__eq__", "__ne__", "sub", "__sub__", "__rsub__"}


def derived(seed: int, *names: str) -> int:
    """Return a seed of its own for an exercise's tests."""
    text = "/".join([str(seed), *names])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def seed_all(seed: int) -> None:
    """Let torch, numpy and Python draw from one seed on."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


@functools.cache
def load(chapter: str) -> tuple[list[Exercise], dict[str, Any], frozenset[tuple[str, str]]]:
    """Return a chapter's exercises, what its imports define, and its own cells that are no part."""
    path = chapter_path(chapter)
    exercises = read_chapter(path)
    names: dict[str, Any] = {}
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(exercises[0].imports, chapter, "exec"), names)
    except ImportError as error:
        raise RuntimeError(
            f"{chapter}: expected what the chapter imports, got: {error}; install it "
            "(pip install -r requirements.txt)"
        ) from None
    names["check"] = lambda *_: None
    return exercises, names, shown_cells(path)


def clean(text: str) -> str:
    """Return a message as one line of at most 500 characters that any page can show."""
    line = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+", " ", text)
    return " ".join(line.split())[:500]


class NotEmpty(TorchFunctionMode):
    """Lets no empty tensor be compared with one that isn't: all of its entries would be right."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of torch, unless it is such a comparison."""
        if getattr(func, "__name__", "") in COMPARISONS:
            same_kind(*args[:2])
        return func(*args, **(kwargs or {}))


def same_kind(*both: Any) -> None:
    """Make sure that of two tensors or arrays, if they are ones, both are empty or none is."""
    sizes = [tuple(one.shape) for one in both if isinstance(one, torch.Tensor | np.ndarray)]
    if len(sizes) == 2 and all(sizes) and (0 in sizes[0]) != (0 in sizes[1]):
        raise AssertionError(f"shapes {sizes[0]} and {sizes[1]} can't be compared")


@contextlib.contextmanager
def nothing_is_right() -> Iterator[None]:
    """Within it no comparison of an empty tensor or array with one that isn't succeeds."""

    def strict(compare: Any) -> Any:
        def compared(a: Any, b: Any, *more: Any, **named: Any) -> Any:
            same_kind(np.atleast_1d(a), np.atleast_1d(b))
            return compare(a, b, *more, **named)

        return compared

    with contextlib.ExitStack() as stack:
        for name in ("allclose", "isclose"):
            stack.enter_context(mock.patch.object(np, name, strict(getattr(np, name))))
        stack.enter_context(NotEmpty())
        yield


def attempt(test: Any, answer: Any) -> tuple[str, str]:
    """Run a test on an answer; return the verdict and the hint."""
    torch.set_warn_always(True)  # not only of the first one that is cast
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            warnings.catch_warnings(),
            nothing_is_right(),
        ):
            # What a cast to real numbers would leave out may be wrong.
            warnings.filterwarnings("error", "Casting complex values")
            test(answer)
    except NotImplementedError:
        return "not written yet", ""
    except AssertionError as error:
        return "not yet", clean(str(error))
    except Exception as error:
        return "not yet", clean(f"{type(error).__name__}: {error}")
    return "passed", ""


def asks_for_changes(exercise: Exercise, names: dict[str, Any], seed: int) -> bool:
    """Whether the solution passes the hidden test only if it may change its arguments."""
    own = dict(names)
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(exercise.solution, exercise.name, "exec"), own)
    solution = own[exercise.name]

    def apart(*args: Any, **named: Any) -> Any:
        args, named = copied((args, named))
        return solution(*args, **named)

    seed_all(seed)
    found, _ = attempt(names[f"hidden_test_{exercise.name}"], apart)
    return isinstance(solution, type) or found != "passed"


def undefined(name: str, cells: Sequence[str]) -> str:
    """Return why there is no answer of a name: its cell isn't Python, or there is none."""
    for cell in cells:
        if re.search(rf"^(?:async )?(?:def|class) {name}\b", cell, re.M):
            try:
                ast.parse(cell)
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                line = getattr(error, "lineno", None)
                where = f", line {line}" if line else ""
                return clean(f"its cell can't be run: {type(error).__name__}{where}")
    return f"no {name} is defined"


def judged(
    exercise: Exercise, names: dict[str, Any], runs: Runs, seed: int, called: str = ""
) -> Verdict:
    """Return the verdict on one exercise; its answer may be called otherwise."""
    begun = time.monotonic()

    def verdict(visible: str, message: str, hidden: bool = False) -> Verdict:
        earned = exercise.points if visible == "passed" and hidden else 0.0
        seconds = round(time.monotonic() - begun, 3)
        return Verdict(exercise.name, exercise.points, earned, visible, hidden, message, seconds)

    if used := borrowed(exercise, [runs.imports, *runs.cells]):
        return verdict("not yet", f"write it yourself: {used} is not to be used here")
    try:
        judge = runs.ready()
        judge.calls = judge.depth = 0
        judge.apart = False
        judge.tapes.clear()
        judge.wire.deadline = min(runs.end, time.monotonic() + runs.limits.seconds)
        judge.must("seed", seed)
        number = judge.must("define", called or exercise.name)
        if type(number) is not int:
            return verdict("missing", undefined(exercise.name, runs.cells))
        answer = Thing(judge, number, exercise.name)
        mine = dict(names) | {exercise.name: answer}
        with contextlib.redirect_stdout(io.StringIO()):
            for part in (exercise.test, exercise.hidden_test):
                exec(compile(part, exercise.name, "exec"), mine)
        seed_all(seed)
        patience = runs.limits.seconds + 5  # for what the judge itself does with the answers
        with limited(patience):
            visible, message = attempt(mine[f"test_{exercise.name}"], answer)
        if visible != "passed" or judge.lost:
            return verdict("not yet" if visible == "passed" else visible, message or judge.lost)
        hidden_test = mine[f"hidden_test_{exercise.name}"]
        judge.changed = False
        seed_all(seed)
        with limited(patience):
            hidden, message = attempt(hidden_test, answer)
            # What is right must not follow from what an answer made of its arguments.
            if hidden == "passed" and judge.changed and not asks_for_changes(exercise, mine, seed):
                judge.apart = True
                seed_all(seed)
                hidden, message = attempt(hidden_test, answer)
        passed = hidden == "passed" and not judge.lost
        # A hidden test's hint may tell its inputs; the learner gets no more than that it failed.
        said = "" if passed else "it passes the test in sight, and not another one on new inputs"
        return verdict(visible, said, passed)
    except (Lost, TimeoutError) as error:
        return verdict("not yet", clean(str(error)))
    finally:
        if runs.judge is not None:
            runs.judge.wire.deadline = runs.end


def grade(
    submission: Path,
    chapter: str,
    *,
    seed: int,
    own: str = "",
    limits: Limits | None = None,
    start: Start | None = None,
) -> Graded:
    """Grade one submission: each exercise's test and hidden test, in the sandbox.

    Args:
        submission: the learner's notebook.
        chapter: the name of the chapter whose exercises it answers.
        seed: what the tests' own draws start from; the same seed gives the same inputs.
        own: what the learner's own numbers are drawn from, if the exercises have any.
        limits: what the submission may use.
        start: starts the process that runs its code; a new one of the sandbox unless given.

    Raises:
        RuntimeError: where the sandbox can't be built, or doesn't work; it says what to do.
        ValueError: if there is no such chapter.
    """
    if start is None:
        sandbox.need()
    limits = limits or Limits()
    begun = time.monotonic()
    common, names, shown = load(chapter)
    exercises = [with_own(one, own) for one in common]
    problems: list[str] = []
    try:
        cells = read_notebook(submission, limits.notebook)
    except ValueError as error:
        problems.append(str(error))
        lost = [
            Verdict(one.name, one.points, 0.0, "missing", False, str(error), 0.0)
            for one in exercises
        ]
        return Graded(submission, chapter, seed, lost, problems, 0.0)
    mine = [cell["source"] for cell in learners_code(cells, shown)]
    imports, end = exercises[0].imports, begun + limits.total_seconds
    runs = Runs(mine, seed, limits, end, start, imports)
    verdicts = []
    try:
        for exercise in exercises:
            draws = derived(seed, chapter, exercise.name)
            verdicts.append(judged(exercise, names, runs, draws))
            if runs.judge is not None and runs.judge.lost:
                problems.append(f"{exercise.name}: {clean(runs.judge.lost)}")
    finally:
        runs.stop()
    seconds = round(time.monotonic() - begun, 3)
    return Graded(submission, chapter, seed, verdicts, problems, seconds)
