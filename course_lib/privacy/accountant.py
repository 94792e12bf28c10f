"""What noise is worth: epsilon of a training with DP-SGD, and what it forbids an attack.

Taught in 'Data privacy'. Rényi differential privacy of Gaussian noise on random samples is from
Mironov, Talwar and Zhang (2019), 'Rényi Differential Privacy of the Sampled Gaussian Mechanism';
the way from there to epsilon from Balle et al. (2020), 'Hypothesis Testing Interpretations and
Rényi Differential Privacy', theorem 21; the bound on an attack from Kairouz, Oh and Viswanath
(2015), 'The Composition Theorem for Differential Privacy'.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from course_lib.checks import check_not_negative, check_positive, check_shares, check_sizes, expect

# Orders of the Rényi divergence; each gives a bound, and the least counts.
ORDERS = (*(1 + tenths / 10 for tenths in range(1, 100)), *map(float, range(11, 64)))
STEPS_PER_SIGMA = 20  # of the integral


@lru_cache
def renyi_divergences(noise: float, rate: float) -> np.ndarray:
    """Return the Rényi divergence of one step at each of ``ORDERS``, (n,).

    One record more or less moves the clipped sum by at most 1 (in units of the limit), and only if
    it was drawn. So what a step gives away lies between two densities: a Gaussian about 0, and the
    mixture that is about 1 with the probability ``rate``. The divergence is an integral over both,
    computed on a fine grid.

    Args:
        noise: standard deviation of the noise, in units of the clipping limit.
        rate: probability with which a step draws a record.

    Raises:
        ValueError: if the noise isn't above 0, or the rate is no share above 0.
    """
    check_positive(noise=noise, rate=rate)
    check_shares(rate=rate)
    orders = np.array(ORDERS)[:, None]
    # The integrand of order a is a Gaussian about a at most, and about 0 at least.
    reach = 12 * noise
    width = max(ORDERS) + 2 * reach
    z = np.linspace(-reach, max(ORDERS) + reach, int(width / noise * STEPS_PER_SIGMA) + 1)
    without = -((z / noise) ** 2) / 2 - np.log(noise * np.sqrt(2 * np.pi))
    # The logarithm of the mixture's density over the other's.
    shifted = np.log(rate) + (2 * z - 1) / (2 * noise**2)
    ratio = np.logaddexp(np.log1p(-rate), shifted) if rate < 1 else shifted
    # The logarithm of the integral, without leaving the range of floats.
    terms = orders * ratio + without
    highest = terms.max(axis=1, keepdims=True)
    sums = np.exp(terms - highest).sum(axis=1) * (z[1] - z[0])
    return (highest[:, 0] + np.log(sums)) / (orders[:, 0] - 1)


def epsilon(noise: float, rate: float, steps: int, delta: float) -> float:
    """Return the epsilon of a training with DP-SGD: the less, the more private.

    Divergences of steps add up. At each order they give a bound on epsilon; the least is returned.

    Args:
        noise: as for :func:`renyi_divergences`; 0 gives infinity.
        rate: as there.
        steps: of the training.
        delta: the probability with which the bound may fail; below 1 by the number of records.

    Raises:
        ValueError: if a number is out of its range.
    """
    check_not_negative(noise=noise)
    check_sizes(steps=steps)
    check_positive(delta=delta)
    check_shares(delta=delta)
    if noise == 0:
        return float("inf")
    orders = np.array(ORDERS)
    spent = steps * renyi_divergences(float(noise), float(rate))
    bounds = spent - np.log(delta * orders) / (orders - 1) + np.log1p(-1 / orders)
    return max(0.0, float(bounds.min()))


def noise_for(target: float, rate: float, steps: int, delta: float) -> float:
    """Return the least noise, to a thousandth, whose epsilon is at most ``target``.

    Raises:
        ValueError: if a number is out of its range, or a noise of 100 isn't enough.
    """
    check_positive(target=target)
    low, high = 0.2, 100.0
    enough = epsilon(high, rate, steps, delta) <= target
    expect(enough, "target", "an epsilon that a noise below 100 gives", target)
    while high - low > 1e-3:
        middle = (low + high) / 2
        if epsilon(middle, rate, steps, delta) <= target:
            high = middle
        else:
            low = middle
    return high


def roc_bound(false_positives: ArrayLike, epsilon: float, delta: float) -> np.ndarray:
    """Return the highest true-positive rate that any attack can have on an (ε, δ)-private model.

    Args:
        false_positives: shares of outsiders who are called members.
        epsilon: of the model.
        delta: of the model.

    Raises:
        ValueError: if a share isn't from 0 to 1, or epsilon is below 0.
    """
    shares = np.asarray(false_positives, float)
    inside = bool(((shares >= 0) & (shares <= 1)).all())
    expect(inside, "false_positives", "shares from 0 to 1", false_positives)
    check_shares(delta=delta)
    expect(epsilon >= 0, "epsilon", "a number, 0 or above", epsilon)
    # The same law holds for members and outsiders exchanged.
    one = np.exp(min(epsilon, 700)) * shares + delta
    other = 1 - np.exp(-epsilon) * (1 - delta - shares)
    return np.clip(np.minimum(one, other), 0, 1)
