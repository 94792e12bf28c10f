"""Windows are pieces of the text; padding and epochs keep every row, in a seeded order."""

import pytest
import torch
from tiny import NARROW, TOKENS

from course_lib.training import by_length, epochs, pad, pad_with_mask, random_windows, shuffled


def test_windows_are_pieces_of_the_text_with_their_next_tokens():
    tokens = torch.arange(50)
    batches = random_windows(tokens, batch_size=64, context=5, seed=3)
    inputs, targets = batches(0)
    assert inputs.shape == targets.shape == (64, 5)
    assert torch.equal(targets, inputs + 1)
    assert torch.equal(inputs[:, 1:], inputs[:, :-1] + 1)
    starts = torch.cat([batches(step)[0][:, 0] for step in range(40)])
    assert (starts.min(), starts.max()) == (0, 44), "the first and the last place are used, too"


def test_windows_are_a_pure_function_of_seed_and_step():
    batches = random_windows(TOKENS, 4, 6, seed=5)
    late = batches(7)[0]
    torch.manual_seed(123)
    assert torch.equal(random_windows(TOKENS, 4, 6, seed=5)(7)[0], late)
    for other in (random_windows(TOKENS, 4, 6, seed=6)(7), random_windows(TOKENS, 4, 6, seed=5)(8)):
        assert not torch.equal(other[0], late)


def test_windows_take_the_shortest_text_and_say_what_is_too_short():
    (inputs, targets) = random_windows([1, 2, 3], 2, 2)(0)
    assert inputs.tolist() == [[1, 2], [1, 2]]
    assert targets.tolist() == [[2, 3], [2, 3]]
    with pytest.raises(ValueError, match="tokens: expected more than context = 2, got 2"):
        random_windows([1, 2], 2, 2)
    with pytest.raises(
        ValueError, match=r"tokens: expected whole numbers of shape \(n,\), got .*3"
    ):
        random_windows([0.5, 1.5, 2.5], 2, 2)
    with pytest.raises(
        ValueError, match=r"tokens: expected whole .*, got torch.int64 of .*\(1, 400"
    ):
        random_windows(TOKENS[None], 2, 2)
    with pytest.raises(ValueError, match=r"seed: expected a whole number, 0 or above, got 0.5"):
        random_windows(TOKENS, 2, 2, seed=0.5)


@pytest.mark.parametrize("dtype", [*NARROW, torch.uint16])
def test_windows_read_ids_of_a_narrower_type(dtype):
    got = random_windows(TOKENS.to(dtype), 4, 6)(3)
    for one, other in zip(got, random_windows(TOKENS, 4, 6)(3), strict=True):
        assert torch.equal(one, other)


def test_padding_is_of_whole_numbers():
    for rows in ([[], [1, 2]], [[], []], [[1]]):
        assert pad(rows).dtype == torch.int64
    assert pad([[], [1, 2]], -1).tolist() == [[-1, -1], [1, 2]]
    with pytest.raises(ValueError, match=r"rows: expected whole numbers, got torch\.float32"):
        pad([[1], [1.5]])
    with pytest.raises(ValueError, match="rows: expected at least one, got none"):
        pad_with_mask([])


def test_the_mask_says_which_tokens_are_real_zeros_among_them():
    tokens, mask = pad_with_mask([[0, 7], [], [5, 0, 3]])
    assert tokens.tolist() == [[0, 7, 0], [0, 0, 0], [5, 0, 3]]
    assert mask.tolist() == [[True, True, False], [False] * 3, [True] * 3]


LENGTHS = torch.randint(1, 40, (101,), generator=torch.Generator().manual_seed(3)).tolist()


def a_little(lengths, generator):
    return lengths + torch.rand(len(lengths), generator=generator)


def rows_of(plan, n_epochs: int = 3) -> list[list[list[int]]]:
    """Return which rows stand in each batch of each epoch."""
    batches, per_epoch = epochs(plan, lambda rows: (torch.tensor(rows),))
    return [
        [batches(epoch * per_epoch + i)[0].tolist() for i in range(per_epoch)]
        for epoch in range(n_epochs)
    ]


PLANS = {
    "shuffled": lambda seed=0: shuffled(101, 8, seed),
    "by rows": lambda seed=0: by_length(LENGTHS, blur=a_little, batch_size=8, seed=seed),
    "by tokens": lambda seed=0: by_length(LENGTHS, blur=a_little, batch_tokens=90, seed=seed),
}


@pytest.mark.parametrize("name", PLANS)
def test_an_epoch_has_each_row_once_and_another_order_than_the_next(name):
    found = rows_of(PLANS[name]())
    for epoch in found:
        rows = sorted(row for batch in epoch for row in batch)
        if name == "shuffled":  # five of 101 are behind the last whole batch
            assert len(set(rows)) == len(rows) == 96
        else:
            assert rows == list(range(101))
    assert found[0] != found[1] != found[2]
    assert found == rows_of(PLANS[name]()), "a pure function of the seed"
    assert found != rows_of(PLANS[name](seed=1))


def test_rows_of_a_batch_are_about_equally_long_and_batches_of_any_length_come_early():
    for name in ("by rows", "by tokens"):
        (epoch,) = rows_of(PLANS[name](), 1)
        padded = sum(len(batch) * max(LENGTHS[row] for row in batch) for batch in epoch)
        assert padded < 1.1 * sum(LENGTHS)
        first, last = epoch[: len(epoch) // 2], epoch[len(epoch) // 2 :]
        shortest = [min(LENGTHS[row] for batch in half for row in batch) for half in (first, last)]
        assert max(shortest) < 20
    assert all(len(batch) <= 8 for batch in rows_of(PLANS["by rows"](), 1)[0])
    sizes = [sum(LENGTHS[row] for row in batch) for batch in rows_of(PLANS["by tokens"](), 1)[0]]
    assert max(sizes) < 90 + max(LENGTHS)


def test_an_epoch_is_planned_once():
    planned = []

    def plan(epoch):
        planned.append(epoch)
        return torch.arange(6).split(2)

    batches, per_epoch = epochs(plan, lambda rows: (torch.tensor(rows),))
    assert per_epoch == 3
    assert [batches(step)[0].tolist() for step in (0, 1, 5)] == [[0, 1], [2, 3], [4, 5]]
    assert planned == [0, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: shuffled(0, 2), "n_rows: expected a whole number above 0, got 0"),
        (lambda: shuffled(3, 0), "batch_size: expected a whole number above 0, got 0"),
        (lambda: shuffled(3, 2, -1), "seed: expected a whole number, 0 or above, got -1"),
        (lambda: by_length([3], blur=a_little), "batch_size, batch_tokens: expected one of both"),
        (lambda: by_length([], blur=a_little, batch_size=1), "lengths: expected at least one row"),
        (
            lambda: by_length([3], blur=a_little, batch_size=2.0),
            "batch_size: expected a whole number above 0, got 2.0",
        ),
        (
            lambda: by_length([3, 7], blur=a_little, batch_tokens=7),
            "batch_tokens: expected more than the longest row's 7, got 7",
        ),
    ],
)
def test_plans_that_can_not_be_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
