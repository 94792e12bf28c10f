"""The parts: activations, the count of parameters, and what a model refuses, by name."""

import math
from dataclasses import fields, replace

import pytest
import torch
from small import MAKERS, SMALL, VOCAB, scrambled, small_transformer, weights_of
from torch import nn

from course_lib.model import (
    GPT,
    MLP,
    Encoder,
    EncoderConfig,
    GPTConfig,
    Speedrun,
    SpeedrunConfig,
    SpeedrunTransformer,
    Transformer,
    TransformerConfig,
    count_parameters,
)
from course_lib.model.ngram_embedding import NGramEmbedding


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


OTHER_VALUES = {
    "vocab_size": 60,
    "context": 17,
    "n_layers": 1,
    "n_heads": 2,
    "d_model": 64,
    "n_kv_heads": 2,
    "d_ff": 40,
    "norm": "rms",
    "norm_eps": 0.1,
    "mlp": "relu",
    "positions": "none",
    "rope_base": 10.0,
    "bias": False,
    "tied": False,
    "dropout": 0.5,
    "pre_norm": False,
    "n_token_types": 2,
    "embedding_norm": True,
    "source_vocab_size": 60,
    "n_encoder_layers": 3,
    "qk_norm": True,
    "zero_init": True,
    "logit_cap": 0.1,
    "ngrams": 2,
    "ngram_table": 9,
}
KINDS = {
    GPT: GPTConfig(VOCAB, **SMALL),
    Encoder: EncoderConfig(VOCAB, **SMALL),
    Transformer: TransformerConfig(VOCAB, **SMALL),
    SpeedrunTransformer: TransformerConfig(VOCAB, **SMALL),
    Speedrun: SpeedrunConfig.gpt2(VOCAB, **SMALL),
}


def made(model_class, config):
    """Return the sizes of a model's weights, and what it gives."""
    torch.manual_seed(0)
    model = scrambled(model_class(config)).train()  # else zeros could hide what comes before
    text = torch.arange(6).view(2, 3)
    sizes = {name: weight.shape for name, weight in model.state_dict().items()}
    return sizes, model(text, text) if isinstance(model, Transformer) else model(text)


@pytest.mark.parametrize(
    ("model_class", "field"),
    [(kind, field.name) for kind, config in KINDS.items() for field in fields(config)],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_each_field_of_a_config_does_something_in_its_class(model_class, field):
    needed = {"rope_base": {"positions": "rope"}, "ngram_table": {"ngrams": 2}}
    config = replace(KINDS[model_class], **needed.get(field, {}))
    sizes, out = made(model_class, config)
    other_sizes, other = made(model_class, replace(config, **{field: OTHER_VALUES[field]}))
    assert sizes != other_sizes or not torch.equal(out, other)


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
