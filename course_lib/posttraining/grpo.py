"""GRPO: a model improves by its own answers, and by a program that says which are right.

Taught in 'After pre-training'. Group-relative policy optimization is from Shao et al. (2024),
'DeepSeekMath', section 4.1; the clipped ratio from Schulman et al. (2017), 'Proximal Policy
Optimization Algorithms'.
"""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from course_lib.checks import check_not_negative, check_shares, check_sizes, expect
from course_lib.model import GPT

Reward = Callable[[Tensor, Tensor], Tensor]  # questions (B, T), answers (B, length) -> (B,)


@torch.no_grad()
def sample_answers(
    model: GPT, questions: Tensor, length: int, generator: torch.Generator | None = None
) -> Tensor:
    """Return an answer (B, length) to each question (B, T): drawn, or greedy without a generator.

    The model's own probabilities are drawn from, at temperature 1.
    """
    check_sizes(length=length)
    caches = model.new_caches(questions.shape[1] + length)
    newest, answers = questions, []
    for _ in range(length):
        logits = model(newest, caches=caches)[:, -1]  # (B, vocabulary)
        if generator is None:
            newest = logits.argmax(-1, keepdim=True)
        else:
            newest = logits.softmax(-1).multinomial(1, generator=generator)
        answers.append(newest)
    return torch.cat(answers, dim=1)


def token_log_probs(model: nn.Module, questions: Tensor, answers: Tensor) -> Tensor:
    """Return the log-probability of each token of the answers: (B, length)."""
    rows = torch.cat([questions, answers[:, :-1]], dim=1)
    logits = model(rows)[:, questions.shape[1] - 1 :]  # what is said about the answers
    return logits.log_softmax(-1).gather(-1, answers[:, :, None])[:, :, 0]


def group_advantages(rewards: Tensor, group: int) -> Tensor:
    """Return how much better than its group each answer is, in the group's standard deviations.

    Args:
        rewards: (B,), the answers to one question side by side.
        group: answers per question, at least 2.

    Returns:
        (B,); all 0 in a group whose rewards are equal.

    Raises:
        ValueError: if the rewards don't fall into such groups.
    """
    check_sizes(group=group)
    fits = rewards.dim() == 1 and group > 1 and len(rewards) % group == 0
    expect(fits, "rewards", "shape (questions * group,), group at least 2", tuple(rewards.shape))
    groups = rewards.view(-1, group)
    better = groups - groups.mean(1, keepdim=True)
    return (better / (groups.std(1, keepdim=True) + 1e-4)).flatten()


def grpo_loss(
    new: Tensor,
    old: Tensor,
    reference: Tensor,
    advantages: Tensor,
    *,
    clip: float = 0.2,
    beta: float = 0.04,
) -> Tensor:
    """Return the loss whose gradient makes answers with an advantage likelier.

    Args:
        new: log-probabilities (B, length) of the answers' tokens, by the model that learns.
        old: those by the model that drew the answers.
        reference: those by the model that is not to be left too far behind.
        advantages: (B,), of the answers.
        clip: how far the ratio of new to old may go from 1 and still count.
        beta: weight of the distance from the reference.

    Raises:
        ValueError: if shapes don't fit, or a setting is out of its range.
    """
    check_shares(clip=clip)
    check_not_negative(beta=beta)
    shapes = [tuple(t.shape) for t in (new, old, reference)]
    fits = new.dim() == 2 and len(set(shapes)) == 1 and advantages.shape == (len(new),)
    wanted = "three times (B, length), and (B,)"
    expect(fits, "log-probabilities and advantages", wanted, [*shapes, tuple(advantages.shape)])
    # What is gained, counted no further than the clip allows.
    ratio, by = (new - old).exp(), advantages[:, None]
    gain = torch.min(ratio * by, ratio.clamp(1 - clip, 1 + clip) * by)
    # How far the model has gone: never negative, and on average the KL divergence.
    away = reference - new
    kl = away.exp() - away - 1
    return (beta * kl - gain).mean()


def grpo(
    model: GPT,
    optimizers: Sequence[Optimizer],
    questions: Callable[[int], Tensor],
    reward: Reward,
    *,
    steps: int,
    length: int,
    generator: torch.Generator,
    group: int = 8,
    clip: float = 0.2,
    beta: float = 0.04,
    passes: int = 1,
    schedule: Callable[[int], float] = lambda step: 1.0,
    after: Callable[[int, Tensor], None] | None = None,
) -> None:
    """Improve a model by the rewards of its own answers.

    Args:
        model: what learns; the reference is what it is at the beginning.
        optimizers: of its weights.
        questions: gives those of a step (B, T), all of one length.
        reward: says how good answers are.
        steps: how often answers are drawn.
        length: tokens per answer.
        generator: what answers are drawn with.
        group: answers to each question.
        clip: see :func:`grpo_loss`.
        beta: see :func:`grpo_loss`.
        passes: updates on the same answers.
        schedule: gives the factor of the learning rates at a step, counted from 0.
        after: is called with the number of steps done and the rewards.

    Raises:
        ValueError: if a setting is out of its range.
    """
    check_sizes(steps=steps, passes=passes)
    reference = copy.deepcopy(model)
    rates = [[part["lr"] for part in optimizer.param_groups] for optimizer in optimizers]
    for step in range(steps):
        # A group of answers to each question, by the model as it is, and what they are worth.
        asked = questions(step).repeat_interleave(group, dim=0)
        answers = sample_answers(model, asked, length, generator)
        rewards = reward(asked, answers)
        advantages = group_advantages(rewards, group)
        with torch.no_grad():
            before = token_log_probs(reference, asked, answers)
        # Make what was better than its group likelier; at first the model is the one that drew.
        old = None
        for _ in range(passes):
            new = token_log_probs(model, asked, answers)
            old = new.detach() if old is None else old
            loss = grpo_loss(new, old, before, advantages, clip=clip, beta=beta)
            model.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer, given in zip(optimizers, rates, strict=True):
                for part, rate in zip(optimizer.param_groups, given, strict=True):
                    part["lr"] = rate * schedule(step)
                optimizer.step()
        if after:
            after(step + 1, rewards)
