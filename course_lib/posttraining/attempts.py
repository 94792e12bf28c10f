"""What several attempts are worth: one right among k, and the answer that most of them give.

Taught in 'After pre-training'. pass@k is from Chen et al. (2021), 'Evaluating Large Language Models
Trained on Code', section 2.1; the vote from Wang et al. (2023), 'Self-Consistency'.
"""

import math

import torch
from torch import Tensor

from course_lib.checks import check_counts, check_sizes, expect


def pass_at_k(n: int, right: int, k: int) -> float:
    """Return the chance that of k attempts one is right, from n attempts of which some were.

    Of all ways to draw k of the n attempts, those in which all are wrong don't pass. The mean over
    draws is what k new attempts would give; ``1 - (1 - right / n) ** k`` is too small.

    Args:
        n: attempts that were made.
        right: how many of them were right.
        k: attempts that count, at most n.

    Raises:
        ValueError: if a number is out of its range.
    """
    check_sizes(n=n, k=k)
    check_counts(right=right)
    expect(right <= n, "right", f"at most n = {n}", right)
    expect(k <= n, "k", f"at most n = {n}", k)
    return 1 - math.comb(n - right, k) / math.comb(n, k)


def majority(answers: Tensor) -> Tensor:
    """Return the most frequent answer of each row; of several, the one that came first.

    Args:
        answers: (B, n, length), token ids of n answers to each of B questions.

    Returns:
        (B, length).

    Raises:
        ValueError: if the shape is another one, or there is no answer.
    """
    shape = tuple(answers.shape)
    expect(answers.dim() == 3 and 0 not in shape, "answers", "(B, n, length), none 0", shape)
    votes = (answers[:, :, None] == answers[:, None]).all(-1).sum(-1)  # (B, n): who agrees
    n = votes.shape[1]
    first = votes * n - torch.arange(n, device=votes.device)  # of equals the earliest
    return answers[torch.arange(len(answers), device=votes.device), first.argmax(-1)]
