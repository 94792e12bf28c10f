"""Quantization: numbers of a few bits in place of 16 or 32.

Taught in 'Compute'. A group of weights shares a scale and an offset, as in the format Q4_1 of GGUF
files. That a few inputs are far larger than the rest, and what to do about them, is from Dettmers
et al. (2022), 'LLM.int8()', section 3.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.checks import check_counts, check_one_of, check_sizes, expect


class Quantized(NamedTuple):
    """A matrix as whole numbers, with a scale and an offset for each group of a row.

    Attributes:
        codes: (out, groups, size), from 0 to 2^bits - 1.
        scale: (out, groups), float16: what one step of a code is worth.
        least: (out, groups), float16: what code 0 stands for.
    """

    codes: Tensor
    scale: Tensor
    least: Tensor

    def weights(self) -> Tensor:
        """Return the numbers that the codes stand for: (out, in)."""
        scale, least = self.scale.float()[..., None], self.least.float()[..., None]
        return (self.codes * scale + least).flatten(1)


def quantize(weight: Tensor, bits: int, group: int | None = None) -> Quantized:
    """Round each weight to one of 2^bits numbers, evenly spaced over the range of its group.

    Args:
        weight: (out, in).
        bits: 1 to 8.
        group: weights of a row that share a scale; the whole row by default.

    Raises:
        ValueError: if the number of bits is out of range, or rows don't divide into groups.
    """
    check_one_of("bits", bits, range(1, 9))
    size = weight.shape[-1] if group is None else group
    check_sizes(group=size)
    whole = weight.dim() == 2 and weight.shape[1] % size == 0
    expect(whole, "weight", f"shape (out, a multiple of {size})", tuple(weight.shape))
    groups = weight.float().unflatten(1, (-1, size))  # (out, groups, size)

    # The range of each group, in 16 bits; a group of equal weights has no step.
    least, most = groups.aminmax(dim=-1)
    scale = ((most - least) / (2**bits - 1)).half()
    least = least.half()

    # The nearest step.
    step = scale.float().clamp(min=1e-30)[..., None]
    codes = ((groups - least.float()[..., None]) / step).round().clamp(0, 2**bits - 1)
    return Quantized(codes.to(torch.uint8), scale, least)


def rounded(weight: Tensor, bits: int, group: int | None = None) -> Tensor:
    """Return a matrix (out, in) after :func:`quantize` and back."""
    return quantize(weight, bits, group).weights().to(weight.dtype)


def bits_per_weight(bits: int, group: int) -> float:
    """Return what a weight takes, with its share of the group's scale and offset, 16 bits each."""
    check_sizes(bits=bits, group=group)
    return bits + 32 / group


def pack(codes: Tensor, bits: int) -> Tensor:
    """Write codes one behind the other, without a gap: (n,) to bytes (n · bits / 8,).

    Raises:
        ValueError: if a code needs more bits.
    """
    check_one_of("bits", bits, range(1, 9))
    numbers = codes.flatten().numpy()
    most = int(numbers.max(initial=0))
    expect(most < 2**bits, "codes", f"numbers below {2**bits}", most)
    each = np.unpackbits(numbers[:, None], axis=1)[:, -bits:]  # (n, bits)
    return torch.from_numpy(np.packbits(each))


def unpack(packed: Tensor, bits: int, count: int) -> Tensor:
    """Return the codes (count,) that :func:`pack` wrote."""
    check_one_of("bits", bits, range(1, 9))
    check_counts(count=count)
    each = np.unpackbits(packed.numpy())[: count * bits].reshape(-1, bits)
    wide = np.pad(each, ((0, 0), (8 - bits, 0)))
    return torch.from_numpy(np.packbits(wide, axis=1)[:, 0])


@contextmanager
def rounded_inputs(
    model: nn.Module, bits: int = 8, *, each: str = "tensor", keep: int = 0
) -> Iterator[None]:
    """Round what goes into each linear layer to ``bits``, within a ``with`` block.

    The steps are symmetric about 0, up to the greatest size.

    Args:
        model: whose linear layers are meant.
        bits: 2 to 8.
        each: what shares a scale: the whole "tensor", or each "token".
        keep: so many entries of the width, those with the greatest sizes, are not rounded and
            don't count for the scale.
    """
    check_one_of("bits", bits, range(2, 9))
    check_one_of("each", each, ("tensor", "token"))
    check_counts(keep=keep)

    def round_off(layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Tensor]:
        x = inputs[0]
        # The largest entries of the width stand apart, unrounded.
        sizes = x.abs().flatten(0, -2).amax(0)  # (in,)
        apart = torch.zeros_like(sizes, dtype=torch.bool)
        apart[sizes.topk(min(keep, len(sizes))).indices] = True
        small = x.masked_fill(apart, 0)
        # One step for what is left, as its largest entry asks.
        top = small.abs().amax(-1, keepdim=True) if each == "token" else small.abs().max()
        step = (top / (2 ** (bits - 1) - 1)).clamp(min=1e-30)
        return (torch.where(apart, x, (small / step).round() * step),)

    # Round before each linear layer, until the end of the block.
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    hooks = [layer.register_forward_pre_hook(round_off) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
