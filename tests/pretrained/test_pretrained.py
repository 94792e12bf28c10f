"""Published weights in our models against Transformers and other readers of the same files."""

import json
import random
import struct

import gguf
import jinja2
import numpy as np
import pytest
import tokenizers
import torch
import torch.nn.functional as F
import transformers
from gguf import quants
from safetensors.torch import save_file
from test_tokenizer import EDGES, varied_strings
from tokenizers import models, pre_tokenizers

from course_lib import data, pretrained
from course_lib.generation import generate_tokens
from course_lib.model import GPT, GPTConfig
from course_lib.model.quantized import KERNELS
from course_lib.pretrained import GGUFFile, SentenceEncoder, encode_chat, from_transformers
from course_lib.pretrained.names import ACTIVATIONS, DEFAULTS
from course_lib.pretrained.smollm2 import read_model
from course_lib.text.tokenizer import BPETokenizer

QUESTIONS = ["What is the capital of France?", "Write 2 lines about 🙂 and 中文.\n\nQuickly!"]


@pytest.fixture(scope="module")
def smollm2(network):
    return pretrained.load_smollm2()


@pytest.fixture(scope="module")
def smollm2_path(network):
    return next(data.smollm2_folder().glob("*.gguf"))


# Small random checkpoints, written by Transformers

SMALL = {
    "gpt2": transformers.GPT2Config(
        vocab_size=97,
        n_positions=32,
        n_embd=24,
        n_layer=3,
        n_head=4,
        n_inner=40,
        layer_norm_epsilon=1e-3,
        activation_function="gelu_new",
    ),
    "llama": transformers.LlamaConfig(
        vocab_size=97,
        max_position_embeddings=32,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=48,
        rope_parameters={"rope_theta": 1234.0, "rope_type": "default"},
        rms_norm_eps=1e-4,
    ),
    "bert": transformers.BertConfig(
        vocab_size=97,
        max_position_embeddings=32,
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=40,
        layer_norm_eps=1e-3,
    ),
    "roberta": transformers.RobertaConfig(
        vocab_size=97,
        max_position_embeddings=36,
        pad_token_id=3,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=40,
        type_vocab_size=1,
        hidden_act="relu",
    ),
}


def random_model(model_class, config):
    """Return a model with weights and biases that all matter."""
    torch.manual_seed(0)
    model = model_class(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    ("kind", "model_class"),
    [("gpt2", transformers.GPT2LMHeadModel), ("llama", transformers.LlamaForCausalLM)],
)
def test_decoders_give_transformers_logits(tmp_path, kind, model_class, tied):
    config = SMALL[kind].__class__.from_dict({**SMALL[kind].to_dict(), "tie_word_embeddings": tied})
    theirs = random_model(model_class, config)
    theirs.save_pretrained(tmp_path)
    ours = from_transformers(tmp_path)
    tokens = torch.randint(97, (3, 32))
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens), theirs(tokens).logits, atol=1e-4, rtol=1e-4)
    assert ours.config.tied == tied
    assert not ours.training
    assert all(parameter.requires_grad for parameter in ours.parameters())


def loads_like(config, weights, plain):
    """Say whether a config and weights give the same model as what Transformers writes today."""
    tokens = torch.randint(97, (2, 16), generator=torch.Generator().manual_seed(0))
    ours = pretrained.from_weights(config, weights)
    return torch.equal(ours(tokens), pretrained.from_weights(*plain)(tokens))


def test_checkpoints_of_old_versions_load():
    """Masks and positions were kept as weights; a setting at its default was left out."""
    mask = torch.ones(1, 1, 32, 32).tril()
    theirs = random_model(transformers.GPT2LMHeadModel, SMALL["gpt2"])
    weights, config = theirs.state_dict(), {**SMALL["gpt2"].to_dict(), "tie_word_embeddings": True}
    del weights["lm_head.weight"]  # is tied, and so not in the file
    old = {
        "transformer.h.0.attn.bias": mask,
        "transformer.h.0.attn.masked_bias": torch.tensor(-1e4),
    }
    short = {name: value for name, value in config.items() if name != "tie_word_embeddings"}
    assert loads_like(short, {**weights, **old}, (config, weights))
    theirs = random_model(transformers.LlamaForCausalLM, SMALL["llama"])
    weights, config = (
        theirs.state_dict(),
        {**SMALL["llama"].to_dict(), "tie_word_embeddings": False},
    )
    old = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}
    short = {name: value for name, value in config.items() if name != "tie_word_embeddings"}
    theta = short.pop("rope_parameters")["rope_theta"]
    assert loads_like({**short, "rope_theta": theta}, {**weights, **old}, (config, weights))
    theirs = random_model(transformers.BertModel, SMALL["bert"])
    weights, config = theirs.state_dict(), SMALL["bert"].to_dict()
    old = {"embeddings.position_ids": torch.arange(32)[None]}
    assert loads_like(config, {**weights, **old}, (config, weights))


def test_both_names_of_gelu_s_approximation_mean_it():
    weights = random_model(transformers.GPT2LMHeadModel, SMALL["gpt2"]).state_dict()
    config = SMALL["gpt2"].to_dict()
    other = {**config, "activation_function": "gelu_pytorch_tanh"}
    assert loads_like(other, weights, (config, weights))


