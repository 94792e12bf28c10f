"""Drawings of models as boxes: their numbers, and that they are read on a phone."""

import re
from xml.etree import ElementTree

import pytest

from course_lib.costs import gpt_parameters
from course_lib.figures import diagrams, models

DRAWINGS = {
    "gpt": lambda: models.gpt_parts(96, 12_288, 50_257, 2_048, "GPT-3"),
    "window": lambda: models.word_window(["if", "thou", "please", "to"], "<unk>", 64, 256, 2000),
    "channel": lambda: models.noisy_channel("from", "form"),
}


@pytest.fixture
def page(request, monkeypatch):
    shown = []
    monkeypatch.setattr(models, "display", lambda html: shown.append(html.data))
    DRAWINGS[request.param]()
    return shown[0]


@pytest.mark.parametrize("page", DRAWINGS, indirect=True)
def test_writing_is_read_on_a_phone_and_every_color_is_the_page_s(page):
    svg = re.search("<svg.*?</svg>", page)[0]
    sizes = [float(size) for size in re.findall(r"font-size:([\d.]+)px", svg)]
    assert min(sizes) * 350 / diagrams.WIDTH >= 11
    assert not re.findall(r"(?<!,)#[0-9a-f]{6}", svg)


@pytest.mark.parametrize("page", DRAWINGS, indirect=True)
def test_boxes_lie_within_the_drawing(page):
    svg = ElementTree.fromstring(re.search("<svg.*?</svg>", page)[0])
    _, _, width, height = map(float, svg.get("viewBox").split())
    for part in svg.iter("rect"):
        x, y, w, h = (float(part.get(name)) for name in ("x", "y", "width", "height"))
        assert 0 <= x < x + w <= width
        assert 0 <= y < y + h <= height


@pytest.mark.parametrize("n_layers", [1, 12, 96])
def test_a_gpt_s_parts_are_all_its_parameters(n_layers):
    numbers = {part: number for part, (_, number) in models._gpt_counts(768, 50_257, 1024).items()}
    block = numbers["attention"] + numbers["feed-forward"] + numbers["norms"]
    outside = numbers["token embedding"] + numbers["positions"] + numbers["last norm"]
    assert outside + n_layers * block == gpt_parameters(n_layers, 768, 50_257, 1024)


@pytest.mark.parametrize("page", ["gpt"], indirect=True)
def test_counts_of_gpt_3_stand_in_its_drawing(page):
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
