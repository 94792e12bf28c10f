"""Drawings of models as boxes: their numbers."""

import pytest

from course_lib.costs import gpt_parameters
from course_lib.figures import models


@pytest.mark.parametrize("n_layers", [1, 12, 96])
def test_a_gpt_s_parts_are_all_its_parameters(n_layers):
    numbers = {part: number for part, (_, number) in models._gpt_counts(768, 50_257, 1024).items()}
    block = numbers["attention"] + numbers["feed-forward"] + numbers["norms"]
    outside = numbers["token embedding"] + numbers["positions"] + numbers["last norm"]
    assert outside + n_layers * block == gpt_parameters(n_layers, 768, 50_257, 1024)


def test_counts_of_gpt_3_stand_in_its_drawing(shown):
    page = shown(models.gpt_parts, 96, 12_288, 50_257, 2_048, "GPT-3")
    for said in ("618 million", "25.2 million", "604 million", "1.21 billion", "175 billion"):
        assert said in page


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (980, "980"),
        (49_152, "49.2 thousand"),
        (603_979_776, "604 million"),
        (999_600, "1.00 million"),
    ],
)
def test_a_count_is_said_with_three_digits(number, said):
    assert models._said(number) == said
