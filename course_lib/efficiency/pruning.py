"""Pruning: the smallest weights become zero.

Taught in 'Compute'. By size of the weights: Han et al. (2015), 'Learning both Weights and
Connections'; two of every four, which GPUs can skip: Mishra et al. (2021), 'Accelerating Sparse
Deep Neural Networks'.
"""

import torch
from torch import Tensor

from course_lib.checks import check_shares, expect


def prune(weight: Tensor, share: float) -> Tensor:
    """Return a matrix whose smallest weights, a share of all, are zero.

    Raises:
        ValueError: if the share is not from 0 to 1.
    """
    check_shares(share=share)
    count = round(share * weight.numel())
    kept = weight.clone(memory_format=torch.contiguous_format).flatten()
    kept[weight.abs().flatten().argsort()[:count]] = 0
    return kept.view(weight.shape)


def prune_two_of_four(weight: Tensor) -> Tensor:
    """Return a matrix (out, in) where of every four weights of a row the two smallest are zero.

    Raises:
        ValueError: if the rows don't divide into fours.
    """
    fits = weight.dim() == 2 and weight.shape[1] % 4 == 0
    expect(fits, "weight", "shape (out, a multiple of 4)", tuple(weight.shape))
    fours = weight.unflatten(1, (-1, 4))
    smallest = fours.abs().argsort(-1)[..., :2]
    return fours.scatter(-1, smallest, 0.0).flatten(1)
