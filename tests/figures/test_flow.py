"""The drawing of attention: its cells are the numbers, its writing is read on a phone."""

import re

import pytest
import torch

from course_lib.figures import attention_flow, flow, multi_head_flow

TOKENS = ["a", "<b>", "c"]


def cells(page, hue):
    found = re.findall(rf"--lm-{hue},#\w+\);fill-opacity:([\d.]+)", page)
    return [float(share) for share in found]


@pytest.fixture
def drawn(monkeypatch):
    """Draw three tokens whose queries, keys and values are told apart."""
    pages = []
    monkeypatch.setattr(flow, "display", lambda page: pages.append(page.data))
    x = torch.eye(3)
    parts = x * 2, x, torch.tensor([[4.0, 0], [0, -2.0], [1.0, 1.0]])
    weights = (parts[0] @ parts[1].T).softmax(-1)
    attention_flow(TOKENS, x, *parts, asking=1)
    attention_flow(TOKENS, x, *parts, weights, asking=1)
    return pages


def test_cells_are_as_strong_as_the_numbers(drawn):
    assert (
        cells(drawn[0], "query") == cells(drawn[0], "key") == [0.85, 0, 0, 0, 0.85, 0, 0, 0, 0.85]
    )
    assert cells(drawn[0], "value") == [0.85, 0, 0, 0.42, 0.21, 0.21]
    assert not cells(drawn[0], "attention")


def test_with_weights_scores_weights_and_outputs_are_drawn(drawn):
    assert len(cells(drawn[1], "attention")) == 2 * 9
    assert len(cells(drawn[1], "value")) == 2 * 6
    assert "(3, 3)" in drawn[1]


def test_writing_is_read_on_a_phone_and_every_color_is_the_page_s(drawn):
    for page in drawn:
        svg = page[page.index("<svg") :]
        assert min(map(float, re.findall(r"font-size:([\d.]+)px", svg))) * 350 / 400 >= 11
        assert not re.findall(r"(?<!,)#[0-9a-f]{6}", svg)
        assert "&lt;b&gt;" in svg
        assert "<b>" not in svg


def test_a_tensor_without_a_row_for_each_token_is_refused():
    x = torch.eye(3)
    with pytest.raises(ValueError, match="keys: expected shape"):
        attention_flow(TOKENS, x, x, x[:2], x)
    with pytest.raises(ValueError, match="weights: expected shape"):
        attention_flow(TOKENS, x, x, x, x, x[:2])


def test_the_layer_is_drawn_with_the_shape_of_each_step(monkeypatch):
    pages = []
    monkeypatch.setattr(flow, "display", lambda page: pages.append(page.data))
    multi_head_flow()
    svg = pages[0][pages[0].index("<svg") :]
    for shape in ("(B, T, d_model)", "(B, H, T, D)", "(B, H, T, T)"):
        assert svg.count(shape) >= 1
    assert min(map(float, re.findall(r"font-size:([\d.]+)px", svg))) * 350 / 400 >= 11
    assert not re.findall(r"(?<!,)#[0-9a-f]{6}", svg)
