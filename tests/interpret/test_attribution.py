"""Attribution: exact where the model is linear, complete where it isn't."""

import pytest
import torch

from course_lib.interpret import gradient_times_input, integrated_gradients, last_score
from course_lib.model import GPT, GPTConfig

SMALL = {"context": 8, "n_layers": 2, "n_heads": 2, "d_model": 16}
TEXT = torch.tensor([3, 1, 4, 1, 5])


def score(logits):
    return logits[:, 7] - logits[:, 2]


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = GPT(GPTConfig.llama(20, **SMALL)).eval()
    with torch.no_grad():
        model.token_embedding.weight.normal_()
    return model


@pytest.fixture
def baseline(model):
    return model.token_embedding.weight[[9]].detach()


def without_embeddings(model, vectors):
    """Return the score if these vectors (T, d_model) come in."""
    hook = model.token_embedding.register_forward_hook(lambda *_: vectors[None])
    found = last_score(model, TEXT[None], score).item()
    hook.remove()
    return found


def test_integrated_gradients_add_up_to_what_the_score_gains(model, baseline):
    shares = integrated_gradients(model, TEXT, score, baseline, steps=64)
    gain = last_score(model, TEXT[None], score).item() - without_embeddings(
        model, baseline.expand(5, -1)
    )
    assert shares.shape == (5,)
    assert shares.sum().item() == pytest.approx(gain, abs=2e-3)
    few = integrated_gradients(model, TEXT, score, baseline, steps=1)
    assert abs(few.sum().item() - gain) > 5e-3  # so that the law can fail


def test_a_token_that_is_the_baseline_gets_nothing(model):
    baseline = model.token_embedding(TEXT).detach()
    baseline[3] = 0
    shares = integrated_gradients(model, TEXT, score, baseline)
    assert (shares[[0, 1, 2, 4]] == 0).all()
    assert shares[3] != 0


def test_a_gradient_is_the_slope_that_a_small_step_shows(model):
    vectors = model.token_embedding(TEXT).detach()
    shares = gradient_times_input(model, TEXT, score)
    model.double()
    for place in range(5):
        ends = []
        for step in (1e-4, -1e-4):
            moved = vectors.double()
            moved[place] *= 1 + step
            ends.append(without_embeddings(model, moved))
        assert shares[place].item() == pytest.approx((ends[0] - ends[1]) / 2e-4, abs=1e-4)


def test_no_gradient_is_left_behind(model, baseline):
    before = model(TEXT[None])
    gradient_times_input(model, TEXT, score)
    integrated_gradients(model, TEXT, score, baseline, steps=3)
    assert all(weight.grad is None for weight in model.parameters())
    assert not model.token_embedding._forward_hooks
    torch.testing.assert_close(model(TEXT[None]), before)


def test_a_baseline_of_another_width_and_no_steps_are_refused(model, baseline):
    with pytest.raises(ValueError, match="baseline: expected width 16, got 3"):
        integrated_gradients(model, TEXT, score, torch.zeros(3))
    with pytest.raises(ValueError, match="steps: expected a whole number above 0, got 0"):
        integrated_gradients(model, TEXT, score, baseline, steps=0)
