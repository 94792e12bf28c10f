"""Drawings of size: areas and fillings are as large as what they stand for."""

import re

import pytest

from course_lib import costs, figures
from course_lib.studies import scaling

WIDTHS = (8, 16, 32, 64, 128)
PARAMETERS = {w: scaling.non_embedding_parameters(scaling.config(w, 76)) for w in WIDTHS}
RECT = re.compile(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"')


def test_a_square_s_area_is_its_number_of_parameters(shown):
    squares = RECT.findall(shown(figures.model_widths, PARAMETERS))
    areas = [float(width) * float(height) for *_, width, height in squares]
    for area, count in zip(areas, PARAMETERS.values(), strict=True):
        assert area / areas[-1] == pytest.approx(count / PARAMETERS[128], rel=0.01)


def test_widths_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="parameters: expected columns within 400"):
        figures.model_widths(dict.fromkeys(range(1, 9), 10**6))
    with pytest.raises(ValueError, match="parameters: expected two widths or more, got 1"):
        figures.model_widths({8: 1592})


@pytest.mark.parametrize(("parameters", "gpus"), [(175e9, 35), (8e9, 2), (1e9, 1)])
def test_gpus_are_as_many_and_as_full_as_the_memory_says(shown, parameters, gpus):
    memory = costs.training_memory(parameters)
    parts = {"a": memory.weights, "b": memory.gradients, "c": memory.optimizer}
    page = shown(figures.gpus_that_hold, parts, costs.H100.memory)
    cells = [tuple(map(float, cell)) for cell in RECT.findall(page)][:-3]  # the last explain hues
    frame = max(width for *_, width, _ in cells)
    frames, filled, full = 0, 0.0, re.findall(r"color-mix\(in srgb,[^%]* (\d+)%", page)
    for (*_, width, _), share in zip(cells, full, strict=False):
        frames += share == "0"
        filled += width * (share != "0")
    assert frames == gpus
    assert filled / frame == pytest.approx(memory.total / costs.H100.memory, rel=0.01)


def test_parts_other_than_three_are_refused():
    with pytest.raises(ValueError, match="parts: expected 3, got 1"):
        figures.gpus_that_hold({"weights": 1e9}, 80e9)
