"""Gradients by example, clipping and noise, against autograd, torch.func and Opacus."""

import pytest
import torch
import torch.nn.functional as F
from opacus import GradSampleModule
from opacus.optimizers import DPOptimizer
from torch import nn
from torch.func import functional_call, grad, vmap

from course_lib.model import GPT, GPTConfig
from course_lib.privacy import (
    clipped_sum,
    losses_of,
    norms,
    per_example_gradients,
    poisson_sample,
    private_gradient,
    train_privately,
)

LLAMA = GPTConfig.llama(11, context=6, n_layers=2, n_heads=2, d_model=12, tied=False)
GPT2 = GPTConfig.gpt2(11, context=6, n_layers=1, n_heads=2, d_model=8, tied=False, positions="none")


def batch(n=5):
    torch.manual_seed(1)
    inputs, targets = torch.randint(11, (2, n, 6))
    targets[0, 3:] = -100
    return inputs, targets


# Opacus's hooks say that token ids have no gradient; that is as it should be.
pytestmark = pytest.mark.filterwarnings("ignore:Full backward hook")


def new(config):
    torch.manual_seed(0)
    return GPT(config)


class Small(nn.Module):
    """Every kind of layer, and no check that torch.func can't look through."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(11, 8)
        self.norm = nn.LayerNorm(8)
        self.up = nn.Linear(8, 16)
        self.rms = nn.RMSNorm(16)
        self.down = nn.Linear(16, 11, bias=False)

    def forward(self, tokens):
        x = self.norm(self.embedding(tokens).cumsum(dim=1))
        return self.down(self.rms(F.gelu(self.up(x))))


@pytest.mark.parametrize("config", [LLAMA, GPT2], ids=["llama", "gpt2"])
def test_each_gradient_is_that_of_its_example_alone(config):
    model, (inputs, targets) = new(config), batch()
    found = per_example_gradients(model, losses_of, inputs, targets)
    for i in range(len(inputs)):
        model.zero_grad()
        losses_of(model, inputs[i : i + 1], targets[i : i + 1]).sum().backward()
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(found[name][i], parameter.grad, atol=1e-6, rtol=1e-5)


def test_gradients_are_torch_func_s():
    model, (inputs, targets) = Small(), batch()
    parameters = {name: p.detach() for name, p in model.named_parameters()}

    def loss(parameters, x, y):
        return losses_of(lambda t: functional_call(model, parameters, t), x[None], y[None]).sum()

    theirs = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, inputs, targets)
    ours = per_example_gradients(model, losses_of, inputs, targets)
    assert list(ours) == list(theirs)
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, atol=1e-6, rtol=1e-5)


def test_one_step_is_opacus_s_given_the_same_noise():
    limit, noise = 2.4, 0.7
    inputs, targets = batch(8)
    ours, theirs = Small(), GradSampleModule(Small(), strict=False, loss_reduction="sum")
    # Theirs: hooks, clipping, noise, and a step of SGD.
    optimizer = DPOptimizer(
        torch.optim.SGD(theirs.parameters(), lr=1.0),
        noise_multiplier=noise,
        max_grad_norm=limit,
        expected_batch_size=10,
        loss_reduction="sum",
        generator=torch.Generator().manual_seed(7),
    )
    losses_of(theirs, inputs, targets).sum().backward()
    optimizer.step()
    # Ours, the noise from a generator of the same seed.
    gradients = per_example_gradients(ours, losses_of, inputs, targets)
    assert 0 < (norms(gradients) > limit).sum() < len(inputs), "some are clipped, some not"
    generator = torch.Generator().manual_seed(7)
    noisy = private_gradient(gradients, limit, noise, 10, generator)
    for (name, found), parameter in zip(noisy.items(), theirs.parameters(), strict=True):
        torch.testing.assert_close(found, parameter.grad / 10, atol=1e-6, rtol=0, msg=name)


def test_per_example_gradients_are_opacus_s():
    inputs, targets = batch()
    theirs = GradSampleModule(Small(), strict=False, loss_reduction="sum")
    losses_of(theirs, inputs, targets).sum().backward()
    ours = per_example_gradients(Small(), losses_of, inputs, targets)
    for (name, gradient), parameter in zip(ours.items(), theirs.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad_sample, atol=1e-6, rtol=0, msg=name)


def test_no_example_moves_the_sum_by_more_than_the_limit():
    gradients = per_example_gradients(new(LLAMA), losses_of, *batch())
    without_first = {name: g[1:] for name, g in gradients.items()}
    for limit in (0.01, 1.0, 100.0):
        whole, rest = clipped_sum(gradients, limit), clipped_sum(without_first, limit)
        moved = torch.cat([(whole[name] - rest[name]).flatten() for name in whole]).norm()
        assert moved <= limit * 1.0001
    summed = {name: g.sum(dim=0) for name, g in gradients.items()}
    for name, g in clipped_sum(gradients, 1e6).items():
        torch.testing.assert_close(g, summed[name])


def test_a_gradient_of_zeros_stays():
    zeros = {"w": torch.zeros(2, 3)}
    assert torch.equal(clipped_sum(zeros, 1.0)["w"], torch.zeros(3))


def test_noise_has_the_spread_that_was_asked_for_and_no_mean():
    gradients = {"w": torch.zeros(1, 400, 500)}
    generator = torch.Generator().manual_seed(0)
    noisy = private_gradient(gradients, 0.5, 3.0, 10, generator)["w"]
    assert noisy.std() == pytest.approx(0.15, rel=0.01)
    assert abs(noisy.mean()) < 0.002


def test_each_record_is_drawn_by_itself_with_the_same_probability():
    generator = torch.Generator().manual_seed(0)
    drawn = [poisson_sample(200, 0.1, generator) for _ in range(2000)]
    counts = torch.bincount(torch.cat(drawn), minlength=200)
    assert counts.float().mean() == pytest.approx(200, rel=0.02)
    sizes = torch.tensor([len(d) for d in drawn]).float()
    assert sizes.var() == pytest.approx(200 * 0.1 * 0.9, rel=0.15), "binomial, not fixed"


def test_without_noise_and_limit_the_training_is_plain_sgd():
    inputs, targets = batch(6)
    ours, plain = new(LLAMA), new(LLAMA)
    drawn = train_privately(
        ours,
        losses_of,
        (inputs, targets),
        torch.optim.SGD(ours.parameters(), lr=0.1),
        steps=3,
        rate=1.0,
        limit=1e6,
        noise=0.0,
    )
    sgd = torch.optim.SGD(plain.parameters(), lr=0.1)
    for _ in range(3):
        sgd.zero_grad()
        losses_of(plain, inputs, targets).mean().backward()
        sgd.step()
    assert drawn == [6, 6, 6]
    for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_a_step_that_draws_no_record_takes_noise_alone():
    model = new(LLAMA)
    before = [p.detach().clone() for p in model.parameters()]
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    settings = {"steps": 1, "rate": 1e-9, "limit": 1.0, "noise": 1e-9}
    assert train_privately(model, losses_of, batch(), sgd, **settings) == [0]
    moved = [(a - b).abs().max() > 0 for a, b in zip(before, model.parameters(), strict=True)]
    assert all(moved)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tied": True}, "model: expected an output matrix of its own, got tied=True"),
        ({"positions": "learned"}, r"model: expected parameters in .*position_embedding"),
    ],
)
def test_a_parameter_whose_examples_can_t_be_kept_apart_is_named(changes, message):
    settings = {"tied": False, "positions": "none"} | changes
    model = new(GPTConfig.gpt2(11, context=6, n_heads=2, d_model=8, **settings))
    with pytest.raises(ValueError, match=message):
        per_example_gradients(model, losses_of, *batch())


def test_one_loss_for_all_is_refused():
    with pytest.raises(ValueError, match="losses: expected one for each of 5 examples"):
        per_example_gradients(Small(), lambda *x: losses_of(*x).mean(), *batch())
