"""One forward: every layer is called as a module, in few functions, and checks are at the door."""

import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn

import course_lib
from course_lib.model import (
    GPT,
    KERNELS,
    Encoder,
    EncoderConfig,
    GPTConfig,
    PackedGPT,
    PostNormBlock,
    Speedrun,
    SpeedrunConfig,
    SpeedrunTransformer,
    TiedEmbedding,
    Transformer,
    TransformerConfig,
)

SMALL = {"context": 16, "n_layers": 2, "n_heads": 4, "d_model": 32}
SPEEDRUN = {"norm": "rms", "mlp": "relu2", "positions": "rope", "bias": False}


def packed() -> PackedGPT:
    """Return a model for inference only, with its vectors in the layer that they are packed in."""
    model = PackedGPT(GPTConfig.llama(20, **SMALL, n_kv_heads=2))
    rows = KERNELS[torch.float32]["rows"]
    model.token_embedding = TiedEmbedding(model.token_embedding.weight.detach(), rows)
    return model


TEXT = torch.randint(20, (2, 6), generator=torch.Generator().manual_seed(0))
DECODERS = {
    "gpt2": lambda: GPT(GPTConfig.gpt2(20, **SMALL)),
    "llama": lambda: GPT(GPTConfig.llama(20, **SMALL, n_kv_heads=2, tied=False)),
    "dropout": lambda: GPT(GPTConfig(20, **SMALL, dropout=0.1)),
    "post-norm": lambda: GPT(GPTConfig(20, **SMALL), PostNormBlock),
    "speedrun": lambda: Speedrun(SpeedrunConfig(20, **SMALL)),
    "packed": packed,
}
OTHERS = {
    "encoder": lambda: Encoder(EncoderConfig(20, **SMALL)),
    "bert": lambda: Encoder(
        EncoderConfig(20, **SMALL, pre_norm=False, n_token_types=2, embedding_norm=True)
    ),
    "encoder-decoder": lambda: Transformer(TransformerConfig(20, **SMALL, source_vocab_size=20)),
    "shared": lambda: SpeedrunTransformer(TransformerConfig(20, **SMALL, **SPEEDRUN)),
}


def fired(model: nn.Module, run) -> Counter:
    """Run with a hook on each submodule; return how often each fired."""
    counts = Counter()
    names = {module: name for name, module in model.named_modules() if name}
    hooks = [
        module.register_forward_hook(lambda module, *_: counts.update([names[module]]))
        for module in names
    ]
    with torch.no_grad():
        run()
    for hook in hooks:
        hook.remove()
    return counts


def wanted(model: nn.Module, times: int = 1) -> Counter:
    """Return how often each should: once a pass, but for what a block uses twice or thrice."""
    counts = Counter()
    for name, module in model.named_modules():
        parent, _, last = name.rpartition(".")
        if not name or isinstance(module, nn.ModuleList):
            continue
        counts[name] = times
        if last == "dropout" and "blocks" in parent:  # behind each sublayer
            counts[name] *= 3 if hasattr(model.get_submodule(parent), "cross_attention") else 2
    return counts


@pytest.mark.parametrize("make", DECODERS.values(), ids=DECODERS.keys())
def test_a_hook_on_each_layer_of_a_gpt_fires_once(make):
    model = make().eval()
    assert fired(model, lambda: model(TEXT)) == wanted(model)


@pytest.mark.parametrize("make", DECODERS.values(), ids=DECODERS.keys())
def test_a_hook_on_each_layer_fires_with_caches_and_with_padding(make):
    model = make().eval()
    real = torch.arange(6) >= torch.tensor([[0], [2]])

    def in_three_pieces():
        caches, begin = model.new_caches(6), 0
        for end in (4, 5, 6):
            model(TEXT[:, begin:end], caches=caches, attention_mask=real[:, :end])
            begin = end

    assert fired(model, in_three_pieces) == wanted(model, 3)


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS.keys())
def test_a_hook_on_each_layer_of_an_encoder_and_of_both_sides_fires_once(make):
    model = make().eval()
    both = isinstance(model, Transformer)
    got = fired(model, lambda: model(TEXT, TEXT) if both else model(TEXT))
    expected = wanted(model)
    if both and model.config.source_vocab_size is None:
        expected["encoder.token_embedding"] = 2  # it is the decoder's, too
    assert got == expected


@pytest.mark.parametrize("name", ["encoder-decoder", "shared"])
def test_a_hook_on_each_layer_of_a_decoder_fires_with_caches(name):
    model = OTHERS[name]().eval()
    memory = model.encode(TEXT)

    def in_two_pieces():
        caches = model.new_caches(6)
        for part in TEXT.split([4, 2], 1):
            model.decode(part, memory, caches=caches)

    got = fired(model.decoder, in_two_pieces)
    expected = wanted(model.decoder, 2)
    for layer in list(expected):  # the source's keys and values are made once, by encode()
        if "cross_attention.k_" in layer or "cross_attention.v_" in layer:
            del expected[layer]
    assert got == expected


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_from_tokens_to_logits_it_is_at_most_ten_functions(name):
    model, called = DECODERS[name](), set()
    package = str(Path(course_lib.__file__).parent)

    def note(frame, event, _):
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(package):
            called.add(code.co_qualname)

    sys.setprofile(note)
    try:
        model(TEXT)
    finally:
        sys.setprofile(None)
    assert len(called) <= 10, sorted(called)
    assert {"GPT.forward", "Block.forward", "MultiHeadAttention.forward", "MLP.forward"} < called
