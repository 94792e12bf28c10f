"""Canaries: every secret's probability, by another way, and the exposure by hand."""

import math

import pytest
import torch

from course_lib.evaluation import token_losses
from course_lib.model import GPT, GPTConfig
from course_lib.privacy import (
    Canary,
    as_rows,
    exposure,
    losses_of,
    make_canaries,
    record_losses,
    secret_log_probs,
)
from course_lib.text import CharacterTokenizer

TOKENIZER = CharacterTokenizer("\n 0123456789abcdefghijklmnopqrstuvwxyz'")
torch.manual_seed(0)
MODEL = GPT(GPTConfig.llama(TOKENIZER.vocab_size, context=32, n_layers=1, n_heads=2, d_model=16))


def test_a_secret_s_probability_is_that_of_its_tokens_one_by_one():
    before = "the code of ada is "
    found = secret_log_probs(MODEL, TOKENIZER, before, n_digits=3)
    assert found.shape == (1000,)
    for secret in ("000", "042", "917"):
        losses = token_losses(MODEL, TOKENIZER.encode("\n" + before + secret), context=32)
        assert found[int(secret)] == pytest.approx(-losses[-3:].sum().item(), abs=1e-4)
    assert found.exp().sum() < 1


def test_exposure_by_hand():
    log_probs = torch.linspace(0, -1, 100)  # secret 00 is the likeliest, 99 the least
    assert exposure(log_probs, "00") == pytest.approx(math.log2(100))
    assert exposure(log_probs, "49") == pytest.approx(1)
    assert exposure(log_probs, "99") == 0
    with pytest.raises(ValueError, match="log_probs: expected 1000 of them, got 100"):
        exposure(log_probs, "000")


def test_secrets_never_seen_have_an_exposure_of_log2_e_on_average():
    generator = torch.Generator().manual_seed(0)
    log_probs = torch.rand(1000, generator=generator)
    mean = sum(exposure(log_probs, f"{i:03}") for i in range(1000)) / 1000
    assert mean == pytest.approx(math.log2(math.e), abs=0.02)


def test_canaries_have_their_digits_and_their_words():
    canaries = make_canaries(["a ", "b ", "c "], n_digits=5, seed=3)
    assert [c.before for c in canaries] == ["a ", "b ", "c "]
    assert all(len(c.secret) == 5 and c.secret.isdigit() for c in canaries)
    assert canaries == make_canaries(["a ", "b ", "c "], n_digits=5, seed=3)
    assert Canary("the code is ", "0407").text == "the code is 0407"


def test_rows_hold_each_record_between_line_breaks():
    inputs, targets = as_rows(["ab", "abcdefgh"], TOKENIZER, context=5)
    assert TOKENIZER.decode(inputs[0].tolist()) == "\nab\n\n"
    assert TOKENIZER.decode(targets[0, :3].tolist()) == "ab\n"
    assert targets[0, 3:].tolist() == [-100, -100]
    assert TOKENIZER.decode(targets[1].tolist()) == "abcde", "what is longer is cut"


def test_a_record_s_loss_does_not_hang_on_others():
    texts = ["ada", "a much longer record of ada", "b"]
    inputs, targets = as_rows(texts, TOKENIZER, context=32)
    together = record_losses(MODEL, inputs, targets)
    for text, loss in zip(texts, together, strict=True):
        alone = token_losses(MODEL, TOKENIZER.encode(f"\n{text}\n"), context=32).mean()
        assert loss == pytest.approx(alone.item(), abs=1e-4)
    torch.testing.assert_close(together, losses_of(MODEL, inputs, targets))
