"""Values between the judge and the process that runs a learner's code: plain data, no code.

A message is JSON and, behind it, the bytes of tensors and arrays. What a value is stands in its
first word: ``["list", [...]]``, ``["tensor", "float32", [2, 3], [offset, length], ...]``. A
:class:`Writer` makes such a form of a value and a :class:`Reader` a value of a form. What comes
from the learner's side is read strictly: an unknown word, a wrong type, a size or place that
doesn't fit is a :class:`ProtocolError`, never an attempt.

Arguments that a function may change in place, and that others may share, are numbered in the
order in which they are met, on both sides alike; what changed then goes back by its number.
"""

import collections
import fractions
import json
import math
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

HEADER = struct.Struct(">IQ")
TEXT_LIMIT = 8 * 2**20  # bytes of JSON in one message
DTYPES = {
    str(kind).removeprefix("torch."): kind
    for kind in (
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool, torch.uint8),
        *(torch.int8, torch.int16, torch.int32, torch.int64, torch.complex64, torch.complex128),
    )
}
ARRAY_KINDS = "biufcU"
CONTAINERS: dict[str, Any] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": dict,
    "counter": collections.Counter,
}
WORDS: dict[type, str] = {made: word for word, made in CONTAINERS.items()} | {
    collections.defaultdict: "dict",
    collections.OrderedDict: "dict",
}
PLAIN = {"range": range, "slice": slice, "fraction": fractions.Fraction}
Form = Any  # what JSON can say


class ProtocolError(Exception):
    """The other side sent what the protocol doesn't know, or too much of it."""


def view(storage: torch.UntypedStorage, dtype: str, shape: Form, stride: Form, offset: Form) -> Any:
    """Return a tensor over a storage, after it has been made sure that it lies within it."""
    numbers = [*shape, *stride, offset]
    if len(shape) != len(stride) or not all(type(n) is int and 0 <= n < 2**40 for n in numbers):
        raise ProtocolError("a tensor's shape isn't one")
    kind = DTYPES[dtype]
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    if 0 not in shape and (last + 1) * kind.itemsize > storage.nbytes():
        raise ProtocolError("a tensor reaches beyond its memory")
    return torch.empty(0, dtype=kind).set_(storage, offset, tuple(shape), tuple(stride))


def raw(tensor: torch.Tensor) -> bytes:
    """Return a tensor's entries as bytes, in order."""
    flat = tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def storage_of(data: bytes) -> torch.UntypedStorage:
    """Return memory of its own that holds some bytes."""
    if not data:
        return torch.UntypedStorage(0)
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).untyped_storage()


class Gone(Exception):
    """The other side doesn't answer any more; it says why."""


