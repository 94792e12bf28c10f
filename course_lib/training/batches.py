"""What a model is fed at each step: windows of a text, padded rows, epochs in a seeded order.

Taught in 'Training'; rows of about the same length side by side in 'Machine translation'. A batch
is a pure function of the step's number, so that a run which was stopped sees what it would have.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.checks import check_counts, check_sizes, expect

Batches = Callable[[int], tuple[Tensor, ...]]
Plan = Callable[[int], Sequence[Tensor]]  # an epoch's batches, each as the places of its rows


def seed_from(*numbers: int) -> int:
    """Return a seed that differs for all series of numbers."""
    return int.from_bytes(hashlib.blake2b(repr(numbers).encode(), digest_size=4).digest())


def as_ids(tokens: Tensor | Sequence[int]) -> Tensor:
    """Return the token ids of a text as a tensor (n,).

    Raises:
        ValueError: if they are anything but whole numbers in one row.
    """
    tokens = torch.as_tensor(tokens)
    kind = tokens.dtype
    whole = not (kind.is_floating_point or kind.is_complex or kind is torch.bool)
    got = f"{kind} of shape {tuple(tokens.shape)}"
    fits = tokens.dim() == 1 and (whole or len(tokens) == 0)
    expect(fits, "tokens", "whole numbers of shape (n,)", got)
    return tokens


def random_windows(
    tokens: Tensor | Sequence[int], batch_size: int, context: int, seed: int = 0
) -> Batches:
    """Return batches of windows of a text, each from a random place.

    Args:
        tokens: token ids of the whole text.
        batch_size: windows per batch, B.
        context: tokens per window, T.
        seed: of the places.

    Returns:
        A function of the step that gives inputs (B, T) and targets (B, T), one token further.

    Raises:
        ValueError: if a size is below 1, or the text too short for a window and the token behind.
    """
    check_sizes(batch_size=batch_size, context=context)
    check_counts(seed=seed)
    ids = as_ids(tokens)
    expect(len(ids) > context, "tokens", f"more than context = {context}", len(ids))
    offsets = torch.arange(context + 1)

    def batches(step: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed_from(seed, step))
        starts = torch.randint(len(ids) - context, (batch_size, 1), generator=generator)
        windows = ids[starts + offsets].long()  # (B, T + 1)
        return windows[:, :-1], windows[:, 1:]

    return batches


def pad(rows: Sequence[Sequence[int]], value: int = 0) -> Tensor:
    """Return rows of token ids as one tensor (B, longest), int64, filled up at their ends.

    Raises:
        ValueError: if there is no row, or one holds anything but whole numbers.
    """
    expect(len(rows) > 0, "rows", "at least one", "none")
    tensors = [torch.tensor(row) if len(row) else torch.tensor([]).long() for row in rows]
    wrong = next((tensor.dtype for tensor in tensors if tensor.dtype != torch.int64), None)
    expect(wrong is None, "rows", "whole numbers", wrong)
    return nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=value)


def pad_with_mask(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Return token ids (B, longest), zeros behind the shorter rows, and which are real, alike."""
    return pad(rows), pad([[1] * len(row) for row in rows]).bool()


def shuffled(n_rows: int, batch_size: int, seed: int = 0) -> Plan:
    """Plan epochs in which rows come in a random order.

    What is left behind the last whole batch is not used. Of fewer rows than ``batch_size`` each
    batch has all.

    Args:
        n_rows: number of rows.
        batch_size: rows per batch.
        seed: of the order, another one in each epoch.

    Raises:
        ValueError: if a number is out of its range.
    """
    check_sizes(n_rows=n_rows, batch_size=batch_size)
    check_counts(seed=seed)
    size = min(batch_size, n_rows)

    def plan(epoch: int) -> Sequence[Tensor]:
        order = np.random.default_rng((seed, epoch)).permutation(n_rows)
        return torch.from_numpy(order).split(size)[: n_rows // size]

    return plan


def by_length(
    lengths: Sequence[int],
    *,
    blur: Callable[[Tensor, torch.Generator], Tensor],
    batch_size: int | None = None,
    batch_tokens: int | None = None,
    seed: int = 0,
) -> Plan:
    """Plan epochs in which rows of about the same length share a batch, so that little is padded.

    Args:
        lengths: tokens of each row.
        blur: changes the lengths a little before rows are sorted by them, with what it draws from
            the generator. So a row meets others in each epoch.
        batch_size: rows per batch; the last may have fewer.
        batch_tokens: tokens per batch, instead: many short rows, or few long ones. More than the
            longest row has.
        seed: of the order, another one in each epoch.

    Raises:
        ValueError: if there is no row, a number is out of its range, a batch has no room for a
            row, or not one of both sizes is given.
    """
    check_counts(seed=seed)
    one = (batch_size is None) != (batch_tokens is None)
    expect(one, "batch_size, batch_tokens", "one of both", (batch_size, batch_tokens))
    expect(len(lengths) > 0, "lengths", "at least one row", "none")
    sizes, longest = torch.tensor(lengths), max(lengths)
    if batch_size is not None:
        check_sizes(batch_size=batch_size)
    if batch_tokens is not None:
        check_sizes(batch_tokens=batch_tokens)
        expected = f"more than the longest row's {longest}"
        expect(batch_tokens > longest, "batch_tokens", expected, batch_tokens)

    def plan(epoch: int) -> Sequence[Tensor]:
        generator = torch.Generator().manual_seed(seed * 100_003 + epoch)
        order = blur(sizes, generator).argsort()
        # A batch is a stretch of rows in that order.
        if batch_tokens is None:
            groups = order.split(batch_size)
        else:
            group = sizes[order].cumsum(0) // batch_tokens
            groups = order.split(group.bincount().tolist())
        # Batches come in a random order: else each epoch would begin with the short rows.
        return [groups[i] for i in torch.randperm(len(groups), generator=generator)]

    return plan


def epochs(plan: Plan, batch_of: Callable[[list[int]], tuple[Tensor, ...]]) -> tuple[Batches, int]:
    """Return batches that follow a plan, epoch after epoch, and the number of batches in one.

    Args:
        plan: from :func:`shuffled` or :func:`by_length`.
        batch_of: gives the batch of the rows at these places.
    """
    planned = lru_cache(maxsize=1)(plan)
    per_epoch = len(planned(0))

    def batches(step: int) -> tuple[Tensor, ...]:
        epoch, i = divmod(step, per_epoch)
        return batch_of(planned(epoch)[i].tolist())

    return batches, per_epoch
