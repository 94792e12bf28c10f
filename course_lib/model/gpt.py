"""GPT: a decoder-only Transformer, from token ids to the logits of each next token.

Taught in 'The Transformer'. The recipes are GPT-2's (Radford et al. 2019, section 2.3) and Llama's
(Touvron et al. 2023, section 2.2). The parts are in :mod:`course_lib.model.parts`, attention is in
:mod:`course_lib.attention`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.attention import KeyValueCache, rope_table
from course_lib.checks import expect
from course_lib.model.parts import (
    Block,
    Inputs,
    Shape,
    checked_inputs,
    initialize,
    make_dropout,
    make_norm,
)


@dataclass(frozen=True)
class GPTConfig(Shape):
    """The shape of a decoder-only model. ``gpt2`` and ``llama`` are two proven recipes.

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
        mlp: activation: "gelu" (exact), "gelu_tanh" (GPT-2's), "relu", "relu2" (squared), "swiglu".
        positions: "learned", "rope" or "none".
        rope_base: base of the rotary positions.
        bias: whether linear layers and LayerNorm have a bias.
        tied: use the embedding matrix as output matrix, too.
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
    mlp: str = "gelu"
    positions: str = "learned"
    rope_base: float = 10_000.0
    bias: bool = True
    tied: bool = True
    dropout: float = 0.0

    @classmethod
    def gpt2(cls, vocab_size: int, **changes: Any) -> Self:
        """GPT-2's recipe: LayerNorm, GELU, learned positions, biases, tied embeddings."""
        return cls(vocab_size, **changes)

    @classmethod
    def llama(cls, vocab_size: int, **changes: Any) -> Self:
        """Llama's recipe: RMSNorm, SwiGLU, rotary positions, no biases; tied as its small models.

        The MLP is 8/3 of ``d_model`` wide: its three matrices are as many numbers as two of 4/1.
        """
        recipe = {"norm": "rms", "mlp": "swiglu", "positions": "rope", "bias": False}
        config = cls(vocab_size, **{**recipe, **changes})
        d_ff = -(-config.d_model // 12) * 32  # 8/3, rounded up to a multiple of 32
        return replace(config, d_ff=d_ff) if config.d_ff is None else config


class GPT(nn.Module):
    """A decoder-only language model: each token's logits are for the token after it.

    Args:
        config: shape and recipe.
        block: what makes each block; it is called as :class:`Block` is.
    """

    argument = "tokens"  # what messages call the input
    config_class: type[GPTConfig] = GPTConfig

    def __init__(self, config: GPTConfig, block: Callable[[Any], nn.Module] = Block) -> None:
        super().__init__()
        kind = self.config_class.__name__  # another's fields would be passed over in silence
        expect(type(config) is self.config_class, "config", f"a {kind}", type(config).__name__)
        self.config = config

        # Into the residual stream, through the blocks, and out again.
        self.make_embeddings()
        self.dropout = make_dropout(config)
        self.blocks = nn.ModuleList(block(config) for _ in range(config.n_layers))
        self.norm = make_norm(config)
        if not config.tied:
            self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        initialize(self, config.n_layers)

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
        # The door: what comes in is checked here, and nowhere inside.
        given = checked_inputs(self.config, self.argument, tokens, caches, attention_mask)

        # The residual stream begins as a vector for each token.
        x = self.dropout(self.embed(given, caches))  # (B, T, d_model)

        # Rotary positions turn queries and keys, by the same angles in every block.
        rope = None
        if self.config.positions == "rope":
            width = self.config.d_model // self.config.n_heads
            places = torch.arange(given.start, given.start + x.shape[1], device=x.device)
            rope = rope_table(places, width, self.config.rope_base, x.dtype)

        # Each block reads the stream and adds to it.
        for i, block in enumerate(self.blocks):
            cache = None if caches is None else caches[i]
            x = block(x, rope, given.mask, given.causal, cache)
        return self.norm(x)

    def logits(self, x: Tensor) -> Tensor:
        """Turn states of the last layer (..., d_model) into logits (..., vocab_size)."""
        if self.config.tied:  # how much each token's own vector is like the state
            return F.linear(x, self.token_embedding.weight)
        return self.head(x)

    def make_embeddings(self) -> None:
        """Make the tables that :meth:`embed` looks tokens up in."""
        config = self.config
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        if config.positions == "learned":
            self.position_embedding = nn.Embedding(config.context, config.d_model)

    def embed(self, given: Inputs, caches: Sequence[KeyValueCache] | None = None) -> Tensor:
        """Return a vector for each token: its own, and one for its place if places are learned."""
        x = self.token_embedding(given.tokens)  # (B, T, d_model)
        if self.config.positions == "learned":
            x = x + self.position_embedding(given.places())
        return x

    def new_caches(self, max_length: int) -> list[KeyValueCache]:
        """Return an empty key-value cache per layer, each for ``max_length`` tokens."""
        return [KeyValueCache(max_length) for _ in self.blocks]
