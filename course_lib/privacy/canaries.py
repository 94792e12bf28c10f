"""Canaries: made-up secrets in the training data, and how well a model remembers them.

Taught in 'Data privacy'. The exposure of a secret is from Carlini et al. (2019), 'The Secret
Sharer: Evaluating and Testing Unintended Memorization in Neural Networks', section 4.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks import check_counts, check_sizes, expect
from course_lib.text import CharacterTokenizer
from course_lib.training import IGNORE

END = "\n"  # stands before and behind each record


@dataclass(frozen=True)
class Canary:
    """A secret of digits, and the words before it."""

    before: str
    secret: str

    @property
    def text(self) -> str:
        """The record as it is planted."""
        return self.before + self.secret


def make_canaries(words: Sequence[str], n_digits: int = 4, seed: int = 0) -> list[Canary]:
    """Return a canary for each beginning, with digits drawn at random.

    Args:
        words: what stands before each secret.
        n_digits: length of the secrets.
        seed: of the digits.
    """
    check_sizes(n_digits=n_digits)
    check_counts(seed=seed)
    numbers = np.random.default_rng(seed).integers(0, 10**n_digits, len(words))
    return [
        Canary(before, f"{number:0{n_digits}}")
        for before, number in zip(words, numbers, strict=True)
    ]


def as_rows(
    texts: Sequence[str], tokenizer: CharacterTokenizer, context: int
) -> tuple[Tensor, Tensor]:
    """Return records as inputs and targets, a row each: what is longer than the context is cut.

    Args:
        texts: the records, without line breaks.
        tokenizer: of the model.
        context: tokens of a row.

    Returns:
        Two tensors (n, context); targets behind a record's end don't count.
    """
    inputs = torch.full((len(texts), context), tokenizer.encode(END)[0])
    targets = torch.full((len(texts), context), IGNORE)
    for i, text in enumerate(texts):
        ids = torch.tensor(tokenizer.encode(END + text + END)[: context + 1])
        inputs[i, : len(ids) - 1], targets[i, : len(ids) - 1] = ids[:-1], ids[1:]
    return inputs, targets


def losses_of(model: Callable[..., Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
    """Return each record's mean loss in nats per token, (B,), of rows as :func:`as_rows` makes."""
    loss = F.cross_entropy(model(inputs).mT, targets, reduction="none", ignore_index=IGNORE)
    return loss.sum(dim=1) / (targets != IGNORE).sum(dim=1)


@torch.no_grad()
def record_losses(model: Callable[..., Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
    """Return each record's loss as :func:`losses_of`, of many records, without gradients."""
    batches = zip(inputs.split(256), targets.split(256), strict=True)
    return torch.cat([losses_of(model, *batch) for batch in batches])


@torch.no_grad()
def secret_log_probs(
    model: nn.Module, tokenizer: CharacterTokenizer, before: str, n_digits: int = 4
) -> Tensor:
    """Return the logarithm of the probability of every possible secret, (10^n_digits,).

    All beginnings of the same length are computed at once: 1, 10, 100, ... rows, each row one more
    digit. The entry at place 407 is that of the secret 0407.

    Args:
        model: token ids (B, T) to logits (B, T, V); its context holds the canary.
        tokenizer: of the model; knows all digits.
        before: what stands before the secret.
        n_digits: length of the secret.
    """
    check_sizes(n_digits=n_digits)
    digits = torch.tensor(tokenizer.encode("0123456789"))
    rows = torch.tensor([tokenizer.encode(END + before)])  # (1, T)
    log_probs = torch.zeros(1)
    for _ in range(n_digits):
        logits = torch.cat([model(some)[:, -1] for some in rows.split(1000)])  # (B, V)
        next_digit = logits.log_softmax(dim=-1)[:, digits]  # (B, 10)
        log_probs = (log_probs[:, None] + next_digit).flatten()  # (10 B,)
        rows = torch.cat([rows.repeat_interleave(10, dim=0), digits.repeat(len(rows))[:, None]], 1)
    return log_probs


def exposure(log_probs: Tensor, secret: str) -> float:
    """Return the exposure of a secret in bits: log2 of all possible ones minus log2 of its rank.

    It is at most log2(10^n): then the model finds the true secret the likeliest of all. Of a secret
    that the model has never seen every rank is alike, which gives log2(e) = 1.44 on average.

    Args:
        log_probs: from :func:`secret_log_probs`.
        secret: the true one.

    Raises:
        ValueError: if there aren't as many probabilities as secrets of that length.
    """
    possible = 10 ** len(secret)
    expect(len(log_probs) == possible, "log_probs", f"{possible} of them", len(log_probs))
    rank = 1 + int((log_probs > log_probs[int(secret)]).sum())
    return math.log2(possible) - math.log2(rank)
