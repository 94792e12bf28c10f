"""Figures that move: what they hold, and what the browser computes in them."""

import math

import ipywidgets
import matplotlib.pyplot as plt
import pytest
import torch

from course_lib import plots, widgets
from course_lib.attention import scaled_dot_product_attention

TOKENS = ["the", "cat", "</script><b>"]
torch.manual_seed(0)
QUERIES, KEYS = torch.randn(2, 3, 4)


@pytest.fixture
def displayed(monkeypatch):
    """Collect what a figure displays."""
    found = []
    monkeypatch.setattr(widgets, "display", lambda what, **_: found.append(what))
    return found


def draw(value):
    figure, ax = plt.subplots()
    ax.plot([0, value])
    return figure


def test_frames_hold_a_described_picture_for_each_value(displayed):
    widgets.frames(draw, [1, 2, 3], label="Size", describe=lambda value: f"A line to <{value}>")
    (bundle,) = displayed
    assert bundle["text/plain"] == "A figure with a slider, Size: 1, 2, 3"
    model_id = bundle["application/vnd.jupyter.widget-view+json"]["model_id"]
    box = ipywidgets.widgets.widget._instances[model_id]
    slider, stack = box.children
    assert [label for label, _ in slider.options] == ["1", "2", "3"]
    for value, page in zip((1, 2, 3), stack.children, strict=True):
        assert f'alt="A line to &lt;{value}&gt;"' in page.value
    assert plt.get_fignums() == [], "figures are closed"


def test_frames_need_two_values():
    with pytest.raises(ValueError, match=r"values: expected at least two, got \[1\]"):
        widgets.frames(draw, [1], label="Size", describe=str)


def test_frames_work_with_a_kernel_where_ipywidgets_is_old(displayed, monkeypatch):
    monkeypatch.delattr(ipywidgets, "Stack")
    widgets.frames(draw, [1, 2], label="Size", describe=lambda value: f"line {value}")
    slider, picture = displayed[0].children
    assert 'alt="line 1"' in picture.value
    slider.index = 1
    assert 'alt="line 2"' in picture.value


def test_explorer_is_the_same_each_time_and_asks_no_other_machine():
    page = widgets.attention_explorer(TOKENS, QUERIES, KEYS).data
    assert page == widgets.attention_explorer(TOKENS, QUERIES, KEYS).data
    assert "http" not in page
    assert "</script><b>" not in page, "a token can't end the script that holds it"


@pytest.mark.parametrize("name", ["queries", "keys"])
def test_explorer_names_the_tensor_that_does_not_fit(name):
    tensors = {"queries": QUERIES, "keys": KEYS, name: torch.zeros(2, 4)}
    with pytest.raises(ValueError, match=rf"{name}: expected shape \(3, 4\), got \(2, 4\)"):
        widgets.attention_explorer(TOKENS, **tensors)


def test_explorer_computes_the_weights_of_course_lib(browser):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_content(widgets.attention_explorer(TOKENS, QUERIES, KEYS, asking=2).data)

    def weights():
        cells = page.locator("tbody tr td:nth-child(4)").all_text_contents()
        return torch.tensor([float(cell) for cell in cells])

    def expected(token, scale):
        return scaled_dot_product_attention(QUERIES, KEYS, KEYS, scale=scale)[1][token]

    def agree(token, scale):
        torch.testing.assert_close(weights(), expected(token, scale), atol=2e-3, rtol=0)

    agree(2, 1 / math.sqrt(4))
    assert page.locator("tbody th").all_text_contents() == TOKENS
    page.get_by_role("button", name="1 (no scale)").click()
    agree(2, 1.0)
    page.get_by_role("radio").nth(2).focus()
    page.keyboard.press("ArrowUp")
    agree(1, 1.0)
    page.get_by_role("slider").focus()
    page.keyboard.press("Home")
    agree(1, 0.01)
    assert "takes" in page.locator("[aria-live]").text_content()
    page.close()


def test_attention_map_draws_every_weight_and_label():
    ax = plots.attention_map(torch.eye(2), ["a", "b"], ["c", "d"], title="T")
    assert [text.get_text() for text in ax.texts] == ["1.00", "0.00", "0.00", "1.00"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["c", "d"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    plt.close("all")


def test_attention_map_says_what_does_not_fit():
    with pytest.raises(ValueError, match=r"weights: expected shape \(1, 2\) .*, got \(2, 2\)"):
        plots.attention_map(torch.eye(2), ["a"], ["c", "d"])
