"""The article's class, which the course begins with. Taught in 'The SelfAttention class'."""

import math

import torch
from torch import Tensor, nn

from course_lib.attention.inputs import check_inputs, check_mask
from course_lib.checks import check_sizes


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

        # Cut into heads; all share one projection for each of the three.
        split = (self.heads, self.head_dim)
        values = self.values(values.unflatten(-1, split))  # (N, S, H, D)
        keys = self.keys(keys.unflatten(-1, split))  # (N, S, H, D)
        queries = self.queries(query.unflatten(-1, split))  # (N, T, H, D)

        # How much each query is like each key, per head; hidden keys get the least score.
        energy = torch.einsum("nqhd,nkhd->nhqk", queries, keys)  # (N, H, T, S)
        if mask is not None:
            check_mask("mask", mask, energy.shape)
            # The article's -1e20 overflows float16; the dtype's own least number never does.
            energy = energy.masked_fill(mask == 0, torch.finfo(energy.dtype).min)

        # The weighted mean of the values, the heads side by side again, and mixed.
        attention = torch.softmax(energy / math.sqrt(self.embed_size), dim=-1)
        out = torch.einsum("nhqk,nkhd->nqhd", attention, values)  # (N, T, H, D)
        return self.fc_out(out.flatten(2))  # (N, T, embed_size)
