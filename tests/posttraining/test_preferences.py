"""Preferences: the losses are TRL's, and the policy is the best one."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch.distributions import Categorical, kl_divergence

from course_lib.evaluation import bradley_terry
from course_lib.posttraining import (
    answer_log_probs,
    best_policy,
    dpo_loss,
    fit_reward,
    implicit_reward,
    preference_loss,
    regularized_reward,
    token_divergences,
)

TRL = json.loads((Path(__file__).parent / "trl_preferences.json").read_text(encoding="utf-8"))
POLICY, REFERENCE = (
    torch.tensor(TRL[name], dtype=torch.float64) for name in ("policy", "reference")
)


def drawn(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("found", TRL["dpo"], ids=lambda found: f"beta {found['beta']}")
def test_dpo_is_trl_s(found):
    beta = found["beta"]
    loss = dpo_loss(*POLICY.chunk(2), *REFERENCE.chunk(2), beta)
    assert loss.item() == pytest.approx(found["loss"], abs=1e-6)
    chosen, rejected = implicit_reward(POLICY, REFERENCE, beta).chunk(2)
    assert chosen.mean().item() == pytest.approx(found["chosen"], abs=1e-6)
    assert rejected.mean().item() == pytest.approx(found["rejected"], abs=1e-6)


def test_the_loss_of_a_reward_model_is_trl_s():
    rewards = torch.tensor(TRL["rewards"], dtype=torch.float64)
    assert preference_loss(*rewards.chunk(2)).item() == pytest.approx(TRL["reward loss"], abs=1e-6)


def test_a_policy_that_is_the_reference_has_no_preference():
    loss = dpo_loss(*REFERENCE.chunk(2), *REFERENCE.chunk(2))
    assert loss.item() == pytest.approx(np.log(2))


def test_rewards_of_players_are_their_strengths():
    wins = np.array([[0, 7, 9], [3, 0, 6], [1, 4, 0]])
    pairs = [(i, j) for i in range(3) for j in range(3) for _ in range(wins[i, j])]
    better, worse = (
        torch.eye(3, dtype=torch.float64)[list(side)] for side in zip(*pairs, strict=True)
    )
    strengths = fit_reward(better, worse, decay=0.0)
    np.testing.assert_allclose(strengths - strengths.mean(), bradley_terry(wins), atol=1e-4)


def test_fit_is_scikit_learn_s():
    better, worse, decay = drawn(40, 6) + 0.3, drawn(40, 6, seed=1), 0.05
    difference = (better - worse).numpy()
    both = np.concatenate([difference, -difference])
    model = LogisticRegression(C=1 / (decay * len(both)), fit_intercept=False, tol=1e-9)
    model.fit(both, np.repeat([1, 0], len(difference)))
    np.testing.assert_allclose(fit_reward(better, worse, decay), model.coef_[0], atol=1e-5)


def test_what_all_answers_have_alike_gets_no_weight():
    better, worse = drawn(20, 3), drawn(20, 3, seed=1)
    better[:, 0] = worse[:, 0] = 5.0
    assert fit_reward(better, worse)[0] == 0


@pytest.mark.parametrize("beta", [0.1, 1.0, 5.0])
def test_no_policy_is_better_than_the_best(beta):
    reference, rewards = drawn(4, 5).softmax(-1), drawn(4, 5, seed=1)
    best = best_policy(reference, rewards, beta)
    most = regularized_reward(best, reference, rewards, beta)
    # The closed form: beta times the log of what normalizes the policy.
    total = beta * (reference * (rewards / beta).exp()).sum(-1).log()
    torch.testing.assert_close(most, total)
    for seed in range(20):
        other = (best.log() + 0.5 * drawn(4, 5, seed=seed)).softmax(-1)
        assert (regularized_reward(other, reference, rewards, beta) < most).all()
    torch.testing.assert_close(
        regularized_reward(best, reference, rewards, beta),
        (best * rewards).sum(-1) - beta * kl_divergence(Categorical(best), Categorical(reference)),
    )


def test_a_policy_may_leave_answers_out():
    policy, reference = torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5])
    found = regularized_reward(policy, reference, torch.zeros(2), 1.0)
    assert found.item() == pytest.approx(-np.log(2))


def test_the_best_policy_s_rewards_are_those_it_is_best_for_but_for_a_constant():
    reference, rewards = drawn(5).softmax(-1), drawn(5, seed=1)
    best = best_policy(reference, rewards, 0.3)
    found = implicit_reward(best.log(), reference.log(), 0.3)
    torch.testing.assert_close(found - found[0], rewards - rewards[0])


def test_log_probability_of_an_answer_is_the_sum_of_torch_s():
    logits, targets = drawn(2, 4, 6), torch.tensor([[-100, -100, 3, 1], [-100, 0, 5, -100]])
    found = answer_log_probs(logits, targets)
    for row in range(2):
        wanted = -F.cross_entropy(logits[row], targets[row], reduction="sum", ignore_index=-100)
        torch.testing.assert_close(found[row], wanted)


def test_divergence_of_tokens_is_torch_s():
    ours, theirs = drawn(2, 3, 7), drawn(2, 3, 7, seed=1)
    wanted = kl_divergence(Categorical(logits=ours), Categorical(logits=theirs))
    torch.testing.assert_close(token_divergences(ours, theirs), wanted)
    assert token_divergences(ours, ours).abs().max() < 1e-12


def test_what_can_t_be_is_refused():
    one, two = torch.zeros(1), torch.zeros(2)
    for pair in ((one, two), (one[:0], one[:0])):
        with pytest.raises(ValueError, match="worse: expected the shape of better"):
            preference_loss(*pair)
    for beta in (0.0, -1.0):
        with pytest.raises(ValueError, match="beta: expected"):
            dpo_loss(one, one, one, one, beta)
        with pytest.raises(ValueError, match="beta: expected"):
            best_policy(two, two, beta)
    with pytest.raises(ValueError, match="decay: expected"):
        fit_reward(two[None], two[None], -1.0)
