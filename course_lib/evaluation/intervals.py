"""How sure a score is: the interval of the bootstrap (Efron 1979)."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from course_lib.checks import check_counts, check_shares, check_sizes, expect


def bootstrap_interval(
    score: Callable[..., float],
    *data: ArrayLike,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return between which values a score lies, by the percentile bootstrap.

    Draw as many rows as there are, with replacement; score them; do so again and again; keep the
    middle ``level`` of the scores. To compare two models on the same rows, score the difference:
    ``bootstrap_interval(lambda a, b: a.mean() - b.mean(), right_a, right_b)``.

    Args:
        score: takes arrays like ``data``, returns a number.
        data: arrays with the same number of rows, drawn together.
        level: share of the scores inside.
        resamples: how often to draw.
        seed: of the draws.

    Returns:
        The lower and the upper end.

    Raises:
        ValueError: if there are no rows, or not as many in each, or a setting is out of its range.
    """
    check_shares(level=level)
    check_sizes(resamples=resamples)
    check_counts(seed=seed)
    arrays = [np.asarray(column) for column in data]
    sizes = {len(array) if array.ndim else 0 for array in arrays}
    same = len(sizes) == 1 and 0 not in sizes
    expect(same, "data", "the same number of rows, not 0", sorted(sizes))
    # Rows are drawn by number, the same in all arrays.
    (n,) = sizes
    chance = np.random.default_rng(seed)
    draws = (chance.integers(n, size=n) for _ in range(resamples))
    scores = [score(*(array[rows] for array in arrays)) for rows in draws]
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