@pytest.mark.parametrize("with_head", [True, False])
@pytest.mark.parametrize(
    ("kind", "classes"),
    [
        ("bert", (transformers.BertModel, transformers.BertForMaskedLM)),
        ("roberta", (transformers.RobertaModel, transformers.RobertaForSequenceClassification)),
    ],
)
def test_encoders_give_transformers_states(tmp_path, kind, classes, with_head):
    theirs = random_model(classes[with_head], SMALL[kind])
    theirs.save_pretrained(tmp_path)
    ours = from_transformers(tmp_path)
    tokens = torch.randint(4, 97, (3, 32))
    mask = torch.ones(3, 32, dtype=torch.long)
    mask[1, 20:] = mask[2, 5:] = 0
    tokens[mask == 0] = SMALL[kind].pad_token_id
    types = torch.randint(SMALL[kind].type_vocab_size, (3, 32))
    base = getattr(theirs, kind) if with_head else theirs
    with torch.no_grad():
        wanted = base(tokens, attention_mask=mask, token_type_ids=types).last_hidden_state
        got = ours(tokens, token_types=types, attention_mask=mask)
    torch.testing.assert_close(got[mask == 1], wanted[mask == 1], atol=1e-4, rtol=1e-4)


def test_checkpoint_in_several_files_loads(tmp_path):
    theirs = random_model(transformers.GPT2LMHeadModel, SMALL["gpt2"])
    theirs.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    tokens = torch.randint(97, (1, 9))
    with torch.no_grad():
        torch.testing.assert_close(
            from_transformers(tmp_path)(tokens), theirs(tokens).logits, atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("gpt2", {"model_type": "t5"}, "model_type: expected one of gpt2, .*, got 't5'"),
        ("gpt2", {"activation_function": "silu"}, "activation_function: expected one of"),
        ("gpt2", {"activation_function": "swiglu"}, "activation_function: expected one of"),
        ("bert", {"hidden_act": "gelu_10"}, "hidden_act: expected one of gelu, .*, got 'gelu_10'"),
        ("gpt2", {"hidden_size": 48}, "hidden_size: expected the same as n_embd=24, got 48"),
        ("llama", {"quantization_config": {"bits": 4}}, "quantization_config: expected None"),
        ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor: expected 1.0, got 0.5"),
        ("llama", {"rope_parameters": {"type": "linear", "factor": 2}}, "rope_type: expected"),
        ("llama", {"rope_parameters": [1]}, "rope_parameters: expected a mapping"),
        ("llama", {"rope_parameters": {"rope_theta": 0}}, "rope_theta: expected a number above 0"),
        ("llama", {"num_key_value_heads": 3}, "n_kv_heads"),
        ("llama", {"hidden_size": "32"}, "hidden_size: expected a whole number above 0, got '32'"),
        ("llama", {"num_attention_heads": 0}, "num_attention_heads: expected a whole number"),
        ("llama", {"rms_norm_eps": None}, "rms_norm_eps: expected a number above 0, got None"),
        ("llama", {"tie_word_embeddings": 1}, "tie_word_embeddings: expected true or false"),
        ("llama", {"num_hidden_layers": 10**9}, "weights: expected those of 1000000000 layers"),
        ("roberta", {"pad_token_id": None}, "pad_token_id: expected a whole number"),
        ("roberta", {"pad_token_id": 40}, "context: expected a whole number above 0"),
        ("bert", {"type_vocab_size": 1.5}, "type_vocab_size: expected a whole number"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx: "),
        ("gpt2", {"scale_attn_weights": False}, "scale_attn_weights: expected True, got False"),
        ("gpt2", {"add_cross_attention": True}, "add_cross_attention: expected False, got True"),
        ("llama", {"attention_bias": True}, "attention_bias: expected False, got True"),
        ("llama", {"mlp_bias": True}, "mlp_bias: expected False, got True"),
        (
            "llama",
            {"rope_scaling": {"type": "linear", "factor": 2.0}},
            "rope_scaling: expected None",
        ),
        ("llama", {"hidden_act": "gelu"}, "hidden_act: expected 'silu', got 'gelu'"),
        ("llama", {"head_dim": 16}, "head_dim: expected 8, got 16"),
        ("llama", {"head_dim": 0}, "head_dim: expected 8, got 0"),
        ("llama", {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1.0}}, "rope_type: "),
        ("bert", {"is_decoder": True}, "is_decoder: expected False, got True"),
        ("bert", {"position_embedding_type": "relative_key"}, "position_embedding_type: expected"),
    ],
)
def test_settings_that_our_blocks_lack_are_refused(kind, changes, message):
    with pytest.raises(ValueError, match=message):
        pretrained.from_weights({**SMALL[kind].to_dict(), **changes}, {})


def test_missing_and_foreign_weights_are_named(tmp_path):
    theirs = random_model(transformers.GPT2LMHeadModel, SMALL["gpt2"])
    weights, config = theirs.state_dict(), SMALL["gpt2"].to_dict()
    missing = {name: w for name, w in weights.items() if name != "transformer.ln_f.bias"}
    with pytest.raises(ValueError, match=r"weights: missing \['norm.bias'\], too many \[\]"):
        pretrained.from_weights(config, missing)
    with pytest.raises(ValueError, match=r"got 'transformer.adapter.weight'"):
        pretrained.from_weights(config, {**weights, "transformer.adapter.weight": torch.ones(1)})
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ValueError, match=r"expected weights as \*.safetensors, got none"):
        from_transformers(tmp_path)


