"""Positions: sines and cosines that are added, and rotary ones that turn queries and keys.

Taught in 'The mathematics of self-attention'. From Vaswani et al. (2017), section 3.5, and Su et
al. (2021), 'RoFormer', section 3.2.
"""

import torch
from torch import Tensor

from course_lib.attention.inputs import check_tensor
from course_lib.checks import check_positive, check_sizes, expect

Rope = tuple[Tensor, Tensor]  # cosines and signed sines, as rope_table() returns them


def sinusoidal_positions(length: int, d_model: int, base: float = 10_000.0) -> Tensor:
    """Return position vectors made of sines and cosines (Vaswani et al. 2017, section 3.5).

    Args:
        length: number of positions.
        d_model: width of each vector; even.
        base: the longest wavelength is 2π·base, in positions.

    Returns:
        (length, d_model); sines in the even columns, cosines in the odd ones.

    Raises:
        ValueError: if a size is not a whole number above 0, or the width is odd.
    """
    check_sizes(length=length, d_model=d_model)
    check_positive(base=base)
    expect(d_model % 2 == 0, "d_model", "an even number", d_model)
    frequencies = base ** (-torch.arange(0, d_model, 2) / d_model)  # (d_model / 2,)
    angles = torch.arange(length)[:, None] * frequencies  # (length, d_model / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def apply_rope(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    """Rotate queries or keys by their position (Su et al. 2021, section 3.2.2).

    Entry i is paired with entry i + D/2, as in the weights of Llama and GPT-NeoX.

    Args:
        x: (..., T, D) with D even.
        positions: (T,), whole numbers.
        base: pair i turns by base^(-2i/D) radians per position.

    Returns:
        The same shape and dtype as ``x``.

    Raises:
        ValueError: if D is odd, there isn't one whole number per row, or the base isn't above 0.
    """
    check_tensor("x", x, "(..., T, D)")
    expect(x.shape[-1] % 2 == 0, "x", "an even width (last axis)", x.shape[-1])
    rows = tuple(x.shape[-2:-1])
    check_positive(base=base)
    expect(isinstance(positions, Tensor), "positions", "a tensor", type(positions).__name__)
    floating = positions.is_floating_point() or positions.dtype is torch.bool
    expect(not floating, "positions", "whole numbers", f"dtype {positions.dtype}")
    expect(tuple(positions.shape) == rows, "positions", f"shape {rows}", tuple(positions.shape))
    return rotate(x, *rope_table(positions.to(x.device), x.shape[-1], base, x.dtype))


def rope_table(
    positions: Tensor, width: int, base: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return the cosines and signed sines that :func:`rotate` multiplies with.

    Args:
        positions: (T,), whole numbers.
        width: entries of a query, D; even.
        base: see :func:`apply_rope`.
        dtype: of the result.

    Returns:
        Two tensors (T, D); the sines of the first half are negative.
    """
    # Angles in at least float32: far positions lose their place in half precision.
    wide = torch.promote_types(dtype, torch.float32)
    # Each pair of entries turns by its own angle per position, ever slower.
    exponents = torch.arange(0, -width, -2, device=positions.device, dtype=wide) / width
    angles = positions.to(wide)[:, None] * base**exponents  # (T, D / 2)
    cos, sin = angles.cos().to(dtype), angles.sin().to(dtype)
    return torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate ``x`` (..., T, D) by a table of :func:`rope_table`; entry i pairs with i + D/2."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)
