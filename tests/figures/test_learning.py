"""Drawings of training: what they show is what the library computes."""

import re

import pytest
import torch

from course_lib.figures import learning
from course_lib.training.optim import orthogonalize

DRAWINGS = {
    "windows": lambda: learning._windows("To·be,·or·not·to·be", (1, 11), 6),
    "muon": learning._muon,
    "ring": learning._ring,
    "copies": lambda: learning._held(1),
    "shards": lambda: learning._held(4),
}


def test_targets_are_the_inputs_one_character_further():
    text = "To·be,·or·not·to·be"
    letters = re.findall(r">(.)</text>", DRAWINGS["windows"]())[len(text) :]
    expected = [text[start + shift :][:6] for start in (1, 11) for shift in (0, 1)]
    assert "".join(letters) == "".join(expected)


def test_the_gradient_is_flat_and_muon_s_step_nearly_round():
    gradient = torch.tensor(learning.GRADIENT)
    before, after = (torch.linalg.svdvals(m) for m in (gradient, orthogonalize(gradient)))
    assert before[0] / before[1] > 4
    assert after[0] / after[1] < 1.1


@pytest.mark.parametrize("n", [2, 3, 5])
def test_in_the_ring_each_has_one_sum_half_way_and_all_sums_in_the_end(n):
    stages = learning.ring_stages(n)
    whole = [[sum(len(part) == n for part in row) for row in stage] for stage in stages]
    assert whole[n - 1] == [1] * n
    assert whole[-1] == [n] * n


def test_a_shard_is_a_quarter_of_a_copy():
    heights = {}
    for name in ("copies", "shards"):
        cells = re.findall(r'height="([\d.]+)" style="fill:[^"]* 40%', DRAWINGS[name]())
        heights[name] = [float(height) for height in cells]
    assert len(heights["copies"]) == len(heights["shards"]) == 12
    assert sum(heights["copies"]) == pytest.approx(4 * sum(heights["shards"]))
