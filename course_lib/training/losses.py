"""How wrong a model is: the loss that a step lowers, and the mean over what was held out.

Taught in 'Training'; label smoothing in 'Machine translation', from Szegedy et al. (2016),
'Rethinking the Inception Architecture', section 7.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks import check_shares, check_sizes, expect
from course_lib.training.batches import as_ids

IGNORE = -100  # a target that doesn't count


def next_token_loss(model: nn.Module, *batch: Tensor) -> Tensor:
    """Return the mean cross-entropy in nats over the targets that aren't ``IGNORE``.

    Args:
        model: called with all tensors of the batch but the last; gives logits (..., V).
        batch: the last tensor holds the targets (...): the next tokens, or classes (B,).

    Returns:
        The loss; 0 where no target counts.

    Raises:
        ValueError: if a target is neither ``IGNORE`` nor from 0 to V - 1.
    """
    return _mean_loss(model, batch, smoothing=0.0)


def smoothed_loss(model: nn.Module, *batch: Tensor, smoothing: float = 0.1) -> Tensor:
    """Return the mean cross-entropy where a share of each target is spread over all tokens.

    Args:
        model: as for :func:`next_token_loss`.
        batch: as for :func:`next_token_loss`.
        smoothing: the share.

    Returns:
        The loss in nats; 0 where no target counts.

    Raises:
        ValueError: as :func:`next_token_loss`, and if the share is not from 0 to 1.
    """
    check_shares(smoothing=smoothing)
    return _mean_loss(model, batch, smoothing)


def _mean_loss(model: nn.Module, batch: Sequence[Tensor], smoothing: float) -> Tensor:
    *inputs, targets = batch
    dtype = targets.dtype
    whole = not (dtype.is_floating_point or dtype is torch.bool)
    expect(whole, "targets", "whole numbers", dtype)
    targets = targets.long()  # in narrower types there may be no IGNORE
    logits = model(*inputs).flatten(0, -2)
    try:
        total = F.cross_entropy(
            logits, targets.flatten(), reduction="sum", label_smoothing=smoothing
        )
    except IndexError:
        least, most = targets[targets != IGNORE].aminmax()
        expected = f"from 0 to {logits.shape[-1] - 1}, or {IGNORE} for what doesn't count"
        raise ValueError(f"targets: expected {expected}, got {least} to {most}") from None
    return total / (targets != IGNORE).sum().clamp(min=1)


@torch.no_grad()
def held_out_loss(
    model: nn.Module,
    batches: Iterable[Sequence[Tensor]],
    loss: Callable[..., Tensor] = next_token_loss,
) -> float:
    """Return the mean loss in nats over all targets of these batches that count.

    The model reads them in evaluation mode; its mode comes back as it was.

    Args:
        model: what ``loss`` calls.
        batches: each as for ``loss``, the targets last.
        loss: gives a batch's mean over its targets that count.

    Raises:
        ValueError: if no target counts.
    """
    device = next(model.parameters()).device
    total, count = 0.0, 0
    training = model.training
    model.eval()
    try:
        for batch in batches:
            counted = int((batch[-1].long() != IGNORE).sum())
            mean = loss(model, *(tensor.to(device) for tensor in batch))
            total += mean.item() * counted
            count += counted
    finally:
        model.train(training)
    expect(count > 0, "batches", "at least one target that counts", "none")
    return total / count


def corpus_loss(model: nn.Module, tokens: Tensor | Sequence[int], context: int) -> float:
    """Return the mean loss in nats over a whole text: every token but the first is predicted once.

    The text is cut into windows of ``context`` tokens, side by side; the last may be shorter.

    Args:
        model: gives logits (B, T, V) for tokens (B, T).
        tokens: token ids of the whole text.
        context: tokens per window.

    Raises:
        ValueError: if the text has fewer than two tokens, or a size is below 1.
    """
    check_sizes(context=context)
    ids = as_ids(tokens)
    expect(len(ids) > 1, "tokens", "at least 2", len(ids))
    inputs, targets = ids[:-1].long(), ids[1:].long()
    # Whole windows, 64 at a time, and what is left behind them.
    whole = len(inputs) // context * context
    rows = (part[:whole].view(-1, context).split(64) for part in (inputs, targets))
    pieces = list(zip(*rows, strict=True)) if whole else []
    if whole < len(inputs):
        pieces.append((inputs[None, whole:], targets[None, whole:]))
    return held_out_loss(model, pieces)
