"""A batch in pieces: one after another in less memory, or each in a process of its own.

Taught in 'Training on GPU'.
"""

import math

from torch import Tensor

from course_lib.checks import expect
from course_lib.training import distributed
from course_lib.training.losses import IGNORE

Pieces = list[tuple[list[Tensor], float]]  # rows of a batch, and their share of the loss


def split(batch: tuple[Tensor, ...], accumulate: int) -> Pieces:
    """Cut a batch into pieces of rows; return this process's, each with its share of the loss.

    The loss is a mean over targets that count. Pieces may have unequally many, so the mean of
    their losses would not be the batch's. Gradients are averaged over processes, hence the factor.
    A piece where nothing counts has no mean: it is left out. So all are, where none counts.
    """
    # Each process has equally many pieces, of at least one row each.
    rows = [len(tensor) for tensor in batch]
    expect(min(rows) == max(rows) > 0, "batch", "tensors of as many rows, at least one", rows)
    world, rank = distributed.world_size(), distributed.rank()
    each = max(min(accumulate, rows[0] // world), 1)
    cut = list(zip(*(tensor.tensor_split(each * world) for tensor in batch), strict=True))
    if len(cut) == 1 and not batch[-1].is_cpu:  # to count on a GPU would mean to wait for it
        return [(list(batch), 1.0)]
    # The share of a piece: its counted targets by all of them.
    counts = [n_counted(piece[-1]) for piece in cut]
    if not any(counts):
        return []
    shares = [world * count / sum(counts) for count in counts]
    # This process takes its own.
    mine = list(zip(cut, shares, strict=True))[rank * each : (rank + 1) * each]
    if world > 1:  # processes wait for each other: one with nothing to count computes along
        full = cut[counts.index(max(counts))]
        mine = [(piece if share else full, share) for piece, share in mine]
    else:
        mine = [(piece, share) for piece, share in mine if share]
    return [(list(piece), share) for piece, share in mine]


def n_counted(targets: Tensor) -> int:
    """Return how many targets count; numbers with a fraction all do."""
    targets = targets if targets.is_floating_point() else targets.long()
    return int((targets != IGNORE).cpu().numpy().sum())


def rows_at_a_time(rows: int, accumulate: int) -> int:
    """Return how many rows of a batch this process computes at once."""
    return max(math.ceil(rows / accumulate / distributed.world_size()), 1)
