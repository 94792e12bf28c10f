"""What decides: it runs an exercise's tests on a stand-in for the answer, far from its code.

The tests run here, as they are written; a call of the answer goes over the protocol to a process
in the sandbox, and what comes back is built here anew, as plain values. Nothing that comes back
is imported or evaluated, and no word of the protocol says "right".
"""

import contextlib
import functools
import hashlib
import io
import json
import random
import re
import socket
import time
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from course_lib.assignments import sandbox
from course_lib.assignments.cells import Exercise, chapter_path, read_chapter
from course_lib.assignments.own import borrowed
from course_lib.assignments.peers import Function, Iteration, Peer, Thing, limited
from course_lib.assignments.protocol import Form, ProtocolError, Reader, Writer, truths
from course_lib.assignments.verdicts import Graded, Limits, Verdict
from course_lib.assignments.wire import Gone, Wire

ROOTS = {"course_lib", "torch", "transformers", "collections"}


Start = Callable[[], tuple[Any, socket.socket]]


class Lost(Exception):
    """The answer's process has gone, or has left the protocol: the exercise is lost."""


class Judge(Peer):
    """The judge's side: it sends arguments and objects, and takes plain values only."""

    def __init__(self, wire: Wire, limits: Limits) -> None:
        super().__init__(wire)
        self.limits, self.calls, self.depth = limits, 0, 0
        self.lost = ""

    def request(self, form: Form, data: bytes | bytearray = b"") -> tuple[Form, bytes]:
        """Ask, within the limits; a fault of the other side ends all talk with it."""
        if self.lost:
            raise Lost(self.lost)
        self.calls, self.depth = self.calls + 1, self.depth + 1
        try:
            if self.calls > self.limits.calls or self.depth > self.limits.depth:
                raise ProtocolError("too many calls")
            return super().request(form, data)
        except Gone as error:
            self.lost = str(error)
        except ProtocolError as error:
            self.lost = f"what it gave back can't be read: {error}"
        finally:
            self.depth -= 1
        raise Lost(self.lost)

    def must(self, *form: Any) -> Any:
        """Ask for what a learner's code has no part in; where that fails, it has meddled."""
        try:
            (found,), _ = self.request(list(form))
        except Lost:
            raise
        except Exception as error:
            self.lost = f"its process doesn't work any more: {type(error).__name__}"
            raise Lost(self.lost) from None
        return found

    def answer(self, number: Form, form: Form, data: bytes) -> None:
        """Let the learner's side call back, as often as it may."""
        self.calls += 1
        if self.calls > self.limits.calls:
            raise ProtocolError("too many calls")
        super().answer(number, form, data)

    def hand(self, writer: Writer, value: Any) -> Form:
        """Return the form of a function, or of an object of the course's, by its fields."""
        kind = type(value)
        if isinstance(value, Function | Iteration):
            return super().hand(writer, value)
        if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
            path = f"{value.__module__}:{value.__qualname__}"
            if str(value.__module__).split(".")[0] in ROOTS and "<" not in path:
                return ["name", path]
            return super().hand(writer, value)
        ours = kind.__module__.split(".")[0] in ROOTS and hasattr(value, "__dict__")
        if ours and not hasattr(kind, "__next__"):
            writer.number(value)
            fields = [[key, writer.write(one)] for key, one in value.__dict__.items()]
            return ["object", f"{kind.__module__}:{kind.__qualname__}", fields]
        return super().hand(writer, value)

    def take(self, reader: Reader, form: Form) -> Any:
        """Return a stand-in, or a layer of a known kind built here from its weights."""
        word, *rest = form
        if word == "linear":
            weights = reader.read(rest[0])
            out, inner = weights["weight"].shape
            made = torch.nn.Linear(inner, out, bias="bias" in weights, device="meta")
            made.load_state_dict(weights, assign=True)
            return made
        if word == "dense":
            import keras

            weights = reader.read(rest[1])
            dense = keras.layers.Dense(weights[0].shape[1], use_bias=rest[0] is True)
            dense.build((None, weights[0].shape[0]))
            dense.set_weights(weights)
            return dense
        return super().take(reader, form)

    def call(self, number: int, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Call the answer; what it changed of its arguments is changed here, too."""
        table: list[Any] = []
        writer = Writer(self.hand, numbers=table)
        forms = [writer.write(args), writer.write(named)]
        form, data = self.request(["call", number, *forms], writer.data)
        try:
            reader = Reader(data, self.take, table)
            result, changes = reader.read(form[0]), form[1]
            restore(reader, changes)
        except Lost:
            raise
        except Exception as error:
            said = error if isinstance(error, ProtocolError) else type(error).__name__
            self.lost = f"what it gave back can't be read: {said}"
            raise Lost(self.lost) from None
        return result

    def ask(self, what: str, number: int, *more: Any) -> Any:
        """Ask the answer's side for something, strictly read."""
        try:
            return super().ask(what, number, *more)
        except ProtocolError as error:
            self.lost = f"what it gave back can't be read: {error}"
            raise Lost(self.lost) from None


def restore(reader: Reader, changes: Form) -> None:
    """Change arguments as the answer changed them."""
    for number, form in changes:
        target = reader.value(["ref", number])
        if isinstance(target, list):
            target[:] = reader.read(form)
        elif isinstance(target, dict | set):
            fresh = reader.read(form)
            target.clear()
            target.update(fresh)
        elif isinstance(target, torch.UntypedStorage):
            data = reader.blob(form[1])
            if len(data) != target.nbytes():
                raise ProtocolError("memory of another size")
            with torch.no_grad():
                flat = torch.empty(0, dtype=torch.uint8).set_(target)
                flat.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
            for one in reader.table:
                if isinstance(one, torch.Tensor):
                    truths(one)
        elif isinstance(target, torch.Tensor):
            fresh = reader.read(form)
            target.data, target.grad = fresh.data, fresh.grad
        elif isinstance(target, np.ndarray):
            target[...] = reader.read(form)
        elif isinstance(target, torch.nn.Module):
            _, training, weights = form
            target.training = training is True
            for name, one in weights:
                fresh = reader.read(one)
                if name in target._parameters and isinstance(fresh, torch.Tensor | None):
                    target._parameters[name] = (
                        None
                        if fresh is None
                        else torch.nn.Parameter(fresh.detach())
                        if not isinstance(fresh, torch.nn.Parameter)
                        else fresh
                    )


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
def load(chapter: str) -> tuple[list[Exercise], dict[str, Any], frozenset[str]]:
    """Return a chapter's exercises, what its imports define, and its own cells that are no part."""
    path = chapter_path(chapter)
    exercises = read_chapter(path)
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(exercises[0].imports, chapter, "exec"), names)
    names["check"] = lambda *_: None
    shown = {
        "".join(cell["source"]).strip()
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code" and "exercise" not in cell["metadata"]
    }
    return exercises, names, frozenset(shown)


