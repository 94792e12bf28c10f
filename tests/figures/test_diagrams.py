"""The Transformer's diagrams: straight streams, sublayers at their side."""

import re
from xml.etree import ElementTree

import pytest

from course_lib.figures import diagrams

PANELS = [diagrams._decoder_only, diagrams._encoder_decoder]


def pre_norm():
    return diagrams._where_the_norm_stands(post=False)


def post_norm():
    return diagrams._where_the_norm_stands(post=True)


def taught():
    return diagrams._teacher_forcing("knight", ("N", "AY", "T"), "<", ">")


def streams(drawing: str) -> list[str]:
    """Return the ways of the thick lines."""
    return re.findall(r'<path d="([^"]*)" style="[^"]*stroke-width:5"', drawing)


@pytest.mark.parametrize(
    ("panel", "count"), [*zip((*PANELS, pre_norm, post_norm), (1, 2, 1, 1), strict=True)]
)
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


@pytest.mark.parametrize(("panel", "on_the_stream"), [(pre_norm, 0), (post_norm, 2)])
def test_only_post_norm_has_norms_on_the_stream(panel, on_the_stream):
    drawing = panel()
    (way,) = streams(drawing)
    at = float(re.match(r"M([\d.]+)", way)[1])
    norms = [
        (float(part.get("x")), float(part.get("width")))
        for part in ElementTree.fromstring(drawing).iter("rect")
        if part.get("rx") == "12"
    ]
    assert len(norms) == 2
    assert sum(left < at < left + width for left, width in norms) == on_the_stream


def test_a_taught_decoder_reads_each_token_one_place_after_it_should_write_it():
    written, read = {}, {}
    for text in ElementTree.fromstring(taught()).iter("text"):
        if float(text.get("x")) > 180 and "mono" in text.get("style"):
            row = written if float(text.get("y")) < 100 else read
            row[float(text.get("x"))] = text.text
    assert list(written.values()) == ["N", "AY", "T", ">"]
    assert list(read.values()) == ["<", "N", "AY", "T"]
    assert list(written) == list(read)
