"""Small models of every kind, and what the tests of models share."""

from dataclasses import replace

import pytest
import torch

from course_lib.model import (
    GPT,
    GPTConfig,
    PostNormBlock,
    Speedrun,
    SpeedrunConfig,
    TransformerConfig,
)

VOCAB = 50
SMALL = {"context": 16, "n_layers": 2, "n_heads": 4, "d_model": 32}
LLAMA = {"norm": "rms", "mlp": "swiglu", "positions": "rope", "bias": False, "d_ff": 48}


def maker(model_class, config):
    """Return what makes a model of this config after changes to it."""
    return lambda **changes: model_class(replace(config, **changes))


MAKERS = {
    "gpt2": maker(GPT, GPTConfig.gpt2(VOCAB, **SMALL)),
    "speedrun": maker(Speedrun, SpeedrunConfig(VOCAB, **SMALL)),
    "llama": maker(GPT, GPTConfig.llama(VOCAB, **SMALL, n_kv_heads=2)),
    "one key head": maker(GPT, GPTConfig(VOCAB, **SMALL, n_kv_heads=1, positions="none")),
    "n-grams": maker(Speedrun, SpeedrunConfig.gpt2(VOCAB, **SMALL, ngrams=4, ngram_table=500)),
    "post-norm": maker(
        lambda config: GPT(config, PostNormBlock), GPTConfig(VOCAB, **SMALL, mlp="relu")
    ),
}
EACH_MODEL = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
BOTH = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
NARROW = (torch.int32, torch.int16, torch.uint8, torch.int8, torch.uint16)
REAL = torch.arange(7) < torch.tensor([[7], [4]])


def close(got, expected, dtype):
    atol = 2e-5 if dtype is torch.float32 else 1e-11
    torch.testing.assert_close(got, expected, atol=atol, rtol=0)


def scrambled(model, std=0.2):
    """Give every weight a random value, so that nothing is hidden by a zero or a one."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * std)
    return model.eval()


def weights_of(model):
    """Return the number of weights in memory; tensors that share it count once."""
    held = {weight.data_ptr(): weight.numel() for weight in model.parameters()}
    return sum(held.values())


def tokens(batch=2, length=16):
    return torch.randint(VOCAB, (batch, length))


def source(batch=2):
    return torch.randint(40, (batch, 7))


def small_transformer(**changes):
    options = SMALL | {"source_vocab_size": 40, "n_encoder_layers": 3} | changes
    return TransformerConfig(VOCAB, **options)


def renamed(weights, parts):
    """Return the state dict with parts of its names replaced, in order."""
    ours = {}
    for name, weight in weights.items():
        for their_part, our_part in parts.items():
            name = name.replace(their_part, our_part)
        ours[name] = weight
    return ours
