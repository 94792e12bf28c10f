"""Preferences: rewards from which of two answers is better, and a policy from the same pairs.

Taught in 'After pre-training'. The model of choices is from Bradley and Terry (1952), 'Rank
Analysis of Incomplete Block Designs', its use for rewards from Christiano et al. (2017), 'Deep
Reinforcement Learning from Human Preferences', section 2.2.3; DPO is from Rafailov et al. (2023),
'Direct Preference Optimization', section 4.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks import check_not_negative, check_positive, expect

_STEPS = 100  # of the fit at most


def preference_loss(better: Tensor, worse: Tensor) -> Tensor:
    """Return how surprising it is that these win, in nats: the mean of -ln sigmoid(better - worse).

    Args:
        better: (n,), rewards of what was preferred.
        worse: (n,), rewards of what it was preferred to.
    """
    _check_alike(better=better, worse=worse)
    return -F.logsigmoid(better - worse).mean()


def fit_reward(better: Tensor, worse: Tensor, decay: float = 0.01) -> Tensor:
    """Return the weights w of a reward w · x under which the preferences are likeliest.

    Args:
        better: (n, d), what the reward sees of the preferred answers.
        worse: (n, d), the same of those that they were preferred to.
        decay: what is added to the loss is half of it, times the square of the weights.

    Returns:
        (d,). What all answers have alike gets no weight: only differences count.
    """
    _check_alike(better=better, worse=worse)
    check_not_negative(decay=decay)
    weights = torch.zeros(better.shape[-1], dtype=better.dtype, requires_grad=True)
    search = torch.optim.LBFGS([weights], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        found = preference_loss(better @ weights, worse @ weights)
        found = found + decay / 2 * weights.square().sum()
        found.backward()
        return found

    search.step(loss)
    return weights.detach()


def regularized_reward(policy: Tensor, reference: Tensor, rewards: Tensor, beta: float) -> Tensor:
    """Return the mean reward of a policy, less beta times its KL divergence from the reference.

    Args:
        policy: (..., n), the probability of each of n answers.
        reference: (..., n), the reference's, above 0.
        rewards: (..., n), one for each answer.
        beta: the price of a nat.
    """
    check_positive(beta=beta)
    divergence = (torch.special.xlogy(policy, policy) - policy * reference.log()).sum(-1)
    return (policy * rewards).sum(-1) - beta * divergence


def best_policy(reference: Tensor, rewards: Tensor, beta: float) -> Tensor:
    """Return the policy with the greatest :func:`regularized_reward`: reference · e^(reward/beta).

    Args:
        reference: (..., n), probabilities of n answers.
        rewards: (..., n), one for each answer.
        beta: the price of a nat of divergence.
    """
    check_positive(beta=beta)
    return (reference.log() + rewards / beta).softmax(-1)


def implicit_reward(policy: Tensor, reference: Tensor, beta: float) -> Tensor:
    """Return the rewards for which a policy is best, each prompt's but for a constant of its own.

    Args:
        policy: (n,), log-probabilities of answers.
        reference: (n,), the same by the reference.
        beta: the price of a nat of divergence.
    """
    check_positive(beta=beta)
    return beta * (policy - reference)


def dpo_loss(
    policy_better: Tensor,
    policy_worse: Tensor,
    reference_better: Tensor,
    reference_worse: Tensor,
    beta: float = 0.1,
) -> Tensor:
    """Return the loss of direct preference optimization, in nats.

    It is the :func:`preference_loss` of the rewards for which the policy is best.

    Args:
        policy_better: (n,), log-probabilities of the preferred answers, their tokens' summed.
        policy_worse: (n,), those of the answers that they were preferred to.
        reference_better: (n,), of the first by the reference, which isn't trained.
        reference_worse: (n,), of the second by the reference.
        beta: the price of a nat of divergence.
    """
    return preference_loss(
        implicit_reward(policy_better, reference_better, beta),
        implicit_reward(policy_worse, reference_worse, beta),
    )


def answer_log_probs(
    states: Tensor,
    targets: Tensor,
    head: Callable[[Tensor], Tensor] = lambda logits: logits,
    ignore: int = -100,
) -> Tensor:
    """Return the log-probability of each row's answer: the sum over its tokens.

    Args:
        states: (B, T, d), what a model knows at each place; or its logits.
        targets: (B, T), the next tokens; ``ignore`` where the answer has none.
        head: makes logits (n, V) of states (n, d); it is called for the answers' places alone.
        ignore: what doesn't count.
    """
    counts = targets != ignore
    log_probs = -F.cross_entropy(head(states[counts]), targets[counts].long(), reduction="none")
    rows = counts.nonzero()[:, 0]
    return log_probs.new_zeros(len(targets)).index_add(0, rows, log_probs)


def token_divergences(logits: Tensor, reference: Tensor) -> Tensor:
    """Return at each place the KL divergence, in nats, of a model's next token from a reference's.

    Args:
        logits: (..., V), the model's.
        reference: (..., V), the reference's at the same places of the same text.
    """
    ours, theirs = logits.log_softmax(-1), reference.log_softmax(-1)
    return (ours.exp() * (ours - theirs)).sum(-1)


def _check_alike(**rows: Tensor) -> None:
    (first, one), (second, other) = rows.items()
    same = one.shape == other.shape and one.shape[0] > 0
    expect(same, second, f"the shape of {first} {tuple(one.shape)}, 1 row or more", other.shape)
