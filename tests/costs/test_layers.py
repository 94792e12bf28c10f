"""Layers' costs against the modules' own numbers and PyTorch's FLOP counter."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from course_lib.costs import Cost, encoder_costs, gpt_costs, total, transformer_costs
from course_lib.costs.layers import linear_cost
from course_lib.model import (
    GPT,
    Encoder,
    EncoderConfig,
    ExpertsConfig,
    GPTConfig,
    MixtureGPT,
    Speedrun,
    SpeedrunConfig,
    Transformer,
    TransformerConfig,
    count_parameters,
)

SMALL = {"context": 8, "n_layers": 3, "n_heads": 4, "d_model": 16}
GPTS = {
    "gpt2": (GPT, GPTConfig.gpt2(20, **SMALL)),
    "gpt2, untied": (GPT, GPTConfig.gpt2(20, **SMALL, tied=False)),
    "llama": (GPT, GPTConfig.llama(20, **SMALL)),
    "grouped keys": (GPT, GPTConfig.llama(20, **SMALL, n_kv_heads=2)),
    "speedrun": (Speedrun, SpeedrunConfig(20, **SMALL, ngram_table=50)),
    "experts": (MixtureGPT, ExpertsConfig.llama(20, **SMALL)),
    "experts, biases": (MixtureGPT, ExpertsConfig.gpt2(20, **SMALL, n_experts=5, top_k=3)),
}
ENCODERS = {
    "pre-norm": EncoderConfig(20, **SMALL),
    "bert": EncoderConfig(20, **SMALL, pre_norm=False, n_token_types=2, embedding_norm=True),
}
PAIRS = {
    "shared": TransformerConfig(20, **SMALL, n_encoder_layers=2),
    "apart": TransformerConfig(20, **SMALL, source_vocab_size=30, positions="rope"),
}


def counted(model, *inputs):
    """Return a forward pass's operations; torch counts no fused attention on a CPU."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(*inputs)
    return counter.get_total_flops()


def ids(rows, length):
    return torch.arange(rows * length).view(rows, length) % 20


@pytest.mark.parametrize("name", GPTS)
def test_a_gpt_costs_what_torch_counts(name):
    make, config = GPTS[name]
    torch.manual_seed(0)
    for rows, length in ((1, 8), (3, 5)):
        cost = total(gpt_costs(config, length, rows))
        assert cost.parameters == count_parameters(make, config)
        assert cost.flops == counted(make(config), ids(rows, length))


@pytest.mark.parametrize("config", ENCODERS.values(), ids=ENCODERS)
def test_an_encoder_costs_what_torch_counts(config):
    cost = total(encoder_costs(config, 7, 2))
    assert cost.parameters == count_parameters(Encoder, config)
    assert cost.flops == counted(Encoder(config), ids(2, 7))


@pytest.mark.parametrize("config", PAIRS.values(), ids=PAIRS)
def test_an_encoder_decoder_costs_what_torch_counts(config):
    cost = total(transformer_costs(config, 7, 5, 2))
    assert cost.parameters == count_parameters(Transformer, config)
    assert cost.flops == counted(Transformer(config), ids(2, 7), ids(2, 5))


def test_each_block_costs_what_torch_counts_of_it():
    config = GPTS["experts"][1]
    model, found = MixtureGPT(config), gpt_costs(config, 8)
    with FlopCounterMode(display=False, depth=5) as counter, sdpa_kernel(SDPBackend.MATH):
        model(ids(1, 8))
    by_module = counter.get_flop_counts()
    for name, part in (("attention", "attention"), ("feed-forward", "mlp")):
        theirs = sum(by_module[f"MixtureGPT.blocks.1.{part}"].values())
        assert found[f"block 1, {name}"].flops == theirs


def test_of_a_mixture_only_the_chosen_experts_are_active():
    mixture = total(gpt_costs(ExpertsConfig.gpt2(20, **SMALL, d_ff=32), 8))
    dense = total(gpt_costs(GPTConfig.gpt2(20, **SMALL, d_ff=64), 8))
    router, second_bias = 16 * 8, 16
    assert mixture.active == dense.active + 3 * (router + second_bias)
    assert mixture.flops == dense.flops + 3 * 2 * 8 * router
    assert mixture.parameters > 1.9 * mixture.active
    assert dense.active == dense.parameters


def test_costs_add_and_wrong_sizes_are_named():
    assert Cost(1, 2, 3) + Cost(1, 1, 1) * 2 == Cost(3, 4, 5)
    with pytest.raises(ValueError, match="tokens: expected a whole number above 0, got 0"):
        linear_cost(2, 2, 0)
    with pytest.raises(ValueError, match="costs: expected at least one layer, got none"):
        total({})
