"""What a model costs in use: against a real cache, published figures, and a search by force."""

import math

import numpy as np
import pytest
import torch

from course_lib.costs import (
    cache_bytes,
    carbon_tonnes,
    cheapest,
    chinchilla_loss,
    compute_optimal,
    tokens_needed,
)
from course_lib.model import GPT, GPTConfig


@pytest.mark.parametrize("n_kv_heads", [None, 4, 2, 1])
def test_the_cache_takes_what_its_tensors_take(n_kv_heads):
    config = GPTConfig.llama(20, context=8, d_model=16, n_kv_heads=n_kv_heads)
    model = GPT(config).eval()
    caches = model.new_caches(6)
    with torch.inference_mode():
        model(torch.zeros(3, 6, dtype=torch.long), caches=caches)
        held = [c.append(*[torch.zeros(3, n_kv_heads or 4, 0, 4)] * 2) for c in caches]
    measured = sum(tensor.nbytes for pair in held for tensor in pair)
    assert cache_bytes(config, 6, rows=3, bytes_per_number=4) == measured


def test_gpt3_s_carbon_is_the_one_published():
    """Patterson et al. 2021, table 4: 1,287 MWh at 0.429 kg a kWh are 552 tonnes."""
    assert round(carbon_tonnes(1287, 429)) == 552


def test_tokens_needed_undo_the_loss():
    for n, d in ((1e8, 2e9), (7e10, 1.4e12)):
        assert math.isclose(tokens_needed(n, chinchilla_loss(n, d)), d, rel_tol=1e-9)
    assert tokens_needed(1e6, 2.0) == math.inf
    assert chinchilla_loss(70e9, 1.4e12) == pytest.approx(1.97, abs=0.02), "nats, as published"


@pytest.mark.parametrize("served", [0.0, 1e11, 1e13])
def test_no_size_is_cheaper_than_the_cheapest(served):
    loss = 2.2
    n, d = cheapest(loss, served)
    best = 6 * n * d + 2 * n * served
    sizes = np.geomspace(n / 50, 50 * n, 5001)
    others = [6 * m * tokens_needed(m, loss) + 2 * m * served for m in sizes]
    assert best <= min(others) * (1 + 1e-9)
    assert chinchilla_loss(n, d) == pytest.approx(loss)


def test_without_answers_the_cheapest_is_near_twenty_tokens_for_each_parameter():
    n, d = cheapest(chinchilla_loss(*compute_optimal(1e22)))
    assert 15 < d / n < 30
    served = cheapest(chinchilla_loss(*compute_optimal(1e22)), 1e13)
    assert served[0] < n / 3, "what is asked much should be small"
    assert served[1] > 3 * d


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cheapest(1.5), "loss: expected above the law's floor, 1.8172, got 1.5"),
        (lambda: cheapest(2.0, -1), "served: expected a number, 0 or above, got -1"),
        (lambda: carbon_tonnes(-1, 3), "mwh: expected a number, 0 or above, got -1"),
        (lambda: cache_bytes(GPTConfig(9), 0), "tokens: expected a whole number above 0, got 0"),
    ],
)
def test_wrong_numbers_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
