"""What a run says when the memory is too small."""

import pytest
import torch
from tiny import run, tiny_model

from course_lib.training import TrainingError, next_token_loss


def limited_loss(rows: int):
    def loss(model, *batch):
        if len(batch[0]) > rows:
            raise torch.OutOfMemoryError("out of memory")
        return next_token_loss(model, *batch)

    return loss


def test_out_of_memory_says_which_batch_fits():
    expected = "step 0: out of memory with 8 rows at a time; 2 fit: pass accumulate=4 "
    with pytest.raises(TrainingError, match=expected):
        run(tiny_model(), loss=limited_loss(2))
    assert run(tiny_model(), loss=limited_loss(2), accumulate=4).history[-1]["step"] == 12
    with pytest.raises(TrainingError, match="not even one row fits"):
        run(tiny_model(), loss=limited_loss(0))


def test_out_of_memory_on_a_cpu_is_recognized():
    def loss(model, *batch):
        if len(batch[0]) > 4:
            torch.empty(2**50)
        return next_token_loss(model, *batch)

    with pytest.raises(TrainingError, match="4 fit: pass accumulate=2"):
        run(tiny_model(), loss=loss)


def test_other_errors_pass_through():
    with pytest.raises(RuntimeError, match="must match the size"):
        run(tiny_model(), loss=lambda model, x, y: (torch.ones(2) + torch.ones(3)).sum())
