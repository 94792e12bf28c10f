"""GPT: its laws, and the numbers of Transformers' GPT-2 and Llama."""

import math

import pytest
import torch
import torch.nn.functional as F
from small import (
    BOTH,
    EACH_MODEL,
    LLAMA,
    MAKERS,
    NARROW,
    SMALL,
    VOCAB,
    close,
    renamed,
    scrambled,
    tokens,
    weights_of,
)
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from course_lib.model import GPT, GPTConfig, Speedrun, SpeedrunConfig, count_parameters

# Laws of the decoder-only model


@EACH_MODEL
@pytest.mark.parametrize(("batch", "length"), [(1, 1), (1, 7), (3, 1), (2, 16)])
def test_shapes(make, batch, length):
    logits = make()(tokens(batch, length))
    assert logits.shape == (batch, length, VOCAB)
    assert logits.isfinite().all()


@EACH_MODEL
def test_later_tokens_change_no_earlier_logits(make):
    model = scrambled(make())
    text = tokens()
    for cut in (1, 8, 15):
        changed = text.clone()
        changed[:, cut:] = (changed[:, cut:] + 1) % VOCAB
        before, after = model(text), model(changed)
        torch.testing.assert_close(before[:, :cut], after[:, :cut], atol=1e-5, rtol=0)
        assert (before[:, cut:] - after[:, cut:]).abs().amax(-1).min() > 1e-4


@EACH_MODEL
def test_earlier_tokens_change_every_later_logit(make):
    model = scrambled(make().double())
    text = tokens(1)
    changed = text.clone()
    changed[:, 0] = (changed[:, 0] + 1) % VOCAB
    assert (model(text) - model(changed)).abs().amax(-1).min() > 1e-9


@EACH_MODEL
@pytest.mark.parametrize("changes", [{}, {"tied": False}, {"bias": True}, {"n_layers": 1}])
def test_parameters_are_counted(make, changes):
    assert count_parameters(lambda: make(**changes)) == weights_of(make(**changes))


def test_gpt_2_s_own_size_is_counted():
    config = GPTConfig(50_257, context=1024, n_layers=12, n_heads=12, d_model=768)
    assert count_parameters(GPT, config) == 124_439_808  # of the published GPT-2, small


@pytest.mark.parametrize(
    "make",
    [
        lambda: GPT(GPTConfig.gpt2(VOCAB)),
        lambda: GPT(GPTConfig.llama(VOCAB)),
        lambda: Speedrun(SpeedrunConfig(VOCAB)),
    ],
    ids=["gpt2", "llama", "speedrun"],
)
def test_first_loss_is_that_of_a_guess(make):
    model = make()
    text = tokens(8, 64)
    loss = F.cross_entropy(model(text[:, :-1]).flatten(0, 1), text[:, 1:].flatten())
    assert abs(loss.item() - math.log(VOCAB)) < 0.15


def test_gpt_2_s_initialization():
    model = GPT(GPTConfig.gpt2(1000, n_layers=8))
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            assert (weight == 0).all(), name
        elif "norm" in name:
            assert (weight == 1).all(), name
        else:
            residual = "out_proj" in name or "down" in name
            expected = 0.02 / math.sqrt(16) if residual else 0.02
            assert abs(weight.std().item() / expected - 1) < 0.05, name


@EACH_MODEL
def test_one_batch_is_learned_by_heart(make):
    model = make()
    text = tokens(4, 17)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(150):
        logits = model(text[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), text[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    # The first token of each row can't be told from its own past alone, the rest can.
    assert loss.item() < 0.15


@BOTH
@EACH_MODEL
@pytest.mark.parametrize("chunks", [[1] * 9, [4, 1, 4], [2, 7]])
def test_cache_gives_the_same_logits(make, dtype, chunks):
    model = scrambled(make().to(dtype))
    text = tokens(2, 9)
    caches = model.new_caches(max_length=12)
    parts = [model(part, caches=caches) for part in text.split(chunks, dim=1)]
    close(torch.cat(parts, dim=1), model(text), dtype)
    assert [cache.length for cache in caches] == [9, 9]


def test_selected_rows_of_a_cache_go_on_as_if_alone():
    model = scrambled(MAKERS["llama"]())
    text, caches = tokens(3, 9), model.new_caches(9)
    model(text[:, :5], caches=caches)
    rows = torch.tensor([2, 0, 2, 1])
    for cache in caches:
        cache.select(rows)
    close(model(text[rows, 5:], caches=caches), model(text[rows])[:, 5:], torch.float32)


@BOTH
@EACH_MODEL
def test_padding_at_the_end_changes_no_real_token(make, dtype):
    model = scrambled(make().to(dtype))
    text = tokens(2, 9)
    real = torch.arange(9) < torch.tensor([[9], [5]])
    padded = model(text, attention_mask=real)
    close(padded[0], model(text[:1])[0], dtype)
    close(padded[1, :5], model(text[1:, :5])[0], dtype)


@BOTH
@EACH_MODEL
def test_padding_at_the_start_changes_no_real_token(make, dtype):
    model = scrambled(make().to(dtype))
    text = tokens(2, 9)
    real = torch.arange(9) >= torch.tensor([[0], [4]])
    caches = model.new_caches(9)
    parts = [
        model(text[:, :end][:, start:], caches=caches, attention_mask=real[:, :end].int())
        for start, end in ((0, 7), (7, 8), (8, 9))
    ]
    close(torch.cat(parts, dim=1)[1, 4:], model(text[1:, 4:])[0], dtype)


@EACH_MODEL
@pytest.mark.parametrize("dtype", NARROW)
def test_ids_of_a_narrower_type_give_the_same_logits(make, dtype):
    model = scrambled(make())
    text = tokens(2, 9)
    real = (torch.arange(9) >= torch.tensor([[0], [4]])).to(dtype)
    expected = model(text, attention_mask=real.bool())
    assert torch.equal(model(text.to(dtype), attention_mask=real), expected)
    caches, others = model.new_caches(9), model.new_caches(9)
    narrow = [model(part.to(dtype), caches=caches) for part in text.split([4, 5], 1)]
    wide = [model(part, caches=others) for part in text.split([4, 5], 1)]
    assert torch.equal(torch.cat(narrow, 1), torch.cat(wide, 1))


def test_dropout_acts_in_training_only():
    model = MAKERS["gpt2"](dropout=0.3)
    text = tokens()
    assert not torch.equal(model(text), model(text))
    model.eval()
    assert torch.equal(model(text), model(text))


@EACH_MODEL
def test_model_is_traced_as_one_graph(make):
    model, text = make(), tokens()
    traced = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(traced(text), model(text), atol=1e-5, rtol=0)


def test_half_precision_comes_out_as_it_went_in():
    for make in MAKERS.values():
        model = make().bfloat16()
        assert model(tokens()).dtype is torch.bfloat16


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: GPT(GPTConfig.gpt2(50, **SMALL)), [0.12556, -0.04755, -0.11498]),
        (lambda: GPT(GPTConfig.llama(50, **SMALL, d_ff=48)), [0.03851, 0.0937, -0.20103]),
        (lambda: Speedrun(SpeedrunConfig(50, **SMALL)), [-0.198, 0.04038, -0.03007]),
    ],
    ids=["gpt2", "llama", "speedrun"],
)
def test_a_seed_gives_the_model_that_the_chapters_numbers_are_from(make, expected):
    got = make()(torch.arange(8)[None])[0, -1, :3]
    torch.testing.assert_close(got, torch.tensor(expected), atol=1e-4, rtol=0)


