"""Attention against torch's own, against plain loops, and against its laws."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.attention import (
    KeyValueCache,
    MultiHeadAttention,
    SelfAttention,
    apply_rope,
    causal_mask,
    scaled_dot_product_attention,
    sinusoidal_positions,
)

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
BOTH = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
HALF_AND_FULL = pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str
)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def random_mask(*shape):
    """Return a mask with holes, with an all-hidden row and an all-visible one."""
    mask = torch.rand(*shape) > 0.4
    mask[..., 0, :] = False
    mask[..., -1, :] = True
    return mask


def close(got, expected, dtype):
    torch.testing.assert_close(got, expected, atol=TOLERANCE[dtype], rtol=0)


# The function


@BOTH
@pytest.mark.parametrize(("t", "s"), [(5, 5), (1, 1), (1, 7), (6, 2)])
@pytest.mark.parametrize("masked", [False, True])
def test_function_equals_torch_s_fused_one(dtype, t, s, masked):
    q, k, v = (torch.randn(2, 3, n, 8, dtype=dtype) for n in (t, s, s))
    mask = random_mask(2, 1, t, s) if masked else None
    out, weights = scaled_dot_product_attention(q, k, v, mask)
    close(out, F.scaled_dot_product_attention(q, k, v, attn_mask=mask), dtype)
    rows = torch.ones(2, 3, t) if mask is None else mask.any(-1).expand(2, 3, t)
    close(weights.sum(-1), rows.to(dtype), dtype)


@BOTH
def test_causal_function_equals_torch_s(dtype):
    q, k, v = torch.randn(3, 2, 3, 6, 4, dtype=dtype)
    out, _ = scaled_dot_product_attention(q, k, v, causal=True)
    close(out, F.scaled_dot_product_attention(q, k, v, is_causal=True), dtype)


def test_function_s_gradient_is_right_also_for_hidden_rows():
    q, k, v = (torch.randn(1, 4, 3, dtype=torch.float64, requires_grad=True) for _ in range(3))
    mask = random_mask(4, 4)
    assert torch.autograd.gradcheck(
        lambda q, k, v: scaled_dot_product_attention(q, k, v, mask), (q, k, v)
    )


def test_reordering_the_tokens_reorders_the_outputs():
    q, k, v = torch.randn(3, 7, 4, dtype=torch.float64)
    order = torch.randperm(7)
    out, _ = scaled_dot_product_attention(q, k, v)
    shuffled, _ = scaled_dot_product_attention(q[order], k[order], v[order])
    close(shuffled, out[order], torch.float64)


def test_dropout_drops_weights_and_keeps_their_mean():
    q, k, v = torch.randn(3, 200, 4)
    _, kept = scaled_dot_product_attention(q, k, v)
    _, weights = scaled_dot_product_attention(q, k, v, dropout_p=0.25)
    assert 0.2 < (weights == 0).float().mean() < 0.3
    assert abs(weights.sum() / kept.sum() - 1) < 0.05


# Masks and positions


@pytest.mark.parametrize(("t", "s"), [(3, 3), (2, 5), (1, 4), (1, 1)])
def test_causal_mask_lets_the_last_query_see_everything(t, s):
    expected = [[j <= i + s - t for j in range(s)] for i in range(t)]
    assert causal_mask(t, s).tolist() == expected


def test_sinusoidal_positions_follow_the_paper_s_formula():
    got = sinusoidal_positions(50, 6)
    for p in (0, 1, 49):
        for c in range(3):
            angle = p / 10_000 ** (2 * c / 6)
            assert math.isclose(got[p, 2 * c], math.sin(angle), abs_tol=1e-5)
            assert math.isclose(got[p, 2 * c + 1], math.cos(angle), abs_tol=1e-5)


def test_rope_turns_each_pair_by_its_own_angle():
    x = torch.randn(3, 6, dtype=torch.float64)
    got = apply_rope(x, torch.tensor([0, 1, 7]), base=100.0)
    for row, p in enumerate((0, 1, 7)):
        for i in range(3):
            turned = complex(x[row, i], x[row, i + 3]) * complex(
                math.cos(p * 100 ** (-2 * i / 6)), math.sin(p * 100 ** (-2 * i / 6))
            )
            assert math.isclose(got[row, i], turned.real, abs_tol=1e-12)
            assert math.isclose(got[row, i + 3], turned.imag, abs_tol=1e-12)


def test_rope_scores_depend_on_the_distance_only():
    q, k = torch.randn(2, 1, 64, dtype=torch.float64)

    def score(p, m):
        return apply_rope(q, torch.tensor([p])) @ apply_rope(k, torch.tensor([m])).T

    close(score(5, 2), score(905, 902), torch.float64)
    assert (score(5, 2) - score(2, 5)).abs() > 1e-3


@HALF_AND_FULL
def test_rope_keeps_dtype_and_length(dtype):
    x = torch.randn(2, 5, 8).to(dtype)
    got = apply_rope(x, torch.arange(1000, 1005))
    assert got.dtype == dtype
    exact = apply_rope(x.double(), torch.arange(1000, 1005))
    torch.testing.assert_close(got.double(), exact, atol=0.03, rtol=0)
    torch.testing.assert_close(
        got.float().norm(dim=-1), x.float().norm(dim=-1), atol=0.05, rtol=0.01
    )


# The article's class


def by_the_article(layer, values, keys, query, mask):
    """Return the article's numbers, by loops over single numbers."""
    n, t, width = query.shape
    s, d = keys.shape[1], layer.head_dim
    joined = torch.zeros(n, t, width, dtype=query.dtype)
    for b in range(n):
        for h in range(layer.heads):
            part = slice(h * d, (h + 1) * d)
            v = [layer.values.weight @ values[b, j, part] for j in range(s)]
            k = [layer.keys.weight @ keys[b, j, part] for j in range(s)]
            for i in range(t):
                q = layer.queries.weight @ query[b, i, part]
                energy = [float(q @ k[j]) if mask[b, h, i, j] else -1e20 for j in range(s)]
                top = max(energy)
                powers = [math.exp((e - top) / math.sqrt(width)) for e in energy]
                joined[b, i, part] = sum(p / sum(powers) * v[j] for j, p in enumerate(powers))
    return joined @ layer.fc_out.weight.T + layer.fc_out.bias


