"""The Transformer: its block, the decoder-only `GPT`, and the encoder-decoder `Transformer`.

Taught in 'The Transformer'. The encoder-decoder is from Vaswani et al. (2017), 'Attention Is All
You Need'; the decoder-only recipes `gpt2` and `llama` are from Radford et al. (2019), section 2.3,
and Touvron et al. (2023), 'LLaMA', section 2.2.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.attention import (
    KeyValueCache,
    MultiHeadAttention,
    as_rows,
    causal_mask,
    check_heads,
    rope_table,
)
from course_lib.checks import (
    check_counts,
    check_one_of,
    check_positive,
    check_sizes,
    expect,
)

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
    "relu2": lambda x: F.relu(x).square(),
    "swiglu": F.silu,  # of the gate
}
Rope = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class GPTConfig:
    """The shape of a decoder-only model. ``gpt2``, ``llama`` and ``speedrun`` are proven recipes.

    Args:
        vocab_size: number of different tokens.
        context: longest sequence; learned positions can't go beyond it.
        n_layers: number of blocks.
        n_heads: query heads per block; must divide ``d_model``.
        d_model: width of the residual stream.
        n_kv_heads: heads of keys and values; ``n_heads`` by default.
        d_ff: hidden width of the MLP; 4 * ``d_model`` by default.
        norm: "layer" for LayerNorm, "rms" for RMSNorm.
        norm_eps: what is added to the variance before the root.
        pre_norm: normalize what a sublayer reads (GPT-2), not what it has added to (BERT).
        mlp: activation: "gelu" (exact), "gelu_tanh" (GPT-2's), "relu", "relu2" (squared), "swiglu".
        positions: "learned", "rope" or "none".
        rope_base: base of the rotary positions.
        qk_norm: normalize queries and keys per head.
        bias: whether linear layers and LayerNorm have a bias.
        tied: use the embedding matrix as output matrix, too.
        zero_init: let the last matrix of each sublayer begin at zero.
        logit_cap: soft cap c on the logits, c * tanh(logits / c); None for no cap.
        ngrams: add to each token's embedding one for the last 2, 3, … up to this many tokens; 1 for
            none. See :func:`ngram_rows`.
        ngram_table: number of rows that all n-grams share.
        dropout: share of numbers that are dropped during training.

    Raises:
        ValueError: if a value doesn't fit; the message names the argument.
    """

    vocab_size: int
    context: int = 64
    n_layers: int = 4
    n_heads: int = 4
    d_model: int = 128
    n_kv_heads: int | None = None
    d_ff: int | None = None
    norm: str = "layer"
    norm_eps: float = 1e-5
    pre_norm: bool = True
    mlp: str = "gelu"
    positions: str = "learned"
    rope_base: float = 10_000.0
    qk_norm: bool = False
    bias: bool = True
    tied: bool = True
    zero_init: bool = False
    logit_cap: float | None = None
    ngrams: int = 1
    ngram_table: int = 3328
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(vocab_size=self.vocab_size, context=self.context, n_layers=self.n_layers)
        rope_base = self.rope_base if self.positions == "rope" else None
        check_heads(self.d_model, self.n_heads, self.n_kv_heads, self.dropout, rope_base)
        check_sizes(d_ff=self.hidden, ngrams=self.ngrams, ngram_table=self.ngram_table)
        choices = {
            "norm": ("layer", "rms"),
            "mlp": tuple(ACTIVATIONS),
            "positions": ("learned", "rope", "none"),
        }
        for name, allowed in choices.items():
            check_one_of(name, getattr(self, name), allowed)
        check_positive(norm_eps=self.norm_eps)
        if self.logit_cap is not None:
            check_positive(logit_cap=self.logit_cap)

    @property
    def hidden(self) -> int:
        """Hidden width of the MLP."""
        return 4 * self.d_model if self.d_ff is None else self.d_ff

    @classmethod
    def gpt2(cls, vocab_size: int, **changes: object) -> Self:
        """GPT-2's recipe: LayerNorm, GELU, learned positions, biases, tied embeddings."""
        return replace(cls(vocab_size), **changes)

    @classmethod
    def llama(cls, vocab_size: int, **changes: object) -> Self:
        """Llama's recipe: RMSNorm, SwiGLU, rotary positions, no biases; tied as its small models.

        The MLP is 8/3 of ``d_model`` wide, so that its three matrices count as two of 4/1 would.
        """
        recipe = replace(
            cls(vocab_size, norm="rms", mlp="swiglu", positions="rope", bias=False), **changes
        )
        d_ff = -(-recipe.d_model // 12) * 32  # 8/3, rounded up to a multiple of 32
        return replace(recipe, d_ff=d_ff) if recipe.d_ff is None else recipe

    @classmethod
    def speedrun(cls, vocab_size: int, **changes: object) -> Self:
        """What won the course's benchmark of training; see the chapter 'Training'."""
        recipe = cls(
            vocab_size,
            n_layers=2,
            norm="rms",
            mlp="relu2",
            positions="rope",
            qk_norm=True,
            bias=False,
            tied=False,
            zero_init=True,
            logit_cap=15.0,
            ngrams=5,
        )
        return replace(recipe, **changes)


@dataclass(frozen=True)
class EncoderConfig(GPTConfig):
    """The shape of an encoder: every token sees every other.

    Args:
        n_token_types: kinds of token with a vector of their own (BERT: first or second sentence).
        embedding_norm: normalize the embeddings (BERT and RoBERTa do).
    """

    n_token_types: int = 0
    embedding_norm: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(n_token_types=self.n_token_types)


@dataclass(frozen=True)
class TransformerConfig(GPTConfig):
    """The shape of an encoder-decoder; ``n_layers`` is the decoder's.

    Args:
        source_vocab_size: None if source and target share one vocabulary and its embeddings.
        n_encoder_layers: ``n_layers`` by default.
    """

    source_vocab_size: int | None = None
    n_encoder_layers: int | None = None

    @classmethod
    def speedrun(cls, vocab_size: int, **changes: object) -> Self:
        """GPT's recipe without its n-grams: what they are worth was measured on GPT only."""
        return super().speedrun(vocab_size, **{"ngrams": 1, "n_layers": 4, **changes})

    def __post_init__(self) -> None:
        super().__post_init__()
        names = ("source_vocab_size", "n_encoder_layers")
        sizes = {name: getattr(self, name) for name in names}
        check_sizes(**{name: size for name, size in sizes.items() if size is not None})


class RMSNorm(nn.RMSNorm):
    """Torch's layer; for a single token on a CPU, as in generation, in a third of its steps."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (..., d_model)."""
        if torch.is_grad_enabled() or x.numel() != x.shape[-1] or not x.is_cpu:
            return super().forward(x)
        wide = torch.promote_types(x.dtype, torch.float32)
        length = torch.linalg.vector_norm(x, dtype=wide).item()
        return x * self.weight * (1 / math.sqrt(length**2 / x.numel() + self.eps))


def make_norm(config: GPTConfig) -> nn.Module:
    """Return a normalization of the residual stream."""
    if config.norm == "rms":
        return RMSNorm(config.d_model, eps=config.norm_eps)
    return nn.LayerNorm(config.d_model, eps=config.norm_eps, bias=config.bias)


def make_attention(config: GPTConfig, rope: bool) -> MultiHeadAttention:
    """Return an attention layer of the config's shape."""
    return MultiHeadAttention(
        config.d_model,
        config.n_heads,
        n_kv_heads=config.n_kv_heads,
        bias=config.bias,
        dropout=config.dropout,
        rope_base=config.rope_base if rope else None,
        qk_norm=config.qk_norm,
    )


class MLP(nn.Module):
    """Two linear layers with a non-linearity between them; with "swiglu" also a gate.

    Shazeer (2020), 'GLU Variants Improve Transformer', compares the gates.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.mlp]
        self.up = nn.Linear(config.d_model, config.hidden, bias=config.bias)
        if gated := config.mlp == "swiglu":
            self.gate = nn.Linear(config.d_model, config.hidden, bias=config.bias)
        self.gated = gated
        self.down = nn.Linear(config.hidden, config.d_model, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Act on each token by itself: (..., d_model) to the same shape."""
        if self.gated:
            return self.down(self.activation(self.gate(x)) * self.up(x))
        return self.down(self.activation(self.up(x)))


class Block(nn.Module):
    """Attention, then cross-attention in an encoder-decoder's decoder, then the MLP.

    Each adds to the residual stream. Inputs aren't checked: the model has done so.
    """

    def __init__(self, config: GPTConfig, cross: bool = False) -> None:
        super().__init__()
        self.pre_norm = config.pre_norm
        self.dropout = config.dropout
        self.attention_norm = make_norm(config)
        self.attention = make_attention(config, rope=config.positions == "rope")
        if cross:
            self.cross_norm = make_norm(config)
            self.cross_attention = make_attention(config, rope=False)
        self.mlp_norm = make_norm(config)
        self.mlp = MLP(config)

    def forward(
        self,
        x: Tensor,
        rope: Rope | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
        cache: KeyValueCache | None = None,
        memory: "tuple[Tensor, Tensor] | None" = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """Pass the residual stream through the block.

        Args:
            x: (B, T, d_model).
            rope: cosines and sines for these T positions; see :func:`rope_table`.
            mask: booleans that broadcast to (B, n_heads, T, S), true where attention is allowed.
            causal: keep each query from later keys; only without a mask and a cache.
            cache: keys and values of earlier tokens.
            memory: keys and values of the encoder's output for cross-attention.
            memory_mask: booleans that broadcast to (B, n_heads, T, S of the memory).

        Returns:
            (B, T, d_model).
        """
        if self.pre_norm:
            x = x + self._drop(self._attend(self.attention_norm(x), rope, mask, causal, cache))
            if memory is not None:
                x = x + self._drop(self._cross(self.cross_norm(x), memory, memory_mask))
            return x + self._drop(self.mlp(self.mlp_norm(x)))
        x = self.attention_norm(x + self._drop(self._attend(x, rope, mask, causal, cache)))
        if memory is not None:
            x = self.cross_norm(x + self._drop(self._cross(x, memory, memory_mask)))
        return self.mlp_norm(x + self._drop(self.mlp(x)))

    def _attend(
        self,
        x: Tensor,
        rope: Rope | None,
        mask: Tensor | None,
        causal: bool,
        cache: KeyValueCache | None,
    ) -> Tensor:
        layer = self.attention
        q, k, v = layer.project(x, rope)
        if cache is not None:
            k, v = cache._put(k, v)
        return layer.attend(q, k, v, mask, causal)

    def _cross(self, x: Tensor, memory: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        return self.cross_attention.attend(self.cross_attention.queries(x), *memory, mask)

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training) if self.dropout else x


def initialize(model: nn.Module, config: GPTConfig, n_layers: int) -> None:
    """Set the weights as GPT-2 does: normal with deviation 0.02, biases zero.

    The last matrix of each sublayer is divided by sqrt(2 * n_layers), so that the residual stream
    doesn't grow with depth (Radford et al. 2019, section 2.3); with ``zero_init`` it is zero.

    Raises:
        ValueError: if ``n_layers`` is not a whole number above 0.
    """
    check_sizes(n_layers=n_layers)
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            last = name.endswith(("out_proj", "down"))
            std = 0.02 / math.sqrt(2 * n_layers) if last else 0.02
            nn.init.normal_(module.weight, std=0.0 if last and config.zero_init else std)
        if getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)


def _is_whole(ids: Tensor) -> bool:
    dtype = ids.dtype
    return not (dtype.is_floating_point or dtype.is_complex or dtype is torch.bool)


def ngram_rows(tokens: Tensor, ngrams: int, n_rows: int) -> Tensor:
    """Return which row of a table belongs to each n-gram that ends at a token.

    The row is the remainder of a number made of the n-gram's ids, so that different n-grams may
    share one (Svenstrup et al. 2017, 'Hash Embeddings for Efficient Word Representations').

    Args:
        tokens: (B, ngrams - 1 + T); the first ngrams - 1 are only looked back at. -1 is no token.
        ngrams: longest n-gram.
        n_rows: number of rows.

    Returns:
        (ngrams - 1, B, T) for the n-grams of 2, 3, … tokens.

    Raises:
        ValueError: if there is no n-gram of two tokens, no row, or no token to begin at.
    """
    check_sizes(ngrams=ngrams, n_rows=n_rows)
    expect(ngrams > 1, "ngrams", "at least 2", ngrams)
    back = ngrams - 1
    shape = tuple(tokens.shape)
    fits = len(shape) == 2 and shape[1] >= back
    expect(fits, "tokens", f"shape (B, {back} + T)", shape)
    expect(_is_whole(tokens), "tokens", "whole numbers", f"dtype {tokens.dtype}")
    tokens = tokens.long()  # the products below need 64 bits
    length = shape[1] - back
    key, rows = tokens[:, back:], []
    for i in range(1, ngrams):
        before = tokens[:, back - i : back - i + length]
        key = (key * 1_000_003 + before + 2) % 2_147_483_647  # a prime that 31 bits hold
        rows.append(key % n_rows)
    return torch.stack(rows)


class _FirstCache(KeyValueCache):
    """The first layer's cache, which also keeps the last tokens for the n-grams to come."""

    tokens: Tensor | None = None

    def select(self, rows: Tensor) -> None:
        super().select(rows)
        if self.tokens is not None:
            self.tokens = self.tokens[as_rows(rows, len(self.tokens))]


def _lookup(embedding: nn.Embedding, argument: str, ids: Tensor) -> Tensor:
    try:
        return embedding(ids)
    except IndexError:
        fine = f"ids from 0 to {embedding.num_embeddings - 1}"
        came = f"ids from {ids.min().item()} to {ids.max().item()}"
        raise ValueError(f"{argument}: expected {fine}, got {came}") from None


class _Stack(nn.Module):
    """What GPT, encoder and decoder share: embeddings, blocks, final norm, and the checks."""

    def __init__(self, config: GPTConfig, cross: bool = False) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        if config.positions == "learned":
            self.position_embedding = nn.Embedding(config.context, config.d_model)
        if config.ngrams > 1:
            self.ngram_embedding = nn.Embedding(config.ngram_table, config.d_model)
        self.blocks = nn.ModuleList(Block(config, cross) for _ in range(config.n_layers))
        self.norm = make_norm(config) if config.pre_norm else nn.Identity()
        self.argument = "tokens"  # what messages call the input

    def _embed(
        self,
        tokens: Tensor,
        start: int = 0,
        mask: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        x = _lookup(self.token_embedding, self.argument, tokens)  # (B, T, d_model)
        if self.config.ngrams > 1:
            x = x + self._embed_ngrams(tokens, start, mask, cache)
        learned = self.config.positions == "learned"
        if learned and mask is None:
            x = x + self.position_embedding.weight[start : start + tokens.shape[1]]
        elif learned:  # a row's real tokens count from 0, wherever its padding stands
            positions = (mask[:, 0, 0].cumsum(-1) - 1).clamp(min=0)[:, start:]
            x = x + self.position_embedding(positions)
        return x

    def _embed_ngrams(
        self, tokens: Tensor, start: int, mask: Tensor | None, cache: _FirstCache | None
    ) -> Tensor:
        back = self.config.ngrams - 1
        if mask is not None:
            tokens = tokens.masked_fill(~mask[:, 0, 0, start:], -1)
        held = None if cache is None else cache.tokens
        tokens = (
            F.pad(tokens, (back, 0), value=-1) if held is None else torch.cat([held, tokens], 1)
        )
        if cache is not None:
            cache.tokens = tokens[:, -back:]
        rows = ngram_rows(tokens, self.config.ngrams, self.config.ngram_table)
        return self.ngram_embedding(rows).sum(dim=0)  # (B, T, d_model)

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.config.dropout, self.training) if self.config.dropout else x

    def _rope(self, x: Tensor, start: int = 0) -> Rope | None:
        """Return the cosines and sines for all layers."""
        if self.config.positions != "rope":
            return None
        positions = torch.arange(start, start + x.shape[1], device=x.device)
        width = self.config.d_model // self.config.n_heads
        return rope_table(positions, width, self.config.rope_base, x.dtype)

    def _checked(self, tokens: Tensor, start: int = 0) -> Tensor:
        """Return the tokens in 64 bits: what is computed with them must not overflow."""
        expected = "whole numbers of shape (B, T), neither 0"
        expect(isinstance(tokens, Tensor), self.argument, expected, type(tokens).__name__)
        shape = tuple(tokens.shape)
        expect(len(shape) == 2 and 0 not in shape, self.argument, expected, f"shape {shape}")
        expect(_is_whole(tokens), self.argument, expected, f"dtype {tokens.dtype}")
        if self.config.positions == "learned":
            room, end = self.config.context, start + shape[1]
            expect(end <= room, self.argument, f"at most context={room} positions", end)
        return tokens.long()

    def _check_caches(self, caches: Sequence[KeyValueCache], tokens: Tensor) -> int:
        """Return how many tokens the caches hold."""
        layers = len(self.blocks)
        expect(len(caches) == layers, "caches", f"one per layer ({layers})", len(caches))
        start, room = caches[0].length, caches[0].max_length - caches[0].length
        more = f"at most {room} more tokens in the caches"
        expect(tokens.shape[1] <= room, self.argument, more, tokens.shape[1])
        batch = caches[0].batch_size
        expect(batch in (None, len(tokens)), self.argument, f"batch size {batch}", len(tokens))
        return start

    def new_caches(self, max_length: int) -> list[KeyValueCache]:
        """Return an empty key-value cache per layer, each for ``max_length`` tokens."""
        caches = [KeyValueCache(max_length) for _ in self.blocks]
        if self.config.ngrams > 1:
            caches[0] = _FirstCache(max_length)
        return caches


def _padding(name: str, mask: Tensor | None, batch: int, length: int) -> Tensor | None:
    """Check a padding mask and give it the axes of attention weights: (B, 1, 1, S)."""
    if mask is None:
        return None
    shape = (batch, length)
    expect(isinstance(mask, Tensor), name, "a tensor", type(mask).__name__)
    expect(tuple(mask.shape) == shape, name, f"shape {shape}", tuple(mask.shape))
    expected = "booleans or integers (non-zero: a real token)"
    expect(not mask.is_floating_point(), name, expected, f"dtype {mask.dtype}")
    return (mask != 0)[:, None, None]


def _causal(mask: Tensor | None, query_len: int, key_len: int, x: Tensor) -> tuple:
    """Join padding and causal mask to one; None and True where the kernel's own will do."""
    if query_len == 1 or (mask is None and query_len == key_len):
        return mask, query_len > 1
    allowed = causal_mask(query_len, key_len, device=x.device)
    return allowed if mask is None else mask & allowed, False


class _Decoder(_Stack):
    """A causal stack with an output matrix."""

    def __init__(self, config: GPTConfig, cross: bool = False) -> None:
        super().__init__(config, cross)
        if not config.tied:
            self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)

    def logits(self, x: Tensor) -> Tensor:
        """Turn states of the last layer (..., d_model) into logits (..., vocab_size)."""
        head = self.token_embedding if self.config.tied else self.head
        logits = F.linear(x, head.weight)
        cap = self.config.logit_cap
        return logits if cap is None else cap * torch.tanh(logits / cap)

    def _run(
        self,
        tokens: Tensor,
        caches: Sequence[KeyValueCache] | None,
        attention_mask: Tensor | None,
        memory: "Memory | None" = None,
    ) -> Tensor:
        tokens = self._checked(tokens, caches[0].length if caches else 0)
        start = 0 if caches is None else self._check_caches(caches, tokens)
        batch = len(tokens) if memory is None else len(memory.keys_values[0][0])
        expect(len(tokens) == batch, self.argument, f"batch size {batch}", len(tokens))
        end = start + tokens.shape[1]
        mask = _padding("attention_mask", attention_mask, len(tokens), end)
        x = self._drop(self._embed(tokens, start, mask, caches[0] if caches else None))
        mask, causal = _causal(mask, tokens.shape[1], end, x)
        rope = self._rope(x, start)
        for i, block in enumerate(self.blocks):
            cache = None if caches is None else caches[i]
            if memory is None:
                x = block(x, rope, mask, causal, cache)
            else:
                x = block(x, rope, mask, causal, cache, memory.keys_values[i], memory.mask)
        return self.norm(x)


class GPT(_Decoder):
    """A decoder-only language model: each token's logits are for the token after it.

    Args:
        config: shape and recipe.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__(config)
        initialize(self, config, config.n_layers)

    def forward(
        self,
        tokens: Tensor,
        *,
        caches: Sequence[KeyValueCache] | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        """Return the logits of each next token.

        Args:
            tokens: (B, T), ids below ``vocab_size``.
            caches: from :meth:`new_caches`; they hold the tokens before these and take these up.
            attention_mask: (B, S), true at real tokens; S counts the cached tokens, too. Padding
                stands at the start or at the end.

        Returns:
            (B, T, vocab_size).

        Raises:
            ValueError: if a shape, dtype or length doesn't fit; the message names the argument.
        """
        return self.logits(self.states(tokens, caches=caches, attention_mask=attention_mask))

    def states(
        self,
        tokens: Tensor,
        *,
        caches: Sequence[KeyValueCache] | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        """Return the last layer's normalized states (B, T, d_model); :meth:`logits` reads them."""
        return self._run(tokens, caches, attention_mask)


class Encoder(_Stack):
    """A stack in which every token sees every other: BERT's shape.

    Args:
        config: shape and recipe.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        if config.n_token_types:
            self.type_embedding = nn.Embedding(config.n_token_types, config.d_model)
        self.embedding_norm = make_norm(config) if config.embedding_norm else nn.Identity()
        initialize(self, config, config.n_layers)

    def forward(
        self,
        tokens: Tensor,
        *,
        token_types: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        """Return a vector for each token that knows all others.

        Args:
            tokens: (B, S), ids below ``vocab_size``.
            token_types: (B, S), ids below ``n_token_types``; 0 everywhere by default.
            attention_mask: (B, S), true at real tokens.

        Returns:
            (B, S, d_model).

        Raises:
            ValueError: if a shape, dtype or length doesn't fit; the message names the argument.
        """
        tokens = self._checked(tokens)
        mask = _padding("attention_mask", attention_mask, *tokens.shape)
        x = self._embed(tokens)
        if self.config.n_token_types:
            types = torch.zeros_like(tokens) if token_types is None else token_types
            fits = isinstance(types, Tensor) and types.shape == tokens.shape and _is_whole(types)
            came = f"{types.dtype} of {tuple(types.shape)}" if isinstance(types, Tensor) else types
            wanted = f"whole numbers of shape {tuple(tokens.shape)}"
            expect(fits, "token_types", wanted, came)
            x = x + _lookup(self.type_embedding, "token_types", types.long())
        else:
            expect(token_types is None, "token_types", "None, as n_token_types=0", "a tensor")
        x = self._drop(self.embedding_norm(x))
        rope = self._rope(x)
        for block in self.blocks:
            x = block(x, rope, mask)
        return self.norm(x)


class Memory(NamedTuple):
    """What the decoder needs of the source: keys and values for each of its layers, and a mask."""

    keys_values: list[tuple[Tensor, Tensor]]
    mask: Tensor | None

    def select(self, rows: Tensor) -> "Memory":
        """Return the memory of these rows of the batch, e.g. for beam search."""
        rows = as_rows(rows, len(self.keys_values[0][0]))
        pairs = [(k[rows], v[rows]) for k, v in self.keys_values]
        return Memory(pairs, None if self.mask is None else self.mask[rows])


class Transformer(nn.Module):
    """The encoder-decoder: the decoder's tokens also see the encoder's (Vaswani et al. 2017).

    Args:
        config: shape and recipe.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        shared = {name: getattr(config, name) for name in GPTConfig.__dataclass_fields__}
        shared["n_layers"] = config.n_encoder_layers or config.n_layers
        shared["vocab_size"] = config.source_vocab_size or config.vocab_size
        self.encoder = Encoder(EncoderConfig(**shared))
        self.decoder = _Decoder(config, cross=True)
        initialize(self.decoder, config, config.n_layers)
        self.encoder.argument, self.decoder.argument = "source", "target"
        if config.source_vocab_size is None:
            self.encoder.token_embedding = self.decoder.token_embedding

    def forward(self, source: Tensor, target: Tensor, source_mask: Tensor | None = None) -> Tensor:
        """Return the logits of each next target token.

        Args:
            source: (B, S), ids below ``source_vocab_size``.
            target: (B, T), ids below ``vocab_size``; padding at its end does no harm.
            source_mask: (B, S), true at real tokens.

        Returns:
            (B, T, vocab_size).

        Raises:
            ValueError: if a shape, dtype or length doesn't fit; the message names the argument.
        """
        return self.decode(target, self.encode(source, source_mask))

    def encode(self, source: Tensor, source_mask: Tensor | None = None) -> Memory:
        """Read the source once; :meth:`decode` can then be called for each new token."""
        source = self.encoder._checked(source)
        mask = _padding("source_mask", source_mask, *source.shape)
        x = self.encoder(source, attention_mask=source_mask)
        pairs = [block.cross_attention.keys_values(x, x) for block in self.decoder.blocks]
        return Memory(pairs, mask)

    def decode(
        self, target: Tensor, memory: Memory, *, caches: Sequence[KeyValueCache] | None = None
    ) -> Tensor:
        """Return the logits (B, T, vocab_size) of each next target token, given the memory."""
        return self.decoder.logits(self.decoder._run(target, caches, None, memory))

    def new_caches(self, max_length: int) -> list[KeyValueCache]:
        """Return an empty key-value cache per decoder layer, each for ``max_length`` tokens."""
        return self.decoder.new_caches(max_length)


def count_parameters(config: GPTConfig) -> int:
    """Return the number of weights of ``GPT(config)``, by formula."""
    d, f, bias = config.d_model, config.hidden, int(config.bias)
    head = d // config.n_heads
    kv = head * (config.n_kv_heads or config.n_heads)
    attention = 2 * d * (d + kv) + bias * (2 * d + 2 * kv) + 2 * head * config.qk_norm
    gates = 2 if config.mlp == "swiglu" else 1
    mlp = (gates + 1) * d * f + bias * (gates * f + d)
    norm = d * (1 + (bias if config.norm == "layer" else 0))
    blocks = config.n_layers * (attention + mlp + 2 * norm)
    embeddings = config.vocab_size * d * (1 if config.tied else 2)
    embeddings += config.ngram_table * d * (config.ngrams > 1)
    positions = config.context * d if config.positions == "learned" else 0
    return embeddings + positions + blocks + norm * config.pre_norm
