"""Checks of arguments: one function for each kind of value, one form of sentence for all.

Every public function checks what it is given once, at its door. A message names the argument, says
what was expected and what came: ``steps: expected a whole number above 0, got 2.5``.
"""

import math
from collections.abc import Collection, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # torch takes a second to import, and not every module needs it
    from torch import Tensor


def expect(ok: bool, argument: str, expected: str, got: object) -> None:
    """Raise ValueError that names the argument, what was expected and what came."""
    if not ok:
        raise ValueError(f"{argument}: expected {expected}, got {got}")


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    try:
        return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def check_sizes(**sizes: int) -> None:
    """Each is a whole number above 0."""
    for name, size in sizes.items():
        expect(_is_whole(size) and size > 0, name, "a whole number above 0", repr(size))


def check_counts(**counts: int) -> None:
    """Each is a whole number, 0 or above."""
    for name, count in counts.items():
        expect(_is_whole(count) and count >= 0, name, "a whole number, 0 or above", repr(count))


def check_positive(**numbers: float) -> None:
    """Each is a finite number above 0."""
    for name, number in numbers.items():
        expect(_is_number(number) and number > 0, name, "a number above 0", repr(number))


def check_not_negative(**numbers: float) -> None:
    """Each is a finite number, 0 or above."""
    for name, number in numbers.items():
        expect(_is_number(number) and number >= 0, name, "a number, 0 or above", repr(number))


def check_shares(**shares: float) -> None:
    """Each is a number from 0 to 1."""
    for name, share in shares.items():
        expect(_is_number(share) and 0 <= share <= 1, name, "a share from 0 to 1", repr(share))


def check_below_one(**shares: float) -> None:
    """Each is a number from 0 up to, not including, 1."""
    for name, share in shares.items():
        ok = _is_number(share) and 0 <= share < 1
        expect(ok, name, "a share from 0 up to, not including, 1", repr(share))


def check_one_of(argument: str, value: object, allowed: Collection[object]) -> None:
    """The value is one of those allowed."""
    expect(value in list(allowed), argument, f"one of {', '.join(map(str, allowed))}", repr(value))


def check_ids(
    argument: str, ids: "Tensor | np.ndarray | Sequence[int]", size: int | None = None
) -> None:
    """All are whole numbers from 0 up, below ``size`` if it is given; there may be none."""
    expected = "whole numbers from 0 " + ("up" if size is None else f"to {size - 1}")
    limit = math.inf if size is None else size
    # A list: each by itself.
    if not hasattr(ids, "dtype"):
        wrong = [repr(i) for i in ids if not (_is_whole(i) and 0 <= i < limit)]
        expect(not wrong, argument, expected, ", ".join(wrong[:1]))
        return
    # A tensor or an array: its type, then the least and the greatest.
    array: Any = ids
    whole = str(array.dtype).removeprefix("torch.").startswith(("int", "uint"))
    expect(whole, argument, expected, f"dtype {array.dtype}")
    if 0 not in array.shape:
        wide = array.long() if hasattr(array, "long") else array  # torch has no order of uint16
        least, most = wide.min().item(), wide.max().item()
        expect(least >= 0 and most < limit, argument, expected, f"{least} to {most}")