@BOTH
@pytest.mark.parametrize(("n", "t", "s", "heads"), [(2, 3, 4, 2), (1, 1, 1, 1), (1, 5, 2, 4)])
def test_class_gives_the_article_s_numbers(dtype, n, t, s, heads):
    layer = SelfAttention(8, heads).to(dtype)
    values, keys, query = (torch.randn(n, length, 8, dtype=dtype) for length in (s, s, t))
    mask = random_mask(n, heads, t, s)
    with torch.no_grad():
        expected = by_the_article(layer, values, keys, query, mask)
        close(layer(values, keys, query, mask), expected, dtype)
        close(layer(values, keys, query, mask.int()), expected, dtype)
        unmasked = by_the_article(layer, values, keys, query, torch.ones_like(mask))
        close(layer(values, keys, query, None), unmasked, dtype)


def test_class_has_the_article_s_state_dict():
    shapes = {name: tuple(w.shape) for name, w in SelfAttention(12, 3).state_dict().items()}
    assert shapes == {
        "values.weight": (4, 4),
        "keys.weight": (4, 4),
        "queries.weight": (4, 4),
        "fc_out.weight": (12, 12),
        "fc_out.bias": (12,),
    }


@HALF_AND_FULL
def test_class_gives_the_plain_average_where_everything_is_hidden(dtype):
    layer = SelfAttention(16, 2).to(dtype)
    x = torch.randn(1, 4, 16).to(dtype) * 5
    got = layer(x, x, x, torch.zeros(4, 4))
    assert got.isfinite().all()
    average = layer.values(x.unflatten(-1, (2, 8))).float().mean(dim=1, keepdim=True).flatten(2)
    expected = F.linear(average, layer.fc_out.weight.float(), layer.fc_out.bias.float())
    torch.testing.assert_close(got.float(), expected.expand(1, 4, 16), atol=0.1, rtol=0.05)


