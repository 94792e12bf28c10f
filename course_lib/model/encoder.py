"""The encoder: every token sees every other. BERT's shape, and the first half of a translator.

Taught in 'The Transformer' and 'Tools'. BERT (Devlin et al. 2019) normalizes what a sublayer has
added to, as Vaswani et al. (2017) did, and not what it reads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.attention import KeyValueCache, Rope, rope_table
from course_lib.checks import check_counts, check_ids, expect
from course_lib.model.parts import (
    Block,
    Shape,
    checked_inputs,
    initialize,
    make_dropout,
    make_norm,
)


@dataclass(frozen=True)
class EncoderConfig(Shape):
    """The shape of an encoder. What isn't said here is as in :class:`course_lib.model.GPTConfig`.

    Args:
        vocab_size: number of different tokens.
        pre_norm: normalize what a sublayer reads (GPT-2), not what it has added to (BERT).
        n_token_types: kinds of token with a vector of their own (BERT: first or second sentence).
        embedding_norm: normalize the embeddings (BERT and RoBERTa do).
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
    mlp: str = "gelu"
    positions: str = "learned"
    rope_base: float = 10_000.0
    bias: bool = True
    dropout: float = 0.0
    pre_norm: bool = True
    n_token_types: int = 0
    embedding_norm: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(n_token_types=self.n_token_types)


class PostNormBlock(Block):
    """A block that normalizes what attention and MLP have added to, not what they read."""

    def forward(
        self,
        x: Tensor,
        rope: Rope | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Pass (B, T, d_model) through the block; see :meth:`Block.forward`."""
        mixed = self.attention(x, rope=rope, mask=mask, causal=causal, cache=cache)
        x = self.attention_norm(x + self.dropout(mixed))
        return self.mlp_norm(x + self.dropout(self.mlp(x)))


class Encoder(nn.Module):
    """A stack of blocks in which every token sees every other.

    Args:
        config: shape and recipe.
        block: what makes each block; by default the config's ``pre_norm`` says it.
    """

    argument = "tokens"  # what messages call the input

    def __init__(
        self, config: EncoderConfig, block: Callable[[Any], nn.Module] | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        if config.positions == "learned":
            self.position_embedding = nn.Embedding(config.context, config.d_model)
        self.dropout = make_dropout(config)
        block = block or (Block if config.pre_norm else PostNormBlock)
        self.blocks = nn.ModuleList(block(config) for _ in range(config.n_layers))
        self.norm = make_norm(config) if config.pre_norm else nn.Identity()
        if config.n_token_types:
            self.type_embedding = nn.Embedding(config.n_token_types, config.d_model)
        self.embedding_norm = make_norm(config) if config.embedding_norm else nn.Identity()
        initialize(self, config.n_layers)

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
        # The door: what comes in is checked here, and nowhere inside.
        config, name = self.config, self.argument
        given = checked_inputs(config, name, tokens, None, attention_mask, causal=False)

        # A vector for each token: its own, its place's, its type's.
        x = self.token_embedding(given.tokens)  # (B, S, d_model)
        places = torch.arange(x.shape[1], device=x.device)
        if config.positions == "learned":
            x = x + self.position_embedding(places)
        if config.n_token_types:
            x = x + self.type_embedding(self._types(token_types, given.tokens))
        else:
            expect(token_types is None, "token_types", "None, as n_token_types=0", "a tensor")
        x = self.dropout(self.embedding_norm(x))

        # The blocks, each with the same rotary positions, if there are such.
        rope = None
        if config.positions == "rope":
            rope = rope_table(places, config.d_model // config.n_heads, config.rope_base, x.dtype)
        for block in self.blocks:
            x = block(x, rope, given.mask)
        return self.norm(x)

    def _types(self, types: Tensor | None, tokens: Tensor) -> Tensor:
        if types is None:
            return torch.zeros_like(tokens)
        shape, most = tuple(tokens.shape), self.config.n_token_types - 1
        expected = f"whole numbers of shape {shape} from 0 to {most}"
        fits = isinstance(types, Tensor) and types.shape == tokens.shape
        got = f"shape {tuple(types.shape)}" if isinstance(types, Tensor) else repr(types)
        expect(fits, "token_types", expected, got)
        check_ids("token_types", types, most + 1)
        return types.long()
