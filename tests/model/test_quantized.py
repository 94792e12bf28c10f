"""Packed layers against the same products in float32, and 4-bit codes against the gguf package."""

import time

import gguf
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from gguf import quants

from course_lib.model import GPT, GPTConfig
from course_lib.model import quantized as packed
from course_lib.model.parts import FastRMSNorm
from course_lib.model.quantized import (
    KERNELS,
    FastLinear,
    Int4Linear,
    Int8Embedding,
    Kernel,
    PackedGPT,
    PackedLinear,
    TiedEmbedding,
    fastest,
    quantize_4bit,
)

ROWS = {dtype: kernels["rows"] for dtype, kernels in KERNELS.items()}
NAMES = [(dtype, name) for dtype, kernels in KERNELS.items() for name in kernels]


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


def missing(*args):
    raise AttributeError("no such operator")


@pytest.mark.parametrize(("dtype", "name"), NAMES)
@pytest.mark.parametrize("shape", [(1, 1, 96), (2, 5, 96)])
@pytest.mark.parametrize("rows", [48, 47])  # threads can't share 47 alike
@torch.inference_mode()
def test_every_kernel_gives_torch_s_products(dtype, name, shape, rows):
    weight, x = random_weight(rows).to(dtype), torch.randn(shape).to(dtype)
    kernel = KERNELS[dtype][name]
    try:
        laid_out = kernel.lay_out(weight)
    except RuntimeError as error:
        pytest.skip(f"not on this processor: {error}")
    got, wanted = kernel.multiply(x, laid_out), F.linear(x.float(), weight.float())
    assert got.shape == wanted.shape
    assert got.dtype == dtype
    assert (got.float() - wanted).norm() < (
        1e-6 if dtype == torch.float32 else 0.01
    ) * wanted.norm()


@pytest.mark.parametrize("name", KERNELS[torch.float32])
def test_a_layer_with_any_kernel_trains_as_torch_s_own(name):
    weight, x = random_weight(), torch.randn(2, 5, 96)
    plain = torch.nn.Linear(96, 48, bias=False)
    plain.weight = torch.nn.Parameter(weight.clone())
    fast = FastLinear(weight, KERNELS[torch.float32][name])
    for layer in (plain, fast):
        layer(x).square().mean().backward()
    torch.testing.assert_close(fast.weight.grad, plain.weight.grad)
    with torch.no_grad():
        torch.testing.assert_close(fast(x[:1, :1]), plain(x[:1, :1]))
        fast.kernel = Kernel(torch.Tensor.contiguous, missing)  # there may be none for others
        half = x.bfloat16()
        torch.testing.assert_close(fast.bfloat16()(half), plain.bfloat16()(half))


