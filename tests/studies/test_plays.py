"""The model of the plays: what it was trained on, and that it is as good as its card says."""

import re

import pytest
import torch

from course_lib.data import HELD_OUT, load_spoken_plays
from course_lib.studies import kit, plays
from course_lib.training import corpus_loss


@pytest.fixture(scope="module")
def trained():
    return plays.load_trained()


@pytest.fixture(scope="module")
def card():
    return (kit.FOLDER / "weights/plays.md").read_text(encoding="utf-8")


@pytest.mark.network
def test_training_text_is_the_one_that_the_card_counts(trained, card):
    training, held_out = load_spoken_plays(HELD_OUT)
    _, tokenizer = trained
    assert "To be, or not to be" in held_out
    assert "To be, or not to be" not in training
    assert f"through the {len(tokenizer.encode(training)):,} tokens" in card


@pytest.mark.network
def test_held_out_loss_is_the_card_s(trained, card):
    model, tokenizer = trained
    tokens = torch.tensor(tokenizer.encode(load_spoken_plays(HELD_OUT)[1]))[:20_000]
    loss = corpus_loss(model, tokens, model.config.context)
    assert float(re.search(r"([\d.]+) nats per token", card)[1]) == pytest.approx(loss, abs=0.02)
