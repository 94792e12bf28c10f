"""Reading beyond the trained length: against Transformers' angles, and laws of the masks."""

import pytest
import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from course_lib.attention import rope_table
from course_lib.model import (
    GPT,
    GPTConfig,
    long_logits,
    rope_frequencies,
    rope_of,
    window_mask,
)

SHAPES = [(32, 1e4, 128), (64, 1e5, 8192), (128, 5e5, 512)]


def transformers_frequencies(kind, width, base, factor, context):
    """Return Transformers' angles and what it multiplies the table with."""
    parameters = {"rope_type": kind, "rope_theta": base, "factor": factor}
    parameters["original_max_position_embeddings"] = context
    config = LlamaConfig(
        hidden_size=4 * width,
        num_attention_heads=4,
        max_position_embeddings=int(context * factor),
        rope_parameters=parameters,
    )
    return ROPE_INIT_FUNCTIONS[kind](config, device="cpu")


@pytest.mark.parametrize(("width", "base", "context"), SHAPES)
@pytest.mark.parametrize("factor", [2.0, 8.0])
def test_interpolated_angles_are_those_of_transformers(width, base, context, factor):
    expected, _ = transformers_frequencies("linear", width, base, factor, context)
    assert torch.allclose(rope_frequencies(width, base, "interpolation", factor), expected)


@pytest.mark.parametrize(("width", "base", "context"), SHAPES)
@pytest.mark.parametrize("factor", [2.0, 8.0])
def test_yarn_angles_are_those_of_transformers(width, base, context, factor):
    expected, sharper = transformers_frequencies("yarn", width, base, factor, context)
    found = rope_frequencies(width, base, "YaRN", factor, context)
    assert torch.allclose(found, expected, rtol=1e-5)
    table = rope_of(found, 3, sharper)
    assert torch.allclose(table[0][0], torch.full((width,), sharper))


def test_another_base_slows_the_slowest_pair_by_the_factor_and_the_fastest_not_at_all():
    plain, other = (rope_frequencies(32, 1e4, way, 8) for way in ("plain", "other base"))
    assert plain[0] == other[0] == 1
    assert plain[-1] / other[-1] == pytest.approx(8, rel=1e-4)
    assert (plain / other).diff().min() > 0


@pytest.mark.parametrize("way", ["interpolation", "other base", "YaRN"])
def test_a_factor_of_one_changes_no_angle(way):
    plain = rope_frequencies(16, 1e4)
    assert torch.allclose(rope_frequencies(16, 1e4, way, 1, context=64), plain)


def test_the_table_is_the_one_of_attention():
    found, expected = (
        rope_of(rope_frequencies(8, 1e4), 20),
        rope_table(torch.arange(20), 8, 1e4, torch.float32),
    )
    assert all(torch.allclose(a, b) for a, b in zip(found, expected, strict=True))


def test_a_query_sees_the_newest_keys_and_the_sinks():
    seen = [row.nonzero()[:, 0].tolist() for row in window_mask(6, 2, sinks=1)]
    assert seen == [[0], [0, 1], [0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5]]
    assert torch.equal(window_mask(5, 5), torch.ones(5, 5).tril().bool())


def small_model(**changes):
    torch.manual_seed(0)
    config = GPTConfig.llama(20, context=8, n_layers=2, n_heads=2, d_model=16, **changes)
    model = GPT(config).eval()
    for weight in model.parameters():  # larger, so that attention does something
        weight.data *= 4
    return model, torch.randint(20, (2, 12))


def test_without_changes_the_logits_are_the_models():
    model, tokens = small_model()
    with torch.inference_mode():
        expected = model(tokens)
        assert torch.allclose(long_logits(model, tokens), expected, atol=1e-5)
        wide = window_mask(12, 12)
        assert torch.allclose(long_logits(model, tokens, mask=wide), expected, atol=1e-5)


def test_a_window_makes_a_token_independent_of_what_lies_too_far_back():
    model, tokens = small_model()
    others = tokens.clone()
    others[:, 0] = (others[:, 0] + 1) % 20
    with torch.inference_mode():
        mask = window_mask(12, 3)  # two layers reach back four tokens
        near, far = (long_logits(model, ids, mask=mask) for ids in (tokens, others))
        assert torch.allclose(near[:, 5:], far[:, 5:], atol=1e-5)
        assert not torch.allclose(near[:, 4], far[:, 4], atol=1e-5)


def test_what_does_not_fit_is_refused():
    model, tokens = small_model()
    with pytest.raises(ValueError, match=r"rope: expected a table of 12 positions, got 5"):
        long_logits(model, tokens, rope=rope_of(rope_frequencies(8, 1e4), 5))
    with pytest.raises(ValueError, match=r"mask: expected \(12, 12\), got \(5, 5\)"):
        long_logits(model, tokens, mask=window_mask(5, 2))
    with pytest.raises(ValueError, match="way: "):
        rope_frequencies(8, 1e4, "magic")
    with pytest.raises(ValueError, match="context: "):
        rope_frequencies(8, 1e4, "YaRN", 2)
    with pytest.raises(ValueError, match="factor: expected 1 or more"):
        rope_frequencies(8, 1e4, "interpolation", 0.5)
    learned, tokens = GPT(GPTConfig(20, context=12, d_model=16)), tokens
    with pytest.raises(ValueError, match="model: expected rotary positions, got learned"):
        long_logits(learned, tokens)