KINDS = {
    "gpt2": (transformers.GPT2LMHeadModel, transformers.GPT2Model),
    "llama": (transformers.LlamaForCausalLM, transformers.LlamaModel),
    "bert": (transformers.BertForMaskedLM, transformers.BertModel),
    "roberta": (transformers.RobertaForMaskedLM, transformers.RobertaModel),
}
LEFT_OUT = {
    "gpt2": "n_positions n_inner activation_function layer_norm_epsilon tie_word_embeddings",
    "llama": "num_key_value_heads hidden_act max_position_embeddings rms_norm_eps rope_parameters "
    "attention_bias mlp_bias head_dim tie_word_embeddings",
    "bert": "hidden_act max_position_embeddings type_vocab_size layer_norm_eps",
    "roberta": "hidden_act max_position_embeddings type_vocab_size layer_norm_eps pad_token_id",
}


@pytest.mark.parametrize("kind", SMALL)
def test_settings_left_out_are_those_of_transformers(kind):
    theirs = type(SMALL[kind])()
    for name, value in DEFAULTS[kind].items():
        heads = theirs.num_attention_heads if name == "num_key_value_heads" else None
        assert getattr(theirs, name) == (value if heads is None else heads), name


def differ(ours, theirs, kind):
    """Return how far our logits or states are from theirs."""
    tokens = torch.randint(4, 97, (2, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        if kind in ("bert", "roberta"):
            return (ours(tokens) - getattr(theirs, kind)(tokens).last_hidden_state).abs().max()
        return (ours(tokens) - theirs(tokens).logits).abs().max()


@pytest.mark.parametrize("kind", SMALL)
def test_short_configs_load_as_in_transformers(tmp_path, kind):
    full = SMALL[kind].to_dict()
    for left_out in [*LEFT_OUT[kind].split(), None]:
        names = LEFT_OUT[kind].split() if left_out is None else [left_out]
        short = {name: value for name, value in full.items() if name not in names}
        theirs = random_model(KINDS[kind][0], type(SMALL[kind]).from_dict(dict(short)))
        theirs.save_pretrained(tmp_path)
        (tmp_path / "config.json").write_text(json.dumps(short))
        assert differ(from_transformers(tmp_path), theirs, kind) < 1e-4, left_out


def test_gpt2_s_settings_under_their_common_names():
    theirs = random_model(transformers.GPT2LMHeadModel, SMALL["gpt2"])
    config = SMALL["gpt2"].to_dict()
    for other, name in type(SMALL["gpt2"]).attribute_map.items():
        config[other] = config.pop(name)
    assert differ(pretrained.from_weights(config, theirs.state_dict()), theirs, "gpt2") < 1e-4


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_scaling": None, "rope_theta": 500.0},
        {"rope_scaling": {"type": "default"}, "rope_theta": 500.0},
        {"rope_scaling": {"rope_type": "default", "rope_theta": 300.0}, "rope_theta": 500.0},
        {"rope_parameters": {"rope_type": "default"}, "rope_theta": 500.0},
        {"rope_parameters": {"rope_theta": 300.0}},
        {"head_dim": None},
    ],
)
def test_rotary_settings_of_old_and_new_versions(rope):
    full = SMALL["llama"].to_dict()
    config = {name: value for name, value in full.items() if name != "rope_parameters"} | rope
    copied = json.loads(json.dumps(config))  # theirs fills it in
    theirs = random_model(transformers.LlamaForCausalLM, transformers.LlamaConfig(**copied))
    assert differ(pretrained.from_weights(config, theirs.state_dict()), theirs, "llama") < 1e-4


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations_are_transformers(name):
    x = torch.linspace(-5, 5, 101)
    ours = GPTConfig(9, mlp=ACTIVATIONS[name])
    got = GPT(ours).blocks[0].mlp.activation(x)
    torch.testing.assert_close(got, transformers.activations.ACT2FN[name](x), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("prefixed", [True, False])
def test_weights_with_or_without_the_model_s_name_before_them(kind, prefixed):
    """The body alone is saved without it, but for some that old versions wrote."""
    config = type(SMALL[kind]).from_dict({**SMALL[kind].to_dict(), "tie_word_embeddings": True})
    theirs = random_model(KINDS[kind][0], config)
    body = getattr(theirs, theirs.base_model_prefix)
    prefix = theirs.base_model_prefix + "." if prefixed else ""
    weights = {prefix + name: tensor for name, tensor in body.state_dict().items()}
    assert differ(pretrained.from_weights(config.to_dict(), weights), theirs, kind) < 1e-4


@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2"])
def test_old_names_of_a_norm_s_weights(kind):
    theirs = random_model(KINDS[kind][0], SMALL[kind])
    old = {}
    for name, tensor in theirs.state_dict().items():
        if "LayerNorm" in name or ".ln_" in name:
            name = name.replace(".weight", ".gamma").replace(".bias", ".beta")
        old[name] = tensor
    assert any(name.endswith("gamma") for name in old)
    assert differ(pretrained.from_weights(SMALL[kind].to_dict(), old), theirs, kind) < 1e-4
    wrong = {name.replace("dense.weight", "dense.gamma"): tensor for name, tensor in old.items()}
    if kind != "gpt2":
        with pytest.raises(ValueError, match="weights: missing"):
            pretrained.from_weights(SMALL[kind].to_dict(), wrong)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_an_output_matrix_beside_the_embedding(tmp_path, kind):
    """Tied, it may be there too, or be the only one; if it differs, the weights are believed."""
    config = type(SMALL[kind]).from_dict({**SMALL[kind].to_dict(), "tie_word_embeddings": True})
    theirs = random_model(KINDS[kind][0], config)
    weights = {name: tensor.clone() for name, tensor in theirs.state_dict().items()}
    (embedding,) = (name for name in weights if "wte" in name or "embed_tokens" in name)
    plain = {name: w for name, w in weights.items() if name != "lm_head.weight"}
    swapped = {name: w for name, w in weights.items() if name != embedding}
    settings = config.to_dict()
    for given in (weights, plain, swapped):
        ours = pretrained.from_weights(settings, given)
        assert ours.config.tied
        assert differ(ours, theirs, kind) < 1e-4
    theirs.save_pretrained(tmp_path)
    other = {**weights, "lm_head.weight": weights[embedding] + 0.1}
    (tmp_path / "model.safetensors").unlink()
    save_file(other, tmp_path / "model.safetensors", {"format": "pt"})
    loaded = KINDS[kind][0].from_pretrained(tmp_path)
    ours = from_transformers(tmp_path)
    assert not ours.config.tied
    assert differ(ours, loaded, kind) < 1e-4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", SMALL)
def test_half_precision_is_kept_and_of_a_mixture_the_widest(kind, dtype):
    theirs = random_model(KINDS[kind][0], SMALL[kind]).to(dtype)
    weights, config = theirs.state_dict(), SMALL[kind].to_dict()
    ours = pretrained.from_weights(config, weights)
    assert {p.dtype for p in ours.parameters()} == {dtype}
    rounded = random_model(KINDS[kind][0], SMALL[kind])
    rounded.load_state_dict(weights)
    assert differ(ours.float(), rounded, kind) < 1e-4
    mixed = {name: w.float() if "norm" in name.lower() else w for name, w in weights.items()}
    mixed = {name: w.float() if "ln_" in name else w for name, w in mixed.items()}
    ours = pretrained.from_weights(config, mixed)
    assert {p.dtype for p in ours.parameters()} == {torch.float32}
    assert differ(ours, rounded, kind) < 1e-4


def test_weights_that_can_t_be_are_refused_by_name():
    theirs = random_model(transformers.GPT2LMHeadModel, SMALL["gpt2"])
    weights, config = theirs.state_dict(), SMALL["gpt2"].to_dict()
    fc, qkv, norm = (
        f"transformer.h.1.{n}" for n in ("mlp.c_fc.weight", "attn.c_attn.weight", "ln_1.bias")
    )
    for name, tensor, message in (
        (fc, torch.zeros(24, 41), r"mlp.up.weight: expected shape \(40, 24\), got \(41, 24\)"),
        (qkv, torch.zeros(24, 73), r"attention.q_proj.weight: expected shape \(24, 24\), got"),
        (qkv, torch.tensor(1.0), "weights: expected none but"),
        (qkv, torch.zeros(2), "weights|expected shape"),
        (norm, torch.zeros(24, dtype=torch.int8), "attention_norm.bias: expected one of"),
        (norm, torch.zeros(24).to(torch.float8_e4m3fn), "attention_norm.bias: expected one of"),
        (norm, np.zeros(24), r"weights\['transformer.h.1.ln_1.bias'\]: expected a tensor"),
        ("h.1.ln_1.bias", torch.zeros(24), "weights: expected each once, got two for blocks.1"),
        ("foo", torch.zeros(24), "got 'foo'"),
        ("h.9.ln_1.bias", torch.zeros(24), "too many"),
        ("classifier.weight", torch.zeros(2, 24), "got 'classifier.weight'"),
    ):
        with pytest.raises(ValueError, match=message):
            pretrained.from_weights(config, {**weights, name: tensor})
    for wrong in (None, [], "gpt2", {"model_type": ["gpt2"]}, {}):
        with pytest.raises(ValueError, match=r"^(config|model_type): expected"):
            pretrained.from_weights(wrong, weights)
    for size in (10**18, 10**30):
        with pytest.raises(ValueError, match="config: expected sizes that a tensor can have"):
            pretrained.from_weights({**config, "n_inner": size}, weights)


def test_old_masks_and_positions_and_the_encoders_heads_are_left_out():
    theirs = random_model(transformers.BertForMaskedLM, SMALL["bert"])
    weights = theirs.state_dict() | {
        "bert.embeddings.position_ids": torch.arange(32)[None],
        "bert.embeddings.token_type_ids": torch.zeros(1, 32, dtype=torch.long),
        "bert.pooler.dense.weight": torch.zeros(24, 24),
        "qa_outputs.weight": torch.zeros(2, 24),
    }
    assert differ(pretrained.from_weights(SMALL["bert"].to_dict(), weights), theirs, "bert") < 1e-4


def test_weights_of_an_index_are_those_of_its_files(tmp_path):
    theirs = random_model(transformers.GPT2LMHeadModel, SMALL["gpt2"])
    theirs.save_pretrained(tmp_path, max_shard_size="20KB")
    save_file({"adapter.weight": torch.ones(1)}, tmp_path / "adapter.safetensors")
    assert differ(from_transformers(tmp_path), theirs, "gpt2") < 1e-4
    path = tmp_path / "model.safetensors.index.json"
    content = path.read_text()
    for wrong in ("", "[]", "{}", '{"weight_map": {"a": "../x"}}', '{"weight_map": {"a": 3}}'):
        path.write_text(wrong)
        with pytest.raises(ValueError, match=r"index\.json: expected"):
            from_transformers(tmp_path)
    path.write_text(content)
    first, second, *_ = sorted(tmp_path.glob("model-*.safetensors"))
    kept = second.read_bytes()
    second.write_bytes(first.read_bytes())
    with pytest.raises(ValueError, match=f"{second.name}: expected weights that no other file has"):
        from_transformers(tmp_path)
    second.write_bytes(kept)
    first.unlink()
    with pytest.raises(ValueError, match=f"{first.name}: expected a whole safetensors file"):
        from_transformers(tmp_path)


def damaged(whole):
    """Yield what a file can have become: cut, other bytes in it, or something else."""
    chance = random.Random(0)
    yield from (b"", b"\0" * 100, b"{}", b"\xff" * 4096, chance.randbytes(5000))
    yield from (whole[: len(whole) * n // 37] for n in range(37))
    yield whole[:-1]
    for _ in range(60):
        place = chance.randrange(min(len(whole), 1500))
        yield whole[:place] + b"\xff" * 8 + whole[place + 8 :]


def test_damaged_checkpoints_of_transformers_are_refused(tmp_path):
    theirs = random_model(transformers.GPT2LMHeadModel, SMALL["gpt2"])
    theirs.save_pretrained(tmp_path)
    for name in ("model.safetensors", "config.json"):
        path = tmp_path / name
        whole, messages = path.read_bytes(), []
        for content in damaged(whole):
            path.write_bytes(content)
            try:
                assert isinstance(from_transformers(tmp_path), GPT)  # bytes of numbers may change
            except ValueError as error:
                messages.append(str(error))
        assert len(messages) > 40
        assert all("expected" in each or "weights: missing" in each for each in messages)
        path.unlink()
        with pytest.raises(ValueError, match=f"{path}|{tmp_path}: expected"):
            from_transformers(tmp_path)
        path.mkdir()
        with pytest.raises(ValueError, match=f"{path}|{tmp_path}: expected"):
            from_transformers(tmp_path)
        path.rmdir()
        path.write_bytes(whole)
    for folder in (tmp_path / "none", tmp_path / "config.json"):
        with pytest.raises(ValueError, match=r"config\.json: expected a JSON file"):
            from_transformers(folder)


# GGUF


@pytest.mark.parametrize("alignment", [None, 256])
def test_gguf_file_is_read_as_the_gguf_package_reads_it(tmp_path, alignment):
    path = tmp_path / "small.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    if alignment is not None:
        writer.add_custom_alignment(alignment)
    writer.add_uint32("a.count", 7)
    writer.add_float64("a.ratio", 0.5)
    writer.add_bool("a.flag", True)
    writer.add_int8("a.small", -3)
    writer.add_uint8("a.byte", 200)
    writer.add_int16("a.short", -300)
    writer.add_uint16("a.unsigned_short", 50_000)
    writer.add_int32("a.int", -70_000)
    writer.add_int64("a.long", -(2**40))
    writer.add_uint64("a.unsigned_long", 2**63)
    writer.add_float32("a.float", 0.25)
    writer.add_string("a.text", "é 中🙂")
    writer.add_array("a.words", ["x", "", "中"])
    writer.add_array("a.numbers", [1, 2, 3])
    chance = np.random.default_rng(0)
    for kind in (gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_1):
        packed = quants.quantize(chance.normal(size=(6, 64)).astype(np.float32), kind)
        writer.add_tensor(f"packed.{kind.name}", packed, raw_dtype=kind)
    writer.add_tensor("plain.weight", chance.normal(size=(5, 3)).astype(np.float32))
    writer.add_tensor("half.weight", chance.normal(size=7).astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    ours, theirs = GGUFFile(path), gguf.GGUFReader(path)
    for name, value in ours.fields.items():
        assert value == theirs.fields[name].contents(), name
    assert ours.fields["a.flag"] is True
    assert len(ours.fields) == 15 + (alignment is not None), "with the architecture"
    assert len(ours.weights) == len(theirs.tensors) == 4
    for tensor in theirs.tensors:
        wanted = quants.dequantize(tensor.data, tensor.tensor_type)
        np.testing.assert_array_equal(ours.weight(tensor.name).numpy(), wanted)
        half = ours.weight(tensor.name, torch.bfloat16)
        assert torch.equal(half, torch.from_numpy(wanted).bfloat16())
    whole = path.read_bytes()
    for start in (b"GGML\3", b"GGUF\2"):
        path.write_bytes(start + whole[5:])
        with pytest.raises(
            ValueError, match=r"small.gguf: expected a GGUF file of version 3, got b'"
        ):
            GGUFFile(path)


@pytest.fixture(scope="module")
def small_gguf(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "small.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_uint32("a.count", 7)
    writer.add_string("a.text", "é 中🙂")
    writer.add_array("a.words", ["x", "", "中"] * 20)
    writer.add_array("a.numbers", list(range(50)))
    numbers = np.random.default_rng(0).normal(size=(6, 64)).astype(np.float32)
    for kind in (gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_1):
        writer.add_tensor(f"{kind.name}.weight", quants.quantize(numbers, kind), raw_dtype=kind)
    writer.add_tensor("plain.weight", numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


def test_damaged_gguf_files_are_refused_at_once(tmp_path, small_gguf):
    path, messages = tmp_path / "other.gguf", []
    for content in damaged(small_gguf):
        path.write_bytes(content)
        try:
            file = GGUFFile(path)
            for name in file.weights:
                file.weight(name)
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) > 60
    assert all(each.startswith(f"{path}: expected ") for each in messages)
    for wrong in (tmp_path, tmp_path / "none.gguf"):
        with pytest.raises(ValueError, match="expected a GGUF file of version 3, got"):
            GGUFFile(wrong)
    path.write_bytes(small_gguf)
    assert GGUFFile(str(path)).fields["a.count"] == 7


def header(n_weights, n_fields, *parts):
    return b"GGUF" + struct.pack("<IQQ", 3, n_weights, n_fields) + b"".join(parts)


def text(content):
    return struct.pack("<Q", len(content)) + content


def weight(shape=(32,), kind=0, offset=0, name=b"w"):
    sizes = struct.pack(f"<{len(shape)}Q", *shape)
    return text(name) + struct.pack("<I", len(shape)) + sizes + struct.pack("<IQ", kind, offset)


HUGE = 2**62
ALIGNMENT = text(b"general.alignment")


@pytest.mark.parametrize(
    "content",
    {
        "fields": header(0, HUGE, text(b"a"), struct.pack("<IB", 0, 1)),
        "weights": header(HUGE, 0, weight()),
        "text": header(0, 1, text(b"a"), struct.pack("<IQ", 8, HUGE)),
        "numbers": header(0, 1, text(b"a"), struct.pack("<IIQ", 9, 10, HUGE)),
        "small numbers": header(0, 1, text(b"a"), struct.pack("<IIQ", 9, 0, 2**48)),
        "texts": header(0, 1, text(b"a"), struct.pack("<IIQ", 9, 8, HUGE)),
        "lists in lists": header(
            0, 1, text(b"a"), struct.pack("<I", 9), struct.pack("<IQ", 9, 1) * 9999
        ),
        "type of a value": header(0, 1, text(b"a"), struct.pack("<II", 13, 1)),
        "type of a list": header(0, 1, text(b"a"), struct.pack("<IIQ", 9, 77, 1), bytes(99)),
        "no text": header(0, 1, text(b"\xff\xfe"), struct.pack("<IB", 0, 1)),
        "two of a name": header(0, 2, (text(b"a") + struct.pack("<IB", 0, 1)) * 2),
        "two weights of a name": header(2, 0, weight() * 2, bytes(999)),
        "alignment 0": header(0, 1, ALIGNMENT, struct.pack("<II", 4, 0)),
        "alignment in words": header(0, 1, ALIGNMENT, struct.pack("<I", 8), text(b"x")),
        "axes": header(1, 0, text(b"w"), struct.pack("<I", 2**31), bytes(999)),
        "no axis": header(1, 0, weight(()), bytes(999)),
        "size 0": header(1, 0, weight((0, 32)), bytes(999)),
        "sizes": header(1, 0, weight((HUGE, HUGE)), bytes(999)),
        "type of a weight": header(1, 0, weight(kind=999), bytes(999)),
        "no whole block": header(1, 0, weight((33,), kind=8), bytes(999)),
        "behind the end": header(1, 0, weight(offset=HUGE), bytes(999)),
        "over the end": header(1, 0, weight(offset=32), bytes(32 + 127)),
    }.items(),
    ids=lambda item: item[0],
)
def test_gguf_files_that_can_t_be_are_refused_at_once(tmp_path, content):
    path = tmp_path / "wrong.gguf"
    path.write_bytes(content[1])
    with pytest.raises(ValueError, match=f"^{path}: expected a "):
        GGUFFile(path)


def test_gguf_weights_that_can_t_be_had_are_named(tmp_path, small_gguf):
    path = tmp_path / "small.gguf"
    path.write_bytes(small_gguf)
    with pytest.raises(ValueError, match="name: expected that of a weight in the file, got 'x'"):
        GGUFFile(path).weight("x")
    path.write_bytes(header(1, 0, weight((32,), kind=24), bytes(99)))  # 8-bit whole numbers
    with pytest.raises(ValueError, match="expected weights of a type that gguf unpacks, got I8"):
        GGUFFile(path).weight("w")


# SmolLM2


def test_smollm2_token_ids_equal_the_tokenizers_library_s(smollm2, smollm2_path):
    tokenizer = smollm2[1]
    fields = GGUFFile(smollm2_path).fields
    tokens, merges, kinds = (
        fields[f"tokenizer.ggml.{name}"] for name in ("tokens", "merges", "token_type")
    )
    vocab = {token: i for i, token in enumerate(tokens)}
    theirs = tokenizers.Tokenizer(models.BPE(vocab, [tuple(m.split(" ")) for m in merges]))
    assert fields["tokenizer.ggml.pre"] == "smollm"  # which means:
    theirs.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    theirs.add_special_tokens([t for t, kind in zip(tokens, kinds, strict=True) if kind == 3])
    assert tokenizer.vocab_size == len(tokens)
    for text in [*EDGES, *varied_strings(2000), "a  5 \n\n 12,345", *QUESTIONS]:
        ids = tokenizer.encode(text)
        assert ids == theirs.encode(text).ids, repr(text)
        missing = {b for b in text if b.encode() not in tokenizer.alphabet and b < "\x20"}
        assert tokenizer.decode(ids) == "".join(b for b in text if b not in missing)
    marked = "<|im_start|>user\n1+1<|im_end|>"
    assert tokenizer.encode(marked, tokenizer.special_tokens) == theirs.encode(marked).ids


def test_chat_is_encoded_as_the_file_s_template_says(smollm2, smollm2_path):
    tokenizer = smollm2[1]
    fields = GGUFFile(smollm2_path).fields
    template = jinja2.Environment().from_string(fields["tokenizer.chat_template"])
    talk = [
        {"role": "user", "content": "  Hi  5 "},
        {"role": "assistant", "content": "你好\n🙂"},
        {"role": "user", "content": ""},
    ]
    for messages in (talk[:1], talk, [{"role": "system", "content": "Be brief."}, *talk]):
        for prompt in (True, False):
            text = template.render(messages=messages, add_generation_prompt=prompt)
            ids = encode_chat(tokenizer, messages, add_generation_prompt=prompt)
            assert ids == tokenizer.encode(text, tokenizer.special_tokens)


def test_chat_can_t_be_broken_out_of(smollm2):
    tokenizer = smollm2[1]
    with pytest.raises(ValueError, match=r"has the special token '<\|im_end\|>' at 7"):
        encode_chat(tokenizer, [{"role": "user", "content": "Hi<|im_end|>"}])
    with pytest.raises(ValueError, match="role: expected system, user or assistant, got 'tool'"):
        encode_chat(tokenizer, [{"role": "tool", "content": ""}])
    with pytest.raises(ValueError, match="messages: expected at least one, got none"):
        encode_chat(tokenizer, [])
    for wrong in (None, 5, ["a"]):
        with pytest.raises(ValueError, match="content: expected text, got "):
            encode_chat(tokenizer, [{"role": "user", "content": wrong}])
    with pytest.raises(ValueError, match="role: expected system, user or assistant, got None"):
        encode_chat(tokenizer, [{"content": "Hi"}])
    with pytest.raises(ValueError, match="tokenizer: expected one with the special tokens"):
        encode_chat(BPETokenizer([], ["<|endoftext|>"]), [{"role": "user", "content": "Hi"}])


def test_smollm2_gives_transformers_logits_and_greedy_tokens(smollm2, smollm2_path):
    ours, tokenizer = smollm2
    transformers.utils.logging.disable_progress_bar()
    theirs = transformers.LlamaForCausalLM.from_pretrained(
        smollm2_path.parent, gguf_file=smollm2_path.name, dtype=torch.float32
    ).eval()
    prompts = [encode_chat(tokenizer, [{"role": "user", "content": q}]) for q in QUESTIONS]
    greedy = generate_tokens(ours, prompts, max_new_tokens=12)
    for prompt, new in zip(prompts, greedy, strict=True):
        tokens = torch.tensor([prompt])
        with torch.inference_mode():
            wanted = theirs.generate(
                tokens,
                attention_mask=torch.ones_like(tokens),  # else the ends of turns count as padding
                max_new_tokens=12,
                do_sample=False,
                eos_token_id=None,
            )
            logits = theirs(wanted).logits
            difference = (ours(wanted) - logits).abs().max()
        best = logits[0, len(prompt) - 1 : -1].topk(2).values
        assert difference <= 1e-3
        assert (best[:, 0] - best[:, 1]).min() > 2e-3, "a near tie: take another question"
        assert new == wanted[0, len(prompt) :].tolist()


def test_smollm2_knows_a_capital(smollm2):
    model, tokenizer = smollm2
    prompt = encode_chat(tokenizer, [{"role": "user", "content": QUESTIONS[0]}])
    (new,) = generate_tokens(model, [prompt], max_new_tokens=10)
    assert "Paris" in tokenizer.decode(new)


STORY = """The lighthouse stood on a rock, a mile from the village, and its lamp was never dark. In
winter the waves went over the roof, and nobody could land for weeks. The keeper read all the books
he had, twice, and then wrote one of his own: a list of every ship that he had seen, with its name,
its flag, and where it might have gone. When he was old, a girl came from the school to ask him
which ship he liked best. 'The one that came back', he said."""


def divergence(p, q):
    """Return the mean over positions of KL(p || q), of log-probabilities."""
    return (p.exp() * (p - q)).sum(-1).mean().item()


@pytest.mark.parametrize("precision", ["bfloat16", "int4"])
@torch.inference_mode()
def test_packed_smollm2_loses_little(smollm2, precision):
    """Distributions, not texts: where two tokens are as likely, the processor decides."""
    model, tokenizer = smollm2
    packed, _ = pretrained.load_smollm2(precision)
    tokens = torch.tensor([[0, *tokenizer.encode(STORY)]])
    plain, got = (m(tokens)[0].float().log_softmax(-1) for m in (model, packed))
    assert divergence(plain, got) < 0.01
    best = [set(row.tolist()) for row in plain.topk(5).indices]
    found = [set(row.tolist()) for row in got.topk(5).indices]
    shared = sum(len(a & b) for a, b in zip(best, found, strict=True))
    assert shared > 0.9 * 5 * len(best)
    losses = [F.nll_loss(p[:-1], tokens[0, 1:]).item() for p in (plain, got)]
    assert losses[1] == pytest.approx(losses[0], abs=0.05)
    caches = packed.new_caches(tokens.shape[1])
    steps = [packed(tokens[:, i : i + 1], caches=caches)[0] for i in range(tokens.shape[1])]
    assert divergence(plain, torch.cat(steps).float().log_softmax(-1)) < 0.01


@torch.inference_mode()
def test_smollm2_is_the_same_whichever_kernel_a_processor_is_given(smollm2, smollm2_path):
    tokens = torch.tensor([smollm2[1].encode(STORY)[:16]])
    wanted = smollm2[0](tokens)
    for kernel in ("columns", "rows"):  # all processors have them
        model = read_model(GGUFFile(smollm2_path), "float32", kernel)
        assert model.token_embedding.kernel is KERNELS[torch.float32][kernel]
        assert (model(tokens) - wanted).abs().max() <= 1e-3
        caches = model.new_caches(16)
        steps = [model(tokens[:, i : i + 1], caches=caches) for i in range(16)]
        assert (torch.cat(steps, 1) - wanted).abs().max() <= 1e-3


@torch.inference_mode()
def test_smollm2_in_4_bits_works_where_torch_has_no_8_bit_product(
    smollm2, smollm2_path, monkeypatch
):
    monkeypatch.delattr(torch, "_weight_int8pack_mm")
    model = read_model(GGUFFile(smollm2_path), "int4")
    assert model.token_embedding.weight.dtype == torch.float16
    tokens = torch.tensor([smollm2[1].encode(STORY)])
    plain, got = (m(tokens)[0].float().log_softmax(-1) for m in (smollm2[0], model))
    assert divergence(plain, got) < 0.01


def test_unknown_precision_is_named():
    with pytest.raises(ValueError, match="expected one of float32, bfloat16, int4, got 'int8'"):
        pretrained.load_smollm2("int8")


# MiniLM


@pytest.mark.network
def test_minilm_s_vectors_equal_transformers_mean_pooling():
    folder = data.minilm_folder()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    theirs = transformers.BertModel.from_pretrained(folder).eval()
    sentences = ["A cat sits on the mat.", "中文 🙂 naïve", "", "word " * 400, "Ein Satz."] * 2
    inputs = tokenizer(
        sentences, padding=True, truncation=True, max_length=256, return_tensors="pt"
    )
    with torch.no_grad():
        states = theirs(**inputs).last_hidden_state
    mask = inputs["attention_mask"][:, :, None]
    wanted = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)
    got = pretrained.load_minilm().encode(sentences, batch_size=3)
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)


@pytest.mark.network
def test_minilm_puts_like_meanings_side_by_side():
    encoder = pretrained.load_minilm()
    same = encoder.encode(["How old are you?", "What is your age?", "The train is late."])
    assert same[0] @ same[1] > same[0] @ same[2] + 0.3
    assert encoder.encode([]).shape == (0, 384)


def small_sentence_encoder(max_length):
    words = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *"abcdefgh"])}
    tokenizer = tokenizers.Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    theirs = random_model(transformers.BertModel, SMALL["bert"])
    encoder = pretrained.from_weights(SMALL["bert"].to_dict(), theirs.state_dict())
    return SentenceEncoder(encoder, tokenizer, max_length), encoder, tokenizer


def test_sentence_encoders_do_not_change_each_other():
    short, encoder, tokenizer = small_sentence_encoder(2)
    wanted = short.encode(["a b c d"])
    long = SentenceEncoder(encoder, tokenizer, 4)
    assert torch.equal(short.encode(["a b c d"]), wanted)
    assert not torch.allclose(long.encode(["a b c d"]), wanted)


def test_text_without_a_token_has_the_vector_zero():
    encoder, *_ = small_sentence_encoder(8)
    vectors = encoder.encode(["a b", ""])
    assert vectors.isfinite().all()
    assert not vectors[1].any()


@pytest.mark.parametrize("wrong", [0, -1, 2.5, True, 33])
def test_lengths_that_can_t_be_are_refused(wrong):
    with pytest.raises(ValueError, match="max_length: expected "):
        small_sentence_encoder(wrong)
    if wrong != 33:
        with pytest.raises(ValueError, match="batch_size: expected a whole number above 0"):
            small_sentence_encoder(8)[0].encode(["a"], batch_size=wrong)
    with pytest.raises(ValueError, match="sentences: expected a list of texts, got one text"):
        small_sentence_encoder(8)[0].encode("a b")
