"""The model's laws, and the same numbers as PyTorch's and Transformers' own models."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    RobertaConfig,
    RobertaModel,
)

from course_lib.attention import MultiHeadAttention
from course_lib.model import (
    GPT,
    MLP,
    Encoder,
    EncoderConfig,
    GPTConfig,
    PostNormBlock,
    Speedrun,
    SpeedrunConfig,
    SpeedrunTransformer,
    Transformer,
    TransformerConfig,
    count_parameters,
)
from course_lib.model.ngram_embedding import NGramEmbedding, ngram_rows

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


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


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


@pytest.mark.parametrize(
    ("model_class", "config"),
    [
        (Encoder, EncoderConfig(VOCAB, **SMALL, n_token_types=2, embedding_norm=True)),
        (Encoder, EncoderConfig(VOCAB, **SMALL, pre_norm=False, positions="rope")),
        (Transformer, TransformerConfig(VOCAB, **SMALL)),  # shares its embeddings
        (Transformer, TransformerConfig(VOCAB, **SMALL, source_vocab_size=40, tied=False)),
        (SpeedrunTransformer, TransformerConfig(VOCAB, **SMALL, n_encoder_layers=3)),
    ],
)
def test_parameters_of_an_encoder_and_of_both_sides_are_counted(model_class, config):
    assert count_parameters(model_class, config) == weights_of(model_class(config))


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


def test_blocks_that_begin_at_zero_change_nothing():
    model = MAKERS["speedrun"]()
    stream = torch.randn(2, 5, 32)
    for block in model.blocks:
        assert torch.equal(block(stream, causal=True), stream)


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


NARROW = (torch.int32, torch.int16, torch.uint8, torch.int8, torch.uint16)


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


@pytest.mark.parametrize("dtype", NARROW)
def test_an_encoder_and_a_decoder_read_ids_of_a_narrower_type(dtype):
    encoder = scrambled(Encoder(EncoderConfig(VOCAB, **SMALL, n_token_types=2)))
    text, types = tokens(2, 7), torch.randint(2, (2, 7))
    got = encoder(text.to(dtype), token_types=types.to(dtype), attention_mask=REAL.to(dtype))
    assert torch.equal(got, encoder(text, token_types=types, attention_mask=REAL))
    model, target = scrambled(Transformer(small_transformer())), tokens(2, 6)
    text = source()
    got = model(text.to(dtype), target.to(dtype), REAL.to(dtype))
    assert torch.equal(got, model(text, target, REAL))


@pytest.mark.parametrize("dtype", NARROW)
def test_rows_of_a_narrower_type_choose_the_same_rows(dtype):
    rows = torch.tensor([2, 0, 1, 1])
    model, text = scrambled(MAKERS["n-grams"]()), tokens(3, 6)
    both = []
    for index in (rows, rows.to(dtype)):
        caches = model.new_caches(9)
        model(text[:, :5], caches=caches)
        for cache in caches:
            cache.select(index)
        both.append(model(text[rows, 5:], caches=caches))
    assert torch.equal(*both)
    sides = scrambled(Transformer(small_transformer()))
    memory = sides.encode(torch.randint(40, (3, 7)))
    target = tokens(4, 6)
    wide, narrow = memory.select(rows), memory.select(rows.to(dtype))
    assert torch.equal(sides.decode(target, wide), sides.decode(target, narrow))


def test_an_n_gram_has_the_same_row_wherever_it_stands():
    text = torch.tensor([[-1, -1, 3, 1, 4, 3, 1, 4]])
    pairs, triples = ngram_rows(text, 3, 1_000_003)[:, 0]
    assert (pairs[1:3] == pairs[4:6]).all()  # 3 1, 1 4
    assert triples[2] == triples[5]  # 3 1 4
    rows = [*pairs[[0, 1, 2, 3]], *triples[:5]]  # each other one is of its own
    assert len({row.item() for row in rows}) == len(rows)
    assert ngram_rows(text, 3, 7).max() < 7
    assert torch.equal(ngram_rows(text.to(torch.int8), 3, 7), ngram_rows(text, 3, 7))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gelu", nn.GELU()),
        ("gelu_tanh", nn.GELU(approximate="tanh")),
        ("relu", nn.ReLU()),
        ("relu2", lambda x: x.clamp(min=0) ** 2),
    ],
)
def test_mlp_bends_by_the_function_that_its_name_says(name, expected):
    mlp, x = MLP(GPTConfig(VOCAB, d_model=32, mlp=name)), 3 * torch.randn(2, 5, 32)
    assert torch.equal(mlp(x), mlp.down(expected(mlp.up(x))))


def test_logits_are_capped_softly():
    free, capped = (scrambled(MAKERS["speedrun"](logit_cap=c)) for c in (None, 2.0))
    capped.load_state_dict(free.state_dict())
    text = tokens()
    expected = 2 * torch.tanh(free(text) / 2)
    close(capped(text), expected, torch.float32)
    assert free(text).abs().max() > 2 > capped(text).abs().max()


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


def renamed(weights, parts):
    """Return the state dict with parts of its names replaced, in order."""
    ours = {}
    for name, weight in weights.items():
        for their_part, our_part in parts.items():
            name = name.replace(their_part, our_part)
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
BERT_PARTS = {
    "encoder.layer": "blocks",
    "attention.self.query": "attention.q_proj",
    "attention.self.key": "attention.k_proj",
    "attention.self.value": "attention.v_proj",
    "attention.output.dense": "attention.out_proj",
    "attention.output.LayerNorm": "attention_norm",
    "intermediate.dense": "mlp.up",
    "output.dense": "mlp.down",
    "output.LayerNorm": "mlp_norm",
    "embeddings.word_embeddings": "token_embedding",
    "embeddings.position_embeddings": "position_embedding",
    "embeddings.token_type_embeddings": "type_embedding",
    "embeddings.LayerNorm": "embedding_norm",
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


@BOTH
@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_bert_of_transformers_gives_the_same(dtype, kind):
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    sizes |= {"num_attention_heads": 4, "vocab_size": VOCAB, "layer_norm_eps": 1e-3}
    first = 2 if kind == "roberta" else 0  # RoBERTa's first position has number 2
    sizes |= {"max_position_embeddings": 16 + first, "type_vocab_size": 2}
    if kind == "roberta":
        theirs = RobertaModel(RobertaConfig(**sizes, pad_token_id=1), add_pooling_layer=False)
    else:
        theirs = BertModel(BertConfig(**sizes), add_pooling_layer=False)
    theirs = scrambled(theirs.to(dtype))
    weights = renamed(theirs.state_dict(), BERT_PARTS)
    weights["position_embedding.weight"] = weights["position_embedding.weight"][first:]
    shape = {"pre_norm": False, "d_ff": 48, "norm_eps": 1e-3}
    ours = Encoder(EncoderConfig(VOCAB, **SMALL, **shape, n_token_types=2, embedding_norm=True)).to(
        dtype
    )
    ours.load_state_dict(weights)
    text, types = tokens().clamp_min(2), torch.randint(2, (2, 16))
    real = torch.arange(16) < torch.tensor([[16], [9]])
    for options in ({}, {"attention_mask": real}):
        theirs_options = {"attention_mask": real.long()} if options else {}
        expected = theirs(text, token_type_ids=types, **theirs_options).last_hidden_state
        got = ours.eval()(text, token_types=types, **options)
        close(got[real], expected[real], dtype)
    close(ours(text), theirs(text).last_hidden_state, dtype)


# The encoder-decoder


def small_transformer(**changes):
    options = SMALL | {"source_vocab_size": 40, "n_encoder_layers": 3} | changes
    return TransformerConfig(VOCAB, **options)


SPEEDRUN = {"norm": "rms", "mlp": "relu2", "positions": "rope", "bias": False}
TRANSFORMERS = {
    "gpt2": lambda: Transformer(small_transformer()),
    "shared": lambda: Transformer(small_transformer(source_vocab_size=None)),
    "llama": lambda: Transformer(small_transformer(**LLAMA, n_kv_heads=2, tied=False)),
    "speedrun": lambda: SpeedrunTransformer(small_transformer(**SPEEDRUN)),
}
EACH_TRANSFORMER = pytest.mark.parametrize("make", TRANSFORMERS.values(), ids=TRANSFORMERS.keys())
REAL = torch.arange(7) < torch.tensor([[7], [4]])


def source(batch=2):
    return torch.randint(40, (batch, 7))


@EACH_TRANSFORMER
def test_later_target_tokens_change_no_earlier_logits_but_every_source_token_does(make):
    model = scrambled(make().double())
    text, target = source(), tokens(2, 6)
    before = model(text, target)
    assert before.shape == (2, 6, VOCAB)
    changed = target.clone()
    changed[:, 4:] = (changed[:, 4:] + 1) % VOCAB
    torch.testing.assert_close(model(text, changed)[:, :4], before[:, :4], atol=1e-9, rtol=0)
    for place in range(7):
        other = text.clone()
        other[:, place] = (other[:, place] + 1) % 40
        assert (model(other, target) - before).abs().amax(-1).min() > 1e-9


@BOTH
@EACH_TRANSFORMER
def test_cache_gives_the_same_logits_of_the_target(make, dtype):
    model = scrambled(make().to(dtype))
    text, target = source(), tokens(2, 6)
    memory, caches = model.encode(text, REAL), model.new_caches(6)
    parts = [model.decode(part, memory, caches=caches) for part in target.split([1, 3, 1, 1], 1)]
    close(torch.cat(parts, dim=1), model(text, target, REAL), dtype)


@BOTH
@EACH_TRANSFORMER
def test_padding_of_the_source_changes_nothing(make, dtype):
    model = scrambled(make().to(dtype))
    text, target = source(), tokens(2, 6)
    padded = model(text, target, REAL)
    close(padded[1], model(text[1:, :4], target[1:])[0], dtype)
    rows = torch.tensor([1, 1, 0])
    chosen = model.decode(target[rows], model.encode(text, REAL).select(rows))
    close(chosen, padded[rows], dtype)


def torch_weights(ours, theirs):
    """Copy our blocks' weights into torch's layers."""
    for block, layer in zip(ours, theirs, strict=True):
        pairs = [(block.attention, layer.self_attn), (block.attention_norm, layer.norm1)]
        if hasattr(block, "cross_attention"):
            pairs += [(block.cross_attention, layer.multihead_attn)]
            pairs += [(block.cross_norm, layer.norm2), (block.mlp_norm, layer.norm3)]
        else:
            pairs += [(block.mlp_norm, layer.norm2)]
        pairs += [(block.mlp.up, layer.linear1), (block.mlp.down, layer.linear2)]
        for our_part, their_part in pairs:
            weights = our_part.state_dict()
            if isinstance(our_part, MultiHeadAttention):
                weights = {
                    f"in_proj_{kind}": torch.cat([weights[f"{p}_proj.{kind}"] for p in "qkv"])
                    for kind in ("weight", "bias")
                } | {f"out_proj.{kind}": weights[f"out_proj.{kind}"] for kind in ("weight", "bias")}
            their_part.load_state_dict(weights)


@BOTH
@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_transformer_of_torch_gives_the_same(dtype, activation):
    ours = scrambled(Transformer(small_transformer(mlp=activation)).to(dtype))
    theirs = nn.Transformer(32, 4, 3, 2, 128, 0.0, activation, batch_first=True, norm_first=True)
    theirs = theirs.to(dtype)
    torch_weights(ours.encoder.blocks, theirs.encoder.layers)
    torch_weights(ours.decoder.blocks, theirs.decoder.layers)
    for our_side, their_side in ((ours.encoder, theirs.encoder), (ours.decoder, theirs.decoder)):
        their_side.norm.load_state_dict(our_side.norm.state_dict())
    text, target = source(), tokens(2, 6)
    stream = [
        side.token_embedding(ids) + side.position_embedding.weight[: ids.shape[1]]
        for side, ids in ((ours.encoder, text), (ours.decoder, target))
    ]
    states = theirs(
        *stream,
        tgt_mask=nn.Transformer.generate_square_subsequent_mask(6, dtype=dtype),
        src_key_padding_mask=~REAL,
        memory_key_padding_mask=~REAL,
        tgt_is_causal=True,
    )
    expected = states @ ours.decoder.token_embedding.weight.T
    close(ours(text, target, REAL), expected, dtype)


def test_shared_vocabulary_shares_its_embeddings():
    model = Transformer(small_transformer(source_vocab_size=None))
    assert model.encoder.token_embedding is model.decoder.token_embedding
    assert model.encoder.token_embedding.weight.shape == (VOCAB, 32)


# Bad input: the message names the argument, what was expected and what came

MODEL, BOTH_SIDES = MAKERS["gpt2"](), Transformer(small_transformer())
TEXT = torch.zeros(2, 4, dtype=torch.long)


def with_caches(text, filled=1, room=8):
    caches = MODEL.new_caches(room)
    MODEL(TEXT[:filled], caches=caches)
    return MODEL(text, caches=caches)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: GPTConfig(0), ["vocab_size", "above 0", "got 0"]),
        (lambda: GPTConfig(9, n_layers=1.5), ["n_layers", "whole number", "1.5"]),
        (lambda: GPTConfig(9, d_ff=0), ["d_ff", "got 0"]),
        (lambda: GPTConfig(9, d_model="64"), ["d_model", "whole number", "'64'"]),
        (lambda: GPTConfig(9, norm="batch"), ["norm", "layer, rms", "'batch'"]),
        (lambda: GPTConfig(9, mlp="sigmoid"), ["mlp", "gelu", "'sigmoid'"]),
        (lambda: GPTConfig(9, positions=None), ["positions", "learned", "None"]),
        (lambda: SpeedrunConfig(9, logit_cap=-1.0), ["logit_cap", "above 0", "-1.0"]),
        (lambda: SpeedrunConfig(9, logit_cap=math.inf), ["logit_cap", "above 0", "inf"]),
        (lambda: GPTConfig(9, dropout=1.0), ["dropout", "got 1.0"]),
        (lambda: GPTConfig(9, dropout=math.nan), ["dropout", "got nan"]),
        (lambda: GPTConfig(9, dropout=-0.1), ["dropout", "got -0.1"]),
        (lambda: GPTConfig(9, norm_eps=0), ["norm_eps", "above 0", "got 0"]),
        (lambda: GPTConfig(9, norm_eps=math.nan), ["norm_eps", "above 0", "got nan"]),
        (lambda: GPTConfig(9, positions="rope", rope_base=math.inf), ["rope_base", "got inf"]),
        (lambda: GPTConfig(True), ["vocab_size", "whole number", "True"]),
        (lambda: GPTConfig(9, context=8.0), ["context", "whole number", "8.0"]),
        (lambda: NGramEmbedding(7, 8, 1), ["ngrams", "at least 2", "got 1"]),
        (lambda: NGramEmbedding(0, 8, 3), ["n_rows", "above 0", "got 0"]),
        (lambda: SpeedrunConfig(9, ngrams=0), ["ngrams", "above 0", "got 0"]),
        (lambda: GPT(SpeedrunConfig(9)), ["config", "a GPTConfig", "got SpeedrunConfig"]),
        (lambda: BOTH_SIDES.decoder(TEXT), ["memory", "Transformer.encode()", "got None"]),
        (lambda: GPTConfig(9, n_heads=3), ["n_heads", "d_model=128", "got 3"]),
        (lambda: GPTConfig(9, n_kv_heads=3), ["n_kv_heads", "n_heads=4", "got 3"]),
        (
            lambda: GPTConfig(9, n_heads=4, d_model=12, positions="rope"),
            ["d_model", "even", "got 3"],
        ),
        (lambda: TransformerConfig(9, source_vocab_size=0), ["source_vocab_size", "got 0"]),
        (lambda: EncoderConfig(9, n_token_types=-1), ["n_token_types", "got -1"]),
        (lambda: EncoderConfig(9, n_token_types=True), ["n_token_types", "got True"]),
        (lambda: MODEL([[1]]), ["tokens", "(B, T)", "list"]),
        (lambda: MODEL(TEXT[0]), ["tokens", "(B, T)", "(4,)"]),
        (lambda: MODEL(TEXT[:, :0]), ["tokens", "(B, T)", "(2, 0)"]),
        (lambda: MODEL(TEXT.float()), ["tokens", "whole numbers", "float32"]),
        (lambda: MODEL(TEXT.bool()), ["tokens", "whole numbers", "bool"]),
        (lambda: MODEL(TEXT, attention_mask=[1]), ["attention_mask", "tensor", "list"]),
        (lambda: BOTH_SIDES.encode(TEXT).select(TEXT[0] - 1), ["rows", "0 to 1", "-1"]),
        (lambda: MODEL(TEXT + VOCAB), ["tokens", "0 to 49", "50 to 50"]),
        (lambda: MODEL(TEXT - 1), ["tokens", "0 to 49", "-1"]),
        (lambda: MODEL(TEXT.repeat(1, 5)), ["tokens", "context=16", "20"]),
        (
            lambda: MODEL(TEXT, attention_mask=torch.ones(2, 3)),
            ["attention_mask", "(2, 4)", "(2, 3)"],
        ),
        (lambda: MODEL(TEXT, attention_mask=torch.ones(2, 4)), ["attention_mask", "float32"]),
        (lambda: MODEL(TEXT, caches=MODEL.new_caches(9)[:1]), ["caches", "(2)", "got 1"]),
        (lambda: MODEL(TEXT, caches=[]), ["caches", "(2)", "got 0"]),
        (lambda: with_caches(TEXT, filled=1), ["tokens", "batch size 1", "got 2"]),
        (lambda: with_caches(TEXT, filled=2, room=6), ["tokens", "at most 2 more", "got 4"]),
        (lambda: with_caches(TEXT.repeat(1, 4), filled=2, room=99), ["context=16", "20"]),
        (lambda: BOTH_SIDES(TEXT[0], TEXT), ["source", "(B, T)", "(4,)"]),
        (lambda: BOTH_SIDES(TEXT + 40, TEXT), ["source", "0 to 39", "40"]),
        (lambda: BOTH_SIDES(TEXT, TEXT + VOCAB), ["target", "0 to 49", "50"]),
        (lambda: BOTH_SIDES(TEXT[:1], TEXT), ["target", "batch size 1", "got 2"]),
        (
            lambda: BOTH_SIDES(TEXT, TEXT, torch.ones(2, 3).bool()),
            ["source_mask", "(2, 4)", "(2, 3)"],
        ),
        (
            lambda: Encoder(EncoderConfig(9, n_token_types=2))(TEXT, token_types=TEXT + 2),
            ["token_types", "0 to 1", "2"],
        ),
        (
            lambda: Encoder(EncoderConfig(9, n_token_types=2))(TEXT, token_types=TEXT[:1]),
            ["token_types", "(2, 4)", "(1, 4)"],
        ),
        (
            lambda: Encoder(EncoderConfig(9))(TEXT, token_types=TEXT),
            ["token_types", "None", "tensor"],
        ),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError) as raised:  # noqa: PT011  the words are checked below
        call()
    for word in words:
        assert word in str(raised.value)
