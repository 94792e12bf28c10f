"""Embeddings of n-grams: a token also looks up a vector for each run of tokens that it ends.

Used in 'Training'. From Svenstrup et al. (2017), 'Hash Embeddings for Efficient Word
Representations': different n-grams may share a row of one table.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.attention import KeyValueCache, as_rows
from course_lib.checks import check_sizes, expect


def ngram_rows(tokens: Tensor, ngrams: int, n_rows: int) -> Tensor:
    """Return which row of a table belongs to each n-gram that ends at a token.

    The row is the remainder of a number made of the n-gram's ids.

    Args:
        tokens: (B, ngrams - 1 + T); the first ngrams - 1 are only looked back at. -1 is no token.
        ngrams: longest n-gram.
        n_rows: number of rows.

    Returns:
        (ngrams - 1, B, T) for the n-grams of 2, 3, … tokens.
    """
    tokens = tokens.long()  # the products below need 64 bits
    back = ngrams - 1
    length = tokens.shape[1] - back

    # From the token itself backwards, each one more makes the next longer n-gram's number.
    key, rows = tokens[:, back:], []
    for i in range(1, ngrams):
        before = tokens[:, back - i : back - i + length]
        key = (key * 1_000_003 + before + 2) % 2_147_483_647  # a prime that 31 bits hold
        rows.append(key % n_rows)
    return torch.stack(rows)


class NGramCache(KeyValueCache):
    """A first layer's cache, which also keeps the last tokens for the n-grams to come."""

    tokens: Tensor | None = None

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order."""
        super().select(rows)
        if self.tokens is not None:
            self.tokens = self.tokens[as_rows(rows, len(self.tokens))]


class NGramEmbedding(nn.Embedding):
    """One table of vectors for the n-grams of 2, 3, … up to ``ngrams`` tokens.

    Args:
        n_rows: of the table, which all n-grams share.
        d_model: width of a vector.
        ngrams: longest n-gram.

    Raises:
        ValueError: if there is no row, or no n-gram of two tokens.
    """

    def __init__(self, n_rows: int, d_model: int, ngrams: int) -> None:
        check_sizes(n_rows=n_rows, ngrams=ngrams)
        expect(ngrams > 1, "ngrams", "at least 2", ngrams)
        super().__init__(n_rows, d_model)
        self.ngrams = ngrams

    def forward(
        self, tokens: Tensor, real: Tensor | None = None, cache: KeyValueCache | None = None
    ) -> Tensor:
        """Return the sum of the vectors of all n-grams that end at each token.

        Args:
            tokens: (B, T), int64.
            real: (B, T), false at padding, which is no token.
            cache: an :class:`NGramCache`: the tokens before these, which then holds these, too.

        Returns:
            (B, T, d_model).
        """
        if real is not None:
            tokens = tokens.masked_fill(~real, -1)

        # Before the first token stands nothing, or what the cache has kept.
        back = self.ngrams - 1
        held = cache.tokens if isinstance(cache, NGramCache) else None
        if held is None:
            tokens = F.pad(tokens, (back, 0), value=-1)
        else:
            tokens = torch.cat([held, tokens], 1)
        if isinstance(cache, NGramCache):
            cache.tokens = tokens[:, -back:]

        rows = ngram_rows(tokens, self.ngrams, self.num_embeddings)
        return super().forward(rows).sum(dim=0)