class Writer:
    """Makes forms of values.

    Args:
        hand: makes the form of what is no value: a function, an iterator, an object.
        known: what both sides have, by its id, with its number.
        numbers: if given, what is met is numbered and put there.
    """

    def __init__(
        self,
        hand: Callable[["Writer", Any], Form],
        known: dict[int, int] | None = None,
        numbers: list[Any] | None = None,
    ) -> None:
        self.hand, self.known, self.numbers = hand, dict(known or {}), numbers
        self.data = bytearray()

    def blob(self, data: bytes) -> Form:
        """Put bytes behind the message and return where they are."""
        self.data += data
        return [len(self.data) - len(data), len(data)]

    def number(self, value: Any, key: int | None = None) -> None:
        """Give a value the next number, where values are numbered."""
        if self.numbers is not None:
            self.known[id(value) if key is None else key] = len(self.numbers)
            self.numbers.append(value)

    def write(self, value: Any) -> Form:
        """Return a value's form."""
        kind = type(value)
        if value is None or kind in (bool, str, float):
            return value
        if kind is int:
            return value if abs(value) < 2**63 else ["int", hex(value)]
        if id(value) in self.known:
            return ["ref", self.known[id(value)]]
        if kind in (bytes, bytearray):
            return ["bytes", self.blob(bytes(value))]
        if kind in WORDS:
            return self.container(value)
        if isinstance(value, torch.Tensor):
            return self.tensor(value)
        if isinstance(value, np.ndarray) and value.dtype.kind in ARRAY_KINDS:
            self.number(value)
            made = np.ascontiguousarray(value)
            return ["array", value.dtype.str, list(value.shape), self.blob(made.tobytes())]
        if isinstance(value, np.generic) and value.dtype.kind in ARRAY_KINDS:
            return ["scalar", value.dtype.str, self.blob(value.tobytes())]
        if isinstance(value, tuple):  # named ones, torch.Size
            return ["tuple", [self.write(one) for one in tuple(value)]]
        if isinstance(value, str):
            return str.__str__(value)
        if kind is complex:
            return ["complex", value.real, value.imag]
        if kind is fractions.Fraction:
            return ["fraction", self.write(value.numerator), self.write(value.denominator)]
        if kind in (range, slice):
            return [kind.__name__, value.start, value.stop, value.step]
        if kind in (torch.dtype, torch.device):
            return [kind.__name__, str(value).removeprefix("torch.")]
        if value is Ellipsis:
            return ["ellipsis"]
        return self.hand(self, value)

    def container(self, value: Any) -> Form:
        """Return the form of a list, tuple, set or dictionary."""
        word = WORDS[type(value)]
        if word not in ("tuple", "frozenset"):
            self.number(value)
        if word in ("dict", "counter"):
            return [word, [[self.write(key), self.write(one)] for key, one in value.items()]]
        return [word, [self.write(one) for one in value]]

    def tensor(self, value: torch.Tensor) -> Form:
        """Return a tensor's form: a view of memory that both sides share, or its entries."""
        if value.layout != torch.strided or value.device.type != "cpu":
            raise ProtocolError(f"a tensor on {value.device}, {value.layout}, can't be sent")
        dtype, shape = str(value.dtype).removeprefix("torch."), list(value.shape)
        leaf = bool(value.requires_grad and value.is_leaf)
        with torch.no_grad():
            storage = value.untyped_storage()
            place = -1 - storage.data_ptr()  # no object's id is negative
            if self.numbers is None and place not in self.known:
                return ["tensor", dtype, shape, self.blob(raw(value)), leaf]
            if place in self.known and place != -1:
                memory = ["ref", self.known[place]]
            else:
                self.number(storage, place)
                bytes_ = torch.empty(0, dtype=torch.uint8).set_(storage)
                memory = ["memory", self.blob(bytes_.numpy().tobytes())]
            self.number(value)
            where = [memory, dtype, shape, list(value.stride()), value.storage_offset()]
            grad = self.write(value.grad) if value.is_leaf else None
        return ["view", where, leaf, grad, isinstance(value, torch.nn.Parameter)]


