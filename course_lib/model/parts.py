"""The parts that all models are made of: norms, the MLP, the block, and the door for what comes in.

Taught in 'The Transformer'. The block is GPT-2's (Radford et al. 2019, section 2.3): each sublayer
reads the normalized residual stream and adds to it.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.attention import (
    KeyValueCache,
    MultiHeadAttention,
    Rope,
    as_padding,
    causal_mask,
    check_heads,
)
from course_lib.checks import check_one_of, check_positive, check_sizes, expect

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "relu": F.relu,
    "relu2": lambda x: F.relu(x).square(),
    "swiglu": F.silu,  # of the gate
}
LAST = ("out_proj", "down")  # the last matrix of each sublayer


class Shape:
    """What the parts ask of a model's config, and the checks of it; the configs give the values."""

    vocab_size: int
    context: int
    n_layers: int
    n_heads: int
    d_model: int
    n_kv_heads: int | None
    d_ff: int | None
    norm: str
    norm_eps: float
    mlp: str
    positions: str
    rope_base: float
    bias: bool
    dropout: float

    def __post_init__(self) -> None:
        check_sizes(vocab_size=self.vocab_size, context=self.context, n_layers=self.n_layers)
        rope_base = self.rope_base if self.positions == "rope" else None
        check_heads(self.d_model, self.n_heads, self.n_kv_heads, self.dropout, rope_base)
        check_sizes(d_ff=self.hidden)
        check_one_of("norm", self.norm, ("layer", "rms"))
        check_one_of("mlp", self.mlp, tuple(ACTIVATIONS))
        check_one_of("positions", self.positions, ("learned", "rope", "none"))
        check_positive(norm_eps=self.norm_eps)

    @property
    def hidden(self) -> int:
        """Hidden width of the MLP."""
        return 4 * self.d_model if self.d_ff is None else self.d_ff


def make_norm(config: Shape) -> nn.Module:
    """Return a normalization of the residual stream."""
    if config.norm == "rms":
        return nn.RMSNorm(config.d_model, eps=config.norm_eps)
    return nn.LayerNorm(config.d_model, eps=config.norm_eps, bias=config.bias)


class FastRMSNorm(nn.RMSNorm):
    """Torch's layer; for a single token on a CPU, as in generation, in a third of its steps."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (..., d_model)."""
        if torch.is_grad_enabled() or x.numel() != x.shape[-1] or not x.is_cpu:
            return super().forward(x)
        wide = torch.promote_types(x.dtype, torch.float32)
        length = torch.linalg.vector_norm(x, dtype=wide).item()
        return x * self.weight * (1 / math.sqrt(length**2 / x.numel() + self.eps))


def use_fast_norms(model: nn.Module) -> None:
    """Put :class:`FastRMSNorm` in the place of each new RMSNorm of the residual stream."""
    for name, norm in list(model.named_modules()):
        if type(norm) is nn.RMSNorm:
            model.set_submodule(name, FastRMSNorm(norm.normalized_shape, eps=norm.eps))


def make_dropout(config: Shape) -> nn.Module:
    """Return what drops numbers in training, or a layer that does nothing."""
    return nn.Dropout(config.dropout) if config.dropout else nn.Identity()


def make_attention(
    config: Shape,
    layer: Callable[..., MultiHeadAttention] = MultiHeadAttention,
    *,
    rope: bool = True,
) -> MultiHeadAttention:
    """Return an attention layer of the config's shape; it doesn't check what the model has.

    Args:
        config: of the model.
        layer: what makes it from the arguments of :class:`MultiHeadAttention`.
        rope: whether it rotates queries and keys, if the model's positions are rotary.
    """
    return layer(
        config.d_model,
        config.n_heads,
        n_kv_heads=config.n_kv_heads,
        bias=config.bias,
        dropout=config.dropout,
        rope_base=config.rope_base if rope and config.positions == "rope" else None,
        checked=False,
    )


