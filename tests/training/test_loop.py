"""The training loop against plain loops, and what it does when something goes wrong."""

import copy
import functools
import math
import signal

import pytest
import torch
import torch.nn.functional as F
from tiny import BATCHES, adamw, assert_same_weights, run, tiny_model
from torch import nn

from course_lib.training import TrainingError, next_token_loss


def test_gives_the_weights_and_losses_of_a_plain_loop():
    ours, plain = tiny_model(), tiny_model()
    result = run(ours, schedule=lambda step: 1 / (1 + step), clip=0.1, log_every=1)
    optimizer, losses = adamw(plain), []
    for step in range(12):
        optimizer.param_groups[0]["lr"] = 0.05 / (1 + step)
        inputs, targets = BATCHES(step)
        loss = F.cross_entropy(plain(inputs).transpose(1, 2), targets)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(plain.parameters(), 0.1)
        optimizer.step()
        losses.append(loss.item())
    assert [row["loss"] for row in result.history] == pytest.approx(losses, abs=1e-6)
    assert_same_weights(ours, plain)


def test_several_optimizers_share_the_parameters():
    ours, plain = tiny_model(), tiny_model()
    run(ours, optimizer=[adamw(ours[0]), torch.optim.SGD(ours[3].parameters(), 0.1)], clip=None)
    optimizers = [adamw(plain[0]), torch.optim.SGD(plain[3].parameters(), 0.1)]
    for step in range(12):
        next_token_loss(plain, *BATCHES(step)).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    assert_same_weights(ours, plain)


def test_bfloat16_stays_near_float32_and_keeps_float32_weights():
    low, full = tiny_model(), tiny_model()
    near = run(low, precision="bfloat16", steps=40).loss
    assert near == pytest.approx(run(full, steps=40).loss, abs=0.02)
    assert {p.dtype for p in low.parameters()} == {torch.float32}


@pytest.mark.parametrize("fused", [False, True])
def test_float16_scales_the_loss_and_leaves_steps_out_that_overflow(fused):
    scales = []

    def loss(model, *batch):
        value = next_token_loss(model, *batch)
        value.register_hook(lambda grad: scales.append(grad.item()))
        return value * 4  # with the first scale, 65,536, gradients overflow in float16

    model = tiny_model()
    optimizer = torch.optim.AdamW(model.parameters(), 0.05, fused=fused)
    settings = {"optimizer": optimizer, "precision": "float16", "loss": loss}
    result = run(model, **settings, steps=40, log_every=1)
    assert scales[0] >= 65536
    assert all(p.isfinite().all() for p in model.parameters())
    assert result.loss < result.history[0]["loss"]


def test_model_is_trained_in_training_mode_and_left_in_evaluation_mode():
    modes = []
    model = tiny_model()
    model.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    run(model, evaluate=lambda m: 0.0, eval_every=1, steps=3)
    assert modes == [True] * 3
    assert not model.training


def test_dropout_is_a_pure_function_of_seed_and_step():
    def trained(seed):
        torch.manual_seed(seed + 100)  # what was drawn before must not matter
        return run(tiny_model(dropout=0.5), seed=seed).history[-1]["loss"]

    assert trained(0) == trained(0)
    assert trained(0) != trained(1)


def test_gradients_that_were_left_in_the_model_do_not_count():
    ours, clean = tiny_model(), tiny_model()
    next_token_loss(ours, *BATCHES(99)).backward()
    run(ours, steps=1)
    run(clean, steps=1)
    assert_same_weights(ours, clean)
    assert all(p.grad is None for p in ours.parameters())


def test_compiled_model_learns_the_same(monkeypatch):
    compiled = []

    def traced(graph, inputs):
        compiled.append(graph)
        return graph

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=traced))
    ours, plain = tiny_model(), tiny_model()
    run(ours, compile=True)
    assert len(compiled) == 1, "one graph for all steps"
    run(plain)
    assert_same_weights(ours, plain)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_stops_at_the_step_whose_loss_is_not_finite(bad):
    def loss(model, *batch):
        steps.append(0)
        return next_token_loss(model, *batch) * (bad if len(steps) == 8 else 1)

    steps = []
    expected = rf"step 7: the loss is {bad}\. Try a learning rate well below 0\.05, a warm-up"
    with pytest.raises(TrainingError, match=expected):
        run(tiny_model(), loss=loss)


