"""The encoder-decoder: the decoder's tokens also see the encoder's (Vaswani et al. 2017).

Taught in 'The Transformer'; 'Machine translation' trains one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from course_lib.attention import (
    KeyValueCache,
    MultiHeadAttention,
    Rope,
    as_rows,
    rope_table,
)
from course_lib.checks import check_sizes, expect
from course_lib.model.encoder import Encoder, EncoderConfig
from course_lib.model.gpt import GPT, GPTConfig
from course_lib.model.parts import (
    MLP,
    Block,
    Shape,
    checked_inputs,
    make_attention,
    make_dropout,
    make_norm,
)


@dataclass(frozen=True)
class TransformerConfig(GPTConfig):
    """The shape of an encoder-decoder; ``n_layers`` is the decoder's.

    Args:
        source_vocab_size: None if source and target share one vocabulary and its embeddings.
        n_encoder_layers: ``n_layers`` by default.
    """

    source_vocab_size: int | None = None
    n_encoder_layers: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        names = ("source_vocab_size", "n_encoder_layers")
        sizes = {name: getattr(self, name) for name in names}
        check_sizes(**{name: size for name, size in sizes.items() if size is not None})

    def encoder(self) -> EncoderConfig:
        """Return the encoder's shape: the decoder's but for vocabulary and layers."""
        own = {field.name for field in fields(self)}
        both = {f.name: getattr(self, f.name) for f in fields(EncoderConfig) if f.name in own}
        both["n_layers"] = self.n_encoder_layers or self.n_layers
        both["vocab_size"] = self.source_vocab_size or self.vocab_size
        return EncoderConfig(**both)


class Memory(NamedTuple):
    """What the decoder needs of the source: keys and values for each of its layers, and a mask."""

    keys_values: list[tuple[Tensor, Tensor]]
    mask: Tensor | None

    def select(self, rows: Tensor) -> "Memory":
        """Return the memory of these rows of the batch, e.g. for beam search."""
        rows = as_rows(rows, len(self.keys_values[0][0]))
        pairs = [(k[rows], v[rows]) for k, v in self.keys_values]
        return Memory(pairs, None if self.mask is None else self.mask[rows])


class CrossBlock(nn.Module):
    """A decoder's block: attention to its own tokens, then to the source's, then the MLP.

    Args:
        config: of the model.
        attention: what makes the attention layers; see :func:`make_attention`.
    """

    def __init__(
        self, config: Shape, attention: Callable[..., MultiHeadAttention] = MultiHeadAttention
    ) -> None:
        super().__init__()
        self.attention_norm = make_norm(config)
        self.attention = make_attention(config, attention)
        self.cross_norm = make_norm(config)
        self.cross_attention = make_attention(config, attention, rope=False)
        self.mlp_norm = make_norm(config)
        self.mlp = MLP(config)
        self.dropout = make_dropout(config)

    def forward(
        self,
        x: Tensor,
        rope: Rope | None,
        mask: Tensor | None,
        causal: bool,
        cache: KeyValueCache | None,
        keys_values: tuple[Tensor, Tensor],
        source_mask: Tensor | None,
    ) -> Tensor:
        """Pass the residual stream through the block.

        Args:
            x: (B, T, d_model).
            rope: see :meth:`Block.forward`.
            mask: see :meth:`Block.forward`.
            causal: see :meth:`Block.forward`.
            cache: see :meth:`Block.forward`.
            keys_values: the source's keys and values for this layer.
            source_mask: booleans that broadcast to (B, n_heads, T, S of the source).

        Returns:
            (B, T, d_model).
        """
        normed = self.attention_norm(x)
        mixed = self.attention(normed, rope=rope, mask=mask, causal=causal, cache=cache)
        x = x + self.dropout(mixed)
        asked = self.cross_norm(x)
        x = x + self.dropout(self.cross_attention(asked, keys_values=keys_values, mask=source_mask))
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


class Decoder(GPT):
    """A GPT whose blocks also look at a source."""

    argument = "target"
    config_class = TransformerConfig

    def forward(
        self,
        tokens: Tensor,
        *,
        caches: Sequence[KeyValueCache] | None = None,
        attention_mask: Tensor | None = None,
        memory: Memory | None = None,
    ) -> Tensor:
        """Return the logits (B, T, vocab_size) of each next token, given the memory."""
        if memory is None:
            raise ValueError("memory: expected what Transformer.encode() returns, got None")
        # The door: what comes in is checked here, and nowhere inside.
        given = checked_inputs(self.config, self.argument, tokens, caches, attention_mask)
        batch = len(memory.keys_values[0][0])
        expect(len(tokens) == batch, self.argument, f"batch size {batch}", len(tokens))

        # A vector for each token; the angles of rotary positions, the same in every block.
        x = self.dropout(self.embed(given, caches))  # (B, T, d_model)
        rope = None
        if self.config.positions == "rope":
            width = self.config.d_model // self.config.n_heads
            places = torch.arange(given.start, given.start + x.shape[1], device=x.device)
            rope = rope_table(places, width, self.config.rope_base, x.dtype)

        # Each block adds to the stream what it finds in the target so far, and in the source.
        for i, block in enumerate(self.blocks):
            cache = None if caches is None else caches[i]
            pair = memory.keys_values[i]
            x = block(x, rope, given.mask, given.causal, cache, pair, memory.mask)
        return self.logits(self.norm(x))


class Transformer(nn.Module):
    """An encoder, and a decoder that writes with its states in view.

    Args:
        config: shape and recipe.
        attention: what makes the attention layers; see :func:`make_attention`.
    """

    def __init__(
        self,
        config: TransformerConfig,
        attention: Callable[..., MultiHeadAttention] = MultiHeadAttention,
    ) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.encoder(), partial(Block, attention=attention))
        self.decoder = Decoder(config, partial(CrossBlock, attention=attention))
        self.encoder.argument = "source"
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
        x = self.encoder(source, attention_mask=source_mask)  # (B, S, d_model)
        mask = None if source_mask is None else (source_mask != 0)[:, None, None]
        blocks = cast("list[CrossBlock]", list(self.decoder.blocks))
        pairs = [block.cross_attention.keys_values(x, x) for block in blocks]
        return Memory(pairs, mask)

    def decode(
        self, target: Tensor, memory: Memory, *, caches: Sequence[KeyValueCache] | None = None
    ) -> Tensor:
        """Return the logits (B, T, vocab_size) of each next target token, given the memory."""
        return self.decoder(target, memory=memory, caches=caches)

    def new_caches(self, max_length: int) -> list[KeyValueCache]:
        """Return an empty key-value cache per decoder layer, each for ``max_length`` tokens."""
        return self.decoder.new_caches(max_length)
