"""Rounding against the gguf package and the course's other 4-bit code, and its laws."""

import gguf
import numpy as np
import pytest
import torch
from gguf import quants
from torch import nn

from course_lib.efficiency import (
    bits_per_weight,
    changed_weights,
    pack,
    quantize,
    rounded,
    rounded_inputs,
    unpack,
)
from course_lib.model.quantized import quantize_4bit


def random_weight(rows=24, columns=96, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def test_four_bits_in_groups_of_32_are_the_format_q4_1():
    weight = random_weight()
    kind = gguf.GGMLQuantizationType.Q4_1
    theirs = quants.dequantize(quants.quantize(weight.numpy(), kind), kind)
    # Theirs divides by the scale before it is rounded to 16 bits: near a tie that may be a step.
    close = np.isclose(rounded(weight, 4, 32).numpy(), theirs, atol=4e-3)
    assert close.mean() > 0.99
    codes, scale, least = quantize_4bit(weight)
    ours = quantize(weight, 4, 32)
    torch.testing.assert_close(ours.scale.float(), scale, atol=0, rtol=1e-3)
    torch.testing.assert_close(ours.least.float(), least, atol=0, rtol=1e-3)
    assert (ours.codes.flatten(1) - codes).abs().float().mean() < 0.01


def test_what_is_rounded_already_stays():
    once = rounded(random_weight(), 4, 32)
    torch.testing.assert_close(rounded(once, 4, 32), once, atol=1e-5, rtol=0)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("group", [None, 48, 32])
def test_rounding_errs_by_half_a_step_and_uses_no_more_codes(bits, group):
    weight = random_weight()
    found = quantize(weight, bits, group)
    error = (found.weights() - weight).abs().view(found.codes.shape).amax(-1)
    assert (error <= 0.5 * found.scale.float() + 4e-3).all()
    assert int(found.codes.max()) == 2**bits - 1


def test_one_large_weight_spoils_its_group_and_no_other():
    weight = random_weight()
    before = (rounded(weight, 4, 32) - weight).square().unflatten(1, (-1, 32)).mean(-1)
    weight[0, 0] = 40.0
    after = (rounded(weight, 4, 32) - weight).square().unflatten(1, (-1, 32)).mean(-1)
    assert after[0, 0] > 20 * before[0, 0]
    assert torch.equal(after[0, 1:], before[0, 1:])
    by_row = (rounded(weight, 4) - weight).square().mean(-1)
    assert by_row[0] > 20 * by_row[1]


def test_equal_weights_stay_as_they_are():
    weight = torch.full((2, 32), 0.5)
    assert torch.equal(rounded(weight, 2), weight)


@pytest.mark.parametrize("bits", range(1, 9))
def test_packed_codes_take_their_bits_and_come_back(bits):
    codes = torch.arange(1000) * 7 % 2**bits
    packed = pack(codes.to(torch.uint8), bits)
    assert packed.nbytes == 125 * bits
    assert torch.equal(unpack(packed, bits, 1000).long(), codes)
    assert bits_per_weight(bits, 32) == bits + 1


def test_a_code_too_large_is_refused():
    with pytest.raises(ValueError, match="codes: expected numbers below 8, got 9"):
        pack(torch.tensor([9], dtype=torch.uint8), 3)


def test_weights_are_another_for_a_while_only():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(5, 8), nn.Linear(8, 8), nn.LayerNorm(8))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with changed_weights(model, lambda weight: 0 * weight):
        assert not model[1].weight.any()
        assert torch.equal(model[0].weight, before["0.weight"])
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    with pytest.raises(ValueError, match="model: expected one with linear layers, got ReLU"):
        changed_weights(nn.ReLU(), rounded)


class TestInputs:
    def error(self, x, **how):
        model = nn.Sequential(nn.Linear(16, 16, bias=False))
        model[0].weight.data = torch.eye(16)
        with rounded_inputs(model, **how):
            found = model(x)
        assert torch.equal(model(x), x), "the hooks are gone"
        return (found - x).square()[..., 1:].mean().item()

    def test_an_outlier_spoils_the_whole_tensor_until_it_is_kept_apart(self):
        x = torch.randn(3, 10, 16, generator=torch.Generator().manual_seed(0))
        plain = self.error(x)
        x[0, 0, 0] = 500.0
        assert self.error(x) > 100 * plain
        assert self.error(x, keep=1) == pytest.approx(plain, rel=0.5)
        assert self.error(x, each="token") < self.error(x) / 10

    def test_more_bits_err_less(self):
        x = torch.randn(3, 10, 16, generator=torch.Generator().manual_seed(0))
        errors = [self.error(x, bits=bits) for bits in (2, 4, 6, 8)]
        assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quantize(random_weight(), 9), "bits: expected one of 1, 2, .*, got 9"),
        (lambda: quantize(random_weight(), 4, 7), "weight: expected shape .out, a multiple of 7"),
        (lambda: rounded_inputs(nn.Linear(2, 2), each="row").__enter__(), "each: expected one of"),
    ],
)
def test_wrong_settings_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