def test_stops_where_only_the_gradient_is_not_finite():
    def loss(model, *batch):  # sqrt has no slope at 0
        return next_token_loss(model, *batch) + (model[3].weight[0, 0] * 0).sqrt()

    with pytest.raises(TrainingError, match="step 0: the gradient's norm is nan"):
        run(tiny_model(), loss=loss, clip=None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps: expected a whole number above 0, got 0"),
        ({"accumulate": 0}, "accumulate: expected a whole number above 0, got 0"),
        ({"accumulate": 2.0}, "accumulate: expected a whole number above 0, got 2.0"),
        ({"eval_every": 0}, "eval_every: expected a whole number above 0, got 0"),
        ({"log_every": True}, "log_every: expected a whole number above 0, got True"),
        ({"checkpoint_every": -1}, "checkpoint_every: expected a whole number above 0, got -1"),
        ({"seed": -1}, "seed: expected a whole number, 0 or above, got -1"),
        ({"clip": 0}, "clip: expected a number above 0, got 0"),
        ({"clip": -1.0}, "clip: expected a number above 0, got -1.0"),
        ({"clip": float("nan")}, "clip: expected a number above 0, got nan"),
        ({"clip": float("inf")}, "clip: expected a number above 0, got inf"),
        ({"optimizer": []}, r"optimizer: expected one or several optimizers, got \[\]"),
        ({"optimizer": ["AdamW"]}, "optimizer: expected one or several optimizers, got .'AdamW'"),
        ({"schedule": lambda step: -1.0}, "schedule: expected a number, 0 or above, got -1.0"),
        ({"schedule": lambda step: math.nan}, "schedule: expected a number, 0 or above, got nan"),
        (
            {"precision": "int8"},
            "precision: expected one of float32, bfloat16, float16, got 'int8'",
        ),
    ],
)
def test_arguments_that_can_not_be(settings, message):
    with pytest.raises(ValueError, match=message):
        run(tiny_model(), **settings)


def test_a_learning_rate_that_can_not_be_is_refused_also_if_set_by_hand():
    model = tiny_model()
    optimizer = adamw(model)
    optimizer.param_groups[0]["lr"] = math.nan
    with pytest.raises(ValueError, match="lr: expected a number, 0 or above, got nan"):
        run(model, optimizer=optimizer)


def test_a_parameter_in_two_optimizers_is_refused():
    model = tiny_model()
    with pytest.raises(ValueError, match="optimizer: expected each parameter in one optimizer"):
        run(model, optimizer=[adamw(model), adamw(model[3])])


def test_learning_rates_come_back_and_one_changed_by_hand_is_honored():
    ours = tiny_model()
    optimizer = adamw(ours)
    schedule = lambda step: 1 / (1 + step)  # noqa: E731
    run(ours, optimizer=optimizer, schedule=schedule, steps=5)
    assert optimizer.param_groups[0]["lr"] == 0.05
    with pytest.raises(KeyboardInterrupt):
        run(
            ours,
            lambda step: signal.raise_signal(signal.SIGINT) or BATCHES(step),
            optimizer=optimizer,
            schedule=schedule,
        )
    assert optimizer.param_groups[0]["lr"] == 0.05, "also after Ctrl-C"
    optimizer.param_groups[0]["lr"] = 0.002
    second = run(ours, optimizer=optimizer, schedule=schedule, steps=5, log_every=1)
    rates = [row["learning_rate"] for row in second.history]
    assert rates == pytest.approx([0.002 / (1 + step) for step in range(5)])
    assert optimizer.param_groups[0]["lr"] == 0.002


def test_overhead_of_a_step_is_small():
    """In calls, not in seconds: nothing is read from the device between rows."""
    read = []
    model = tiny_model()

    class Watched(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            if "_local_scalar_dense" in str(function):
                read.append(function)
            return function(*args, **(kwargs or {}))

    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with Watched():
        run(model, optimizer=optimizer, steps=20, log_every=20)
        few = len(read)
        run(model, optimizer=optimizer, steps=100, log_every=100)
    assert len(read) - few == few, "as many reads for 100 steps as for 20"


def test_model_keeps_its_identity():
    model = tiny_model()
    parameters = list(model.parameters())
    other = copy.deepcopy(model)
    run(model)
    assert all(a is b for a, b in zip(parameters, model.parameters(), strict=True))
    assert not torch.equal(model[3].weight, other[3].weight)
