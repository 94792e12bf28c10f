"""How well a language model predicts a text: loss by token, perplexity, bits per byte."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks import check_ids, check_sizes, expect


@torch.inference_mode()
def token_losses(
    model: nn.Module,
    tokens: Sequence[int] | Tensor,
    context: int,
    stride: int | None = None,
    batch_size: int = 8,
) -> Tensor:
    """Return the loss of each token of a document but the first, which has nothing before it.

    A document longer than the context is read through a window that moves by ``stride`` tokens.
    Each token is counted once: in the first window that reaches it. The last window is moved back
    so that it ends where the document ends. So each token sees at least ``context - stride`` tokens
    before it, or all there are. Several documents are scored one by one: none sees another.

    To count the first token, too, put a start token before it.

    Args:
        model: token ids (B, T) to logits (B, T, V); it is put in evaluation mode.
        tokens: the document's token ids, (T,).
        context: the longest window, in tokens.
        stride: from 1 (slow, fair to the model) to ``context`` (fast; the first tokens of each
            window see little). Half of ``context`` by default.
        batch_size: windows computed at once.

    Returns:
        Losses in nats, float64, on the CPU: (len(tokens) - 1,).

    Raises:
        ValueError: if ``context``, ``stride`` or ``batch_size`` is out of its range, or the tokens
            are not one row of whole numbers.
    """
    check_sizes(context=context, batch_size=batch_size)
    stride = max(1, context // 2) if stride is None else stride
    check_sizes(stride=stride)
    expect(stride <= context, "stride", f"1 to context={context}", stride)
    tokens = torch.as_tensor(tokens) if len(tokens) else torch.tensor([], dtype=torch.long)
    expect(tokens.dim() == 1, "tokens", "one row, shape (T,)", f"shape {tuple(tokens.shape)}")
    check_ids("tokens", tokens)
    tokens = tokens.long()
    n_losses = len(tokens) - 1
    if n_losses < 1:
        return torch.empty(0, dtype=torch.float64)
    # A document that is shorter than the context is one window.
    width = min(context, n_losses)
    # Windows by where they end; the last one ends with the document.
    ends = [*range(width, n_losses, stride), n_losses]
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    losses = torch.empty(n_losses, dtype=torch.float64)
    # Of each window only what no earlier one has reached is kept.
    done = 0
    model.eval()
    for first in range(0, len(ends), batch_size):
        batch = ends[first : first + batch_size]
        windows = torch.stack([tokens[end - width : end + 1] for end in batch]).to(device)
        logits = model(windows[:, :-1]).float()  # (B, T, V)
        found = (
            F.cross_entropy(logits.mT, windows[:, 1:], reduction="none").double().cpu()
        )  # (B, T)
        for row, end in zip(found, batch, strict=True):
            losses[done:end] = row[width - (end - done) :]
            done = end
    return losses


def perplexity(losses: Tensor) -> float:
    """Return e to the mean loss: among how many equally likely tokens the model wavers.

    It counts per token, so compare it only between models that share a tokenizer.

    Args:
        losses: in nats, one per token; see :func:`token_losses`.

    Returns:
        Infinity where that is beyond a float.

    Raises:
        ValueError: if there is no loss.
    """
    return _some(losses).mean().exp().item()


def bits_per_byte(losses: Tensor, text: str) -> float:
    """Return the bits that the model needs for each byte (UTF-8) of a text.

    It doesn't depend on how the text was split into tokens.

    Args:
        losses: in nats, of all tokens of the text; see :func:`token_losses`.
        text: what the tokens say.

    Raises:
        ValueError: if there is no loss, or no text.
    """
    losses = _some(losses)
    expect(len(text) > 0, "text", "at least one character", "none")
    return losses.sum().item() / math.log(2) / len(text.encode())


def _some(losses: Tensor) -> Tensor:
    losses = torch.as_tensor(losses, dtype=torch.float64)
    expect(losses.numel() > 0, "losses", "at least one", "none")
    return losses