class Reader:
    """Makes values of forms.

    Args:
        data: the bytes behind the message.
        take: makes what a form of another word stands for: a stand-in, an object.
        table: what both sides have, by its number.
        numbers: whether what is read is numbered and put into the table.
    """

    def __init__(
        self,
        data: bytes,
        take: Callable[["Reader", Form], Any],
        table: list[Any] | None = None,
        numbers: bool = False,
    ) -> None:
        self.data, self.take, self.numbers = data, take, numbers
        self.table: list[Any] = [] if table is None else table

    def blob(self, form: Form) -> bytes:
        """Return the bytes that a form says."""
        start, length = form
        if not (type(start) is type(length) is int and 0 <= start <= start + length):
            raise ProtocolError("bytes without a place")
        if start + length > len(self.data):
            raise ProtocolError("bytes beyond the end")
        return self.data[start : start + length]

    def number(self, value: Any) -> Any:
        """Give a value the next number, where values are numbered."""
        if self.numbers:
            self.table.append(value)
        return value

    def read(self, form: Form) -> Any:
        """Return the value of a form.

        Raises:
            ProtocolError: if it is no form.
        """
        if form is None or type(form) in (bool, int, float, str):
            return form
        try:
            return self.value(form)
        except ProtocolError:
            raise
        except Exception as error:
            raise ProtocolError(f"no value: {type(error).__name__}") from None

    def value(self, form: Form) -> Any:
        """Return the value of a form that is more than a number or a text."""
        word, *rest = form
        if word in ("list", "set", "tuple", "frozenset"):
            (items,) = rest
            if word in ("tuple", "frozenset"):
                return CONTAINERS[word](map(self.read, items))
            many = self.number(CONTAINERS[word]())
            (many.extend if word == "list" else many.update)([self.read(one) for one in items])
            return many
        if word in ("dict", "counter"):
            table = self.number(CONTAINERS[word]())
            for key, one in rest[0]:
                dict.__setitem__(table, self.read(key), self.read(one))
            return table
        if word == "ref":
            (number,) = rest
            if type(number) is not int or not 0 <= number < len(self.table):
                raise ProtocolError("no such number")
            return self.table[number]
        if word in ("tensor", "view", "memory"):
            return self.tensor(word, rest)
        if word in ("array", "scalar"):
            return self.array(word, rest)
        if word == "int":
            if len(rest[0]) > 20_000:
                raise ProtocolError("a whole number of too many digits")
            return int(rest[0], 16)
        if word == "bytes":
            return bytes(self.blob(rest[0]))
        if word == "complex":
            return complex(*map(float, rest))
        if word in PLAIN:
            return PLAIN[word](*map(self.read, rest))
        if word == "dtype":
            return DTYPES[rest[0]]
        if word == "device":
            return torch.device("cpu")
        if word == "ellipsis":
            return ...
        return self.take(self, form)

    def tensor(self, word: str, rest: Form) -> Any:
        """Return a tensor, or memory that tensors share."""
        if word == "memory":
            return self.number(storage_of(self.blob(rest[0])))
        if word == "tensor":
            dtype, shape, place, leaf = rest
            data, entries = self.blob(place), math.prod(map(int, shape))
            if entries * DTYPES[dtype].itemsize != len(data):
                raise ProtocolError("a tensor's bytes don't fit its shape")
            strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
            made = view(storage_of(data), dtype, shape, strides, 0)
            return made.requires_grad_() if leaf is True else made
        (memory, dtype, shape, stride, offset), leaf, grad, parameter = rest
        storage = self.read(memory)
        if not isinstance(storage, torch.UntypedStorage):
            raise ProtocolError("a tensor without memory")
        made = view(storage, dtype, shape, stride, offset)
        if parameter is True:
            made = torch.nn.Parameter(made, requires_grad=leaf is True)
        elif leaf is True:
            made.requires_grad_()
        self.number(made)
        made.grad = self.read(grad)
        return made

    def array(self, word: str, rest: Form) -> Any:
        """Return a numpy array, or one number of numpy's."""
        dtype = np.dtype(str(rest[0]))
        if dtype.kind not in ARRAY_KINDS:
            raise ProtocolError("an array of no numbers")
        data = bytearray(self.blob(rest[-1]))
        if word == "scalar":
            return np.frombuffer(data, dtype)[0]
        return self.number(np.frombuffer(data, dtype).reshape([int(n) for n in rest[1]]))


def gone(error: OSError) -> Gone:
    """Return what is said of a socket's error."""
    return Gone("it took too long" if isinstance(error, TimeoutError) else "its process ended")


class Wire:
    """Sends and receives messages over a socket, up to a size and until a time."""

    def __init__(self, sock: socket.socket, limit: int = 2**34) -> None:
        self.sock, self.limit, self.deadline = sock, limit, float("inf")

    def wait(self) -> None:
        """Let the socket wait until the deadline, and no longer."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Gone("it took too long")
        self.sock.settimeout(None if left == float("inf") else left)

    def send(self, form: Form, data: bytes | bytearray = b"") -> None:
        """Send one message."""
        text = json.dumps(form).encode()
        self.wait()
        try:
            self.sock.sendall(HEADER.pack(len(text), len(data)) + text + data)
        except OSError as error:
            raise gone(error) from None

    def exactly(self, size: int) -> bytes:
        """Receive so many bytes."""
        found = bytearray(size)
        place, window = 0, memoryview(found)
        while place < size:
            self.wait()
            try:
                got = self.sock.recv_into(window[place:], min(size - place, 2**20))
            except OSError as error:
                raise gone(error) from None
            if not got:
                raise Gone("its process ended")
            place += got
        return bytes(found)

    def receive(self) -> tuple[Form, bytes]:
        """Receive one message.

        Raises:
            ProtocolError: if it is too long, or isn't JSON.
            Gone: if the other side has ended, or at the deadline.
        """
        length, size = HEADER.unpack(self.exactly(HEADER.size))
        if length > TEXT_LIMIT or size > self.limit:
            raise ProtocolError("more was sent than may be")
        text, data = self.exactly(length), self.exactly(size)
        try:
            return json.loads(text), data
        except (ValueError, RecursionError):
            raise ProtocolError("no message") from None
