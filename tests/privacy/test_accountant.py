"""Epsilon against Opacus's accountant, and laws that bind noise, steps and attacks."""

import numpy as np
import pytest
from opacus.accountants.analysis.rdp import compute_rdp, get_privacy_spent
from scipy.stats import norm

from course_lib.privacy import epsilon, noise_for, renyi_divergences, roc_bound
from course_lib.privacy.accountant import ORDERS

TRAININGS = [(0.6, 0.01, 1000), (1.0, 0.01, 1000), (1.1, 256 / 60_000, 14_000), (4.0, 0.1, 500)]


@pytest.mark.parametrize(("noise", "rate", "steps"), [*TRAININGS, (2.0, 1.0, 10), (0.5, 0.02, 300)])
def test_epsilon_is_opacus_s_to_a_hundredth(noise, rate, steps):
    orders = list(ORDERS)
    rdp = compute_rdp(q=rate, noise_multiplier=noise, steps=steps, orders=orders)
    theirs, _ = get_privacy_spent(orders=orders, rdp=rdp, delta=1e-5)
    assert epsilon(noise, rate, steps, 1e-5) == pytest.approx(theirs, rel=0.01)


def test_each_divergence_is_opacus_s():
    theirs = compute_rdp(q=0.02, noise_multiplier=1.3, steps=1, orders=list(ORDERS))
    np.testing.assert_allclose(renyi_divergences(1.3, 0.02), theirs, rtol=1e-4, atol=1e-9)


def test_without_sampling_the_divergence_is_the_gaussian_s_own():
    """Two Gaussians one apart: order / (2 noise²), by the formula in any textbook."""
    np.testing.assert_allclose(renyi_divergences(3.0, 1.0), np.array(ORDERS) / 18, rtol=1e-6)


def test_epsilon_rises_with_steps_and_rate_and_falls_with_noise_and_delta():
    usual = epsilon(1.0, 0.01, 500, 1e-5)
    assert usual < epsilon(1.0, 0.01, 1000, 1e-5)
    assert usual < epsilon(1.0, 0.02, 500, 1e-5)
    assert usual > epsilon(1.5, 0.01, 500, 1e-5)
    assert usual > epsilon(1.0, 0.01, 500, 1e-4)
    assert epsilon(0, 0.01, 500, 1e-5) == float("inf")


@pytest.mark.parametrize("target", [0.5, 2.0, 8.0])
def test_noise_for_a_target_is_just_enough(target):
    noise = noise_for(target, 0.02, 300, 1e-4)
    assert epsilon(noise, 0.02, 300, 1e-4) <= target < epsilon(noise - 2e-3, 0.02, 300, 1e-4)


def test_no_attack_on_a_gaussian_beats_the_bound():
    """The best attack that there is on one noisy number, at every rate of false positives."""
    noise, delta = 2.0, 1e-5
    false = np.linspace(0.001, 0.999, 200)
    best = norm.sf(norm.isf(false) - 1 / noise)
    bound = roc_bound(false, epsilon(noise, 1.0, 1, delta), delta)
    assert (best <= bound).all()
    assert (roc_bound(false, 0.1, delta) < best).any(), "a bound too low would be found"


def test_the_bound_at_its_ends():
    np.testing.assert_allclose(roc_bound([0, 0.25, 1], 0.0, 0.0), [0, 0.25, 1])
    np.testing.assert_allclose(roc_bound([0, 0.5], 1e9, 0.0), [0, 1])
    np.testing.assert_allclose(roc_bound(0.01, np.log(3), 0.0), 0.03)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: epsilon(-1, 0.1, 1, 0.1), "noise: expected a number, 0 or above, got -1"),
        (lambda: epsilon(1, 2, 1, 0.1), "rate: expected a share from 0 to 1, got 2"),
        (lambda: epsilon(1, 0.1, 0, 0.1), "steps: expected a whole number above 0, got 0"),
        (lambda: epsilon(1, 0.1, 1, 0), "delta: expected a number above 0, got 0"),
        (lambda: noise_for(1e-4, 1.0, 100_000, 1e-5), "target: expected an epsilon that"),
        (lambda: roc_bound(1.5, 1, 0), "false_positives: expected shares from 0 to 1, got 1.5"),
        (lambda: roc_bound(0.5, -1, 0), "epsilon: expected a number, 0 or above, got -1"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
