"""Attention's formula, step by step, and the causal mask.

Taught in 'The mathematics of self-attention'. From Vaswani et al. (2017), 'Attention Is All You
Need', section 3.2. A mask is true (or 1) where a query may attend to a key.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.attention.inputs import as_booleans, check_mask, check_tensor
from course_lib.checks import check_below_one, check_not_negative, check_sizes, expect


def causal_mask(
    query_len: int, key_len: int | None = None, device: torch.device | str | None = None
) -> Tensor:
    """Return the mask that keeps each query from later keys.

    The last query sees all keys. So the mask is right when the queries are the newest part of a
    sequence whose earlier keys are in a key-value cache.

    Args:
        query_len: number of queries T.
        key_len: number of keys S; as many as queries by default.
        device: where to make the mask.

    Returns:
        Booleans of shape (T, S), true where the query may attend to the key.

    Raises:
        ValueError: if a length is not a whole number above 0, or there are fewer keys than queries.
    """
    key_len = query_len if key_len is None else key_len
    check_sizes(query_len=query_len, key_len=key_len)
    expect(key_len >= query_len, "key_len", f"at least query_len={query_len}", key_len)
    ones = torch.ones(query_len, key_len, dtype=torch.bool, device=device)
    return ones.tril(key_len - query_len)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
    dropout_p: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Attend, step by step, and return the weights too (Vaswani et al. 2017, equation 1).

    A query with nothing to attend to gives zeros, as in torch's own fused function.

    Args:
        query: (..., T, D).
        key: (..., S, D).
        value: (..., S, E); E is D in every layer of the course.
        mask: booleans or integers that broadcast to (..., T, S), true where attention is allowed.
        causal: keep each query from later keys; see :func:`causal_mask`.
        scale: what the scores are multiplied by; 1/sqrt(D) by default.
        dropout_p: share of weights that are set to zero at random.

    Returns:
        The output (..., T, E) and the weights (..., T, S).

    Raises:
        ValueError: if a shape, a length or a dtype doesn't fit; the message names the argument.
    """
    # The inputs fit one another.
    check_tensor("query", query, "(..., T, D)")
    check_tensor("key", key, "(..., S, D)", width=query.shape[-1])
    check_tensor("value", value, "(..., S, E)")
    length = f"as many rows as key has ({key.shape[-2]})"
    expect(value.shape[-2] == key.shape[-2], "value", length, value.shape[-2])
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    check_not_negative(scale=scale)
    check_below_one(dropout_p=dropout_p)

    # How much each query is like each key.
    scores = query @ key.transpose(-2, -1) * scale  # (..., T, S)

    # What may be seen.
    if mask is not None:
        check_mask("mask", mask, scores.shape)
        mask = as_booleans("mask", mask)
    if causal:
        query_len, key_len = scores.shape[-2:]
        allowed = causal_mask(query_len, key_len, device=scores.device)
        mask = allowed if mask is None else mask & allowed

    # Scores become weights that sum to 1; what is hidden gets none.
    if mask is None:
        weights = scores.softmax(dim=-1)
    else:
        weights = scores.masked_fill(~mask, -math.inf).softmax(dim=-1)
        weights = weights.masked_fill(~mask, 0.0)  # a row of -inf gives NaN, which this mends

    # Each query gets the weighted mean of the values.
    weights = F.dropout(weights, dropout_p)
    return weights @ value, weights
