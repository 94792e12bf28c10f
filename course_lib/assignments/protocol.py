"""Values between the judge and the process that runs a learner's code: plain data, no code.

A message is JSON and, behind it, the bytes of tensors and arrays. What a value is stands in its
first word: ``["list", [...]]``, ``["tensor", "float32", [2, 3], [offset, length], ...]``. A
:class:`Writer` makes such a form of a value, or raises :class:`Unsent`; a :class:`Reader` makes a
value of a form. What comes from the learner's side is read strictly: an unknown word, a wrong
type, a size or place that doesn't fit, a key that comes twice is a :class:`ProtocolError`, never
an attempt. What is read takes no more memory than the message, a tensor that repeats its entries
no more than ``LARGEST`` when it is written out.

Arguments that a function may change in place, and that others may share, are numbered in the
order in which they are met, on both sides alike; what changed then goes back by its number.
"""

import collections
import fractions
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

LARGEST = 2**28  # bytes of one tensor or array, written out
AXES = 32
DTYPES = {
    str(kind).removeprefix("torch."): kind
    for kind in (
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool, torch.uint8),
        *(torch.int8, torch.int16, torch.int32, torch.int64, torch.complex64, torch.complex128),
    )
}
ARRAY_KINDS = "biufcU"
ARRAY_TYPE = re.compile(r"[<|][biufcU]\d{1,9}")
WHOLE = re.compile(r"-?0x[0-9a-f]{1,20000}")
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
PLAIN = ("bytes", "dtype", "device", "ellipsis", "slice", "complex", "fraction", "range")
Form = Any  # what JSON can say


class ProtocolError(Exception):
    """The other side sent what the protocol doesn't know, or too much of it."""


class Unsent(ProtocolError, TypeError):
    """A value that no message can say."""


def entries(shape: Form, size: int) -> int:
    """Return how many entries of so many bytes a shape has, after it has been checked."""
    if type(shape) is not list or len(shape) > AXES:
        raise ProtocolError("a shape that isn't one")
    if not all(type(n) is int and 0 <= n < 2**40 for n in shape):
        raise ProtocolError("a shape that isn't one")
    if size * math.prod(n or 1 for n in shape) > LARGEST:
        raise ProtocolError("a tensor or array of too many entries")
    return math.prod(shape)


def view(storage: torch.UntypedStorage, dtype: str, shape: Form, stride: Form, offset: Form) -> Any:
    """Return a tensor over a storage, after it has been made sure that it lies within it."""
    kind = DTYPES[dtype]
    many = entries(shape, kind.itemsize)
    steps = [*stride, offset]
    if len(shape) != len(stride) or not all(type(n) is int and 0 <= n < 2**40 for n in steps):
        raise ProtocolError("a tensor's steps aren't ones")
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    if many and (last + 1) * kind.itemsize > storage.nbytes():
        raise ProtocolError("a tensor reaches beyond its memory")
    made = torch.empty(0, dtype=kind).set_(storage, offset, tuple(shape), tuple(stride))
    truths(made)
    return made


def truths(tensor: torch.Tensor) -> None:
    """Make sure that what calls itself true or false is one of both."""
    if tensor.dtype == torch.bool and tensor.numel() and tensor.view(torch.uint8).max() > 1:
        raise ProtocolError("neither true nor false")


