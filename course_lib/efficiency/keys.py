"""A smaller key-value cache: heads that share keys and values, or a latent that makes both.

Taught in 'Compute'. To average the heads of a trained model is from Ainslie et al. (2023), 'GQA',
section 2.1; the latent is the idea of DeepSeek-V2 (2024), section 2.1.2, here cut out of trained
matrices instead of learned.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from course_lib.checks import check_sizes, expect


def share_heads(weight: Tensor, n_heads: int, n_groups: int) -> Tensor:
    """Let the heads of a group have one matrix: the mean of theirs.

    Args:
        weight: (n_heads · head_dim, in), of keys or of values.
        n_heads: in it.
        n_groups: so many different heads are left; must divide ``n_heads``.

    Returns:
        The same shape; only ``n_groups`` heads must be kept in a cache.

    Raises:
        ValueError: if the numbers don't divide.
    """
    check_sizes(n_heads=n_heads, n_groups=n_groups)
    expect(n_heads % n_groups == 0, "n_groups", f"a divisor of n_heads={n_heads}", n_groups)
    rows = len(weight)
    expect(rows % n_heads == 0, "weight", f"a multiple of {n_heads} rows", rows)
    heads = weight.unflatten(0, (n_groups, n_heads // n_groups, -1))
    return heads.mean(1, keepdim=True).expand_as(heads).flatten(0, 2)


def through_a_latent(weights: Sequence[Tensor], rank: int) -> list[Tensor]:
    """Return the matrices nearest to the given ones that all read one vector of ``rank`` numbers.

    Stacked, they are a product (out, rank) @ (rank, in): a cache keeps the ``rank`` numbers of each
    token, and keys and values are made of them again. Nearest is by the sum of squares (Eckart and
    Young 1936).

    Args:
        weights: matrices (out, in) that read the same input.
        rank: of the latent.

    Raises:
        ValueError: if the rank is out of range.
    """
    check_sizes(rank=rank)
    stacked = torch.cat(list(weights))
    expect(rank <= min(stacked.shape), "rank", f"at most {min(stacked.shape)}", rank)
    u, s, v = torch.linalg.svd(stacked.float(), full_matrices=False)
    near = (u[:, :rank] * s[:rank]) @ v[:rank]
    return list(near.to(stacked.dtype).split([len(weight) for weight in weights]))
