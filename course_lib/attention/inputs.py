"""The checks of what attention is given, and masks as booleans."""

import torch
from torch import Tensor

from course_lib.checks import (
    check_below_one,
    check_ids,
    check_positive,
    check_sizes,
    expect,
)


def check_heads(
    d_model: int, n_heads: int, n_kv_heads: int | None, dropout: float, rope_base: float | None
) -> None:
    """Check that heads divide the width, and that the layer's other numbers are in their range."""
    n_kv_heads = n_heads if n_kv_heads is None else n_kv_heads
    check_sizes(d_model=d_model, n_heads=n_heads, n_kv_heads=n_kv_heads)
    expect(d_model % n_heads == 0, "n_heads", f"a divisor of d_model={d_model}", n_heads)
    divisor = f"a divisor of n_heads={n_heads}"
    expect(n_heads % n_kv_heads == 0, "n_kv_heads", divisor, n_kv_heads)
    check_below_one(dropout=dropout)
    if rope_base is not None:
        check_positive(rope_base=rope_base)
        width = d_model // n_heads
        even = "an even head_dim = d_model / n_heads for rotary positions"
        expect(width % 2 == 0, "d_model", even, width)


def check_tensor(name: str, x: Tensor, axes: str, width: int | None = None) -> None:
    """Check that ``x`` is a floating-point tensor with these axes, the last one ``width`` wide."""
    expected = f"a floating-point tensor of shape {axes}"
    expect(isinstance(x, Tensor), name, expected, type(x).__name__)
    expect(x.is_floating_point(), name, expected, f"dtype {x.dtype}")
    commas = axes.count(",")
    fits = x.dim() >= commas if axes.startswith("(...") else x.dim() == commas + 1
    expect(fits, name, expected, f"shape {tuple(x.shape)}")
    if width is not None:
        expect(x.shape[-1] == width, name, f"width {width} (last axis)", x.shape[-1])


def check_mask(name: str, mask: Tensor, shape: tuple[int, ...]) -> None:
    """Check that ``mask`` is a tensor that broadcasts to ``shape``."""
    expect(isinstance(mask, Tensor), name, "a tensor", type(mask).__name__)
    try:
        fits = torch.broadcast_shapes(mask.shape, shape) == shape
    except RuntimeError:
        fits = False
    expect(fits, name, f"a shape that broadcasts to {tuple(shape)}", tuple(mask.shape))


def as_booleans(name: str, mask: Tensor, meaning: str = "may attend") -> Tensor:
    """Return the mask as booleans; a mask of floats may be an additive one, so it is refused."""
    expected = f"booleans or integers (non-zero: {meaning})"
    expect(not mask.is_floating_point(), name, expected, f"dtype {mask.dtype}")
    return mask != 0


def as_padding(name: str, mask: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return a mask of this shape (B, S) that is true at real tokens as booleans."""
    expect(isinstance(mask, Tensor), name, "a tensor", type(mask).__name__)
    expect(tuple(mask.shape) == shape, name, f"shape {shape}", tuple(mask.shape))
    return as_booleans(name, mask, "a real token")


def as_rows(rows: Tensor, batch: int) -> Tensor:
    """Return rows of a batch as an index; torch reads whole numbers of 8 bits as a mask."""
    rows = torch.as_tensor(rows)
    check_ids("rows", rows, batch)
    return rows.long()


def check_inputs(axes: str, width: int, **inputs: Tensor) -> None:
    """Check the inputs of a layer, given in the order query, key, value."""
    for name, x in inputs.items():
        check_tensor(name, x, axes, width)
    (_, query), (key_name, key), (value_name, value) = inputs.items()
    for name, x in ((key_name, key), (value_name, value)):
        expect(len(x) == len(query), name, f"batch size {len(query)}", len(x))
    length = f"as many rows as {key_name} has ({key.shape[1]})"
    expect(value.shape[1] == key.shape[1], value_name, length, value.shape[1])
