"""Heads: maps, silence and changed maps, against the layer's own weights; laws of the score."""

import pytest
import torch

from course_lib.interpret import (
    attention_weights,
    changed_attention,
    prefix_matching,
    repeated_tokens,
    without_heads,
)
from course_lib.model import GPT, GPTConfig

SMALL = {"context": 16, "n_layers": 2, "n_heads": 4, "d_model": 32}
TEXT = torch.randint(20, (2, 7), generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=[GPTConfig.gpt2, GPTConfig.llama], ids=["gpt2", "llama"])
def model(request):
    torch.manual_seed(0)
    more = {"n_kv_heads": 2} if request.param == GPTConfig.llama else {}
    model = GPT(request.param(20, **SMALL, **more)).eval()
    with torch.no_grad():
        for block in model.blocks:
            for layer in (block.attention.q_proj, block.attention.k_proj, block.attention.v_proj):
                layer.weight.normal_(std=0.3)
            block.attention.out_proj.weight.normal_(std=0.3)
    return model


def test_maps_are_causal_shares_that_differ_between_heads(model):
    weights = attention_weights(model, TEXT)
    assert weights.shape == (2, 2, 4, 7, 7)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 4, 7))
    assert weights.triu(1).abs().max() == 0
    assert (weights[:, :, 0] - weights[:, :, 1]).abs().max() > 0.01


def test_the_first_map_is_that_of_queries_and_keys_by_hand():
    torch.manual_seed(0)
    model = GPT(GPTConfig(20, **SMALL, positions="none", bias=False)).eval()
    attention = model.blocks[0].attention
    with torch.no_grad():
        attention.q_proj.weight.normal_(std=0.5)
        x = model.blocks[0].attention_norm(model.token_embedding(TEXT))
        q, k = (
            proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
            for proj in (attention.q_proj, attention.k_proj)
        )
        scores = q @ k.mT / 8**0.5
        scores = scores.masked_fill(torch.ones(7, 7).triu(1).bool(), float("-inf"))
    torch.testing.assert_close(attention_weights(model, TEXT)[0], scores.softmax(-1))


def test_attention_that_is_put_back_changes_nothing_and_a_changed_one_does(model):
    whole = model(TEXT)
    for layer in range(2):
        with changed_attention(model, layer, lambda weights: weights):
            torch.testing.assert_close(model(TEXT), whole)
        with changed_attention(model, layer, lambda weights: weights.roll(1, dims=-1)):
            assert not torch.allclose(model(TEXT), whole)
    torch.testing.assert_close(model(TEXT), whole)


def test_a_head_without_weights_is_a_silent_head(model):
    for layer, head in ((0, 1), (1, 3)):

        def no_weights(weights, head=head):
            weights = weights.clone()
            weights[:, head] = 0
            return weights

        with changed_attention(model, layer, no_weights):
            expected = model(TEXT)
        with without_heads(model, [(layer, head)]):
            torch.testing.assert_close(model(TEXT), expected)


def test_without_all_heads_no_token_sees_another(model):
    everything = [(layer, head) for layer in range(2) for head in range(4)]
    with without_heads(model, everything):
        found = model(TEXT)
        other = model(TEXT.roll(1, dims=0))
    changed = TEXT.clone()
    changed[:, :-1] = (changed[:, :-1] + 1) % 20
    with without_heads(model, everything):
        torch.testing.assert_close(model(changed)[:, -1], found[:, -1])
    assert not torch.allclose(other, found)
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_no_heads_are_no_change(model):
    with without_heads(model, []):
        now = model(TEXT)
    torch.testing.assert_close(now, model(TEXT))


@pytest.mark.parametrize("head", [(2, 0), (0, 4), (-1, 0), (0, -1)])
def test_a_head_that_isn_t_there_is_refused(model, head):
    with pytest.raises(ValueError, match="expected whole numbers from 0 to"):
        without_heads(model, [head]).__enter__()


def test_repeated_tokens_repeat_and_hang_on_the_seed():
    tokens = repeated_tokens(3, 5, 2, 50, seed=1)
    assert tokens.shape == (3, 10)
    assert torch.equal(tokens[:, :5], tokens[:, 5:])
    assert torch.equal(tokens, repeated_tokens(3, 5, 2, 50, seed=1))
    assert not torch.equal(tokens, repeated_tokens(3, 5, 2, 50, seed=2))


def ideal(length, period):
    """Return the map of a head that looks at what followed the last time, else at the start."""
    weights = torch.zeros(length, length)
    for query in range(length):
        weights[query, max(query - period + 1, 0) if query >= period else 0] = 1
    return weights


@pytest.mark.parametrize("period", [1, 3, 4])
def test_a_perfect_head_scores_one_and_an_even_one_next_to_nothing(period):
    assert prefix_matching(ideal(12, period), period).item() == 1
    even = torch.ones(12, 12).tril() / torch.arange(1, 13)[:, None]
    by_hand = sum(1 / (query + 1) for query in range(period, 12)) / (12 - period)
    assert prefix_matching(even, period).item() == pytest.approx(by_hand)


def test_a_head_that_looks_at_the_earlier_copy_itself_scores_nothing():
    assert prefix_matching(ideal(12, 5), 4).item() == 0
    assert prefix_matching(ideal(12, 4), 5).item() == 0


def test_a_text_without_a_copy_has_no_score():
    with pytest.raises(ValueError, match="period: expected below 12, the number of tokens, got 12"):
        prefix_matching(torch.zeros(12, 12), 12)
