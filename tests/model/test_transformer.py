"""The encoder-decoder: its laws, and the numbers of torch's own."""

import pytest
import torch
from small import (
    BOTH,
    LLAMA,
    MAKERS,
    NARROW,
    REAL,
    SMALL,
    VOCAB,
    close,
    scrambled,
    small_transformer,
    source,
    tokens,
)
from torch import nn

from course_lib.attention import MultiHeadAttention
from course_lib.model import SpeedrunTransformer, Transformer, TransformerConfig

# The encoder-decoder


SPEEDRUN = {"norm": "rms", "mlp": "relu2", "positions": "rope", "bias": False}
TRANSFORMERS = {
    "gpt2": lambda: Transformer(small_transformer()),
    "shared": lambda: Transformer(small_transformer(source_vocab_size=None)),
    "llama": lambda: Transformer(small_transformer(**LLAMA, n_kv_heads=2, tied=False)),
    "speedrun": lambda: SpeedrunTransformer(small_transformer(**SPEEDRUN)),
}
EACH_TRANSFORMER = pytest.mark.parametrize("make", TRANSFORMERS.values(), ids=TRANSFORMERS.keys())


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


@pytest.mark.parametrize("dtype", NARROW)
def test_both_sides_read_ids_of_a_narrower_type(dtype):
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


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Transformer(TransformerConfig(50, **SMALL)), [-0.06288, -0.06445, 0.00718]),
        (
            lambda: SpeedrunTransformer(TransformerConfig(50, **SMALL, **SPEEDRUN)),
            [-0.00609, -0.04859, -0.04786],
        ),
    ],
    ids=["gpt2", "speedrun"],
)
def test_a_seed_gives_the_model_that_the_chapters_numbers_are_from(make, expected):
    text = torch.arange(8)[None]
    got = make()(text, text)[0, -1, :3]
    torch.testing.assert_close(got, torch.tensor(expected), atol=1e-4, rtol=0)
