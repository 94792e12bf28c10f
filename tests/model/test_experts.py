"""A mixture of experts against all its experts written out, and the balancing loss by hand."""

import pytest
import torch
from torch import nn
from transformers import MixtralConfig
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

from course_lib.model import Experts, ExpertsConfig, MixtureGPT, balance_loss

CONFIG = ExpertsConfig.llama(20, context=8, n_layers=2, d_model=16, d_ff=24, n_experts=4)
IDS = torch.randint(20, (3, 8), generator=torch.Generator().manual_seed(0))


def test_a_token_s_output_is_the_weighted_sum_of_its_best_experts():
    torch.manual_seed(0)
    layer, x = Experts(CONFIG).double(), torch.randn(2, 5, 16).double()
    logits = layer.router(x)
    best = logits.topk(2)
    weights = best.values.softmax(-1)  # a softmax over the chosen is the same
    everything = torch.stack([expert(x) for expert in layer.experts], dim=-2)  # (2, 5, 4, 16)
    chosen = everything.gather(-2, best.indices[..., None].expand(-1, -1, -1, 16))
    torch.testing.assert_close(layer(x), (weights[..., None] * chosen).sum(-2))


def test_it_is_mixtral_s():
    torch.manual_seed(0)
    theirs = MixtralSparseMoeBlock(
        MixtralConfig(
            hidden_size=16, intermediate_size=24, num_local_experts=4, num_experts_per_tok=2
        )
    ).eval()
    ours, state = Experts(CONFIG), {}
    for name, weight in theirs.state_dict().items():
        nn.init.normal_(weight, std=0.3)
        state[name] = weight
    ours.router.weight.data = state["gate.weight"]
    for i, expert in enumerate(ours.experts):
        gate, up = state["experts.gate_up_proj"][i].chunk(2)
        expert.gate.weight.data, expert.up.weight.data = gate, up
        expert.down.weight.data = state["experts.down_proj"][i]
    x = torch.randn(2, 5, 16)
    found = theirs(x)
    torch.testing.assert_close(ours(x), found[0] if isinstance(found, tuple) else found)


def test_balance_is_one_where_all_are_used_alike_and_n_where_one_has_everything():
    layer = Experts(CONFIG)
    nn.init.zeros_(layer.router.weight)
    layer(torch.randn(6, 16))
    assert layer.balance.item() == pytest.approx(1.0), "the router is sure of nothing"
    layer.router.weight.data[0] = 100.0
    layer.top_k = 1
    layer(torch.ones(6, 16))
    assert layer.balance.item() == pytest.approx(4.0)
    assert layer.used.tolist() == [1, 0, 0, 0]


def test_the_balance_pulls_the_router_towards_what_is_used_less():
    torch.manual_seed(0)
    model = MixtureGPT(CONFIG)
    router = model.blocks[0].mlp.router
    nn.init.normal_(router.weight, std=1.0)
    model(IDS)
    before = balance_loss(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    for _ in range(60):
        optimizer.zero_grad()
        model(IDS)
        balance_loss(model).backward()
        optimizer.step()
    model(IDS)
    assert balance_loss(model) < before
    assert router.weight.grad.any()


def test_every_expert_that_is_chosen_learns():
    torch.manual_seed(0)
    model = MixtureGPT(CONFIG)
    model(IDS).square().mean().backward()
    for block in model.blocks:
        for share, expert in zip(block.mlp.used, block.mlp.experts, strict=True):
            assert (share > 0) == (expert.down.weight.grad is not None and share.item() > 0)


def test_a_dense_model_has_no_balance_and_too_many_choices_are_refused():
    with pytest.raises(ValueError, match="model: expected one with a mixture of experts, got Lin"):
        balance_loss(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="top_k: expected at most n_experts=4, got 5"):
        ExpertsConfig(20, n_experts=4, top_k=5)


def test_weights_that_sum_to_top_k_make_alike_experts_one_wide_part():
    torch.manual_seed(0)
    config = ExpertsConfig.llama(20, d_model=16, d_ff=24, n_experts=2, scale=2.0)
    layer, x = Experts(config), torch.randn(5, 16)
    nn.init.zeros_(layer.router.weight)
    torch.testing.assert_close(layer(x), sum(expert(x) for expert in layer.experts))
    with pytest.raises(ValueError, match="scale: expected a number above 0, got 0"):
        ExpertsConfig(20, scale=0)
