"""Attention heads: their maps, what they do without them, and heads that continue what was there.

Induction heads and their prefix-matching score are from Olsson et al. (2022), 'In-context Learning
and Induction Heads'.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.attention import MultiHeadAttention
from course_lib.checks import check_ids, check_sizes, expect
from course_lib.model import GPT

Change = Callable[[Tensor], Tensor]  # takes and gives attention weights (B, H, T, T)


def repeated_tokens(rows: int, period: int, times: int, vocab_size: int, seed: int = 0) -> Tensor:
    """Return rows of random tokens that come again: (rows, times * period).

    Nothing can be guessed in the first copy; in the others, everything.
    """
    check_sizes(rows=rows, period=period, times=times, vocab_size=vocab_size)
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(vocab_size, (rows, period), generator=generator).repeat(1, times)


def _weighed(
    layer: MultiHeadAttention, given: tuple[Any, ...], options: dict[str, Any]
) -> tuple[Tensor, Tensor]:
    """Return the weights (B, H, T, T) of a layer in this pass, and its values (B, H, T, D)."""
    # Not as a module, or its hooks would fire again.
    _, weights = layer.forward(*given, **options, return_weights=True)
    values = layer.v_proj(given[0]).unflatten(-1, (-1, layer.head_dim)).transpose(1, 2)
    return weights, values.repeat_interleave(layer.n_heads // layer.n_kv_heads, dim=1)


@torch.no_grad()
def attention_weights(model: GPT, tokens: Tensor) -> Tensor:
    """Return all attention maps, computed step by step.

    Args:
        model: any GPT.
        tokens: (B, T).

    Returns:
        (n_layers, B, n_heads, T, T): from each query (row) to each key.
    """
    maps: list[Tensor] = []

    def note(layer: Any, given: tuple[Any, ...], options: dict[str, Any], _: Tensor) -> None:
        maps.append(_weighed(layer, given, options)[0])

    hooks = [
        block.attention.register_forward_hook(note, with_kwargs=True)  # type: ignore[union-attr]
        for block in model.blocks
    ]
    try:
        model.states(tokens)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(maps)


@contextmanager
def changed_attention(model: GPT, layer: int, change: Change) -> Iterator[None]:
    """Within it, a layer attends by what ``change`` makes of its weights.

    Args:
        model: any GPT.
        layer: which block, from 0.
        change: takes and gives the weights (B, n_heads, T, T).

    Raises:
        ValueError: if there is no such layer.
    """
    check_ids("layer", [layer], len(model.blocks))

    def attend(layer: Any, given: tuple[Any, ...], options: dict[str, Any], _: Tensor) -> Tensor:
        weights, values = _weighed(layer, given, options)
        return layer.out_proj((change(weights) @ values).transpose(1, 2).flatten(2))

    attention: Any = model.blocks[layer].attention
    hook = attention.register_forward_hook(attend, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def without_heads(model: GPT, heads: Iterable[tuple[int, int]]) -> Iterator[None]:
    """Within it, some heads give out zeros: what they would have added to the stream is missing.

    Args:
        model: any GPT.
        heads: pairs of layer and head, both from 0.

    Raises:
        ValueError: if there is no such layer or head.
    """
    chosen = list(heads)
    check_ids("layer", [layer for layer, _ in chosen], len(model.blocks))
    check_ids("head", [head for _, head in chosen], model.config.n_heads)
    width = model.config.d_model // model.config.n_heads

    def silent(_: nn.Module, given: tuple[Tensor], head: int) -> tuple[Tensor]:
        joined = given[0].clone()  # (B, T, n_heads * head_dim)
        joined[..., head * width : (head + 1) * width] = 0
        return (joined,)

    with ExitStack() as until:
        for layer, head in chosen:
            mixing: Any = model.blocks[layer].attention.out_proj  # type: ignore[union-attr]
            until.callback(mixing.register_forward_pre_hook(partial(silent, head=head)).remove)
        yield


def prefix_matching(weights: Tensor, period: int) -> Tensor:
    """Return how much each head looks at what followed the last time (Olsson et al. 2022).

    A token that stood ``period`` places earlier, too, was followed there by the token at the place
    after. The score is the mean weight on that place, over all queries that have one.

    Args:
        weights: (..., T, T) on :func:`repeated_tokens` of this period.
        period: length of a copy.

    Returns:
        (...): 0 to 1 for each head.

    Raises:
        ValueError: if no token has an earlier copy.
    """
    check_sizes(period=period)
    length = weights.shape[-1]
    expect(length > period, "period", f"below {length}, the number of tokens", period)
    return weights.diagonal(1 - period, -2, -1)[..., 1:].mean(-1)  # queries from ``period`` on
