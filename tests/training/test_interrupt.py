"""Ctrl-C, once and twice."""

import signal

import pytest
from tiny import BATCHES, assert_same_weights, run, tiny_model


@pytest.mark.parametrize("at", [0, 5, 11])
def test_ctrl_c_lets_the_step_end(at):
    before = signal.getsignal(signal.SIGINT)

    def batches(step):
        if step == at:
            signal.raise_signal(signal.SIGINT)
        return BATCHES(step)

    stopped, plain = tiny_model(), tiny_model()
    with pytest.raises(KeyboardInterrupt, match=f"stopped after step {at + 1}$"):
        run(stopped, batches)
    run(plain, steps=at + 1)
    assert_same_weights(stopped, plain)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_breaks_in():
    def batches(step):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("not reached")

    with pytest.raises(KeyboardInterrupt):
        run(tiny_model(), batches)


def test_an_ignored_ctrl_c_stays_ignored():
    def batches(step):
        signal.raise_signal(signal.SIGINT)
        return BATCHES(step)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ignored, plain = tiny_model(), tiny_model()
    run(ignored, batches)
    run(plain)
    assert_same_weights(ignored, plain)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