def test_class_s_mask_broadcasts():
    layer, x = SelfAttention(8, 2), torch.randn(3, 5, 8)
    mask = causal_mask(5)
    expected = layer(x, x, x, mask.expand(3, 2, 5, 5))
    for shape in [(5, 5), (1, 5, 5), (1, 1, 5, 5), (3, 1, 5, 5)]:
        assert torch.equal(layer(x, x, x, mask.expand(shape)), expected)


# The standard layer


def torch_twin(layer):
    """Return torch's own layer with our layer's weights."""
    twin = nn.MultiheadAttention(
        layer.d_model, layer.n_heads, bias=layer.q_proj.bias is not None, batch_first=True
    ).to(layer.q_proj.weight.dtype)
    projections = (layer.q_proj, layer.k_proj, layer.v_proj)
    with torch.no_grad():
        twin.in_proj_weight.copy_(torch.cat([p.weight for p in projections]))
        twin.out_proj.weight.copy_(layer.out_proj.weight)
        if layer.q_proj.bias is not None:
            twin.in_proj_bias.copy_(torch.cat([p.bias for p in projections]))
            twin.out_proj.bias.copy_(layer.out_proj.bias)
    return twin


@BOTH
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("b", "t", "s"), [(2, 5, 5), (1, 1, 1), (3, 4, 7), (2, 6, 1)])
def test_layer_equals_torch_s(dtype, bias, b, t, s):
    layer = MultiHeadAttention(12, 3, bias=bias).to(dtype)
    query, memory = torch.randn(b, t, 12, dtype=dtype), torch.randn(b, s, 12, dtype=dtype)
    mask = torch.rand(t, s) > 0.4
    mask[:, 0] = True  # torch's layer gives NaN where everything is hidden
    expected, expected_weights = torch_twin(layer)(
        query, memory, memory, attn_mask=~mask, average_attn_weights=False
    )
    out, weights = layer(query, memory, mask=mask, return_weights=True)
    close(out, expected, dtype)
    close(weights, expected_weights, dtype)
    close(layer(query, memory, mask=mask), expected, dtype)


@BOTH
@pytest.mark.parametrize("n_kv_heads", [4, 2, 1])
@pytest.mark.parametrize("rope_base", [None, 10_000.0])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mask", [None, "mask", "padding", "both"])
def test_fused_and_written_out_paths_agree(dtype, n_kv_heads, rope_base, causal, mask):
    layer = MultiHeadAttention(16, 4, n_kv_heads=n_kv_heads, rope_base=rope_base).to(dtype)
    x = torch.randn(2, 6, 16, dtype=dtype)
    options = {"causal": causal}
    if mask in ("mask", "both"):
        options["mask"] = random_mask(2, 4, 6, 6)
    if mask in ("padding", "both"):
        options["attention_mask"] = torch.arange(6) < torch.tensor([[6], [3]])
    written, weights = layer(x, **options, return_weights=True)
    close(layer(x, **options), written, dtype)
    assert written.isfinite().all()
    if "mask" in options:
        assert (weights[:, :, 0] == 0).all(), "a query with nothing to see has no weights"


@BOTH
def test_layer_without_rope_ignores_order_and_with_it_does_not(dtype):
    x = torch.randn(1, 6, 16, dtype=dtype)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    plain = MultiHeadAttention(16, 4).to(dtype)
    close(plain(x[:, order]), plain(x)[:, order], dtype)
    placed = MultiHeadAttention(16, 4, rope_base=10_000.0).to(dtype)
    assert (placed(x[:, order]) - placed(x)[:, order]).abs().max() > 1e-3


