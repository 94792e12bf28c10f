"""The simulated engine: small cases counted by hand, and laws that hold for any requests."""

import numpy as np
import pytest

from course_lib.efficiency import Engine, Requests, draw_requests, serve

# One second a step, whatever is held or computed.
EVEN = Engine(cells=100, read_weights=1.0, read_cell=0.0, compute=0.0)


def requests(prompts, answers, arrivals=None):
    arrivals = np.zeros(len(prompts)) if arrivals is None else np.array(arrivals, dtype=float)
    return Requests(arrivals, np.array(prompts), np.array(answers))


def test_a_fixed_batch_ends_with_its_longest_text_and_a_continuous_one_goes_on():
    asked = requests([2, 2, 2], [1, 4, 3])  # two have room at once
    fixed = serve(asked, EVEN, continuous=False, longest=50)
    assert fixed.ends.tolist() == [4, 4, 7]
    moving = serve(asked, EVEN, continuous=True, longest=50)
    assert moving.ends.tolist() == [1, 4, 4]  # the third comes in for the first
    assert (fixed.seconds, moving.seconds) == (7, 4)
    assert fixed.at_once == pytest.approx(8 / 7)
    assert moving.at_once == pytest.approx(8 / 4)


def test_memory_in_one_piece_holds_little_and_blocks_waste_at_most_their_ends():
    asked = requests([3], [2])
    piece = serve(asked, EVEN, longest=50)
    assert piece.held == pytest.approx((4 / 50 + 5 / 50) / 2)
    blocks = serve(asked, EVEN, block=4, longest=50)
    assert blocks.held == pytest.approx((4 + 5) / (4 + 8))
    assert serve(asked, EVEN, block=1, longest=50).held == 1


def test_where_blocks_run_out_the_newest_text_is_put_off_and_read_again():
    engine = Engine(cells=10, read_weights=1.0, read_cell=0.0, compute=0.0)
    served = serve(requests([2, 2], [6, 6]), engine, block=1, longest=10)
    # After four steps each the eleventh cell would be needed: 2 + 4 in both, and no more.
    assert served.begun_again == 1
    # The second is read anew when it fits beside nobody: after the first has ended.
    assert served.ends.tolist() == [6, 9]


def test_a_step_takes_what_is_slower_reading_or_arithmetic():
    engine = Engine(cells=100, read_weights=1.0, read_cell=0.5, compute=0.25)
    assert engine.step(held=4, computed=1) == 3.0
    assert engine.step(held=0, computed=40) == 10.0


def test_nobody_is_served_before_arrival():
    served = serve(requests([1, 1], [1, 1], [5, 20]), EVEN, longest=50)
    assert served.ends.tolist() == [6, 21]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("block", [None, 1, 16])
@pytest.mark.parametrize("continuous", [False, True])
def test_all_are_served_once_each_and_no_share_is_above_one(seed, block, continuous):
    engine = Engine(cells=600, read_weights=0.02, read_cell=1e-5, compute=1e-4)
    asked = draw_requests(40, seed, rate=5, prompt=30, answer=30, longest=256)
    served = serve(asked, engine, continuous=continuous, block=block, longest=256)
    # Each answer needs as many steps as it has tokens, and a step is never shorter than this.
    assert (served.ends - asked.arrivals >= 0.02 * asked.answers - 1e-9).all()
    assert served.seconds == served.ends.max()
    assert 0 < served.held <= 1
    written = served.at_once * served.seconds  # texts times seconds
    assert written >= 0.02 * asked.answers.sum() - 1e-9


def test_blocks_and_free_places_let_more_texts_in():
    engine = Engine(cells=4096, read_weights=0.02, read_cell=1e-6, compute=1e-5)
    for seed in range(3):
        asked = draw_requests(100, seed, prompt=60, answer=60, longest=1024)
        ways = [(False, None), (True, None), (True, 16)]
        seconds = [
            serve(asked, engine, continuous=moving, block=block, longest=1024).seconds
            for moving, block in ways
        ]
        assert seconds[0] > 1.5 * seconds[1] > 3 * seconds[2]


def test_lengths_are_lognormal_and_cut():
    asked = draw_requests(20_000, 0, prompt=100, answer=50, spread=0.5, longest=5000)
    assert np.median(asked.prompts) == pytest.approx(100, rel=0.03)
    assert np.log(asked.answers).std() == pytest.approx(0.5, rel=0.03)
    cut = draw_requests(2000, 0, prompt=100, answer=100, longest=150)
    assert (cut.prompts + cut.answers).max() == 150
    assert min(cut.prompts.min(), cut.answers.min()) >= 1
    gaps = np.diff(draw_requests(20_000, 0, rate=4).arrivals)
    assert gaps.mean() == pytest.approx(1 / 4, rel=0.03)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="requests: expected at most longest=5 tokens, got 6"):
        serve(requests([3], [3]), EVEN, longest=5)
    with pytest.raises(ValueError, match="engine: expected 200 cells, got 100"):
        serve(requests([3], [3]), EVEN, longest=200)
    with pytest.raises(ValueError, match="rate"):
        draw_requests(3, 0, rate=0)