def raw(tensor: torch.Tensor) -> bytes:
    """Return a tensor's entries as bytes, in order."""
    flat = tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def storage_of(data: bytes) -> torch.UntypedStorage:
    """Return memory of its own that holds some bytes."""
    if not data:
        return torch.UntypedStorage(0)
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).untyped_storage()


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
        """Return a value's form.

        Raises:
            Unsent: if it has none.
        """
        try:
            return self.form(value)
        except RecursionError:
            raise Unsent("what is nested too deep, or in itself, can't be sent") from None

    def form(self, value: Any) -> Form:
        """Return a value's form, unless it is nested too deep."""
        kind = type(value)
        if value is None or kind in (bool, str, float):
            return value
        if kind is int:
            if value.bit_length() > 80_000:
                raise Unsent("a whole number of so many digits can't be sent")
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
            native = np.asarray(value, value.dtype.newbyteorder("="))
            return ["array", native.dtype.str, list(value.shape), self.blob(native.tobytes())]
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
        dtype, shape = str(value.dtype).removeprefix("torch."), list(value.shape)
        if value.layout != torch.strided or value.device.type != "cpu" or dtype not in DTYPES:
            raise Unsent(f"a tensor of {dtype} on {value.device}, {value.layout}, can't be sent")
        leaf = bool(value.requires_grad and value.is_leaf)
        with torch.no_grad():
            storage = value.untyped_storage()
            place = -1 - storage.data_ptr()  # no object's id is negative
            lazy = value.is_conj() or value.is_neg()  # its memory holds other entries
            if lazy or (self.numbers is None and place not in self.known):
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
        self.left = len(data)
        self.table: list[Any] = [] if table is None else table

    def blob(self, form: Form) -> bytes:
        """Return the bytes that a form says; none are given twice, so that they take no more."""
        start, length = form
        if not (type(start) is type(length) is int and 0 <= start <= start + length):
            raise ProtocolError("bytes without a place")
        if start + length > len(self.data):
            raise ProtocolError("bytes beyond the end")
        self.left -= length
        if self.left < 0:
            raise ProtocolError("bytes that were given before")
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
        if type(form) is not list or not form or type(form[0]) is not str:
            raise ProtocolError("no form of a value")
        try:
            found = self.value(form)
        except ProtocolError:
            raise
        except Exception as error:
            raise ProtocolError(f"no value: {type(error).__name__}") from None
        if isinstance(found, torch.UntypedStorage):
            raise ProtocolError("memory, where a value should be")
        return found

    def value(self, form: Form) -> Any:
        """Return the value of a form that is more than a number or a text."""
        word, *rest = form
        if word in ("list", "set", "tuple", "frozenset"):
            return self.many(word, *rest)
        if word in ("dict", "counter"):
            (pairs,) = rest
            table = self.number(CONTAINERS[word]())
            for key, one in pairs:
                if (made := self.read(key)) in table:
                    raise ProtocolError("a key that was given before")
                dict.__setitem__(table, made, self.read(one))
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
            if not WHOLE.fullmatch(*rest):
                raise ProtocolError("no whole number, or one of too many digits")
            return int(rest[0], 16)
        if word in PLAIN:
            return self.plain(word, rest)
        return self.take(self, form)

    def many(self, word: str, items: Form) -> Any:
        """Return a list, tuple or set."""
        if type(items) is not list:
            raise ProtocolError("items that aren't a list")
        made: Any
        if word == "tuple":
            made = tuple([self.read(one) for one in items])
        else:
            made = CONTAINERS["set" if word == "frozenset" else word]()
            if word != "frozenset":
                self.number(made)
            add = made.append if word == "list" else made.add
            for one in items:  # one by one, so that items that all hash alike can be stopped
                add(self.read(one))
            made = frozenset(made) if word == "frozenset" else made
        if len(made) != len(items):
            raise ProtocolError("an item that was given before")
        return made

    def plain(self, word: str, rest: Form) -> Any:
        """Return one of Python's or torch's smaller values."""
        if word == "bytes":
            return bytes(self.blob(*rest))
        if word == "dtype":
            (name,) = rest
            return DTYPES[name]
        if word == "device":
            return torch.device("cpu")
        if word == "ellipsis":
            return ...
        numbers = [self.read(one) for one in rest]
        if word == "slice":
            return slice(*numbers)
        if not all(type(one) is (float if word == "complex" else int) for one in numbers):
            raise ProtocolError(f"a {word} of what aren't numbers for it")
        made = {"complex": complex, "fraction": fractions.Fraction, "range": range}[word](*numbers)
        if word == "range" and len(made) > LARGEST // 16:
            raise ProtocolError("a range that is too long")
        return made

    def tensor(self, word: str, rest: Form) -> Any:
        """Return a tensor, or memory that tensors share."""
        if word == "memory":
            return self.number(storage_of(self.blob(*rest)))
        if word == "tensor":
            dtype, shape, place, leaf = rest
            data, size = self.blob(place), DTYPES[dtype].itemsize
            if entries(shape, size) * size != len(data):
                raise ProtocolError("a tensor's bytes don't fit its shape")
            strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
            made = view(storage_of(data), dtype, shape, strides, 0)
            return made.requires_grad_() if leaf is True else made
        (memory, dtype, shape, stride, offset), leaf, grad, parameter = rest
        storage = self.value(memory)
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
        if not ARRAY_TYPE.fullmatch(rest[0]) or not (dtype := np.dtype(rest[0])).itemsize:
            raise ProtocolError("an array of no numbers")
        shape = rest[1] if word == "array" else []
        data = bytearray(self.blob(rest[-1]))
        if entries(shape, dtype.itemsize) * dtype.itemsize != len(data):
            raise ProtocolError("an array's bytes don't fit its shape")
        # What isn't true or false, or no character, is no value though it has the right size.
        if dtype.kind == "b" and any(data.translate(None, b"\0\1")):
            raise ProtocolError("neither true nor false")
        if dtype.kind == "U" and (np.frombuffer(data, np.uint32) > 0x10FFFF).any():
            raise ProtocolError("text that isn't one")
        made = np.ndarray(tuple(shape), dtype, data)
        return made[()] if word == "scalar" else self.number(made)
