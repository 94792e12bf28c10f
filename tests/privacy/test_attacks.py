"""Attacks against scikit-learn and scipy, and laws of chance."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve

from course_lib.privacy import likelihood_ratio, roc

RNG = np.random.default_rng(0)
MEMBERS = RNG.random(400) < 0.4
SCORES = (RNG.normal(size=400) + MEMBERS).round(1)  # with ties


def test_the_curve_and_its_area_are_scikit_learn_s():
    found = roc(SCORES, MEMBERS)
    false, true, _ = roc_curve(MEMBERS, SCORES, drop_intermediate=False)
    np.testing.assert_allclose(found.false_positives, false)
    np.testing.assert_allclose(found.true_positives, true)
    assert found.area == pytest.approx(roc_auc_score(MEMBERS, SCORES))


def test_the_rate_at_few_false_positives_by_hand():
    found = roc([9, 8, 7, 6, 5, 4], [1, 1, 0, 1, 0, 0])
    assert found.caught(0.0) == pytest.approx(2 / 3)
    assert found.caught(0.3) == pytest.approx(2 / 3)
    assert found.caught(1 / 3) == pytest.approx(1)


def test_scores_without_sense_give_the_diagonal():
    found = roc(np.zeros(10), [True] * 5 + [False] * 5)
    assert found.false_positives.tolist() == found.true_positives.tolist() == [0, 1]
    assert found.area == 0.5


def made_models(n_models=9, n_records=50):
    rng = np.random.default_rng(1)
    members = np.zeros((n_models, n_records), bool)
    for column in members.T:
        column[rng.permutation(n_models)[: n_models // 2]] = True
    hardness = rng.normal(2, 1, n_records)
    losses = hardness - 0.3 * members + rng.normal(0, 0.1, members.shape)
    return losses, members


def test_the_ratio_is_that_of_two_gaussians_by_scipy():
    losses, members = made_models()
    others, seen = losses[1:], members[1:]
    means = [np.array([o[s].mean() for o, s in zip(others.T, k.T, strict=True)])
             for k in (seen, ~seen)]  # fmt: skip
    spreads = []
    for kind, mean in zip((seen, ~seen), means, strict=True):
        left = (others - mean)[kind]
        spreads.append(np.sqrt((left**2).sum() / (kind.sum() - kind.shape[1])))
    inside, outside = (
        norm.logpdf(losses[0], mean, spread) for mean, spread in zip(means, spreads, strict=True)
    )
    np.testing.assert_allclose(likelihood_ratio(losses, members, 0), inside - outside)


def test_the_ratio_beats_the_loss_where_records_differ_in_difficulty():
    losses, members = made_models(17, 400)
    ratio = roc(likelihood_ratio(losses, members, 0), members[0])
    threshold = roc(-losses[0], members[0])
    assert ratio.area > 0.9 > 0.7 > threshold.area


def test_membership_that_changes_nothing_can_t_be_found():
    rng = np.random.default_rng(2)
    losses, members = rng.normal(size=(12, 600)), rng.random((12, 600)) < 0.5
    losses, members = losses[:, ok := members.sum(0).clip(3, 9) == members.sum(0)], members[:, ok]
    areas = [roc(likelihood_ratio(losses, members, t), members[t]).area for t in range(12)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: roc([1, 2], [True, True]), "members and outsiders among them"),
        (lambda: roc([1, 2], [True]), "scores, members: expected as many of both"),
        (lambda: roc([1, np.nan], [True, False]), "scores: expected finite numbers"),
        (lambda: likelihood_ratio([[1.0]], [[True, False]], 0), r"one shape \(M, n\)"),
        (lambda: likelihood_ratio(*made_models(), 9), "target: expected from 0 to 8, got 9"),
        (lambda: likelihood_ratio(np.ones((3, 2)), np.eye(3, 2) > 0, 0), "members: expected each"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
