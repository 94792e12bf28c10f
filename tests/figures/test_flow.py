"""The drawing of attention: its cells are the numbers, its words are no markup."""

import re

import pytest
import torch

from course_lib.figures import attention_flow, multi_head_flow

TOKENS = ["a", "<b>", "c"]


def cells(page, hue):
    found = re.findall(rf"--lm-{hue},#\w+\);fill-opacity:([\d.]+)", page)
    return [float(share) for share in found]


@pytest.fixture
def drawn(shown):
    """Draw three tokens whose queries, keys and values are told apart."""
    x = torch.eye(3)
    parts = x * 2, x, torch.tensor([[4.0, 0], [0, -2.0], [1.0, 1.0]])
    weights = (parts[0] @ parts[1].T).softmax(-1)
    ways = parts, (*parts, weights)
    return [shown(attention_flow, TOKENS, x, *given, asking=1) for given in ways]


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


def test_tokens_are_no_markup(drawn):
    for page in drawn:
        assert "&lt;b&gt;" in page
        assert "<b>" not in page


def test_a_tensor_without_a_row_for_each_token_is_refused():
    x = torch.eye(3)
    with pytest.raises(ValueError, match="keys: expected shape"):
        attention_flow(TOKENS, x, x, x[:2], x)
    with pytest.raises(ValueError, match="weights: expected shape"):
        attention_flow(TOKENS, x, x, x, x, x[:2])


def test_the_layer_is_drawn_with_the_shape_of_each_step(shown):
    svg = shown(multi_head_flow)
    for shape in ("(B, T, d_model)", "(B, H, T, D)", "(B, H, T, T)"):
        assert shape in svg
