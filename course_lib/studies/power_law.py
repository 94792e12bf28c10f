"""Power laws: the curve that a loss follows as size or data grow, fitted to runs.

Taught in 'Large language models: what scale buys'. The form with a floor, in both size and data, is
from Hoffmann et al. (2022), 'Training Compute-Optimal Large Language Models', section 3.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from course_lib.checks import check_counts, check_shares, check_sizes, expect


@dataclass(frozen=True)
class PowerLaw:
    """loss = floor + Σ scale · size^-exponent, with a term for each kind of size.

    Attributes:
        floor: what remains at infinite size.
        scales: one for each kind of size.
        exponents: one for each kind of size.
        spread: standard deviation of a run about the curve; NaN if no run is left to tell.
    """

    floor: float
    scales: tuple[float, ...]
    exponents: tuple[float, ...]
    spread: float

    def __call__(self, *sizes: ArrayLike) -> np.ndarray:
        """Return the loss at these sizes, e.g. parameters, or parameters and characters.

        Raises:
            ValueError: if there aren't as many kinds of size as terms, or one isn't above 0.
        """
        kinds = len(self.scales)
        expect(len(sizes) == kinds, "sizes", f"as many kinds as terms ({kinds})", len(sizes))
        for size in sizes:
            numbers = np.asarray(size, float)
            above = np.isfinite(numbers) & (numbers > 0)
            expect(above.all(), "sizes", "numbers above 0", size)
        terms = zip(self.scales, sizes, self.exponents, strict=True)
        powers = [a * np.asarray(x, float) ** -e for a, x, e in terms]
        return np.asarray(self.floor + sum(powers))


def fit_power_law(losses: ArrayLike, *sizes: ArrayLike, floor: bool = True) -> PowerLaw:
    """Fit a power law to runs by least squares.

    With the exponents given, the loss is linear in floor and scales, and these are computed. So
    only the exponents are searched for, on a grid that closes in on the best.

    Args:
        losses: (n,), one for each run.
        sizes: one or more kinds of size, each (n,).
        floor: False holds the floor at 0: a straight line if both axes are logarithmic.

    Returns:
        The best law with a floor of at least 0.

    Raises:
        ValueError: if the numbers don't fit together, aren't positive, or are too few, or if the
            loss doesn't fall with size.
    """
    # Numbers that fit together, enough of them to tell the terms apart.
    y, x = np.asarray(losses, float), np.array(sizes, float)
    if not sizes or y.ndim != 1 or x.shape != (len(sizes), len(y)):
        raise ValueError(f"sizes: expected shape {y.shape} like losses, got {x.shape[1:]}")
    if not (np.isfinite(y).all() and np.isfinite(x).all() and (x > 0).all()):
        raise ValueError("losses, sizes: expected finite numbers, sizes above 0")
    needed = 3 if floor else 2
    if min(len(set(row)) for row in x) < needed:
        raise ValueError(f"sizes: expected at least {needed} different ones")
    terms = 2 * len(x) + floor
    expect(len(y) >= terms, "losses", f"at least {terms}, as the law has terms", len(y))
    centered = np.log(x) - np.log(x).mean(axis=1, keepdims=True)
    independent = np.linalg.matrix_rank(centered) == len(x)
    expect(independent, "sizes", "kinds that don't grow in step", "one that follows another")
    # The fit, refused where the loss rises with size.
    law = _least_squares(y, x, floor)
    if min(law.scales) <= 0:
        raise ValueError("losses: expected them to fall as sizes grow")
    return law


def _least_squares(y: np.ndarray, x: np.ndarray, floor: bool) -> PowerLaw:
    middle = np.exp(np.log(x).mean(axis=1, keepdims=True))  # keeps powers near 1
    exponents = np.full((len(x), 2), (0.01, 3.0))
    # Search on a grid of exponents; the next one lies about the best of this one.
    for _ in range(12):
        points = 25 if len(x) == 1 else 13
        axes = [np.geomspace(low, high, points) for low, high in exponents]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(x))  # (G, k)
        powers = (x / middle) ** -grid[..., None]  # (G, k, n)
        # With the exponents given, scales and floor are those of a linear fit.
        means = powers.mean(axis=-1), y.mean()
        p, q = (powers - means[0][..., None], y - means[1]) if floor else (powers, y)
        scales = np.linalg.solve(p @ p.mT, (p @ q)[..., None])[..., 0]  # (G, k)
        errors = ((q - (scales[..., None] * p).sum(axis=1)) ** 2).sum(axis=-1)
        best = np.unravel_index(errors.argmin(), [len(axis) for axis in axes])
        for bounds, axis, i in zip(exponents, axes, best, strict=True):
            bounds[:] = axis[max(i - 1, 0)], axis[min(i + 1, len(axis) - 1)]
    # The floor follows from the means. Below 0 there is none.
    chosen = errors.argmin()
    bottom = float(means[1] - scales[chosen] @ means[0][chosen]) if floor else 0.0
    if bottom < 0:
        return _least_squares(y, x, floor=False)
    # The spread, by the runs that are left beyond the terms.
    free = len(y) - 2 * len(x) - floor
    return PowerLaw(
        bottom,
        tuple((scales[chosen] * middle[:, 0] ** grid[chosen]).tolist()),
        tuple(grid[chosen].tolist()),
        float(np.sqrt(errors[chosen] / free)) if free > 0 else float("nan"),
    )


def resample(law: PowerLaw, *sizes: ArrayLike, times: int = 400, seed: int = 0) -> list[PowerLaw]:
    """Fit again to runs that could as well have come out: the parametric bootstrap.

    Each time, runs are drawn about the law at the same sizes, and a law is fitted to them. How far
    runs lie from the law is known from a few runs only; so the spread is drawn, too. What is taken
    for granted is the form of the law.

    Args:
        law: fitted to these sizes, with a finite spread.
        sizes: as they were given to :func:`fit_power_law`.
        times: number of laws.
        seed: of the draws.

    Returns:
        Laws; each has the spread that it was drawn with.

    Raises:
        ValueError: if the law's spread is unknown, or a number is out of its range.
    """
    check_sizes(times=times)
    check_counts(seed=seed)
    if not np.isfinite(law.spread):
        raise ValueError("law: expected a fit to more runs than it has numbers")
    chance = np.random.default_rng(seed)
    clean, x, floor = law(*sizes), np.array(sizes, float), law.floor > 0
    free = clean.size - 2 * len(sizes) - floor
    expect(free > 0, "sizes", "more runs than the law has numbers", clean.size)
    laws = []
    for _ in range(times):
        spread = law.spread * np.sqrt(free / chance.chisquare(free))
        drawn = clean + spread * chance.standard_normal(clean.shape)
        laws.append(replace(_least_squares(drawn, x, floor), spread=float(spread)))
    return laws


def prediction_interval(
    laws: Sequence[PowerLaw], *sizes: ArrayLike, level: float = 0.9, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return between which losses a new run should lie.

    Args:
        laws: from :func:`resample`.
        sizes: of the new run or runs.
        level: share of the drawn runs that lie inside.
        seed: of the new runs' own spread.

    Raises:
        ValueError: if there is no law, or a number is out of its range.
    """
    check_shares(level=level)
    check_counts(seed=seed)
    expect(len(laws) > 0, "laws", "at least one", "none")
    chance = np.random.default_rng(seed)
    losses = [
        (clean := law(*sizes)) + law.spread * chance.standard_normal(clean.shape) for law in laws
    ]
    low, high = np.quantile(losses, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high
