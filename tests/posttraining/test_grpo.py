"""GRPO against TRL's numbers, its parts against hand-computed ones, and what its loop must do."""

import json
from pathlib import Path

import pytest
import torch

from course_lib.model import GPT, GPTConfig
from course_lib.posttraining import (
    group_advantages,
    grpo,
    grpo_loss,
    sample_answers,
    token_log_probs,
)

TRL = json.loads(Path(__file__).with_name("trl_numbers.json").read_text(encoding="utf-8"))


def numbers(*names):
    return [torch.tensor(TRL[name], dtype=torch.float64) for name in names]


def small_model(seed=0):
    torch.manual_seed(seed)
    return GPT(GPTConfig(5, context=8, n_layers=1, n_heads=2, d_model=16))


def test_advantages_equal_trl():
    rewards, expected = numbers("rewards", "advantages")
    torch.testing.assert_close(group_advantages(rewards, TRL["group"]), expected, rtol=0, atol=1e-6)


def test_loss_and_gradient_equal_trl():
    new, old, reference, advantages = numbers("new", "old", "reference", "advantages")
    new.requires_grad_()
    loss = grpo_loss(new, old, reference, advantages, clip=TRL["clip"], beta=TRL["beta"])
    assert loss.item() == pytest.approx(TRL["loss"], abs=1e-6)
    (gradient,) = torch.autograd.grad(loss, new)
    torch.testing.assert_close(gradient, numbers("gradient")[0], rtol=0, atol=1e-6)


def test_the_numbers_from_trl_reach_every_case():
    new, old, advantages = numbers("new", "old", "advantages")
    ratio, better = (new - old).exp(), (advantages > 0)[:, None].expand_as(new)
    for beyond in (ratio > 1 + TRL["clip"], ratio < 1 - TRL["clip"]):
        assert (beyond & better).any()
        assert (beyond & ~better).any()


def test_a_group_of_equal_rewards_teaches_nothing():
    found = group_advantages(torch.tensor([1.0, 1, 1, 0, 0, 1]), 3)
    assert found[:3].tolist() == [0, 0, 0]
    assert found[3:].tolist() == pytest.approx([-0.577, -0.577, 1.155], abs=1e-3)


def test_a_ratio_beyond_the_clip_pulls_no_further():
    new = torch.tensor([[0.0], [0.0]], requires_grad=True)
    old = torch.tensor([[-1.0], [1.0]])  # ratios e and 1 / e
    advantages = torch.tensor([1.0, -1.0])
    loss = grpo_loss(new, old, new.detach(), advantages, beta=0.0)
    assert loss.item() == pytest.approx((-1.2 + 0.8) / 2, abs=1e-6)
    assert torch.autograd.grad(loss, new)[0].tolist() == [[0], [0]]
    # The other way round nothing is held back.
    loss = grpo_loss(new, old, new.detach(), -advantages, beta=0.0)
    assert torch.autograd.grad(loss, new)[0].abs().min() > 0.1


def test_log_probabilities_are_those_of_the_whole_answer():
    model, questions = small_model(), torch.tensor([[1, 2, 3], [4, 0, 1]])
    answers = torch.tensor([[0, 4], [2, 2]])
    found = token_log_probs(model, questions, answers)
    for row, (question, answer) in enumerate(zip(questions, answers, strict=True)):
        for place, token in enumerate(answer):
            text = torch.cat([question, answer[:place]])[None]
            expected = model(text)[0, -1].log_softmax(-1)[token]
            torch.testing.assert_close(found[row, place], expected)


def test_answers_are_drawn_by_the_models_probabilities():
    model = small_model()
    with torch.no_grad():  # one that knows what it prefers
        model.token_embedding.weight *= 20
    questions = torch.tensor([[1, 2, 3]]).expand(4000, -1)
    answers = sample_answers(model, questions, 2, torch.Generator().manual_seed(0))
    shares = answers[:, 0].bincount(minlength=5) / 4000
    expected = model(questions[:1])[0, -1].softmax(-1)
    torch.testing.assert_close(shares, expected.detach(), rtol=0, atol=0.03)
    greedy = sample_answers(model, questions[:1], 2)
    assert greedy[0, 0] == expected.argmax()


def test_the_loop_makes_what_is_rewarded_likelier_and_gives_rates_that_follow_the_schedule():
    model, seen = small_model(), []
    before = token_log_probs(model, torch.tensor([[1]]), torch.tensor([[3, 3]])).sum().item()
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    grpo(
        model,
        [optimizer],
        lambda step: torch.tensor([[1], [2]]),
        lambda questions, answers: (answers == 3).float().mean(1),
        steps=20,
        length=2,
        generator=torch.Generator().manual_seed(0),
        schedule=lambda step: 1 - step / 40,
        after=lambda step, rewards: seen.append((step, len(rewards), rewards.mean().item())),
    )
    after = token_log_probs(model, torch.tensor([[1]]), torch.tensor([[3, 3]])).sum().item()
    assert after > before + 1
    assert [step for step, *_ in seen] == list(range(1, 21))
    assert seen[0][1] == 16
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * (1 - 19 / 40))


@pytest.mark.parametrize(
    ("rewards", "group"), [(torch.zeros(6), 4), (torch.zeros(4), 1), (torch.zeros(2, 2), 2)]
)
def test_rewards_that_form_no_groups_are_refused(rewards, group):
    with pytest.raises(ValueError, match="rewards: expected shape"):
        group_advantages(rewards, group)


def test_shapes_that_do_not_fit_are_refused():
    two = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="log-probabilities and advantages: expected three times"):
        grpo_loss(two, two, torch.zeros(2, 4), torch.zeros(2))
    with pytest.raises(ValueError, match="log-probabilities and advantages"):
        grpo_loss(two, two, two, torch.zeros(2, 1))
