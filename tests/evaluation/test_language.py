"""Losses of a text against Transformers and hand-computed cases."""

import math

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from course_lib.evaluation import (
    bits_per_byte,
    perplexity,
    token_losses,
)


class Recent(nn.Module):
    """A model whose logits depend on every token that it is shown, and on the last one most."""

    def __init__(self, vocab_size):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens):
        return self.embedding(tokens).cumsum(1) + self.embedding(tokens)


@pytest.mark.parametrize("length", [2, 3, 7, 8, 9, 10, 15, 16, 17, 30])
@pytest.mark.parametrize("stride", [1, 3, 8])
def test_each_token_is_scored_once_with_the_context_that_its_window_gives(length, stride):
    model, context = Recent(11), 8
    tokens = torch.randint(11, (length,), generator=torch.Generator().manual_seed(length))
    losses = token_losses(model, tokens, context, stride, batch_size=2)
    end, ends = min(context, length - 1), []
    while True:  # the windows, one by one
        ends.append(end)
        if end == length - 1:
            break
        end = min(end + stride, length - 1)
    for i in range(1, length):
        end = next(e for e in ends if e >= i)
        seen = tokens[max(0, end - context) : i]
        if end != length - 1:
            assert i < context or len(seen) >= context - stride
        loss = nn.functional.cross_entropy(model(seen[None])[0, -1], tokens[i])
        assert losses[i - 1].item() == pytest.approx(loss.item(), abs=1e-5)
    assert len(losses) == length - 1


def test_short_document_has_the_loss_that_transformers_computes():
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=50, n_positions=32, n_embd=16, n_layer=2, n_head=2)
    theirs = transformers.GPT2LMHeadModel(config).eval()
    tokens = torch.randint(50, (1, 20))
    losses = token_losses(as_model(lambda t: theirs(t).logits), tokens[0], context=32)
    assert losses.mean().item() == pytest.approx(
        theirs(tokens, labels=tokens).loss.item(), abs=1e-6
    )


def as_model(function):
    module = nn.Module()
    module.forward = function
    return module


def test_uniform_model_wavers_among_all_tokens():
    model = as_model(lambda tokens: torch.zeros(*tokens.shape, 256))
    text = "né 中🙂" * 20
    losses = token_losses(model, [0, *text.encode()], context=16)
    assert perplexity(losses) == pytest.approx(256)
    assert bits_per_byte(losses, text) == pytest.approx(8)


def test_document_of_one_token_or_none_has_no_loss():
    assert token_losses(Recent(5), [3], context=4).shape == (0,)
    assert token_losses(Recent(5), [], context=4).shape == (0,)


def test_bad_windows_are_named():
    for arguments, message in (
        ({"context": 0}, "context: expected a whole number above 0, got 0"),
        ({"context": 2.0}, "context: expected a whole number above 0, got 2.0"),
        ({"context": 4, "stride": 0}, "stride: expected a whole number above 0, got 0"),
        ({"context": 4, "stride": 5}, "stride: expected 1 to context=4, got 5"),
        ({"context": 4, "batch_size": 0}, "batch_size: expected a whole number above 0, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            token_losses(Recent(5), [1, 2, 3], **arguments)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (torch.tensor([[1, 2, 3]]), r"tokens: expected one row, shape \(T,\), got shape \(1, 3\)"),
        ([[1, 2], [3, 4]], r"tokens: expected one row, .* got shape \(2, 2\)"),
        ([1.0, 2.0], "tokens: expected whole numbers from 0 up, got dtype torch.float32"),
        ([1, -1], "tokens: expected whole numbers from 0 up, got -1 to 1"),
    ],
)
def test_tokens_that_are_no_document_are_named(tokens, message):
    with pytest.raises(ValueError, match=message):
        token_losses(Recent(5), tokens, 4)


def test_ids_of_any_whole_type_have_the_same_losses():
    ids = torch.tensor([1, 2, 3, 1])
    for dtype in (torch.uint8, torch.int32):
        torch.testing.assert_close(
            token_losses(Recent(5), ids.to(dtype), 3), token_losses(Recent(5), ids, 3)
        )


@pytest.mark.parametrize(
    ("losses", "expected"), [([710.0], math.inf), ([-1e4], 0.0), ([1.0, 3.0], math.exp(2))]
)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_perplexity_has_no_extremes(losses, expected, dtype):
    assert perplexity(torch.tensor(losses, dtype=dtype)) == pytest.approx(expected)
    assert perplexity(losses) == perplexity(np.array(losses)) == pytest.approx(expected)


def test_figures_of_nothing_are_refused():
    nothing = torch.empty(0)
    for call, message in (
        (lambda: perplexity(nothing), "losses: expected at least one, got none"),
        (lambda: bits_per_byte(nothing, "a"), "losses: expected at least one, got none"),
        (lambda: bits_per_byte(torch.ones(1), ""), "text: expected at least one character"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
