"""Losses against torch's own, and the mean over what was held out."""

import math

import pytest
import torch
import torch.nn.functional as F
from tiny import BATCHES, NARROW, TOKENS, masked, tiny_model
from torch import nn

from course_lib.model import GPT, GPTConfig
from course_lib.training import (
    IGNORE,
    corpus_loss,
    held_out_loss,
    next_token_loss,
    smoothed_loss,
)


def test_a_class_that_a_narrow_type_writes_like_ignore_counts():
    logits = torch.zeros(1, 200)
    target = torch.tensor([156], dtype=torch.uint8)  # the bits of -100 in 8
    loss = next_token_loss(lambda _: logits, logits, target)
    assert loss.item() == pytest.approx(math.log(200))


@pytest.mark.parametrize("dtype", [*NARROW, torch.uint16])
def test_corpus_loss_reads_ids_of_a_narrower_type(dtype):
    model = tiny_model()
    assert corpus_loss(model, TOKENS.to(dtype), 6) == corpus_loss(model, TOKENS, 6)


def test_targets_out_of_range_are_named():
    model, (inputs, targets) = tiny_model(), BATCHES(0)
    for wrong in (targets + 11, targets - 1 - targets.min()):
        with pytest.raises(ValueError, match=r"^targets: expected from 0 to 10, or -100 .*, got"):
            next_token_loss(model, inputs, wrong)
    with pytest.raises(ValueError, match=r"^targets: expected whole numbers, got torch.float32"):
        next_token_loss(model, inputs, targets.float())
    with pytest.raises(ValueError, match=r"^targets: expected from 0 to 10, .*, got 11 to 11"):
        corpus_loss(model, [0, 11], 6)
    assert model.training, "the mode stays as it was"


def test_loss_counts_only_what_counts_and_is_zero_without_targets():
    model, (inputs, targets) = tiny_model(), masked(0)
    kept = F.cross_entropy(model(inputs)[targets != IGNORE], targets[targets != IGNORE])
    torch.testing.assert_close(next_token_loss(model, inputs, targets), kept)
    assert next_token_loss(model, inputs, torch.full_like(targets, IGNORE)) == 0


def test_loss_serves_classification_and_several_inputs():
    torch.manual_seed(0)
    model = nn.Bilinear(3, 4, 5)
    a, b, labels = torch.randn(6, 3), torch.randn(6, 4), torch.randint(5, (6,))
    expected = F.cross_entropy(model(a, b), labels)
    torch.testing.assert_close(next_token_loss(model, a, b, labels), expected)


@pytest.mark.parametrize("length", [2, 5, 6, 7, 8, 6 * 64 + 1, 400])
def test_corpus_loss_predicts_every_token_but_the_first_once(length):
    model, tokens = tiny_model(dropout=0.5), TOKENS[:length]
    model.eval()
    expected = F.cross_entropy(model(tokens[None, :-1])[0], tokens[1:]).item()  # no context is used
    model.train()
    assert corpus_loss(model, tokens, context=6) == pytest.approx(expected, abs=1e-6)
    assert model.training, "the mode stays as it was"


@pytest.mark.parametrize("length", [2, 5, 6, 7])
def test_corpus_loss_reads_a_text_shorter_than_a_window_also_by_a_model_that_checks(length):
    torch.manual_seed(0)
    model = GPT(GPTConfig(11, context=6, n_layers=1, n_heads=1, d_model=8)).eval()
    logits = model(TOKENS[None, : min(length - 1, 6)])[0]
    expected = F.cross_entropy(logits, TOKENS[1 : len(logits) + 1]).item()
    assert corpus_loss(model, TOKENS[: len(logits) + 1], 6) == pytest.approx(expected, abs=1e-6)


def test_corpus_loss_needs_something_to_predict():
    with pytest.raises(ValueError, match="tokens: expected at least 2, got 1"):
        corpus_loss(tiny_model(), TOKENS[:1], context=6)
    for context in (0, -1, 6.0):
        with pytest.raises(ValueError, match="context: expected a whole number above 0, got"):
            corpus_loss(tiny_model(), TOKENS, context)


def test_smoothed_loss_is_the_formula_by_hand():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 7, dtype=torch.float64)
    targets = torch.tensor([[1, 2, IGNORE], [0, IGNORE, IGNORE]])
    log_p = logits.log_softmax(-1)
    counted = [(0, 0, 1), (0, 1, 2), (1, 0, 0)]
    rows = [-0.9 * log_p[i, j, y] - 0.1 * log_p[i, j].mean() for i, j, y in counted]
    got = smoothed_loss(lambda x: x, logits, targets)
    torch.testing.assert_close(got, torch.stack(rows).mean())
    plain = smoothed_loss(lambda x: x, logits, targets, smoothing=0)
    torch.testing.assert_close(plain, next_token_loss(lambda x: x, logits, targets))
    with pytest.raises(ValueError, match="smoothing: expected a share"):
        smoothed_loss(lambda x: x, logits, targets, smoothing=2)


def test_smoothed_loss_of_no_target_is_0():
    model = nn.Linear(2, 3)
    loss = smoothed_loss(model, torch.ones(4, 2), torch.full((4,), IGNORE))
    loss.backward()
    assert loss.item() == model.weight.grad.abs().max() == 0


def test_held_out_loss_is_the_mean_over_all_targets_that_count():
    model = tiny_model(dropout=0.5)
    batches = [masked(step) for step in range(3)]
    inputs, targets = (torch.cat(tensors) for tensors in zip(*batches, strict=True))
    model.eval()
    logits = model(inputs).flatten(0, 1)
    expected = F.cross_entropy(logits, targets.flatten(), ignore_index=IGNORE).item()
    model.train()
    assert held_out_loss(model, batches) == pytest.approx(expected, rel=1e-6)
    assert held_out_loss(model, iter(batches), smoothed_loss) > expected
    assert model.training, "the mode stays as it was"
    nothing = [(x, torch.full_like(y, IGNORE)) for x, y in batches]
    assert held_out_loss(model, batches + nothing) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ValueError, match="batches: expected at least one target that counts"):
        held_out_loss(model, nothing)