class MLP(nn.Module):
    """Two linear layers with a non-linearity between them; with "swiglu" also a gate.

    Shazeer (2020), 'GLU Variants Improve Transformer', compares the gates.
    """

    def __init__(self, config: Shape) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.mlp]
        # To the hidden width, with a gate beside it or not, and back.
        self.up = nn.Linear(config.d_model, config.hidden, bias=config.bias)
        self.gated = config.mlp == "swiglu"
        if self.gated:
            self.gate = nn.Linear(config.d_model, config.hidden, bias=config.bias)
        self.down = nn.Linear(config.hidden, config.d_model, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Act on each token by itself: (..., d_model) to the same shape."""
        if self.gated:
            return self.down(self.activation(self.gate(x)) * self.up(x))
        return self.down(self.activation(self.up(x)))


class Block(nn.Module):
    """Attention, then the MLP; each reads the normalized stream and adds to it.

    Args:
        config: of the model.
        attention: what makes the attention layer; see :func:`make_attention`.
    """

    def __init__(
        self, config: Shape, attention: Callable[..., MultiHeadAttention] = MultiHeadAttention
    ) -> None:
        super().__init__()
        self.attention_norm = make_norm(config)
        self.attention = make_attention(config, attention)
        self.mlp_norm = make_norm(config)
        self.mlp: nn.Module = MLP(config)
        self.dropout = make_dropout(config)

    def forward(
        self,
        x: Tensor,
        rope: Rope | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Pass the residual stream through the block.

        Args:
            x: (B, T, d_model).
            rope: cosines and sines for these T positions; see :func:`rope_table`.
            mask: booleans that broadcast to (B, n_heads, T, S), true where attention is allowed.
            causal: keep each query from later keys.
            cache: keys and values of earlier tokens.

        Returns:
            (B, T, d_model).
        """
        # Tokens look at one another.
        normed = self.attention_norm(x)
        mixed = self.attention(normed, rope=rope, mask=mask, causal=causal, cache=cache)
        x = x + self.dropout(mixed)
        # Each token by itself.
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


class Inputs(NamedTuple):
    """What came in through a model's door, checked, and the masks that all blocks share.

    Attributes:
        tokens: (B, T), int64: what is computed with them must not overflow.
        start: how many tokens the caches hold.
        real: (B, S), true at real tokens; None if all are.
        mask: booleans that broadcast to (B, n_heads, T, S), or None.
        causal: whether the kernel's own causal mask will do.
    """

    tokens: Tensor
    start: int
    real: Tensor | None
    mask: Tensor | None
    causal: bool

    def places(self) -> Tensor:
        """Return the number of each token's place: (T,), or (B, T) with padding.

        A row's real tokens count from 0, wherever its padding stands.
        """
        if self.real is not None:
            return (self.real.cumsum(-1) - 1).clamp(min=0)[:, self.start :]
        end = self.start + self.tokens.shape[1]
        return torch.arange(self.start, end, device=self.tokens.device)


def checked_inputs(
    config: Shape,
    argument: str,
    tokens: object,
    caches: Sequence[KeyValueCache] | None = None,
    attention_mask: Tensor | None = None,
    *,
    causal: bool = True,
) -> Inputs:
    """Check what a model is given, here and nowhere inside, and join its masks.

    Args:
        config: of the model.
        argument: what messages call the tokens.
        tokens: (B, T), ids below ``vocab_size``.
        caches: one per layer, with the tokens before these.
        attention_mask: (B, S), true at real tokens; S counts the cached tokens, too.
        causal: whether a token sees no later one.

    Raises:
        ValueError: if a shape, dtype, id or length doesn't fit; the message names the argument.
    """
    # The tokens: whole numbers of two axes, each a row of the embedding.
    wanted = "whole numbers of shape (B, T), neither 0"
    if not isinstance(tokens, Tensor):
        raise ValueError(f"{argument}: expected {wanted}, got {type(tokens).__name__}")
    if tokens.dim() != 2 or 0 in tokens.shape:
        raise ValueError(f"{argument}: expected {wanted}, got shape {tuple(tokens.shape)}")
    if tokens.is_floating_point() or tokens.is_complex() or tokens.dtype is torch.bool:
        raise ValueError(f"{argument}: expected {wanted}, got dtype {tokens.dtype}")
    tokens = tokens.long()
    if tokens.is_cpu and not torch.compiler.is_compiling():  # a GPU would have to be waited for
        least, most = tokens.aminmax()
        if least < 0 or most >= config.vocab_size:
            expected = f"ids from 0 to {config.vocab_size - 1}"
            raise ValueError(f"{argument}: expected {expected}, got ids from {least} to {most}")

    # Their place behind those in the caches.
    batch, length = tokens.shape
    start = 0 if not caches else caches[0].length
    end = start + length
    if config.positions == "learned" and end > config.context:
        expected = f"at most context={config.context} positions"
        raise ValueError(f"{argument}: expected {expected}, got {end}")
    if caches is not None:
        _check_caches(config, argument, tokens, caches)

    # Who sees whom. A kernel knows the causal mask itself, if nothing else is masked.
    real = mask = None
    if attention_mask is not None:
        name = "attention_mask" if argument == "tokens" else f"{argument}_mask"
        real = as_padding(name, attention_mask, (batch, end))
        mask = real[:, None, None]  # (B, 1, 1, S)
    causal = causal and length > 1  # the newest token sees all before it
    if causal and (mask is not None or start):
        allowed = causal_mask(length, end, device=tokens.device)
        mask, causal = allowed if mask is None else mask & allowed, False
    return Inputs(tokens, start, real, mask, causal)


def _check_caches(
    config: Shape, argument: str, tokens: Tensor, caches: Sequence[KeyValueCache]
) -> None:
    """Check that there is one for each layer, with room for the tokens, of the same batch."""
    layers = config.n_layers
    expect(len(caches) == layers, "caches", f"one per layer ({layers})", len(caches))
    first, (batch, length) = caches[0], tokens.shape
    limit = first.max_length - first.length
    expect(length <= limit, argument, f"at most {limit} more tokens in the caches", length)
    held = first.batch_size
    expect(held in (None, batch), argument, f"batch size {held}", batch)


def initialize(model: nn.Module, n_layers: int) -> None:
    """Set the weights as GPT-2 does: normal with deviation 0.02, biases zero.

    The last matrix of each sublayer is divided by sqrt(2 * n_layers), so that the residual stream
    doesn't grow with depth (Radford et al. 2019, section 2.3).

    Raises:
        ValueError: if ``n_layers`` is not a whole number above 0.
    """
    check_sizes(n_layers=n_layers)
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            last = name.endswith(LAST)
            nn.init.normal_(module.weight, std=0.02 / math.sqrt(2 * n_layers) if last else 0.02)
        if isinstance(bias := getattr(module, "bias", None), Tensor):
            nn.init.zeros_(bias)


def count_parameters(make: Callable[..., nn.Module], *arguments: Any) -> int:
    """Return the number of weights of ``make(*arguments)``, shared ones once.

    The model is made without memory, so that it may be larger than the computer.
    """
    # Torch would load sympy, 70 MB, to draw random numbers for tensors that have no memory.
    with torch.device("meta"), mock.patch.object(nn.init, "normal_"):
        return sum(weight.numel() for weight in make(*arguments).parameters())
