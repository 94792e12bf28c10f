"""Attention: the formula, the article's class, and the standard multi-head layer.

Taught in 'The mathematics of self-attention' and 'The SelfAttention class'. The formula is from
Vaswani et al. (2017), 'Attention Is All You Need', section 3.2; rotary positions are from Su et
al. (2021), 'RoFormer', section 3.2. A mask is true (or 1) where a query may attend to a key.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks import (
    check_below_one,
    check_ids,
    check_not_negative,
    check_positive,
    check_sizes,
    expect,
)

Rope = tuple[Tensor, Tensor]  # cosines and signed sines, as rope_table() returns them


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


def _to_bool(name: str, mask: Tensor, meaning: str = "may attend") -> Tensor:
    """Return the mask as booleans; a mask of floats may be an additive one, so it is refused."""
    expected = f"booleans or integers (non-zero: {meaning})"
    expect(not mask.is_floating_point(), name, expected, f"dtype {mask.dtype}")
    return mask != 0


def as_padding(name: str, mask: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return a mask of this shape (B, S) that is true at real tokens as booleans."""
    expect(isinstance(mask, Tensor), name, "a tensor", type(mask).__name__)
    expect(tuple(mask.shape) == shape, name, f"shape {shape}", tuple(mask.shape))
    return _to_bool(name, mask, "a real token")


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
    check_tensor("query", query, "(..., T, D)")
    check_tensor("key", key, "(..., S, D)", width=query.shape[-1])
    check_tensor("value", value, "(..., S, E)")
    length = f"as many rows as key has ({key.shape[-2]})"
    expect(value.shape[-2] == key.shape[-2], "value", length, value.shape[-2])
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    check_not_negative(scale=scale)
    check_below_one(dropout_p=dropout_p)
    scores = query @ key.transpose(-2, -1) * scale  # (..., T, S)
    if mask is not None:
        check_mask("mask", mask, scores.shape)
        mask = _to_bool("mask", mask)
    if causal:
        query_len, key_len = scores.shape[-2:]
        allowed = causal_mask(query_len, key_len, device=scores.device)
        mask = allowed if mask is None else mask & allowed
    if mask is None:
        weights = scores.softmax(dim=-1)
    else:
        weights = scores.masked_fill(~mask, -math.inf).softmax(dim=-1)
        weights = weights.masked_fill(~mask, 0.0)  # a row of -inf gives NaN, which this mends
    weights = F.dropout(weights, dropout_p)
    return weights @ value, weights


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
    exponents = torch.arange(0, -width, -2, device=positions.device, dtype=wide) / width
    angles = positions.to(wide)[:, None] * base**exponents  # (T, D / 2)
    cos, sin = angles.cos().to(dtype), angles.sin().to(dtype)
    return torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate ``x`` (..., T, D) by a table of :func:`rope_table`; entry i pairs with i + D/2."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


