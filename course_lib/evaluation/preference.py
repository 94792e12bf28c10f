"""Which is better: strengths from who beat whom, by Bradley and Terry (1952)."""

import numpy as np
from numpy.typing import ArrayLike

from course_lib.checks import expect

_ROUNDS, _ENOUGH = 10_000, 1e-10


def bradley_terry(wins: ArrayLike) -> np.ndarray:
    """Return strengths s with P(i beats j) = 1 / (1 + exp(s_j - s_i)) that fit the matches best.

    Zermelo's iteration, as Hunter (2004), 'MM algorithms for generalized Bradley-Terry models',
    describes it.

    Args:
        wins: (n, n), how often i beat j; half a win each for a draw. The diagonal isn't looked at.

    Returns:
        (n,), with mean 0. A difference of 1 is odds of e to 1; Elo's points are 400 / ln 10 of it.

    Raises:
        ValueError: if the wins are not such a table, or the players fall into two groups of which
            one never beat the other: then no finite strengths fit.
    """
    table = np.array(wins, dtype=float)
    square = table.ndim == 2 and len(table) == table.shape[-1] > 1
    expect(square, "wins", "a table (n, n), n at least 2", f"shape {table.shape}")
    np.fill_diagonal(table, 0)
    expect(bool((table >= 0).all() and np.isfinite(table).all()), "wins", "0 or more", table.min())
    # Each must have beaten each other one, if only over others between them.
    reached = np.linalg.matrix_power((table > 0) + np.eye(len(table)), len(table)) > 0
    expect(bool(reached.all()), "wins", "a chain of wins from each player to each other", "none")
    # What a player won, by what was to be won against the others as they now are.
    games, power = table + table.T, np.ones(len(table))
    for _ in range(_ROUNDS):
        before = power
        power = table.sum(1) / (games / (power[:, None] + power)).sum(1)
        power /= np.exp(np.log(power).mean())
        if np.abs(np.log(power / before)).max() < _ENOUGH:
            break
    return np.log(power)
