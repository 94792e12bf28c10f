"""Texts that a model may know by heart: a count of tokens, and twins that are fair."""

import pytest
import torch

from course_lib.generation import generate_tokens
from course_lib.model import GPT, GPTConfig
from course_lib.privacy import TWINS, recited
from course_lib.text import CharacterTokenizer

TOKENIZER = CharacterTokenizer("abcdefgh")
torch.manual_seed(0)
MODEL = GPT(GPTConfig.gpt2(8, context=32, n_layers=1, n_heads=2, d_model=16))


def test_tokens_are_counted_up_to_the_first_wrong_one():
    given = TOKENIZER.encode("abca")
    (rest,) = generate_tokens(MODEL, [given], max_new_tokens=6)
    texts = []
    for wrong in (None, 0, 3, 5):
        ids = list(rest)
        if wrong is not None:
            ids[wrong] = (ids[wrong] + 1) % 8
        texts.append(TOKENIZER.decode([*given, *ids]))
    assert recited(MODEL, TOKENIZER, texts, given=4, asked=6) == [6, 0, 3, 5]


def test_a_text_that_is_too_short_is_named():
    with pytest.raises(ValueError, match="texts: expected at least 10 tokens each, got 5"):
        recited(MODEL, TOKENIZER, ["abcdefgh", "abcde"], given=4, asked=6)


def runs_of_words(text, length=8):
    words = text.lower().split()
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}


@pytest.mark.parametrize("name", TWINS)
def test_twins_are_of_one_length_and_share_no_long_run_of_words(name):
    famous, new = TWINS[name]
    assert len(new) == pytest.approx(len(famous), rel=0.1)
    assert not runs_of_words(famous) & runs_of_words(new)