@BOTH
@pytest.mark.parametrize("n_kv_heads", [2, 1])
def test_grouped_layer_equals_a_full_one_with_each_key_head_repeated(dtype, n_kv_heads):
    grouped = MultiHeadAttention(16, 4, n_kv_heads=n_kv_heads).to(dtype)
    full = MultiHeadAttention(16, 4).to(dtype)
    weights = grouped.state_dict()
    for name in ("k_proj.weight", "v_proj.weight"):
        heads = weights[name].split(4)  # one per key head
        weights[name] = torch.cat([h for h in heads for _ in range(4 // n_kv_heads)])
    full.load_state_dict(weights)
    x = torch.randn(2, 5, 16, dtype=dtype)
    close(grouped(x), full(x), dtype)


@pytest.mark.parametrize("return_weights", [False, True])
def test_later_tokens_change_no_earlier_output(return_weights):
    layer = MultiHeadAttention(16, 4, rope_base=10_000.0)
    x = torch.randn(2, 8, 16)
    changed = x.clone()
    changed[:, 5:] = torch.randn(2, 3, 16)
    before, after = (layer(y, causal=True, return_weights=return_weights) for y in (x, changed))
    if return_weights:
        before, after = before[0], after[0]
    torch.testing.assert_close(before[:, :5], after[:, :5], atol=1e-6, rtol=0)
    assert (before[:, 5:] - after[:, 5:]).abs().min(dim=-1).values.max() > 0


def test_padding_changes_no_real_token_s_output():
    layer = MultiHeadAttention(16, 4, rope_base=10_000.0)
    x = torch.randn(1, 4, 16)
    padded = torch.cat([x, torch.randn(1, 3, 16) * 100], dim=1)
    real = torch.arange(7)[None] < 4
    out = layer(padded, attention_mask=real)[:, :4]
    torch.testing.assert_close(out, layer(x), atol=1e-5, rtol=0)


@BOTH
@pytest.mark.parametrize("chunks", [[1] * 9, [4, 5], [2, 1, 6], [9]])
@pytest.mark.parametrize("n_kv_heads", [4, 1])
@pytest.mark.parametrize("return_weights", [False, True])
def test_cache_gives_the_same_as_the_whole_text(dtype, chunks, n_kv_heads, return_weights):
    layer = MultiHeadAttention(16, 4, n_kv_heads=n_kv_heads, rope_base=100.0).to(dtype)
    x = torch.randn(2, 9, 16, dtype=dtype)
    cache = KeyValueCache(max_length=12)
    parts = [
        layer(part, causal=True, cache=cache, return_weights=return_weights)
        for part in x.split(chunks, dim=1)
    ]
    if return_weights:
        parts = [out for out, _ in parts]
    close(torch.cat(parts, dim=1), layer(x, causal=True), dtype)
    assert cache.length == 9


@BOTH
@pytest.mark.parametrize("n_kv_heads", [4, 2, 1])
def test_one_new_token_sees_all_that_the_cache_holds(dtype, n_kv_heads):
    layer = MultiHeadAttention(16, 4, n_kv_heads=n_kv_heads, rope_base=100.0).to(dtype)
    x, cache = torch.randn(2, 5, 16, dtype=dtype), KeyValueCache(5)
    layer(x[:, :4], causal=True, cache=cache)
    newest = layer(x[:, 4:], cache=cache)  # without a mask: the path that copies nothing
    close(newest, layer(x, causal=True, return_weights=True)[0][:, 4:], dtype)


def test_selected_rows_of_a_cache_go_on_as_if_alone():
    layer, x, cache = MultiHeadAttention(16, 4), torch.randn(3, 5, 16), KeyValueCache(5)
    cache.select(torch.tensor([0]))  # nothing is held yet
    assert cache.batch_size is None
    layer(x[:, :4], causal=True, cache=cache)
    rows = torch.tensor([2, 2, 0, 1])
    cache.select(rows)
    assert (cache.batch_size, cache.length) == (4, 4)
    got = layer(x[rows, 4:], causal=True, cache=cache)
    close(got, layer(x, causal=True)[rows, 4:], torch.float32)


@BOTH
def test_normalized_queries_and_keys_are_those_of_rms_norm(dtype):
    layer = MultiHeadAttention(16, 4, n_kv_heads=2, qk_norm=True).to(dtype)
    for norm in (layer.q_norm, layer.k_norm):
        nn.init.normal_(norm.weight)
    x = torch.randn(2, 5, 16, dtype=dtype)
    q = F.rms_norm(layer.q_proj(x).view(2, 5, 4, 4), (4,), layer.q_norm.weight, 1e-6)
    k = F.rms_norm(layer.k_proj(x).view(2, 5, 2, 4), (4,), layer.k_norm.weight, 1e-6)
    k, v = (y.repeat_interleave(2, dim=2) for y in (k, layer.v_proj(x).view(2, 5, 2, 4)))
    out = F.scaled_dot_product_attention(*(y.transpose(1, 2) for y in (q, k, v)))
    close(layer(x), layer.out_proj(out.transpose(1, 2).flatten(2)), dtype)
    close(layer(x, return_weights=True)[0], layer(x), dtype)


@pytest.mark.filterwarnings("error")
def test_half_precision_normalizes_queries_and_keys_by_one_kernel():
    layer, x = MultiHeadAttention(16, 4, qk_norm=True), torch.randn(2, 5, 16)
    with torch.autocast("cpu", torch.bfloat16):
        half = layer(x)
    torch.testing.assert_close(half.float(), layer(x), atol=0.02, rtol=0)
    half.sum().backward()
    assert layer.q_norm.weight.grad.abs().sum() > 0


def test_normalized_queries_and_keys_make_the_size_of_their_matrices_idle():
    layer, x = MultiHeadAttention(16, 4, qk_norm=True), torch.randn(2, 5, 16)
    before = layer(x)
    with torch.no_grad():
        layer.q_proj.weight.mul_(100)
        layer.k_proj.weight.mul_(0.5)
    torch.testing.assert_close(layer(x), before, atol=1e-4, rtol=0)


def test_dropout_acts_in_training_only():
    layer = MultiHeadAttention(16, 4, dropout=0.5)
    x = torch.randn(2, 6, 16)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))
    torch.testing.assert_close(layer(x), layer(x, return_weights=True)[0], atol=1e-5, rtol=0)


def test_weights_are_counted_by_formula():
    for n_kv_heads in (8, 2, 1):
        layer = MultiHeadAttention(64, 8, n_kv_heads=n_kv_heads)
        expected = 2 * 64 * 64 + 2 * 64 * n_kv_heads * 8
        assert sum(p.numel() for p in layer.parameters()) == expected


# Bad input: the message names the argument, what was expected and what came

ARTICLE, STANDARD, X = SelfAttention(8, 2), MultiHeadAttention(8, 2), torch.zeros(2, 3, 8)


def filled_cache():
    cache = KeyValueCache(2)
    cache.append(torch.zeros(1, 2, 2, 4), torch.zeros(1, 2, 2, 4))
    return cache


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: SelfAttention(10, 3), ["Embedding size needs to be divisible by heads", "10"]),
        (lambda: SelfAttention(8, 0), ["heads", "above 0", "got 0"]),
        (lambda: SelfAttention(8, -2), ["heads", "-2"]),
        (lambda: SelfAttention(8.0, 2), ["embed_size", "whole number", "8.0"]),
        (lambda: SelfAttention(8, True), ["heads", "True"]),
        (lambda: ARTICLE(X, X, X[0], None), ["query", "(N, length, embed_size)", "(3, 8)"]),
        (lambda: ARTICLE(X[..., :4], X, X, None), ["values", "width 8", "got 4"]),
        (lambda: ARTICLE(X[:, :2], X, X, None), ["values", "keys", "(3)", "got 2"]),
        (lambda: ARTICLE(X[:1], X, X, None), ["values", "batch size 2", "got 1"]),
        (lambda: ARTICLE(X, X.long(), X, None), ["keys", "floating-point", "int64"]),
        (lambda: ARTICLE(X, X, "text", None), ["query", "floating-point", "str"]),
        (lambda: ARTICLE(X, X, X, torch.ones(4, 4)), ["mask", "(2, 2, 3, 3)", "(4, 4)"]),
        (lambda: ARTICLE(X, X, X, [[1]]), ["mask", "a tensor", "list"]),
        (lambda: MultiHeadAttention(8, 3), ["n_heads", "d_model=8", "got 3"]),
        (lambda: MultiHeadAttention(8, 4, n_kv_heads=3), ["n_kv_heads", "n_heads=4", "got 3"]),
        (lambda: MultiHeadAttention(8, 2, dropout=1.0), ["dropout", "got 1.0"]),
        (lambda: MultiHeadAttention(6, 2, rope_base=1e4), ["head_dim", "even", "got 3"]),
        (lambda: MultiHeadAttention(8, 2, rope_base=-1.0), ["rope_base", "above 0", "-1.0"]),
        (lambda: STANDARD(X[0]), ["query", "(B, length, d_model)", "(3, 8)"]),
        (lambda: STANDARD(X.int()), ["query", "floating-point", "int32"]),
        (lambda: STANDARD(X, X[..., :4]), ["key", "width 8", "got 4"]),
        (lambda: STANDARD(X, X[:1]), ["key", "batch size 2", "got 1"]),
        (lambda: STANDARD(X, X, X[:, :2]), ["value", "(3)", "got 2"]),
        (lambda: STANDARD(X, mask=torch.ones(2, 2)), ["mask", "(2, 2, 3, 3)", "(2, 2)"]),
        (lambda: STANDARD(X, mask=torch.zeros(3, 3)), ["mask", "booleans", "float32"]),
        (
            lambda: STANDARD(X, attention_mask=torch.ones(3, 2).bool()),
            ["attention_mask", "(2, 3)", "(3, 2)"],
        ),
        (lambda: scaled_dot_product_attention(X, X[..., :4], X), ["key", "width 8", "got 4"]),
        (lambda: scaled_dot_product_attention(X, X, X[:, :2]), ["value", "(3)", "got 2"]),
        (lambda: scaled_dot_product_attention(X[0, 0], X, X), ["query", "(..., T, D)", "(8,)"]),
        (lambda: causal_mask(0), ["query_len", "above 0", "got 0"]),
        (lambda: causal_mask(3, 2), ["key_len", "query_len=3", "got 2"]),
        (lambda: sinusoidal_positions(4, 5), ["d_model", "even", "got 5"]),
        (lambda: apply_rope(X[..., :3], torch.arange(3)), ["x", "even", "got 3"]),
        (lambda: apply_rope(X, torch.arange(4)), ["positions", "(3,)", "(4,)"]),
        (lambda: apply_rope(X, torch.arange(3.0)), ["positions", "whole numbers", "float32"]),
        (lambda: apply_rope(X, torch.arange(3), 0.0), ["base", "above 0", "got 0.0"]),
        (lambda: sinusoidal_positions(4, 4, math.nan), ["base", "above 0", "got nan"]),
        (lambda: scaled_dot_product_attention(X, X, X, scale=math.nan), ["scale", "got nan"]),
        (lambda: scaled_dot_product_attention(X, X, X, dropout_p=1.0), ["dropout_p", "got 1.0"]),
        (lambda: STANDARD(X, attention_mask=[[1]]), ["attention_mask", "tensor", "list"]),
        (lambda: MultiHeadAttention(8, 2, dropout=math.nan), ["dropout", "got nan"]),
        (lambda: MultiHeadAttention(8, 2, rope_base=math.nan), ["rope_base", "got nan"]),
        (lambda: filled_cache().select(torch.tensor([-1])), ["rows", "0 to 0", "-1"]),
        (lambda: filled_cache().select(torch.tensor([True])), ["rows", "0 to 0", "bool"]),
        (lambda: KeyValueCache(0), ["max_length", "above 0", "got 0"]),
        (
            lambda: filled_cache().append(torch.zeros(1, 2, 1, 4), torch.zeros(1, 2, 1, 4)),
            ["keys", "0 more tokens", "got 1"],
        ),
        (
            lambda: filled_cache().append(torch.zeros(2, 2, 1, 4), torch.zeros(2, 2, 1, 4)),
            ["keys", "(1, 2, 4)", "(2, 2, 4)"],
        ),
        (
            lambda: filled_cache().append(torch.zeros(1, 2, 1, 6), torch.zeros(1, 2, 1, 6)),
            ["expected batch, heads, width and dtype ((1, 2, 4)", "got ((1, 2, 6)"],
        ),
        (
            lambda: filled_cache().append(*torch.zeros(2, 1, 2, 1, 4).double()),
            ["keys", "float32", "float64"],
        ),
        (
            lambda: KeyValueCache(2).append(torch.zeros(1, 2, 1, 4), torch.zeros(1, 2, 2, 4)),
            ["values", "(1, 2, 1, 4)", "(1, 2, 2, 4)"],
        ),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError) as raised:  # noqa: PT011  the words are checked below
        call()
    for word in words:
        assert word in str(raised.value)