class SelfAttention(nn.Module):
    """The article's self-attention, number for number.

    Unusual in it: every head uses the same three projections, the scores are divided by
    sqrt(embed_size) rather than sqrt(head_dim), and nothing is causal unless the mask says so.
    :class:`MultiHeadAttention` is the standard layer.

    Args:
        embed_size: width of the input and the output.
        heads: number of heads; must divide ``embed_size``.

    Raises:
        ValueError: if a size is not a whole number above 0, or ``heads`` doesn't divide.
    """

    def __init__(self, embed_size: int, heads: int) -> None:
        super().__init__()
        check_sizes(embed_size=embed_size, heads=heads)
        if embed_size % heads:
            raise ValueError(
                "Embedding size needs to be divisible by heads: "
                f"got embed_size={embed_size}, heads={heads}"
            )
        self.embed_size = embed_size
        self.heads = heads
        self.head_dim = embed_size // heads
        self.values = nn.Linear(self.head_dim, self.head_dim, bias=False)
        self.keys = nn.Linear(self.head_dim, self.head_dim, bias=False)
        self.queries = nn.Linear(self.head_dim, self.head_dim, bias=False)
        self.fc_out = nn.Linear(heads * self.head_dim, embed_size)

    def forward(
        self, values: Tensor, keys: Tensor, query: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Attend from each query to all keys that the mask allows.

        Args:
            values: (N, S, embed_size).
            keys: (N, S, embed_size).
            query: (N, T, embed_size).
            mask: broadcasts to (N, heads, T, S); zero hides the key from the query. A query with
                every key hidden gives the plain average of the values.

        Returns:
            (N, T, embed_size).

        Raises:
            ValueError: if a shape or a dtype doesn't fit; the message names the argument.
        """
        axes = "(N, length, embed_size)"
        check_inputs(axes, self.embed_size, query=query, keys=keys, values=values)
        split = (self.heads, self.head_dim)
        values = self.values(values.unflatten(-1, split))  # (N, S, H, D)
        keys = self.keys(keys.unflatten(-1, split))  # (N, S, H, D)
        queries = self.queries(query.unflatten(-1, split))  # (N, T, H, D)
        energy = torch.einsum("nqhd,nkhd->nhqk", queries, keys)  # (N, H, T, S)
        if mask is not None:
            check_mask("mask", mask, energy.shape)
            # The article's -1e20 overflows float16; the dtype's own least number never does.
            energy = energy.masked_fill(mask == 0, torch.finfo(energy.dtype).min)
        attention = torch.softmax(energy / math.sqrt(self.embed_size), dim=-1)
        out = torch.einsum("nhqk,nkhd->nqhd", attention, values)  # (N, T, H, D)
        return self.fc_out(out.flatten(2))  # (N, T, embed_size)


class KeyValueCache:
    """Keys and values of the tokens so far, so that a new token computes only its own.

    Memory for ``max_length`` tokens is taken at the first append.

    Args:
        max_length: how many tokens the cache can hold.

    Raises:
        ValueError: if ``max_length`` is not a whole number above 0.
    """

    def __init__(self, max_length: int) -> None:
        check_sizes(max_length=max_length)
        self.max_length = max_length
        self.length = 0
        self._keys: Tensor | None = None
        self._values: Tensor | None = None

    @property
    def batch_size(self) -> int | None:
        """Number of sequences held; None while the cache is empty."""
        return None if self._keys is None else len(self._keys)

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order, e.g. the survivors of a beam search."""
        if self._keys is not None and self._values is not None:
            rows = as_rows(rows, len(self._keys))
            self._keys, self._values = self._keys[rows], self._values[rows]

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add the newest tokens and return everything so far.

        Args:
            keys: (B, H, T, D), the newest T tokens.
            values: (B, H, T, D).

        Returns:
            Keys and values of all tokens so far, each (B, H, length, D).

        Raises:
            ValueError: if the cache is full, or shape or dtype differ from what it holds.
        """
        # What fits goes on at once: this is done for each layer and token.
        held, end = self._keys, self.length + keys.shape[2]
        fits = (
            held is not None
            and keys.shape == values.shape
            and keys.shape[:2] == held.shape[:2]
            and keys.shape[3] == held.shape[3]
            and keys.dtype == held.dtype
            and end <= self.max_length
        )
        if not fits:
            self._check(keys, values)
        if self._keys is None or self._values is None:
            batch, heads, _, width = keys.shape
            self._keys = keys.new_empty(batch, heads, self.max_length, width)
            self._values = torch.empty_like(self._keys)
        self._keys[:, :, self.length : end] = keys
        self._values[:, :, self.length : end] = values
        self.length = end
        return self._keys[:, :, :end], self._values[:, :, :end]

    def _check(self, keys: Tensor, values: Tensor) -> None:
        """Say what doesn't fit."""
        check_tensor("keys", keys, "(B, H, T, D)")
        shape = tuple(keys.shape)
        expect(values.shape == shape, "values", f"shape {shape}", tuple(values.shape))
        batch, heads, new, width = shape
        if self._keys is not None:
            held = (*self._keys.shape[:2], self._keys.shape[3]), self._keys.dtype
            got = (batch, heads, width), keys.dtype
            expect(held == got, "keys", f"batch, heads, width and dtype {held}", got)
        limit = self.max_length - self.length
        expect(new <= limit, "keys", f"at most {limit} more tokens", new)


class _HeadNorm(nn.RMSNorm):
    """RMSNorm in the dtype of its input: torch's fused kernel wants weights of that dtype, too."""

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


class MultiHeadAttention(nn.Module):
    """The standard multi-head attention (Vaswani et al. 2017, section 3.2.2).

    Args:
        d_model: width of the input and the output.
        n_heads: number of query heads; must divide ``d_model``.
        n_kv_heads: number of key and value heads, each shared by n_heads / n_kv_heads query heads
            (Ainslie et al. 2023); ``n_heads`` by default. Must divide ``n_heads``.
        bias: whether the four projections have a bias.
        dropout: share of attention weights that are dropped during training.
        rope_base: base of the rotary positions; None for no positions.
        qk_norm: whether queries and keys are normalized per head, by RMSNorm with weights
            (Henry et al. 2020, 'Query-Key Normalization for Transformers').
        checked: whether the layer checks its inputs; a model does so once for all its layers.

    Raises:
        ValueError: if a size doesn't fit; the message names the argument.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        *,
        n_kv_heads: int | None = None,
        bias: bool = False,
        dropout: float = 0.0,
        rope_base: float | None = None,
        qk_norm: bool = False,
        checked: bool = True,
    ) -> None:
        super().__init__()
        check_heads(d_model, n_heads, n_kv_heads, dropout, rope_base)
        self.d_model = d_model
        self.n_heads = n_heads
        self.n_kv_heads = n_heads if n_kv_heads is None else n_kv_heads
        self.head_dim = d_model // n_heads
        self.dropout = dropout
        self.rope_base = rope_base
        self.checked = checked
        self.q_proj = nn.Linear(d_model, n_heads * self.head_dim, bias=bias)
        self.k_proj = nn.Linear(d_model, self.n_kv_heads * self.head_dim, bias=bias)
        self.v_proj = nn.Linear(d_model, self.n_kv_heads * self.head_dim, bias=bias)
        self.out_proj = nn.Linear(n_heads * self.head_dim, d_model, bias=bias)
        self.q_norm = _HeadNorm(self.head_dim, eps=1e-6) if qk_norm else None
        self.k_norm = _HeadNorm(self.head_dim, eps=1e-6) if qk_norm else None

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        *,
        mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        causal: bool = False,
        rope: Rope | None = None,
        cache: KeyValueCache | None = None,
        keys_values: tuple[Tensor, Tensor] | None = None,
        return_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Attend from ``query`` to ``key``; to itself if no key is given.

        Args:
            query: (B, T, d_model).
            key: (B, S, d_model); ``query`` by default.
            value: (B, S, d_model); ``key`` by default.
            mask: booleans or integers that broadcast to (B, n_heads, T, S).
            attention_mask: (B, S), true at real tokens, false at padding.
            causal: keep each query from later keys; see :func:`causal_mask`.
            rope: cosines and sines for these positions, if they are known; see :func:`rope_table`.
            cache: keys and values of earlier tokens; this call's are added to it, S counts both.
            keys_values: from :meth:`keys_values`, instead of key and value.
            return_weights: also return the weights, computed step by step.

        Returns:
            The output (B, T, d_model); with ``return_weights`` also the weights
            (B, n_heads, T, S). A query with nothing to attend to gives weights of zero.

        Raises:
            ValueError: if a shape or a dtype doesn't fit; the message names the argument.
        """
        key = query if key is None else key
        value = key if value is None else value
        if self.checked:
            axes = "(B, length, d_model)"
            check_inputs(axes, self.d_model, query=query, key=key, value=value)

        # Cut into heads: queries (B, H, T, D), keys and values (B, H_kv, S, D).
        q = self.q_proj(query).view(*query.shape[:2], -1, self.head_dim).transpose(1, 2)
        if keys_values is None:
            k = self.k_proj(key).view(*key.shape[:2], -1, self.head_dim).transpose(1, 2)
            v = self.v_proj(value).view(*key.shape[:2], -1, self.head_dim).transpose(1, 2)
        else:
            k, v = keys_values

        # Give all queries one length, and all keys.
        if self.q_norm is not None:
            q = self.q_norm(q)
        if self.k_norm is not None and keys_values is None:
            k = self.k_norm(k)

        # Turn queries and keys by their positions.
        if rope is not None:
            q, k = rotate(q, *rope), rotate(k, *rope)
        elif self.rope_base is not None:
            start = 0 if cache is None else cache.length
            places = torch.arange(start, start + max(q.shape[2], k.shape[2]), device=q.device)
            cos, sin = rope_table(places, self.head_dim, self.rope_base, q.dtype)
            q = rotate(q, cos[: q.shape[2]], sin[: q.shape[2]])
            k = rotate(k, cos[: k.shape[2]], sin[: k.shape[2]])

        # Earlier tokens' keys and values come before this call's.
        if cache is not None:
            k, v = cache.append(k, v)

        # Join all masks to one, unless a model has done so.
        causal = causal and q.shape[2] > 1  # the newest query sees everything
        apart = causal and (mask is not None or q.shape[2] != k.shape[2])
        if self.checked or apart or attention_mask is not None:
            mask, causal = self._join_masks(q, k, mask, attention_mask, causal)

        # Attend, by torch's fused kernel or step by step. Query heads share key and value heads.
        dropout_p = self.dropout if self.training else 0.0
        shared = self.n_heads // self.n_kv_heads
        weights = None
        if shared > 1 and q.shape[2] == 1 and mask is None and not return_weights:
            # One query: those of a group are as good as so many positions, and nothing is copied.
            grouped = q.view(len(q), self.n_kv_heads, shared, self.head_dim)
            out = F.scaled_dot_product_attention(grouped, k, v, dropout_p=dropout_p).view_as(q)
        else:
            if shared > 1:
                k, v = k.repeat_interleave(shared, dim=1), v.repeat_interleave(shared, dim=1)
            if return_weights:
                out, weights = scaled_dot_product_attention(
                    q, k, v, mask, causal=causal, dropout_p=dropout_p
                )
            else:
                out = F.scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal=causal)

        # Join the heads, and mix them.
        out = self.out_proj(out.transpose(1, 2).flatten(2))  # (B, T, d_model)
        return out if weights is None else (out, weights)

    def keys_values(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Make keys and values (B, H_kv, S, D) of (B, S, d_model) once, for many queries to come.

        They are normalized, if the layer does so, but not rotated.
        """
        k = self.k_proj(key).view(*key.shape[:2], -1, self.head_dim).transpose(1, 2)
        v = self.v_proj(value).view(*value.shape[:2], -1, self.head_dim).transpose(1, 2)
        return (k if self.k_norm is None else self.k_norm(k)), v

    def _join_masks(
        self,
        q: Tensor,
        k: Tensor,
        mask: Tensor | None,
        attention_mask: Tensor | None,
        causal: bool,
    ) -> tuple[Tensor | None, bool]:
        """Check all masks and join them; leave ``causal`` to the kernel if it is the only one."""
        shape = (*q.shape[:3], k.shape[2])  # (B, H, T, S)
        query_len, key_len = shape[2:]
        if mask is not None:
            check_mask("mask", mask, shape)
            mask = _to_bool("mask", mask)
        if attention_mask is not None:
            real = as_padding("attention_mask", attention_mask, (shape[0], key_len))
            real = real[:, None, None]  # (B, 1, 1, S)
            mask = real if mask is None else mask & real
        # torch's own causal mask is aligned at the start: right only for as many keys as queries.
        if causal and (mask is not None or query_len != key_len):
            allowed = causal_mask(query_len, key_len, device=q.device)
            mask = allowed if mask is None else mask & allowed
            causal = False
        return mask, causal