def cells_of(submission: Path, limit: int) -> list[str]:
    """Return the code cells of a submission.

    Raises:
        ValueError: if it is no notebook, or too large; it says so.
    """
    if submission.is_symlink() or not submission.is_file():
        raise ValueError("expected a notebook, got no file, or a link to one")
    if submission.stat().st_size > limit:
        raise ValueError(f"expected a notebook of at most {limit:,} bytes; it is larger")
    try:
        cells = json.loads(submission.read_bytes().decode("utf-8"))["cells"]
        found = []
        for cell in cells:
            if isinstance(cell, dict) and cell.get("cell_type") == "code":
                text = cell.get("source", "")
                found.append(text if isinstance(text, str) else "".join(text))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("expected a notebook (.ipynb); this file is none, or is broken") from None
    return found


class Runs:
    """The process that runs one submission's cells; started again when an answer ends it."""

    def __init__(
        self, cells: list[str], seed: int, limits: Limits, end: float, start: Start | None = None
    ) -> None:
        self.start = start or functools.partial(sandbox.start, limits)
        self.cells, self.seed, self.limits, self.end = cells, seed, limits, end
        self.judge: Judge | None = None
        self.process: Any = None
        self.hopeless = ""

    def ready(self) -> Judge:
        """Return the side that talks to it, with the cells run."""
        if self.hopeless:  # its own cells end it, so they would again
            raise Lost(self.hopeless)
        if self.judge is None or self.judge.lost:
            self.stop()
            self.process, sock = self.start()
            self.judge = Judge(Wire(sock, self.limits.output), self.limits)
            self.judge.wire.deadline = self.end
            each, one = self.limits.cell_seconds, 0.9 * self.limits.seconds
            try:
                self.judge.must("start", [self.cells, self.seed, each, one])
            except Lost as error:
                self.hopeless = f"the notebook's cells can't be run: {error}"
                raise Lost(self.hopeless) from None
        return self.judge

    def stop(self) -> None:
        """End it and all that it started: its namespace dies with its first process."""
        if self.process is not None:
            with contextlib.suppress(OSError):
                if self.judge is not None:
                    self.judge.wire.sock.close()
            self.process.kill()
            self.process.wait()
            self.process = None


