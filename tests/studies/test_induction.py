"""The models that learn to continue what was there: their texts, and what the runs must show."""

import math

import pytest
import torch

from course_lib.interpret import prefix_matching
from course_lib.studies import induction

RUNS = induction.load_runs()


def best(row):
    return max(map(max, row["scores"]))


def test_each_row_of_a_batch_repeats_at_a_distance_of_its_own():
    inputs, targets = induction.batch(0, 3)
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    periods = [
        next(p for p in range(1, 63) if torch.equal(row[p:], row[:-p])) for row in inputs.unbind()
    ]
    assert len(set(periods)) > 10
    assert min(periods) >= induction.NEAREST
    assert max(periods) <= induction.FARTHEST
    assert not torch.equal(inputs, induction.batch(0, 4)[0])
    assert not torch.equal(inputs, induction.batch(1, 3)[0])


@pytest.mark.parametrize("kind", induction.KINDS)
def test_an_untrained_model_guesses_and_looks_nowhere(kind):
    model, tokens = induction.new_model(kind), induction.unseen(16)
    row = induction.measured(model, tokens)
    guess = math.log(induction.VOCABULARY)
    assert (row["first"], row["second"]) == pytest.approx((guess, guess), abs=0.1)
    assert best(row) < 0.05
    layers = induction.KINDS[kind][0]
    assert torch.tensor(row["silent"]).shape == (layers, induction.HEADS, 2)


def test_a_block_of_attention_adds_attention_and_nothing_else():
    model = induction.new_model("one layer")
    block, x = model.blocks[0], torch.randn(2, 5, induction.WIDTH)
    expected = x + block.attention(block.attention_norm(x), causal=True)
    torch.testing.assert_close(block(x, causal=True), expected)
    torch.testing.assert_close(block(x, causal=True)[:, :3], block(x[:, :3], causal=True))


def test_a_training_of_a_few_steps_begins_as_the_committed_run():
    model, rows = induction.grow("two layers", 0, steps=25)
    assert [row["step"] for row in rows] == [0, 25]
    assert not model.training
    for row, known in zip(rows, RUNS["two layers"][0], strict=False):
        assert row["second"] == pytest.approx(known["second"], abs=0.02)


@pytest.mark.parametrize("kind", induction.KINDS)
def test_every_run_is_measured_from_before_the_first_step_to_the_last(kind):
    assert len(RUNS[kind]) == induction.SEEDS
    for rows in RUNS[kind]:
        steps = [row["step"] for row in rows]
        assert steps == list(range(0, induction.STEPS + 1, induction.EVERY))


def test_two_layers_drop_with_a_head_and_one_layer_has_neither():
    for rows in RUNS["two layers"]:
        assert rows[-1]["second"] < 0.6
        assert best(rows[-1]) > 0.6
    for rows in RUNS["one layer"]:
        assert rows[-1]["second"] > 2.5
        assert best(rows[-1]) < 0.1


def test_the_maps_are_of_the_first_run_and_have_its_scores():
    shown = induction.shown_text()
    assert torch.equal(shown[:, : induction.SHOWN], shown[:, induction.SHOWN :])
    assert len(set(shown[0].tolist())) == induction.SHOWN
    for row in RUNS["two layers"][0]:
        maps = torch.tensor(row["maps"])
        assert maps.shape == (2, 2, 16, 16)
        assert (maps.sum(-1) - 100).abs().max() <= 8  # each is rounded
    found = prefix_matching(maps.double() / 100, induction.SHOWN)
    assert found[0].max() < 0.05
    assert found[1].min() > 0.5  # as the scores on many texts are