class Clock:
    """Stands for the time: kernels that are given it take as long as they say."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def kernel(self, seconds):
        def multiply(x, weight):
            self.now += seconds
            return F.linear(x, weight)

        return Kernel(torch.Tensor.contiguous, multiply)


def test_the_fastest_kernel_is_chosen_of_those_that_work(monkeypatch):
    clock, shapes = Clock(monkeypatch), [(32, 64)]

    def choose(**kernels):
        monkeypatch.setitem(KERNELS, torch.float32, kernels)
        return fastest(torch.float32, shapes, megabytes=1)

    assert choose(a=clock.kernel(2.0), b=clock.kernel(1.0)) == "b"
    assert choose(a=clock.kernel(1.0), b=clock.kernel(2.0)) == "a"
    broken = Kernel(torch.Tensor.contiguous, missing), Kernel(missing, F.linear)
    assert choose(a=broken[0], b=broken[1], c=clock.kernel(1.0)) == "c"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_without_onednn_torch_s_own_kernels_remain(monkeypatch, dtype):
    for name in ("_linear_pointwise", "_reorder_linear_weight"):
        monkeypatch.setattr(torch.ops.mkldnn, name, missing)
    assert fastest(dtype, [(32, 64)], megabytes=1) in {"columns", "rows"} & KERNELS[dtype].keys()


@pytest.mark.parametrize("shape", [(1, 1, 96), (2, 5, 96)])
@pytest.mark.parametrize("has_kernel", [True, False])
def test_products_in_4_bits_equal_those_of_the_rounded_weights(monkeypatch, shape, has_kernel):
    if not has_kernel:
        monkeypatch.delattr(torch, "_weight_int4pack_mm_for_cpu")
    weight, x = random_weight(), torch.randn(shape).bfloat16()
    layer = Int4Linear(weight)
    assert layer.has_kernel == has_kernel
    got, wanted = layer(x).float(), F.linear(x.float(), rounded(weight))
    assert got.shape == wanted.shape
    assert (got - wanted).norm() < 0.01 * wanted.norm()


def test_embeddings_in_8_bits_are_rounded_by_half_a_step_at_most():
    weight = random_weight(64)
    table = Int8Embedding(weight.half())
    ids = torch.arange(64).view(2, 32)
    step = weight.abs().amax(1, keepdim=True)[ids] / 127
    assert table(ids).dtype == torch.bfloat16
    error = (table(ids).float() - weight[ids]).abs()
    assert (error <= step / 2 + 2**-8 * weight[ids].abs() + 1e-3).all()
    assert torch.equal(table(ids.int()), table(ids))
    for wrong in (-1, 64):
        with pytest.raises(IndexError):
            table(torch.tensor([wrong]))
    x = torch.randn(2, 5, 96).bfloat16()
    got, wanted = table.logits(x).float(), F.linear(x.float(), weight)
    assert got.shape == wanted.shape
    assert (got - wanted).norm() < 0.02 * wanted.norm()


def test_layers_take_the_memory_that_they_promise():
    weight = random_weight(512, 1024)
    layers = (
        Int4Linear(weight),
        Int8Embedding(weight),
        PackedLinear(weight.bfloat16(), ROWS[torch.bfloat16]),
    )
    bits = [
        8 * sum(b.numel() * b.element_size() for b in layer.buffers()) / weight.numel()
        for layer in layers
    ]
    assert bits == [5, 8 + 16 / 1024, 16]


def test_layout_changes_no_number():
    weight = random_weight()
    laid_out = packed.lay_out_by_columns(weight)
    assert torch.equal(laid_out, weight)
    assert laid_out.stride() == (1, 48)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_norm_of_a_single_token_is_torch_s(dtype):
    ours, theirs = FastRMSNorm(96, eps=1e-5), torch.nn.RMSNorm(96, eps=1e-5)
    with torch.no_grad():
        for norm in (ours, theirs):
            norm.weight.copy_(torch.linspace(-1, 2, 96))
            norm.to(dtype)
        for scale in (1e-4, 1.0, 1e4):
            x = scale * torch.randn(1, 1, 96).to(dtype)
            torch.testing.assert_close(ours(x), theirs(x))
    x.requires_grad_()
    ours(x).sum().backward()
    assert x.grad.isfinite().all()


CONFIG = GPTConfig(
    64,
    n_layers=2,
    n_heads=4,
    n_kv_heads=2,
    d_model=64,
    d_ff=96,
    norm="rms",
    mlp="swiglu",
    positions="rope",
    bias=False,
)


def packed_like(plain, joined, make, embedding):
    """Return the packed model of a plain one's weights."""
    model = PackedGPT(CONFIG, joined).eval()
    weights = plain.state_dict()
    for name, layer in list(model.named_modules()):
        if isinstance(layer, torch.nn.Linear):
            parts = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up": ("gate", "up")}
            prefix, _, last = name.rpartition(".")
            names = [f"{prefix}.{part}.weight" for part in parts.get(last, [last])]
            model.set_submodule(name, make(torch.cat([weights[name] for name in names])))
    model.token_embedding = embedding(weights["token_embedding.weight"])
    kept = {name: weight for name, weight in weights.items() if "norm" in name}
    assert not model.load_state_dict(kept, strict=False).unexpected_keys
    return model


@torch.no_grad()
def test_packed_gpt_gives_about_the_logits_of_the_plain_one():
    torch.manual_seed(0)
    plain = GPT(CONFIG).eval()
    rows, halves = ROWS[torch.float32], ROWS[torch.float16]
    exact = [
        packed_like(plain, joined, lambda w: FastLinear(w, rows), lambda w: TiedEmbedding(w, rows))
        for joined in (False, True)
    ]
    half = packed_like(
        plain,
        True,
        lambda w: PackedLinear(w.bfloat16(), ROWS[torch.bfloat16]),
        lambda w: TiedEmbedding(w.half(), halves, torch.bfloat16),
    )
    for norm in (m for m in half.modules() if isinstance(m, FastRMSNorm)):
        norm.bfloat16()
    tokens = torch.randint(64, (2, 20))
    wanted = plain(tokens)
    for model, loss in ((exact[0], 1e-6), (exact[1], 1e-6), (half, 0.02)):
        assert (model(tokens).float() - wanted).norm() < loss * wanted.norm()
        caches = model.new_caches(20)
        steps = [model(tokens[:1, i : i + 1], caches=caches).float() for i in range(20)]
        assert (torch.cat(steps, 1) - wanted[:1]).norm() < loss * wanted[:1].norm()


@pytest.mark.parametrize("shape", [(4, 33), (64,), (2, 4, 64)])
def test_weights_that_make_no_groups_are_refused(shape):
    with pytest.raises(ValueError, match=r"weight: expected shape \(out, a multiple of 32\), got"):
        quantize_4bit(torch.ones(shape))
