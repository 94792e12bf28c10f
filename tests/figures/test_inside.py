"""Grids of what is inside a model: what is drawn is what course_lib.interpret computes."""

import re

import pytest
import torch

from course_lib.figures import inside
from course_lib.interpret import logit_lens, patch_stream
from course_lib.model import GPT, GPTConfig

LETTERS = "abcdefghij"
TEXT, OTHER = torch.tensor([3, 1, 4, 1]), torch.tensor([3, 5, 4, 1])


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = GPT(GPTConfig.gpt2(10, context=8, n_layers=2, n_heads=2, d_model=16)).eval()
    with torch.no_grad():
        for block in model.blocks:
            for weight in block.parameters():
                if weight.dim() == 2:
                    weight.normal_(std=0.5)
    return model


def strengths(drawing: str) -> list[int]:
    """Return the share of color of each cell, row by row from the top."""
    return [int(share) for share in re.findall(r"<rect[^>]* (\d+)%", drawing)]


def test_the_lens_shows_the_likeliest_word_of_each_layer_and_token(model):
    shares, ids = logit_lens(model, TEXT[None])[:, 0].softmax(-1).max(-1)
    words = [[LETTERS[i] for i in row] for row in ids.tolist()]
    drawn = inside.lens_drawing([LETTERS[i] for i in TEXT], [0, 1, 2], words, shares)
    written = re.findall(r">(\w)</text>", drawn)
    # The tokens and the layers' numbers, from the last layer down.
    assert "".join(written) == "dbeb" + "".join(
        f"{layer}{''.join(words[layer])}" for layer in (2, 1, 0)
    )
    expected = [round(60 * share) for row in shares.flip(0).tolist() for share in row]
    assert strengths(drawn) == expected


def test_the_patching_grid_is_as_strong_as_the_restored_share(model):
    shares = patch_stream(model, TEXT, OTHER, TEXT, lambda logits: logits[:, 2] - logits[:, 7])
    drawn = inside.patching_drawing(list("dbeb"), shares)
    expected = [
        round(100 * min(max(share, 0), 1)) for row in shares.flip(0).tolist() for share in row
    ]
    assert strengths(drawn) == expected
    assert expected[3] == 100  # the last token's vector, on top, is all that is read
    assert expected[-3] == 100  # the token that differs, at the bottom


def test_a_grid_that_doesn_t_fit_is_refused():
    with pytest.raises(ValueError, match=r"shares: expected shape \(1, 2\), got \(2, 2\)"):
        inside.lens_drawing(["a", "b"], [0], [["x", "y"]], torch.zeros(2, 2))
    with pytest.raises(ValueError, match="tokens: expected 3 of them, got 1"):
        inside.patching_drawing(["a"], torch.zeros(2, 3))
