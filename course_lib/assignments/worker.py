"""What runs inside the sandbox: a learner's cells, then calls of the answers that they define.

It is started by :mod:`course_lib.assignments.sandbox`, knows no test, and decides nothing. Its
side of the protocol may make objects of the course's, torch's and transformers' classes, such as
a model that a test hands over, since those come from the judge; the judge's side never does.
"""

import contextlib
import importlib
import json
import os
import random
import socket
import sys
import types
from typing import Any

import numpy as np
import torch

import course_lib.assignments
from course_lib.assignments.peers import Function, Peer, Thing, limited, told
from course_lib.assignments.protocol import Form, ProtocolError, Reader, Writer
from course_lib.assignments.submission import plain
from course_lib.assignments.wire import Gone, Pipes, Wire

ROOTS = {"course_lib", "torch", "transformers", "collections"}
SEEDS = torch.manual_seed, np.random.seed, random.seed


class Remote(torch.autograd.Function):
    """A function of the judge's, called so that slopes can be had through it."""

    @staticmethod
    def forward(ctx: Any, peer: "Worker", number: int, *args: Any) -> Any:
        """Call it."""
        result, ctx.tape = peer.taped_call(number, args)
        ctx.peer, ctx.needs = peer, [isinstance(one, torch.Tensor) for one in args]
        ctx.which = [i for i, one in enumerate(args) if ctx.needs[i] and one.requires_grad]
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        """Ask the judge for the slopes."""
        found: list[Any] = [None] * len(ctx.needs)
        for place, one in zip(ctx.which, ctx.peer.get_slopes(ctx.tape, gradients[0]), strict=True):
            found[place] = one
        return None, None, *found


