"""Checkpoints of Transformers in the course's own models: Llama-, GPT-2-, BERT- and RoBERTa-type.

Used in 'Text generation', 'Dialogue' and 'Tools'. Weights are read from safetensors files, which
hold numbers and text only: reading them runs no code.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from course_lib.checks import check_counts, check_one_of, check_positive, check_sizes, expect
from course_lib.model import GPT, Encoder, EncoderConfig, GPTConfig
from course_lib.pretrained.names import (
    ACTIVATIONS,
    BUFFERS,
    DEFAULTS,
    GPT2_SETTINGS,
    HEADS,
    NAMES,
    TF_NAMES,
)

M = TypeVar("M", bound=nn.Module)
W = TypeVar("W")
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def from_transformers(folder: str | Path) -> GPT | Encoder:
    """Load a checkpoint that Transformers wrote (``save_pretrained``) into our own model.

    Of a BERT- or RoBERTa-type model the encoder is loaded, without the head for its task.

    Args:
        folder: has ``config.json`` and the weights as ``*.safetensors``.

    Returns:
        A GPT for the model types gpt2 and llama, an encoder for bert and roberta.

    Raises:
        ValueError: if a file is missing, cut or none of these, the type or one of its settings is
            not supported, or weights are missing.
    """
    folder = Path(folder)
    config = _read_json(folder / "config.json")
    # All its files are one model's weights.
    weights: dict[str, Tensor] = {}
    for file in _weight_files(folder):
        try:
            found = load_file(file)
        except (OSError, SafetensorError) as error:
            raise ValueError(f"{file}: expected a whole safetensors file, got: {error}") from None
        twice = sorted(weights.keys() & found.keys())
        expect(not twice, str(file), "weights that no other file has", ", ".join(twice[:1]))
        weights |= found
    return from_weights(config, weights)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected a JSON file, got: {error}") from None


def _weight_files(folder: Path) -> list[Path]:
    """Return the files with weights: one, or those that an index names, or all."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if index.is_file():
        # The index names the file of each weight.
        content = _read_json(index)
        places = content.get("weight_map") if isinstance(content, Mapping) else None
        names: set[Any] = set(places.values()) if isinstance(places, Mapping) else {None}
        beside = all(isinstance(name, str) and Path(name).name == name for name in names)
        expect(beside, str(index), "weight_map with names of files beside it", places)
        return [folder / name for name in sorted(names)]
    files = sorted(folder.glob("*.safetensors"))
    expected = "weights as *.safetensors"
    expect(len(files) > 0, str(folder), expected, "none; save them again in that format")
    return files


