"""What won the course's benchmark of training: a GPT with five changes that pay at its size.

Taught in 'Training', which says what each is worth: queries and keys of one length (Henry et al.
2020), blocks that begin at zero, logits with a soft cap, embeddings of n-grams; and squared ReLU.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn

from course_lib.attention import KeyValueCache, MultiHeadAttention
from course_lib.checks import check_positive, check_sizes
from course_lib.model.gpt import GPT, GPTConfig
from course_lib.model.ngram_embedding import NGramCache, NGramEmbedding
from course_lib.model.parts import LAST, Block, Inputs, use_fast_norms
from course_lib.model.transformer import Memory, Transformer, TransformerConfig

LOGIT_CAP = 15.0


@dataclass(frozen=True)
class SpeedrunConfig(GPTConfig):
    """The shape of a :class:`Speedrun`: the recipe, part by part; the rest is as in GPTConfig.

    Args:
        vocab_size: number of different tokens.
        qk_norm: normalize queries and keys per head.
        zero_init: let the last matrix of each sublayer begin at zero.
        logit_cap: soft cap c on the logits, c * tanh(logits / c); None for no cap.
        ngrams: add to each token's embedding one for the last 2, 3, … up to this many tokens; 1 for
            none. See :func:`course_lib.model.ngram_embedding.ngram_rows`.
        ngram_table: number of rows that all n-grams share.

    Raises:
        ValueError: if a value doesn't fit; the message names the argument.
    """

    n_layers: int = 2
    norm: str = "rms"
    mlp: str = "relu2"
    positions: str = "rope"
    bias: bool = False
    tied: bool = False
    qk_norm: bool = True
    zero_init: bool = True
    logit_cap: float | None = LOGIT_CAP
    ngrams: int = 5
    ngram_table: int = 3328

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(ngrams=self.ngrams, ngram_table=self.ngram_table)
        if self.logit_cap is not None:
            check_positive(logit_cap=self.logit_cap)

    @classmethod
    def gpt2(cls, vocab_size: int, **changes: Any) -> Self:
        """GPT-2's recipe, with none of the parts: where the way to the speedrun begins."""
        recipe = {"norm": "layer", "mlp": "gelu", "positions": "learned", "bias": True}
        parts = {"qk_norm": False, "zero_init": False, "logit_cap": None, "ngrams": 1}
        return cls(vocab_size, **{"n_layers": 4, "tied": True, **recipe, **parts, **changes})


class Speedrun(GPT):
    """A GPT with the parts that its config names.

    Args:
        config: shape and recipe.
    """

    config: SpeedrunConfig
    config_class = SpeedrunConfig

    def __init__(self, config: SpeedrunConfig) -> None:
        attention = partial(MultiHeadAttention, qk_norm=config.qk_norm)
        super().__init__(config, partial(Block, attention=attention))
        use_fast_norms(self)
        if config.zero_init:
            begin_at_zero(self)

    def logits(self, x: Tensor) -> Tensor:
        """Turn states of the last layer (..., d_model) into capped logits (..., vocab_size)."""
        logits, cap = super().logits(x), self.config.logit_cap
        return logits if cap is None else soft_cap(logits, cap)

    def make_embeddings(self) -> None:
        """Make the tables that :meth:`embed` looks tokens up in."""
        super().make_embeddings()
        config = self.config
        if config.ngrams > 1:
            self.ngram_embedding = NGramEmbedding(config.ngram_table, config.d_model, config.ngrams)

    def embed(self, given: Inputs, caches: Sequence[KeyValueCache] | None = None) -> Tensor:
        """Return a vector for each token: GPT's, and those of the n-grams that it ends."""
        if self.config.ngrams == 1:
            return super().embed(given, caches)
        real = None if given.real is None else given.real[:, given.start :]
        first = caches[0] if caches else None
        return super().embed(given, caches) + self.ngram_embedding(given.tokens, real, first)

    def new_caches(self, max_length: int) -> list[KeyValueCache]:
        """Return an empty cache per layer; the first keeps tokens for the n-grams to come."""
        return [NGramCache(max_length), *super().new_caches(max_length)[1:]]


class SpeedrunTransformer(Transformer):
    """An encoder-decoder with the same parts but n-grams, whose worth was measured on GPT only.

    Args:
        config: shape and recipe.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config, partial(MultiHeadAttention, qk_norm=True))
        begin_at_zero(self)

    def decode(
        self, target: Tensor, memory: Memory, *, caches: Sequence[KeyValueCache] | None = None
    ) -> Tensor:
        """Return capped logits (B, T, vocab_size) of each next target token."""
        return soft_cap(super().decode(target, memory, caches=caches), LOGIT_CAP)


def soft_cap(logits: Tensor, cap: float) -> Tensor:
    """Return logits of the same order, all nearer to zero than the cap."""
    return cap * torch.tanh(logits / cap)


def begin_at_zero(model: nn.Module) -> None:
    """Set the last matrix of each sublayer to zero, so that at first a block changes nothing."""
    for name, module in model.named_modules():
        if name.endswith(LAST) and isinstance(module, nn.Linear):
            nn.init.zeros_(module.weight)
