"""GGUF files: a model's settings, vocabulary and packed weights in one file.

Used in 'Text generation' and 'Tools'. Such a file holds numbers and text only: reading it runs no
code.
"""

import math
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gguf
import numpy as np
import torch
from torch import Tensor

from course_lib.checks import check_sizes, expect

_PIECE = 2**18  # weights that are unpacked at once


class Place(NamedTuple):
    """What a weight is, and where it begins in the file."""

    shape: list[int]
    kind: gguf.GGMLQuantizationType
    offset: int


class GGUFFile:
    """A GGUF file's fields and weights; see the format's specification in the ggml project.

    The gguf package's reader does the same with a numpy array per string, which takes seconds and
    more memory than the weights for a vocabulary of this size.

    Args:
        path: of the file.

    Attributes:
        fields: name to value: a number, a string, or a list of them.
        weights: name to place.

    Raises:
        ValueError: if it is no GGUF file of version 3, or not a whole one.
    """

    _NUMBERS = ("B", "b", "H", "h", "I", "i", "f", "?", None, None, "Q", "q", "d")

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.fields: dict[str, Any] = {}
        self.weights: dict[str, Place] = {}
        try:
            with self.path.open("rb") as self._file:
                self._size = os.fstat(self._file.fileno()).st_size
                self._read()
        except (EOFError, struct.error):
            expected = "expected a whole GGUF file, got one that ends too early"
            raise ValueError(f"{path}: {expected}") from None
        except (OSError, ValueError, RecursionError) as error:
            expected = f"expected a GGUF file of version 3, got {error}"
            raise ValueError(f"{path}: {expected}") from None

    def weight(self, name: str, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return a weight, unpacked piece by piece: the least memory beside its own.

        Raises:
            ValueError: if there is none of this name, or it can't be unpacked.
        """
        expect(name in self.weights, "name", "that of a weight in the file", repr(name))
        shape, kind, offset = self.weights[name]
        # Rows are unpacked so many at a time.
        width = _bytes_of(shape[-1:], kind)
        weight = torch.empty(math.prod(shape[:-1]), shape[-1], dtype=dtype)
        rows = max(1, _PIECE // shape[-1])
        # Read, unpack, put in its place.
        for first in range(0, len(weight), rows):
            part = weight[first : first + rows]
            start = offset + first * width
            packed = np.fromfile(self.path, np.uint8, len(part) * width, offset=start)
            try:
                numbers = gguf.dequantize(packed.reshape(-1, width), kind)
            except NotImplementedError:
                expected = "weights of a type that gguf unpacks"
                raise ValueError(f"{self.path}: expected {expected}, got {kind.name}") from None
            part.copy_(torch.from_numpy(numbers).view_as(part))
        return weight.view(shape)

    def _read(self) -> None:
        # The head: what it is, and how much of it; then the fields, then what each weight is.
        magic = self._file.read(8)
        if magic != b"GGUF\3\0\0\0":
            raise ValueError(repr(magic))
        n_tensors, n_fields = self._number("Q"), self._number("Q")
        fields = [(self._string(), self._value(self._number("I"))) for _ in range(n_fields)]
        self.fields = dict(fields)
        infos = [self._info() for _ in range(n_tensors)]
        # The weights begin behind that, at a multiple of the alignment.
        alignment = self.fields.get("general.alignment", 32)
        check_sizes(**{"general.alignment": alignment})
        start = -(-self._file.tell() // alignment) * alignment
        self.weights = {name: place._replace(offset=start + place.offset) for name, place in infos}
        if len(self.fields) < n_fields or len(self.weights) < n_tensors:
            raise ValueError("two fields or two weights of one name")
        for shape, kind, offset in self.weights.values():
            self._expect_left(offset + _bytes_of(shape, kind), 0)

    def _expect_left(self, count: int, start: int | None = None) -> None:
        """Refuse what is longer than the file, before room is made for it."""
        start = self._file.tell() if start is None else start
        if start + count > self._size:
            raise EOFError

    def _number(self, kind: str) -> Any:
        return struct.unpack(f"<{kind}", self._file.read(struct.calcsize(kind)))[0]

    def _string(self) -> str:
        length = self._number("Q")
        text = self._file.read(min(length, self._size))
        if len(text) < length:
            raise EOFError
        return text.decode("utf-8")

    def _value(self, kind: int) -> object:
        if kind == 8:
            return self._string()
        if kind == 9:
            kind, length = self._number("I"), self._number("Q")
            if kind in (8, 9):  # of strings, of lists
                return [self._value(kind) for _ in range(length)]
            many = f"<{length}{self._code(kind)}"
            size = struct.calcsize(many)
            self._expect_left(size)
            return list(struct.unpack(many, self._file.read(size)))
        return self._number(self._code(kind))

    def _code(self, kind: int) -> str:
        code = self._NUMBERS[kind] if kind < len(self._NUMBERS) else None
        if code is None:
            raise ValueError(f"a value of type {kind}")
        return code

    def _info(self) -> tuple[str, Place]:
        name, n_axes = self._string(), self._number("I")
        if not 1 <= n_axes <= 4:
            raise ValueError(f"a weight of {n_axes} axes")
        shape = [self._number("Q") for _ in range(n_axes)][::-1]  # the file has the last axis first
        kind, offset = gguf.GGMLQuantizationType(self._number("I")), self._number("Q")
        if 0 in shape or shape[-1] % gguf.GGML_QUANT_SIZES[kind][0]:
            raise ValueError(f"a weight of type {kind.name} and shape {shape}")
        return name, Place(shape, kind, offset)


def _bytes_of(shape: Sequence[int], kind: gguf.GGMLQuantizationType) -> int:
    block, size = gguf.GGML_QUANT_SIZES[kind]  # so many weights in so many bytes
    return math.prod(shape) // block * size
