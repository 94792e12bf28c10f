"""Longer texts than a model was trained on: other rotary angles, and masks that forget.

Taught in 'Text generation'. Position interpolation is from Chen et al. (2023), 'Extending Context
Window of Large Language Models via Positional Interpolation', section 2.3; the other base and YaRN
from Peng et al. (2024), 'YaRN', sections 3.1 to 3.4; the window with sinks from Xiao et al. (2024),
'Efficient Streaming Language Models with Attention Sinks', section 3.
"""

import math

import torch
from torch import Tensor

from course_lib.attention import Rope, causal_mask
from course_lib.checks import check_counts, check_one_of, check_positive, check_sizes, expect
from course_lib.model.gpt import GPT
from course_lib.model.parts import checked_inputs

WAYS = ("plain", "interpolation", "other base", "YaRN")
_FAST, _SLOW = (
    32,
    1,
)  # turns within the trained context: from here on as they are; up to here slowed


def rope_frequencies(
    width: int, base: float, way: str = "plain", factor: float = 1.0, context: int | None = None
) -> Tensor:
    """Return by how many radians each pair of entries turns from one position to the next.

    Args:
        width: entries of a query; even.
        base: of the rotary positions; see :func:`course_lib.attention.apply_rope`.
        way: "plain", as trained; "interpolation", all slower by ``factor``; "other base", the
            slowest pair slower by ``factor`` and the others by less, up to the fastest, which
            stays; "YaRN", pairs that turn once or less in the context slower by ``factor``, those
            that turn 32 times or more as they are, and those between by a share.
        factor: how many times as long the text may become.
        context: that the model was trained on; for "YaRN".

    Returns:
        (width / 2,).

    Raises:
        ValueError: if the width is odd, the way unknown, the factor below 1, or "YaRN" has no
            context.
    """
    check_sizes(width=width)
    check_positive(base=base)
    check_one_of("way", way, WAYS)
    expect(width % 2 == 0, "width", "an even number", width)
    expect(factor >= 1, "factor", "1 or more", factor)
    if way == "other base":
        expect(width > 2, "width", "more than one pair", width)
        base = base * factor ** (width / (width - 2))
    frequencies = base ** (-torch.arange(0, width, 2) / width)
    if way == "interpolation":
        return frequencies / factor
    if way == "YaRN":
        if context is None:
            raise ValueError("context: expected that of the training, got None")
        check_sizes(context=context)
        kept = _kept(width, base, context)
        return frequencies * (kept + (1 - kept) / factor)
    return frequencies


def _kept(width: int, base: float, context: int) -> Tensor:
    """Return how far YaRN leaves each pair as it is, from 1 down to 0: (width / 2,)."""

    def pair(turns: float) -> float:  # the one that turns so often in the context
        return width * math.log(context / (turns * 2 * math.pi)) / (2 * math.log(base))

    first, last = max(math.floor(pair(_FAST)), 0), min(math.ceil(pair(_SLOW)), width - 1)
    ramp = (torch.arange(width // 2) - first) / max(last - first, 0.001)
    return 1 - ramp.clamp(0, 1)


def rope_of(frequencies: Tensor, length: int, sharper: float = 1.0) -> Rope:
    """Return the table of :func:`course_lib.attention.rope_table` for frequencies of one's own.

    Args:
        frequencies: (D / 2,), from :func:`rope_frequencies`.
        length: positions, from 0.
        sharper: what queries and keys are multiplied with; YaRN's is 0.1 ln(factor) + 1.

    Returns:
        Cosines and signed sines, (length, D) each.
    """
    check_sizes(length=length)
    check_positive(sharper=sharper)
    angles = torch.arange(length)[:, None] * frequencies  # (length, D / 2)
    cos, sin = sharper * angles.cos(), sharper * angles.sin()
    return torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)


def window_mask(length: int, window: int, sinks: int = 0) -> Tensor:
    """Return which keys each query may see: the ``window`` newest, and the ``sinks`` first.

    Returns:
        Booleans (length, length), true where a query (row) sees a key (column).
    """
    check_sizes(length=length, window=window)
    check_counts(sinks=sinks)
    allowed = causal_mask(length, length)
    too_old = allowed.tril(-window) & (torch.arange(length) >= sinks)
    return allowed & ~too_old


def long_logits(
    model: GPT, tokens: Tensor, rope: Rope | None = None, mask: Tensor | None = None
) -> Tensor:
    """Return a model's logits with other rotary positions or another mask than its own.

    Args:
        model: with rotary positions.
        tokens: (B, T); T may be longer than the model's context.
        rope: from :func:`rope_of`; the model's own by default.
        mask: (T, T), from :func:`window_mask`; each query sees all before it by default.

    Returns:
        (B, T, vocab_size).

    Raises:
        ValueError: if the model's positions aren't rotary, or a shape doesn't fit.
    """
    config = model.config
    expect(config.positions == "rope", "model", "rotary positions", config.positions)
    given = checked_inputs(config, "tokens", tokens)
    length = given.tokens.shape[1]
    if rope is None:
        width = config.d_model // config.n_heads
        rope = rope_of(rope_frequencies(width, config.rope_base), length)
    expect(len(rope[0]) == length, "rope", f"a table of {length} positions", len(rope[0]))
    if mask is not None:
        expect(tuple(mask.shape) == (length,) * 2, "mask", f"{(length,) * 2}", tuple(mask.shape))
    # The model's own way, with these two in their places.
    x = model.embed(given)
    for block in model.blocks:
        x = block(x, rope, mask, mask is None)
    return model.logits(model.norm(x))
