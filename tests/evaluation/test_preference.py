"""Strengths of Bradley and Terry: hand-computed cases, laws, and an independent fit."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from course_lib.evaluation import bradley_terry


def test_two_players_by_hand():
    weak, strong = bradley_terry([[0, 1], [3, 0]])  # 3 to 1
    assert strong - weak == pytest.approx(math.log(3))
    assert strong + weak == pytest.approx(0)


def test_three_players_are_compared_through_the_one_they_both_met():
    first, middle, last = bradley_terry([[0, 2, 0], [1, 0, 3], [0, 1, 0]])
    assert first - middle == pytest.approx(math.log(2))
    assert middle - last == pytest.approx(math.log(3))


def test_strengths_equal_those_of_a_general_optimizer():
    wins = np.array([[0, 7, 3, 9], [4, 0, 6, 1], [5, 2, 0, 8], [1, 3, 2, 0]])

    def surprise(strengths):
        apart = strengths[:, None] - strengths
        return (wins * np.log1p(np.exp(-apart))).sum()

    theirs = minimize(surprise, np.zeros(4), tol=1e-9).x
    np.testing.assert_allclose(bradley_terry(wins), theirs - theirs.mean(), atol=1e-4)


@pytest.mark.parametrize(
    ("wins", "message"),
    [
        ([[0, 2], [0, 0]], "wins: expected a chain of wins from each player to each other"),
        ([[0, 1, 0], [1, 0, 0], [0, 0, 0]], "wins: expected a chain of wins"),
        ([[0, -1], [1, 0]], "wins: expected 0 or more, got -1.0"),
        ([[0, 1, 2]], r"wins: expected a table \(n, n\), n at least 2, got shape \(1, 3\)"),
        ([[0]], "wins: expected a table"),
    ],
)
def test_what_has_no_strengths_is_named(wins, message):
    with pytest.raises(ValueError, match=message):
        bradley_terry(wins)


def test_the_diagonal_isnt_looked_at():
    assert bradley_terry([[5, 1], [3, 9]]) == pytest.approx(bradley_terry([[0, 1], [3, 0]]))