def clean(text: str) -> str:
    """Return a message as one line of at most 500 characters that any page can show."""
    line = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+", " ", text)
    return " ".join(line.split())[:500]


def attempt(test: Any, answer: Any) -> tuple[str, str]:
    """Run a test on an answer; return the verdict and the hint."""
    torch.set_warn_always(True)  # not only of the first one that is cast
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
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


def judged(
    exercise: Exercise, names: dict[str, Any], runs: Runs, seed: int, called: str = ""
) -> Verdict:
    """Return the verdict on one exercise; its answer may be called otherwise."""
    begun = time.monotonic()

    def verdict(visible: str, message: str, hidden: bool = False) -> Verdict:
        earned = exercise.points if visible == "passed" and hidden else 0.0
        seconds = round(time.monotonic() - begun, 3)
        return Verdict(exercise.name, exercise.points, earned, visible, hidden, message, seconds)

    if used := borrowed(exercise, runs.cells):
        return verdict("not yet", f"write it yourself: {used} is not to be used here")
    try:
        judge = runs.ready()
        judge.calls = judge.depth = 0
        judge.tapes.clear()
        judge.wire.deadline = min(runs.end, time.monotonic() + runs.limits.seconds)
        judge.must("seed", seed)
        number = judge.must("define", called or exercise.name)
        if type(number) is not int:
            return verdict("missing", f"no {exercise.name} is defined")
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
        seed_all(seed)
        with limited(patience):
            hidden, message = attempt(mine[f"hidden_test_{exercise.name}"], answer)
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
    limits: Limits | None = None,
    start: Start | None = None,
) -> Graded:
    """Grade one submission: each exercise's test and hidden test, in the sandbox.

    Args:
        submission: the learner's notebook.
        chapter: the name of the chapter whose exercises it answers.
        seed: what the tests' own draws start from; the same seed gives the same inputs.
        limits: what the submission may use.
        start: starts the process that runs its code; a new one of the sandbox unless given.

    Raises:
        RuntimeError: where the sandbox can't be built; it says what to install.
        ValueError: if there is no such chapter.
    """
    sandbox.need()
    limits = limits or Limits()
    begun = time.monotonic()
    exercises, names, shown = load(chapter)
    problems: list[str] = []
    try:
        cells = cells_of(submission, limits.notebook)
    except ValueError as error:
        problems.append(str(error))
        lost = [
            Verdict(one.name, one.points, 0.0, "missing", False, str(error), 0.0)
            for one in exercises
        ]
        return Graded(submission, chapter, seed, lost, problems, 0.0)
    mine = [exercises[0].imports, *(one for one in cells if one.strip() not in shown)]
    runs = Runs(mine, seed, limits, begun + limits.total_seconds, start)
    verdicts = []
    try:
        for exercise in exercises:
            own = derived(seed, chapter, exercise.name)
            verdicts.append(judged(exercise, names, runs, own))
            if runs.judge is not None and runs.judge.lost:
                problems.append(f"{exercise.name}: {clean(runs.judge.lost)}")
    finally:
        runs.stop()
    seconds = round(time.monotonic() - begun, 3)
    return Graded(submission, chapter, seed, verdicts, problems, seconds)
