"""Packed layers against the same products in float32, and 4-bit codes against the gguf package."""

import gguf
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from gguf import quants

from course_lib.model import GPT, GPTConfig
from course_lib.packed import (
    Int4Linear,
    PackedGPT,
    PackedLinear,
    lay_out_by_columns,
    quantize_4bit,
)


def random_weight(rows=48, columns=96, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def rounded(weight):
    """Return the weights that 4-bit codes stand for."""
    codes, scale, least = quantize_4bit(weight)
    groups = codes.unflatten(1, (-1, 32)) * scale[..., None] + least[..., None]
    return groups.flatten(1)


def test_codes_are_those_of_the_format_q4_1():
    weight = random_weight()
    kind = gguf.GGMLQuantizationType.Q4_1
    theirs = quants.dequantize(quants.quantize(weight.numpy(), kind), kind)
    # The format keeps scale and offset in float16.
    np.testing.assert_allclose(rounded(weight).numpy(), theirs, atol=5e-3)
    again = rounded(torch.from_numpy(theirs))
    np.testing.assert_allclose(again.numpy(), theirs, atol=1e-6)


def test_rounding_errs_by_half_a_step_at_most():
    weight = random_weight()
    _, scale, _ = quantize_4bit(weight)
    error = (rounded(weight) - weight).abs().unflatten(1, (-1, 32)).amax(-1)
    assert (error <= scale / 2 + 1e-6).all()
    same = torch.full((2, 32), 0.7)
    assert rounded(same).allclose(same)
    assert torch.equal(quantize_4bit(same)[0], torch.zeros(2, 32, dtype=torch.int32))


def test_weights_in_bfloat16_are_rounded_once_only():
    weight = random_weight().bfloat16()
    for got, wanted in zip(quantize_4bit(weight), quantize_4bit(weight.float()), strict=True):
        assert got.dtype == wanted.dtype
        assert torch.equal(got, wanted)


@pytest.mark.parametrize("shape", [(96,), (1, 1, 96), (2, 5, 96)])
def test_products_equal_those_of_the_rounded_weights(shape):
    weight, x = random_weight(), torch.randn(shape).bfloat16()
    for layer, kept in (
        (Int4Linear(weight), rounded(weight)),
        (PackedLinear(weight), weight.bfloat16().float()),
    ):
        if len(shape) == 1 and isinstance(layer, Int4Linear):
            continue
        got, wanted = layer(x).float(), F.linear(x.float(), kept)
        assert got.shape == wanted.shape
        assert (got - wanted).norm() < 0.01 * wanted.norm()


def test_a_cpu_without_the_kernel_gets_the_same_products(monkeypatch):
    weight, x = random_weight(), torch.randn(2, 5, 96).bfloat16()
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    layer = PackedLinear(weight)
    assert not layer.has_kernel
    torch.testing.assert_close(layer(x), F.linear(x, weight.bfloat16()))


def test_layers_take_the_memory_that_they_promise():
    weight = random_weight(512, 1024)
    bits = [
        8 * sum(b.numel() * b.element_size() for b in layer.buffers()) / weight.numel()
        for layer in (Int4Linear(weight), PackedLinear(weight))
    ]
    assert bits == [5, 16]


def test_layout_changes_no_number():
    weight = random_weight()
    assert torch.equal(lay_out_by_columns(weight), weight)
    assert lay_out_by_columns(weight).stride() == (1, 48)


def test_packed_gpt_gives_about_the_logits_of_the_plain_one():
    torch.manual_seed(0)
    config = GPTConfig(
        64, n_layers=2, n_heads=2, d_model=64, norm="rms", positions="rope", bias=False
    )
    plain, packed = GPT(config).eval(), PackedGPT(config).eval()
    packed.load_state_dict(plain.state_dict())
    packed.bfloat16().token_embedding.half()
    for name, layer in list(packed.named_modules()):
        if isinstance(layer, torch.nn.Linear):
            packed.set_submodule(name, PackedLinear(layer.weight.detach()))
    tokens = torch.randint(64, (2, 20))
    with torch.no_grad():
        wanted, got = plain(tokens), packed(tokens).float()
    assert (got - wanted).norm() < 0.02 * wanted.norm()


@pytest.mark.parametrize("shape", [(4, 33), (64,), (2, 4, 64)])
def test_weights_that_make_no_groups_are_refused(shape):
    with pytest.raises(ValueError, match=r"weight: expected shape \(out, a multiple of 32\), got"):
        quantize_4bit(torch.ones(shape))
