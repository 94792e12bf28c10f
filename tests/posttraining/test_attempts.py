"""pass@k against all ways to draw, and against HumanEval's own product; the vote by counting."""

from itertools import combinations

import numpy as np
import pytest
import torch

from course_lib.posttraining import majority, pass_at_k


@pytest.mark.parametrize(("n", "right"), [(6, 0), (6, 2), (6, 6), (5, 1)])
@pytest.mark.parametrize("k", [1, 3, 5])
def test_pass_at_k_is_the_share_of_all_draws_with_a_right_one(n, right, k):
    attempts = [1] * right + [0] * (n - right)
    draws = [max(draw) for draw in combinations(attempts, k)]
    assert pass_at_k(n, right, k) == pytest.approx(sum(draws) / len(draws))


def test_pass_at_k_is_the_product_of_humaneval():
    for n, right, k in [(200, 13, 100), (64, 3, 16), (64, 64, 64)]:
        product = 1.0  # of Chen et al. (2021), figure 3
        if n - right >= k:
            product = 1.0 - np.prod(1.0 - k / np.arange(n - right + 1, n + 1))
        assert pass_at_k(n, right, k) == pytest.approx(product)


def test_pass_at_k_has_no_bias_and_the_obvious_formula_has_one():
    chance, p, k, n = np.random.default_rng(0), 0.3, 4, 8
    rights = chance.binomial(n, p, size=20_000)
    truth = 1 - (1 - p) ** k
    ours = np.mean([pass_at_k(n, int(right), k) for right in rights])
    obvious = np.mean(1 - (1 - rights / n) ** k)
    assert ours == pytest.approx(truth, abs=0.005)
    assert obvious < truth - 0.03


@pytest.mark.parametrize(("n", "right", "k"), [(4, 5, 1), (4, 1, 5), (0, 0, 1), (4, -1, 1)])
def test_counts_that_can_not_be_are_refused(n, right, k):
    with pytest.raises(ValueError, match="expected"):
        pass_at_k(n, right, k)


def test_the_vote_counts_whole_answers():
    answers = torch.tensor([[[1, 2], [1, 3], [4, 2], [1, 3]], [[0, 0], [5, 5], [0, 0], [5, 5]]])
    assert majority(answers).tolist() == [[1, 3], [0, 0]]  # of equals the one that came first


def test_a_vote_without_answers_is_refused():
    with pytest.raises(ValueError, match="answers: expected"):
        majority(torch.zeros(2, 0, 3))