class Worker(Peer):
    """The learner's side."""

    caught = BaseException  # a learner's code may also leave, or interrupt itself

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self.names: dict[str, Any] = {}
        self.seconds = 0.0
        self.inside: set[int] = set()

    def hand(self, writer: Writer, value: Any) -> Form:
        """Return the form of a function, an iterator, a layer or an object."""
        if isinstance(value, Thing | Function) or callable(getattr(type(value), "__next__", None)):
            return super().hand(writer, value)
        if type(value) is torch.nn.Linear and id(value) not in writer.known:
            weights = {name: one.detach() for name, one in value.named_parameters()}
            return ["linear", writer.write(weights)]
        if type(value).__module__.startswith("keras.") and type(value).__name__ == "Dense":
            arrays = [np.asarray(one) for one in value.get_weights()]
            return ["dense", bool(value.use_bias), writer.write(arrays)]
        if isinstance(value, types.FunctionType | types.BuiltinFunctionType | types.MethodType):
            return super().hand(writer, value)
        if hasattr(type(value), "keys") and isinstance(value, dict):
            return writer.write(dict(value))
        if isinstance(value, list):
            return writer.write(list(value))
        if isinstance(value, type({}.values()) | type({}.keys()) | type({}.items())):
            return writer.write(list(value))
        return ["thing", self.export(value), type(value).__name__[:80]]

    def take(self, reader: Reader, form: Form) -> Any:
        """Return a stand-in, a class or function by its name, or an object of the course's."""
        word, *rest = form
        if word == "name":
            return named(rest[0])
        if word == "object":
            made = object.__new__(named(rest[0]))
            start = len(reader.table)
            reader.number(made)
            for key, one in rest[1]:
                made.__dict__[key] = reader.read(one)
            self.inside.update(
                i
                for i in range(start + 1, len(reader.table))
                if isinstance(reader.table[i], list | dict | set)
            )
            return made
        return super().take(reader, form)

    def call(self, number: int, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Call a function of the judge's, so that slopes pass where they are wanted."""
        tensors = [one for one in args if isinstance(one, torch.Tensor)]
        if torch.is_grad_enabled() and any(one.requires_grad for one in tensors) and not named:
            return Remote.apply(self, number, *args)
        return super().call(number, args, named)

    def taped_call(self, number: int, args: tuple[Any, ...]) -> Any:
        """Call a function that remembers how its result came about."""
        sent = tuple(
            one.detach().requires_grad_(one.requires_grad) if isinstance(one, torch.Tensor) else one
            for one in args
        )
        writer = Writer(self.hand)
        form, data = self.request(["taped", number, writer.write(sent)], writer.data)
        return Reader(data, self.take).read(form[0]), form[1]

    def get_slopes(self, tape: int, gradient: torch.Tensor) -> Any:
        """Return the slopes of a remembered call."""
        return self.ask("slopes", tape, gradient.detach())

    def serve(self, form: Form, data: bytes, writer: Writer) -> Form:
        """Return the forms of what the judge asks for."""
        what, number, *more = form
        if what == "begin":
            return self.begin(number, *more)
        if what == "start":
            return self.start(*number)
        if what == "define":
            return [self.export(self.names[number]) if number in self.names else None]
        if what == "seed":
            seed_all(number)
            return [None]
        with limited(self.seconds):
            if what == "call":
                return self.called(self.handed[number], more, data, writer)
            if what in ("attribute", "length", "item", "iterate"):
                target = self.handed[number]
                found = [Reader(data, self.take).read(one) for one in more]
                if what == "attribute":
                    return [writer.write(getattr(target, found[0]))]
                if what == "length":
                    return [len(target)]
                made = target[found[0]] if what == "item" else iter(target)
                return [writer.write(made)]
            return super().serve(form, data, writer)

    def begin(self, imports: str, seconds: float) -> Form:
        """Run what the chapter imports, before anything of the learner's; return what is wrong."""
        try:
            with limited(seconds):
                exec(compile(plain(imports), "<imports>", "exec"), self.names)
        except Exception as error:
            return [": ".join(told(error))[:200]]
        return [None]

    def start(self, cells: list[str], seed: int, cell_seconds: float, seconds: float) -> Form:
        """Run a notebook's cells, each after the other; what one raises stays its own."""
        self.seconds = seconds
        seed_all(seed)
        errors = []
        for source in cells:
            try:
                with limited(cell_seconds):
                    exec(compile(plain(source), "<cell>", "exec"), self.names)
            except BaseException as error:
                errors.append(": ".join(told(error))[:200])
        return [errors]

    def called(self, target: Any, more: list[Form], data: bytes, writer: Writer) -> Form:
        """Call an answer; return what it returns, and which of its arguments it changed."""
        self.inside = set()
        reader = Reader(data, self.take, numbers=True)
        args, named_ = map(reader.read, more)
        table, inside = reader.table, self.inside
        known = {id(one): i for i, one in enumerate(table)}
        for i, one in enumerate(table):
            if isinstance(one, torch.UntypedStorage) and one.nbytes():
                known[-1 - one.data_ptr()] = i
        before = [self.contents(i, one, known, inside) for i, one in enumerate(table)]
        result = target(*args, **named_)
        writer.known = known
        form = writer.write(result)
        changes = []
        for i, one in enumerate(table):
            if self.contents(i, one, known, inside) != before[i]:
                changes.append([i, contents(one, writer)])
        return [form, changes]

    def contents(self, i: int, one: Any, known: dict[int, int], inside: set[int]) -> Any:
        """Return what can be compared to see whether an argument was changed."""
        if i in inside:
            return None
        writer = Writer(self.hand, known)
        return json.dumps(contents(one, writer)), bytes(writer.data)


def contents(one: Any, writer: Writer) -> Form:
    """Return what an argument holds; what it holds in turn stands there by its number."""
    if isinstance(one, torch.UntypedStorage):
        made = torch.empty(0, dtype=torch.uint8).set_(one)
        return ["memory", writer.blob(made.numpy().tobytes() if one.nbytes() else b"")]
    if isinstance(one, torch.nn.Module):
        weights = [[name, writer.write(w)] for name, w in one._parameters.items()]
        return ["module", bool(one.training), weights]
    if isinstance(one, list | set):
        return [type(one).__name__, [writer.write(item) for item in one]]
    if isinstance(one, dict):
        return ["dict", [[writer.write(key), writer.write(item)] for key, item in one.items()]]
    if isinstance(one, torch.Tensor | np.ndarray):
        apart = Writer(writer.hand, {k: v for k, v in writer.known.items() if k != id(one)})
        apart.data = writer.data
        return apart.write(one)
    return None


def named(path: str) -> Any:
    """Return a class or function by its module's name and its own."""
    module, _, name = path.partition(":")
    if module.split(".")[0] not in ROOTS:
        raise ProtocolError(f"{module} isn't the course's")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def seed_all(seed: int) -> None:
    """Let torch, numpy and Python draw from one seed on, whatever a cell calls by their names."""
    for plant in SEEDS:
        plant(seed)


def serve(sock: socket.socket | Pipes) -> None:
    """Answer the judge until it hangs up."""
    course_lib.assignments.check = lambda *_: None  # no test runs here
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    os.close(silence)
    torch.set_num_threads(1)
    worker = Worker(Wire(sock))
    with contextlib.suppress(Gone, ProtocolError):
        while True:
            (_, number, form), data = worker.wire.receive()
            worker.answer(number, form, data)
    os._exit(0)


if __name__ == "__main__":
    from course_lib.assignments import sandbox

    place, said, *entrances = sys.argv[1:]
    for entrance in entrances:
        sandbox.enter(int(entrance))
    sandbox.close_in(json.loads(said))
    serve(Pipes(os.dup(0), os.dup(1)) if place == "-" else socket.socket(fileno=int(place)))