def from_weights(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> GPT | Encoder:
    """Do what :func:`from_transformers` does with what is in memory.

    Weights of several floating-point types are all given the widest of them.

    Args:
        config: what ``config.json`` holds; what it leaves out is as in Transformers.
        weights: name to tensor, as Transformers names them, also in old versions. Where it can, the
            model takes them without a copy: train one of two that share them and both change.
    """
    expect(isinstance(config, Mapping), "config", "a mapping", type(config).__name__)
    kind: Any = config.get("model_type")
    check_one_of("model_type", kind, list(NAMES))
    for name, weight in weights.items():
        expect(isinstance(weight, Tensor), f"weights[{name!r}]", "a tensor", type(weight).__name__)
    # Its settings, as a config of ours.
    config = _with_defaults(config, kind)
    left_out = BUFFERS
    ours: GPTConfig | EncoderConfig
    if kind == "gpt2":
        ours = _gpt2_config(config)
        weights = dict(_split_gpt2(weights))
    elif kind == "llama":
        ours = _llama_config(config)
    else:
        unused = 0
        if kind == "roberta":
            # It counts positions from behind the padding's id; those before are never used.
            padding = config.get("pad_token_id", 1)
            check_counts(pad_token_id=padding)
            unused = padding + 1
        ours = _bert_config(config, unused)
        left_out += f"|{HEADS}"
        weights = {
            name: tensor[unused:] if "position_embeddings" in name and tensor.dim() else tensor
            for name, tensor in weights.items()
        }
    # The weights by our names, all of one type.
    found: dict[str, Tensor] = {}
    for name, tensor in renamed(weights.items(), NAMES[kind], left_out):
        expect(name not in found, "weights", "each once", f"two for {name}")
        check_one_of(name, tensor.dtype, _FLOATS)
        found[name] = tensor
    dtypes = {tensor.dtype for tensor in found.values()}
    if len(dtypes) > 1:
        widest = reduce(torch.promote_types, dtypes)
        found = {name: tensor.to(widest) for name, tensor in found.items()}
    # A tied output matrix may be there, too, or be the only one.
    if isinstance(ours, GPTConfig) and ours.tied and "head.weight" in found:
        head = found.pop("head.weight")
        embedding = found.setdefault("token_embedding.weight", head)
        if not torch.equal(head, embedding):  # then Transformers believes the weights, too
            ours, found["head.weight"] = replace(ours, tied=False), head
    # So that a number of layers that can't be is refused before so many are made.
    expected = f"those of {ours.n_layers} layers"
    expect(ours.n_layers <= len(found), "weights", expected, f"{len(found)} tensors")
    if isinstance(ours, EncoderConfig):
        return build(lambda: Encoder(ours), found)
    return build(lambda: GPT(ours), found)


def _with_defaults(config: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return all settings by the model type's own names, after a check of those that it reads."""
    settings, defaults = dict(config), DEFAULTS[kind]
    # One name for each setting.
    for other, name in GPT2_SETTINGS.items() if kind == "gpt2" else ():
        if other in settings:
            value = settings.pop(other)
            same = settings.setdefault(name, value) == value
            expect(same, other, f"the same as {name}={settings[name]!r}", repr(value))
    _refuse(settings, quantization_config=None)
    # A default's type says what a setting must be.
    settings = {**defaults, **settings}
    for name, default in defaults.items():
        value = settings[name]
        if isinstance(default, bool):
            expect(isinstance(value, bool), name, "true or false", repr(value))
        elif isinstance(default, float):
            check_positive(**{name: value})
        elif not isinstance(default, str) and (default, value) != (None, None):
            check_sizes(**{name: value})
    return settings


def renamed(
    weights: Iterable[tuple[str, W]], names: Mapping[str, str], left_out: str = "(?!)"
) -> Iterator[tuple[str, W]]:
    """Yield weights by the names that a model of ours has for them.

    Args:
        weights: pairs of their name and a tensor, or a layer that is packed already.
        names: their name of a module to ours; a star stands for the layer's number.
        left_out: pattern of the names that are no weights of ours.

    Raises:
        ValueError: if a name is in neither of the two.
    """
    for name, tensor in weights:
        # Their module's name, the number of its layer, and what of the module it is.
        short = re.sub(r"^(transformer|model|bert|roberta)\.", "", name)
        module, _, part = short.rpartition(".")
        numbers = re.findall(r"\.(\d+)\.", module)
        found = names.get(re.sub(r"\.\d+\.", ".*.", module))
        if found is not None:
            part = TF_NAMES.get(part, part) if found.endswith("norm") else part
            yield f"{found.replace('*', numbers[0]) if numbers else found}.{part}", tensor
        elif not re.search(left_out, short):
            raise ValueError(f"weights: expected none but the model type's own, got {name!r}")


def build(make: Callable[[], M], weights: Mapping[str, Tensor | nn.Module]) -> M:
    """Make a model around the weights, without making random ones first.

    Args:
        make: makes it; what it fills with random numbers has no memory.
        weights: name to tensor. A layer that is packed already takes the place of the model's own.

    Returns:
        The model, in evaluation mode; it can be trained if no layer is packed.

    Raises:
        ValueError: if the weights aren't those of the model.
    """
    # Torch would load sympy, 70 MB, to draw random numbers for tensors that have no memory.
    try:
        with torch.device("meta"), mock.patch.object(nn.init, "normal_"):
            model = make()
    except (OverflowError, RuntimeError, TypeError) as error:
        raise ValueError(f"config: expected sizes that a tensor can have, got: {error}") from None
    # Are they all there, each in its shape?
    wanted = model.state_dict()
    if wanted.keys() != weights.keys():
        raise ValueError(
            f"weights: missing {sorted(wanted.keys() - weights.keys())}, too many "
            f"{sorted(weights.keys() - wanted.keys())}"
        )
    plain = {name: w for name, w in weights.items() if isinstance(w, Tensor)}
    for name, weight in plain.items():
        shapes = tuple(wanted[name].shape), tuple(weight.shape)
        expect(shapes[0] == shapes[1], name, f"shape {shapes[0]}", shapes[1])
    # The tensors, then the layers that are packed.
    model.load_state_dict(plain, assign=True, strict=False)
    for name, packed in weights.items():
        if isinstance(packed, nn.Module):
            model.set_submodule(name.removesuffix(".weight"), packed)
    return model.eval().requires_grad_(len(plain) == len(weights))


def _refuse(config: Mapping[str, Any], **wanted: object) -> None:
    """Raise an error for a setting that our blocks don't have."""
    for name, value in wanted.items():
        got = config.get(name, value)
        if got != value:
            raise ValueError(f"{name}: expected {value!r}, got {got!r}; others are not supported")


def _gpt2_config(config: Mapping[str, Any]) -> GPTConfig:
    # What this package's GPT does not do.
    _refuse(
        config,
        scale_attn_weights=True,
        scale_attn_by_inverse_layer_idx=False,
        add_cross_attention=False,
    )
    return GPTConfig(
        config["vocab_size"],
        context=config["n_positions"],
        n_layers=config["n_layer"],
        n_heads=config["n_head"],
        d_model=config["n_embd"],
        d_ff=config["n_inner"],
        norm_eps=config["layer_norm_epsilon"],
        mlp=_activation(config, "activation_function"),
        tied=config["tie_word_embeddings"],
    )


def _activation(config: Mapping[str, Any], setting: str) -> str:
    check_one_of(setting, config[setting], list(ACTIVATIONS))
    return ACTIVATIONS[config[setting]]


def _split_gpt2(weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """GPT-2 keeps matrices as (in, out), and those of queries, keys and values side by side."""
    for name, tensor in weights.items():
        if re.search(r"\.c_(attn|proj|fc)\.", name):
            tensor = tensor.mT if tensor.dim() == 2 else tensor
        if ".c_attn." in name and tensor.dim():
            for letter, part in zip("qkv", tensor.tensor_split(3), strict=True):
                yield name.replace("c_attn", letter), part
        else:
            yield name, tensor


def _llama_config(config: Mapping[str, Any]) -> GPTConfig:
    # What Llama's recipe has and others don't.
    head_dim = config["hidden_size"] // config["num_attention_heads"]
    if config.get("head_dim") is None:
        config = {**config, "head_dim": head_dim}
    _refuse(config, hidden_act="silu", attention_bias=False, mlp_bias=False, head_dim=head_dim)
    # Rotary positions: where Transformers keeps their base, and no rescaling.
    given = config.get("rope_scaling") or config.get("rope_parameters") or {}
    expect(isinstance(given, Mapping), "rope_parameters", "a mapping", repr(given))
    kind = given.get("rope_type", given.get("type", "default"))
    if config.get("rope_scaling") and kind != "default":
        _refuse(config, rope_scaling=None)
    _refuse({"rope_type": kind}, rope_type="default")
    rope = {"rope_theta": 10_000.0, **config, **given}
    _refuse(rope, partial_rotary_factor=1.0)
    check_positive(rope_theta=rope["rope_theta"])
    return GPTConfig.llama(
        config["vocab_size"],
        context=config["max_position_embeddings"],
        n_layers=config["num_hidden_layers"],
        n_heads=config["num_attention_heads"],
        d_model=config["hidden_size"],
        n_kv_heads=config["num_key_value_heads"],
        d_ff=config["intermediate_size"],
        norm_eps=config["rms_norm_eps"],
        rope_base=rope["rope_theta"],
        tied=config["tie_word_embeddings"],
    )


def _bert_config(config: Mapping[str, Any], unused_positions: int) -> EncoderConfig:
    _refuse(config, position_embedding_type="absolute", is_decoder=False)
    return EncoderConfig(
        config["vocab_size"],
        context=config["max_position_embeddings"] - unused_positions,
        n_layers=config["num_hidden_layers"],
        n_heads=config["num_attention_heads"],
        d_model=config["hidden_size"],
        d_ff=config["intermediate_size"],
        norm_eps=config["layer_norm_eps"],
        pre_norm=False,
        mlp=_activation(config, "hidden_act"),
        n_token_types=config["type_vocab_size"],
        embedding_norm=True,
    )
