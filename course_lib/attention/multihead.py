"""The standard multi-head layer, with grouped keys and values, rotary positions and a cache.

Taught in 'The SelfAttention class'. From Vaswani et al. (2017), section 3.2.2.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.attention.cache import KeyValueCache
from course_lib.attention.formula import causal_mask, scaled_dot_product_attention
from course_lib.attention.inputs import (
    as_booleans,
    as_padding,
    check_heads,
    check_inputs,
    check_mask,
)
from course_lib.attention.positions import Rope, rope_table, rotate


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
        # Sizes.
        self.d_model = d_model
        self.n_heads = n_heads
        self.n_kv_heads = n_heads if n_kv_heads is None else n_kv_heads
        self.head_dim = d_model // n_heads
        self.dropout = dropout
        self.rope_base = rope_base
        self.checked = checked
        # Projections of each token: to queries, keys and values of all heads, and of their outputs.
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
            mask = as_booleans("mask", mask)
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
