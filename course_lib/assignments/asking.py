"""The judge's side of the boundary: it asks the process in the sandbox for what an answer gives.

What comes back is built here anew, as plain values. Nothing that comes back is imported or
evaluated, and no word of the protocol says "right".
"""

import contextlib
import copy
import functools
import socket
import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from course_lib.assignments import sandbox
from course_lib.assignments.peers import Function, Iteration, Peer
from course_lib.assignments.protocol import Form, ProtocolError, Reader, Writer, truths
from course_lib.assignments.verdicts import Limits
from course_lib.assignments.wire import Gone, Wire

ROOTS = {"course_lib", "torch", "transformers", "collections"}
Start = Callable[[], tuple[Any, socket.socket]]


class NotStarted(RuntimeError):
    """A worker ended, or failed, before it was given anything of the learner's."""


class Lost(Exception):
    """The answer's process has gone, or has left the protocol: the exercise is lost."""


class Judge(Peer):
    """The judge's side: it sends arguments and objects, and takes plain values only."""

    def __init__(self, wire: Wire, limits: Limits) -> None:
        super().__init__(wire)
        self.limits, self.calls, self.depth = limits, 0, 0
        self.lost = ""
        self.changed = False  # whether an answer has changed an argument
        self.apart = False  # whether it gets copies of its arguments

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
            if type(weights) is not dict or not all(map(torch.is_tensor, weights.values())):
                raise ProtocolError("a layer of what aren't weights")
            out, inner = weights["weight"].shape
            made = torch.nn.Linear(inner, out, bias="bias" in weights, device="meta")
            made.load_state_dict(weights, assign=True)
            return made
        if word == "dense":
            weights = reader.read(rest[1])
            if type(weights) is not list or {type(one) for one in weights} != {np.ndarray}:
                raise ProtocolError("a layer of what aren't weights")
            import keras

            dense = keras.layers.Dense(weights[0].shape[1], use_bias=rest[0] is True)
            dense.build((None, weights[0].shape[0]))
            dense.set_weights(weights)
            return dense
        return super().take(reader, form)

    def call(self, number: int, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Call the answer; what it changed of its arguments is changed here, too."""
        if self.apart:
            args, named = copied((args, named))
        table: list[Any] = []
        writer = Writer(self.hand, numbers=table)
        forms = [writer.write(args), writer.write(named)]
        form, data = self.request(["call", number, *forms], writer.data)
        try:
            reader = Reader(data, self.take, table)
            result, changes = reader.read(form[0]), form[1]
            self.changed = self.changed or bool(changes)
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


def copied(arguments: Any) -> Any:
    """Return copies of arguments, or themselves where they can't be copied."""
    try:
        return copy.deepcopy(arguments)
    except Exception:  # such as a tensor with a history
        return arguments


def restore(reader: Reader, changes: Form) -> None:
    """Change arguments as the answer changed them."""
    for number, form in changes:
        target = reader.value(["ref", number])
        # Python's own containers
        if isinstance(target, list):
            target[:] = reader.read(form)
        elif isinstance(target, dict | set):
            fresh = reader.read(form)
            target.clear()
            target.update(fresh)
        # memory that tensors share, a tensor's slopes, an array's entries, a layer's weights
        elif isinstance(target, torch.UntypedStorage):
            refill(target, reader.blob(form[1]))
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
                set_weight(target, name, reader.read(one))


def refill(memory: torch.UntypedStorage, data: bytes) -> None:
    """Write bytes over a tensor's memory, as many as it holds."""
    if len(data) != memory.nbytes():
        raise ProtocolError("memory of another size")
    with torch.no_grad():
        flat = torch.empty(0, dtype=torch.uint8).set_(memory)
        flat.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))


def set_weight(layer: torch.nn.Module, name: str, weight: Any) -> None:
    """Give a layer a weight of the name of one that it has, or none."""
    if name in layer._parameters and isinstance(weight, torch.Tensor | None):
        if weight is not None and not isinstance(weight, torch.nn.Parameter):
            weight = torch.nn.Parameter(weight.detach())
        layer._parameters[name] = weight


class Runs:
    """The process that runs one submission's cells; started again when an answer ends it."""

    def __init__(
        self,
        cells: list[str],
        seed: int,
        limits: Limits,
        end: float,
        start: Start | None = None,
        imports: str = "",
    ) -> None:
        self.start = start or functools.partial(sandbox.start, limits)
        self.cells, self.seed, self.limits, self.end = cells, seed, limits, end
        self.imports = imports
        self.judge: Judge | None = None
        self.process: Any = None
        self.hopeless = ""

    def ready(self) -> Judge:
        """Return the side that talks to it, with the cells run.

        Raises:
            Lost: if the learner's cells end it.
            NotStarted: if it ends before it has them.
        """
        if self.hopeless:  # its own cells end it, so they would again
            raise Lost(self.hopeless)
        if self.judge is None or self.judge.lost:
            self.stop()
            if time.monotonic() > self.end:
                raise Lost("it took too long")
            self.judge = self.begin()
            self.judge.wire.deadline = self.end
            each, one = self.limits.cell_seconds, 0.9 * self.limits.seconds
            try:
                self.judge.must("start", [self.cells, self.seed, each, one])
            except Lost as error:
                self.hopeless = f"the notebook's cells can't be run: {error}"
                raise Lost(self.hopeless) from None
        return self.judge

    def begin(self) -> Judge:
        """Start it, and let it run the chapter's imports; nothing of the learner's is there yet.

        So no learner can bring about that this fails, nor pretend it.

        Raises:
            NotStarted: if it does.
        """
        try:
            self.process, sock = self.start()
            judge = self.judge = Judge(Wire(sock, self.limits.output), self.limits)
            judge.wire.deadline = time.monotonic() + sandbox.PATIENCE
            wrong = judge.must("begin", self.imports, sandbox.PATIENCE)
        except (OSError, RuntimeError, Lost) as error:
            raise NotStarted(str(error)) from error
        if wrong is not None:
            raise NotStarted(f"the chapter's imports fail in it: {wrong}")
        return judge

    def stop(self) -> None:
        """End it and all that it started: its namespace dies with its first process."""
        if self.process is not None:
            with contextlib.suppress(OSError):
                if self.judge is not None:
                    self.judge.wire.sock.close()
            self.process.kill()
            self.process.wait()
            self.process = None