# The same weights in Transformers' own models


def gpt2_weights(theirs):
    """Return the state dict of Transformers' GPT-2 with our names."""
    parts = {
        "ln_1": "attention_norm",
        "ln_2": "mlp_norm",
        "attn.c_proj": "attention.out_proj",
        "mlp.c_fc": "mlp.up",
        "mlp.c_proj": "mlp.down",
        "transformer.wte": "token_embedding",
        "transformer.wpe": "position_embedding",
        "transformer.ln_f": "norm",
        "transformer.h": "blocks",
    }
    ours = {}
    for name, weight in theirs.items():
        if name == "lm_head.weight":  # tied
            continue
        if "attn.c_" in name or "mlp.c_" in name:
            weight = weight.t() if weight.dim() == 2 else weight  # theirs is (in, out)
        for their_part, our_part in parts.items():
            name = name.replace(their_part, our_part)
        if "attn.c_attn" in name:
            for letter, piece in zip("qkv", weight.chunk(3), strict=True):
                ours[name.replace("attn.c_attn", f"attention.{letter}_proj")] = piece
        else:
            ours[name] = weight
    return ours


LLAMA_PARTS = {
    "model.embed_tokens": "token_embedding",
    "model.layers": "blocks",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "mlp_norm",
    "self_attn.o_proj": "attention.out_proj",
    "self_attn": "attention",
    "_proj": "_proj",
    "mlp.gate_proj": "mlp.gate",
    "mlp.up_proj": "mlp.up",
    "mlp.down_proj": "mlp.down",
    "model.norm": "norm",
    "lm_head": "head",
}


@BOTH
@pytest.mark.parametrize("length", [1, 2, 16])
def test_gpt_2_of_transformers_gives_the_same(dtype, length):
    sizes = {"n_positions": 16, "n_embd": 32, "n_layer": 2, "n_head": 4}
    theirs = scrambled(GPT2LMHeadModel(GPT2Config(vocab_size=VOCAB, **sizes)).to(dtype))
    ours = GPT(GPTConfig(VOCAB, **SMALL, mlp="gelu_tanh")).to(dtype)
    ours.load_state_dict(gpt2_weights(theirs.state_dict()))
    text = tokens(length=length)
    close(ours(text), theirs(text).logits, dtype)


@BOTH
@pytest.mark.parametrize("n_kv_heads", [4, 2, 1])
@pytest.mark.parametrize("tied", [False, True])
def test_llama_of_transformers_gives_the_same(dtype, n_kv_heads, tied):
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": n_kv_heads}
    rope = {"rope_type": "default", "rope_theta": 1000.0}
    theirs = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCAB,
            **sizes,
            **heads,
            rope_parameters=rope,
            rms_norm_eps=1e-4,
            tie_word_embeddings=tied,
        )
    )
    theirs = scrambled(theirs.to(dtype))
    shape = {"n_kv_heads": n_kv_heads, "norm_eps": 1e-4, "rope_base": 1000.0, "tied": tied}
    ours = GPT(GPTConfig(VOCAB, **SMALL, **LLAMA, **shape)).to(dtype)
    weights = renamed(theirs.state_dict(), LLAMA_PARTS)
    if tied:
        del weights["head.weight"]
    ours.load_state_dict(weights)
    text = tokens()
    # Transformers computes the angles and the norms in float32, whatever the model's dtype.
    expected, got = theirs(text).logits, ours(text)
    torch.testing.assert_close(got, expected, atol=2e-4, rtol=0)
