"""Intervals against scipy's, and how often they hold the truth."""

import math

import numpy as np
import pytest
import scipy.stats

from course_lib.evaluation import (
    accuracy,
    bootstrap_interval,
)


def test_interval_is_scipy_s():
    chance = np.random.default_rng(1)
    sample = chance.exponential(size=80)
    ours = bootstrap_interval(np.mean, sample, resamples=20_000)
    theirs = scipy.stats.bootstrap(
        (sample,), np.mean, method="percentile", n_resamples=20_000, rng=chance
    ).confidence_interval
    assert ours == pytest.approx(tuple(theirs), abs=0.01)


@pytest.mark.long
def test_interval_holds_the_truth_about_as_often_as_it_says():
    chance = np.random.default_rng(0)
    held = 0
    for i in range(300):
        low, high = bootstrap_interval(np.mean, chance.normal(size=60), level=0.8, seed=i)
        held += low < 0 < high
    assert held / 300 == pytest.approx(0.8, abs=0.07)


def test_columns_are_drawn_together():
    labels = np.arange(50)
    assert bootstrap_interval(lambda a, b: (a == b).mean(), labels, labels) == (1.0, 1.0)
    assert bootstrap_interval(accuracy, [0, 1] * 20, [0, 0] * 20)[0] > 0.3


def test_interval_repeats_with_its_seed_and_refuses_unequal_columns():
    data = np.random.default_rng(0).random(30)
    assert bootstrap_interval(np.mean, data) == bootstrap_interval(np.mean, data)
    assert bootstrap_interval(np.mean, data) != bootstrap_interval(np.mean, data, seed=1)
    with pytest.raises(ValueError, match=r"same number of rows, not 0, got \[2, 3\]"):
        bootstrap_interval(accuracy, [1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match=r"got \[0\]"):
        bootstrap_interval(np.mean, [])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap_interval(np.mean, [1, 2], level=1.5), "level: expected a share from 0"),
        (lambda: bootstrap_interval(np.mean, [1], level=math.nan), "level: expected a share from"),
        (lambda: bootstrap_interval(np.mean, [1], resamples=0), "resamples: expected a whole num"),
        (lambda: bootstrap_interval(np.mean, [1], seed=-1), "seed: expected a whole number, 0 or"),
        (lambda: bootstrap_interval(np.mean, 3), r"data: expected the same number .* got \[0\]"),
    ],
)
def test_a_setting_out_of_range_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
