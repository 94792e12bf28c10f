"""The Transformer's diagram: one straight stream, sublayers at its side."""

import re
from xml.etree import ElementTree

import pytest

from course_lib.figures import diagrams

PANELS = [diagrams._decoder_only, diagrams._encoder_decoder]


def streams(drawing: str) -> list[str]:
    """Return the ways of the thick lines."""
    return re.findall(r'<path d="([^"]*)" style="[^"]*stroke-width:5"', drawing)


@pytest.mark.parametrize(("panel", "count"), [*zip(PANELS, (1, 2), strict=True)])
def test_residual_streams_are_straight(panel, count):
    found = streams(panel())
    assert len(found) == count
    for way in found:
        xs = re.findall(r"[ML]([\d.]+) ", way)
        assert "Q" not in way
        assert len({float(x) for x in xs}) == 1


@pytest.mark.parametrize("panel", PANELS)
def test_no_sublayer_and_no_norm_of_a_block_lies_on_a_stream(panel):
    drawing = panel()
    at = [float(re.match(r"M([\d.]+)", way)[1]) for way in streams(drawing)]
    for part in ElementTree.fromstring(drawing).iter("rect"):
        left, width = float(part.get("x")), float(part.get("width"))
        if width in (124, 64) and float(part.get("y")) > 290:  # of a block
            assert not any(left < x < left + width for x in at)


@pytest.mark.parametrize("panel", PANELS)
def test_writing_is_read_on_a_phone_and_every_color_is_the_page_s(panel):
    drawing = panel()
    sizes = [float(size) for size in re.findall(r"font-size:([\d.]+)px", drawing)]
    assert min(sizes) * 350 / diagrams.WIDTH >= 11
    assert not re.findall(r"(?<!,)#[0-9a-f]{6}", drawing)
