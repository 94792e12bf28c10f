"""Calls across the boundary: stand-ins for functions and objects of the other side.

Both sides are a :class:`Peer`. Who waits for a reply answers the calls that come meanwhile, so a
function that was handed over can be called back, also within a call. A stand-in has the methods
that its class here defines, and no others.
"""

import contextlib
import itertools
import re
import signal
import threading
from collections.abc import Iterator
from typing import Any

import torch

from course_lib.assignments.protocol import Form, ProtocolError, Reader, Unsent, Writer
from course_lib.assignments.wire import Gone, Wire

PUBLIC = re.compile(r"[A-Za-z]\w{0,80}", re.ASCII)
ERRORS = {
    error.__name__: error
    for error in (
        *(ArithmeticError, AssertionError, AttributeError, EOFError, ImportError, IndexError),
        *(KeyError, LookupError, MemoryError, ModuleNotFoundError, NameError),
        *(NotImplementedError, OSError, OverflowError, PermissionError, RecursionError),
        *(RuntimeError, StopIteration, TimeoutError, TypeError, UnboundLocalError, UnicodeError),
        *(ValueError, ZeroDivisionError),
    )
}


class OtherError(Exception):
    """An error of the other side of a kind that this one doesn't know."""


class Function:
    """A function of the other side: it can be called."""

    def __init__(self, peer: "Peer", number: int, name: str = "function") -> None:
        self._peer, self._number, self.__name__ = peer, number, name

    def __repr__(self) -> str:
        return "<a function or an object of the answer's own>"

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Call it there."""
        return self._peer.call(self._number, args, named)

    def __deepcopy__(self, _: Any) -> "Function":
        return self


class Iteration:
    """A generator, or another iterator, of the other side: it gives one thing after the other."""

    def __init__(self, peer: "Peer", number: int, name: str = "") -> None:
        self._peer, self._number = peer, number

    def __repr__(self) -> str:
        return "<an iterator of the answer's own>"

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self._peer.ask("next", self._number)

    def __deepcopy__(self, _: Any) -> "Iteration":
        return self


class Thing(Function):
    """An object of the other side: it can be called, and asked for what has a public name."""

    _told: tuple[Any, int] = 0, -1  # what its length was last, and after how many acts

    def __getattr__(self, name: str) -> Any:
        if not PUBLIC.fullmatch(name):
            raise AttributeError(name)
        return self._peer.ask("attribute", self._number, name)

    def __len__(self) -> int:
        found = self._peer.ask("length", self._number)
        self._told = found, self._peer.acts
        return found if type(found) is int else -1

    def __getitem__(self, key: Any) -> Any:
        return self._peer.ask("item", self._number, key)

    def __iter__(self) -> Iterator[Any]:
        found = self._peer.ask("iterate", self._number)
        if not isinstance(found, Iteration):
            raise TypeError("the answer can't be iterated")
        length, then = self._told
        return self._whole(found, length) if then == self._peer.acts else found

    def _whole(self, items: Iteration, length: Any) -> Iterator[Any]:
        """Yield all items, and make sure that they are as many as was said just before."""
        count = 0
        for count, one in enumerate(items, 1):  # noqa: B007
            yield one
        if count != length:
            raise TypeError(f"the answer says that its length is {length}, and has {count} items")


STAND_INS = {"function": Function, "iteration": Iteration, "thing": Thing}


class Peer:
    """One side: it knows what it has handed over, and answers calls to it."""

    caught: type[BaseException] = Exception  # what a call raises is told to the other side

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.handed: dict[int, Any] = {}
        self.known: dict[int, int] = {}  # by id: what was handed over keeps its number
        self.numbers = itertools.count(1)
        self.asked = itertools.count(1)
        self.acts = 0  # requests after which something may be another one
        self.tapes: dict[int, tuple[list[torch.Tensor], torch.Tensor]] = {}

    # How a side writes and reads; each has its own way with objects.

    def hand(self, writer: Writer, value: Any) -> Form:
        """Return the form of what is no value."""
        if isinstance(value, Function | Iteration) and value._peer is self:
            return ["yours", value._number]
        if hasattr(type(value), "__next__"):
            return ["iteration", self.export(value), ""]
        if callable(value):
            return ["function", self.export(value), ""]
        raise Unsent(f"a {type(value).__name__} can't be sent")

    def take(self, reader: Reader, form: Form) -> Any:
        """Return what a form of a word that isn't a value's stands for."""
        word, *rest = form
        if word == "yours":
            return self.handed[rest[0]]
        if word in STAND_INS and type(rest[0]) is int:
            return STAND_INS[word](self, rest[0], str(rest[1])[:80])
        raise ProtocolError("an unknown word")

    def export(self, value: Any) -> int:
        """Return the number under which the other side may ask for something."""
        if id(value) not in self.known:
            number = next(self.numbers)
            self.known[id(value)], self.handed[number] = number, value
        return self.known[id(value)]

    # Asking and being asked

    def ask(self, what: str, number: int, *more: Any) -> Any:
        """Ask the other side for something and return it."""
        writer = Writer(self.hand)
        form, data = self.request([what, number, *map(writer.write, more)], writer.data)
        return Reader(data, self.take).read(form[0])

    def call(self, number: int, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Call a function of the other side."""
        return self.ask("call", number, args, named)

    def request(self, form: Form, data: bytes | bytearray = b"") -> tuple[Form, bytes]:
        """Send a request; answer those that come before the reply; return the reply."""
        number = next(self.asked)
        self.acts += form[0] not in ("length", "iterate", "next")
        self.wire.send(["ask", number, form], data)
        while True:
            message, data = self.wire.receive()
            if not (isinstance(message, list) and len(message) == 3):
                raise ProtocolError("neither a question nor a reply")
            word, its, form = message
            if word == "ask":
                self.answer(its, form, data)
            elif its != number or not isinstance(form, list) or not form:
                raise ProtocolError("a reply to another question")
            elif word == "reply":
                return form, data
            elif word == "error" and [type(one) for one in form] == [str, str]:
                raise self.error(*form)
            else:
                raise ProtocolError("neither a question nor a reply")

    def error(self, name: str, said: str = "") -> Exception:
        """Return an error of this side for one of the other."""
        said = said[:2000]
        if name == "StopIteration":
            return StopIteration()
        return ERRORS[name](said) if name in ERRORS else OtherError(f"{name[:80]}: {said}")

    def answer(self, number: Form, form: Form, data: bytes) -> None:
        """Do what the other side asks for, and send the reply."""
        writer = Writer(self.hand)
        try:
            reply = self.serve(form, data, writer)
        except (ProtocolError, Gone) as error:
            if not isinstance(error, Unsent):
                raise
            self.wire.send(["error", number, list(told(error))])
            return
        except self.caught as error:
            self.wire.send(["error", number, list(told(error))])
            return
        self.wire.send(["reply", number, reply], writer.data)

    def serve(self, form: Form, data: bytes, writer: Writer) -> Form:
        """Return the forms of what the other side asks for."""
        reader = Reader(data, self.take)
        what, number, *more = form
        if what == "slopes":
            return [writer.write(self.slopes(number, reader.read(more[0])))]
        try:
            target = self.handed[number]
        except (KeyError, TypeError):
            raise ProtocolError("nothing of that number was handed over") from None
        if what == "next":
            return [writer.write(next(target))]
        if what == "call":
            args, named = map(reader.read, more)
            return [writer.write(target(*args, **named))]
        if what == "taped":
            return self.taped(target, reader.read(more[0]), writer)
        raise ProtocolError("an unknown question")

    def taped(self, target: Any, args: Any, writer: Writer) -> Form:
        """Call a function and remember how its result came about, for its slopes."""
        inputs = [one for one in args if isinstance(one, torch.Tensor) and one.requires_grad]
        with torch.enable_grad():
            result = target(*args)
        if isinstance(result, torch.Tensor) and result.requires_grad:
            self.tapes[tape := len(self.tapes)] = inputs, result
            return [writer.write(result.detach()), tape]
        return [writer.write(result), None]

    def slopes(self, tape: Form, gradient: Any) -> Any:
        """Return the slopes of a remembered result, by its inputs."""
        inputs, result = self.tapes[tape]
        found = torch.autograd.grad(result, inputs, gradient, retain_graph=True, allow_unused=True)
        return list(found)


def too_long(*_: Any) -> None:
    """Stop what takes too long."""
    raise TimeoutError("it took too long")


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Stop what runs longer within it; only the outermost one counts."""
    main = threading.current_thread() is threading.main_thread()  # the only one that can
    if not main or seconds <= 0 or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return
    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def told(error: BaseException) -> tuple[str, str]:
    """Return an error's kind, or the nearest kind that both sides know, and what it says."""
    try:
        said = str.__str__(str(error))
    except BaseException:  # of a learner's own making
        said = ""
    if isinstance(error, KeyError) and len(error.args) == 1:
        said = str(error.args[0])
    kinds = [kind.__name__ for kind in type(error).__mro__]
    if kinds[0] in ERRORS:
        return kinds[0], said[:2000]
    known = next((kind for kind in kinds if kind in ERRORS), "")
    return (known, said[:2000]) if known else (kinds[0][:80], said[:2000])


def warm() -> None:
    """Load what torch loads at its first use, so that a forked process has it already."""
    weight = torch.nn.Parameter(torch.ones(1))
    torch.optim.SGD([weight], lr=0.0).step()
    torch.manual_seed(0)
