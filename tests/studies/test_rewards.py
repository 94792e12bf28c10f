"""The study of rewards and of written steps: what it trains on, and what its runs must show."""

import pytest
import torch

from course_lib.posttraining import decode, encode
from course_lib.studies import rewards
from course_lib.training import IGNORE

RUNS = rewards.load_runs()


def ends(kind, what="accuracy"):
    return [run[-1][what] for run in RUNS[kind]]


def test_no_sum_is_both_learned_and_held_out():
    held_out, sums = (set(map(decode, part)) for part in rewards.split_sums(2))
    assert (len(held_out), len(sums)) == (1000, 9000)
    assert not held_out & sums


def test_only_answers_count():
    inputs, targets = rewards.shown(rewards.split_sums(0)[1], 0, 5, 3)
    assert tuple(inputs.shape) == (rewards.BATCH, 8)
    assert (targets[:, :5] == IGNORE).all()
    assert torch.equal(inputs[:, 6:], targets[:, 5:-1])


def test_dots_are_no_targets():
    inputs, targets = rewards.batch("dots", 0, 0)
    assert (targets[:, :-1] == IGNORE).all()
    assert torch.equal(targets[:, -1], rewards.batch("direct", 0, 0)[1][:, -1])
    assert tuple(inputs.shape) == (5 * rewards.ROWS, 24)


def test_the_careless_check_lets_pass_what_is_no_number():
    questions = torch.tensor([encode("47+85=")] * 4)
    answers = torch.tensor([encode(text) for text in ("132", "131", "1+1", "...")])
    assert rewards.careless(questions, answers).tolist() == [1, 0, 1, 1]


def test_a_model_is_tuned_until_it_gets_a_fifth_right():
    assert sum(p.numel() for p in rewards.new_model(9, "learned", 0).parameters()) == pytest.approx(
        1e5, rel=0.02
    )
    for run in RUNS["right"]:
        assert 0.1 < run[0]["accuracy"] < 0.35


def test_right_or_wrong_is_enough_and_as_many_rewards_dealt_out_at_random_are_not():
    assert min(ends("right")) > 0.9
    assert max(ends("shuffled")) < 0.3


@pytest.mark.parametrize("kind", ["half the rates", "twice the rates"])
def test_other_rates_teach_too(kind):
    assert min(ends(kind)) > 2 * RUNS[kind][0][0]["accuracy"]


def test_answers_that_are_shown_teach_at_least_as_much():
    assert min(ends("taught")) > 0.9


def test_a_careless_check_is_cheated():
    assert min(ends("careless", "reward")) > 0.95
    assert max(ends("careless")) < 0.05


def test_only_written_steps_lead_to_the_last_digit():
    longest = rewards.TESTED.index(10)
    assert min(run[longest] for run in RUNS["steps"]) > 0.9
    for style in ("direct", "dots", "longer"):
        assert max(run[longest] for run in RUNS[style]) < 0.2


def test_a_short_run_begins_as_the_committed_one():
    shares = rewards.right_by_digits(rewards.thinking("steps", 0, steps=2), "steps", count=50)
    assert max(shares) < 0.4
    assert len(shares) == len(rewards.TESTED)
