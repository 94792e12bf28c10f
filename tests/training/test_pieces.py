"""A batch in pieces teaches what it teaches as a whole, on one process or several."""

import pytest
import torch
from tiny import BATCHES, NARROW, assert_same_weights, masked, mean_loss, run, tiny_model

from course_lib.training import IGNORE, distributed, next_token_loss
from course_lib.training.pieces import split


@pytest.mark.parametrize("pieces", [2, 3, 8])
def test_pieces_give_the_whole_batch_s_gradient_also_with_targets_that_do_not_count(pieces):
    whole, cut = tiny_model().double(), tiny_model().double()
    expected = run(whole, masked, log_every=1)
    got = run(cut, masked, log_every=1, accumulate=pieces)
    for one, other in zip(expected.history, got.history, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], abs=1e-12)
        assert other["grad_norm"] == pytest.approx(one["grad_norm"], abs=1e-12)
    assert_same_weights(cut, whole, atol=1e-10, rtol=0)


@pytest.mark.parametrize("pieces", [2, 3, 4, 8, 9])
@pytest.mark.parametrize("loss", [mean_loss, next_token_loss])
def test_rows_where_nothing_counts_take_no_part_in_any_number_of_pieces(pieces, loss):
    def batches(step):
        inputs, targets = masked(step)
        targets[[1, 4 + step % 4]] = IGNORE
        return inputs, targets

    whole, cut = tiny_model().double(), tiny_model().double()
    expected = run(whole, batches, log_every=1, loss=loss)
    got = run(cut, batches, log_every=1, loss=loss, accumulate=pieces)
    for one, other in zip(expected.history, got.history, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], abs=1e-12)
        assert other["grad_norm"] == pytest.approx(one["grad_norm"], abs=1e-12)
    assert_same_weights(cut, whole, atol=1e-10, rtol=0)


@pytest.mark.parametrize("pieces", [1, 3, 8])
@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("loss", [mean_loss, next_token_loss])
def test_a_batch_where_nothing_counts_changes_nothing(pieces, precision, loss):
    def batches(step):
        inputs, targets = BATCHES(step)
        return inputs, targets if step < 3 else torch.full_like(targets, IGNORE)

    settings = {"precision": precision, "loss": loss, "accumulate": pieces, "log_every": 1}
    short, long = tiny_model(), tiny_model()
    run(short, batches, steps=3, **settings)
    result = run(long, batches, steps=5, **settings)
    assert [row["loss"] for row in result.history[3:]] == [0, 0]
    assert_same_weights(long, short)


@pytest.mark.parametrize("pieces", [2, 3, 9])
def test_a_batch_of_fewer_rows_than_pieces_does_not_stop_a_run(pieces):
    def batches(step):  # the last one has what was left: one row
        return tuple(tensor[: 8 if step < 11 else 1] for tensor in BATCHES(step))

    whole, cut = tiny_model().double(), tiny_model().double()
    assert run(cut, batches, accumulate=pieces).loss == pytest.approx(run(whole, batches).loss)
    assert_same_weights(cut, whole, atol=1e-10, rtol=0)


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("pieces", [1, 2, 4])
@pytest.mark.parametrize("rows", [1, 2, 5, 8])
def test_processes_share_a_batch_of_any_size(monkeypatch, world, pieces, rows):
    inputs, targets = (tensor[:rows] for tensor in masked(0))
    targets[3:5] = IGNORE
    model, total, lengths = tiny_model().double(), 0, set()
    monkeypatch.setattr(distributed, "world_size", lambda: world)
    for rank in range(world):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        cut = split((inputs, targets), pieces)
        lengths.add(len(cut))
        total += sum(share * mean_loss(model, *piece) for piece, share in cut).item() / world
    assert len(lengths) == 1, "all wait for each other equally often"
    assert total == pytest.approx(mean_loss(model, inputs, targets).item(), abs=1e-12)


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("pieces", [1, 3])
def test_ids_of_a_narrower_type_teach_the_same(dtype, pieces):
    def narrow(step):
        inputs, targets = masked(step) if dtype.is_signed else BATCHES(step)
        return inputs.int(), targets.to(dtype)

    ours, plain = tiny_model(), tiny_model()
    got = run(ours, narrow, accumulate=pieces)
    run(plain, masked if dtype.is_signed else BATCHES, accumulate=pieces)
    assert_same_weights(ours, plain)
    seconds = got.history[0]["seconds"]
    assert got.history[0]["tokens_per_second"] * seconds == pytest.approx(10 * 8 * 6)


@pytest.mark.parametrize("sizes", [(0, 0), (8, 7), (1, 0)])
def test_a_batch_without_rows_or_of_unlike_rows_is_refused(sizes):
    def batches(step):
        return tuple(tensor[:n] for tensor, n in zip(BATCHES(step), sizes, strict=True))

    for pieces in (1, 2):
        with pytest.raises(ValueError, match=r"batch: expected tensors of as many rows, at least"):
            run(tiny_model(), batches, accumulate=pieces)


def test_a_class_that_a_narrow_type_writes_like_ignore_counts_in_its_piece():
    logits, target = torch.zeros(1, 200), torch.tensor([156], dtype=torch.uint8)
    assert len(split((logits, target), 1)) == 1
