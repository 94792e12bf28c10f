"""The model of the home page: plain, and as good as its card says."""

import re

import pytest
import torch

from course_lib.data import HELD_OUT, load_spoken_plays
from course_lib.model import GPT, GPTConfig
from course_lib.studies import kit, writer
from course_lib.training import corpus_loss


@pytest.fixture(scope="module")
def trained():
    return writer.load_trained()


def test_it_is_llama_s_recipe_with_several_layers_and_heads(trained):
    model, tokenizer = trained
    assert type(model) is GPT
    shape = {"context": 128, "n_layers": 4, "n_heads": 4, "d_model": 160}
    assert model.config == GPTConfig.llama(tokenizer.vocab_size, **shape)


@pytest.mark.network
def test_held_out_loss_is_the_card_s(trained):
    card = (kit.FOLDER / "weights/writer.md").read_text(encoding="utf-8")
    model, tokenizer = trained
    tokens = torch.tensor(tokenizer.encode(load_spoken_plays(HELD_OUT)[1]))[:20_000]
    loss = corpus_loss(model, tokens, model.config.context)
    assert float(re.search(r"([\d.]+) nats per token", card)[1]) == pytest.approx(loss, abs=0.02)
