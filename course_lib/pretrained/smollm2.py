"""SmolLM2: a small language model that chats, read from its GGUF file, with its chat template.

Used in 'Text generation' and 'Dialogue'. The model is from Allal et al. (2025), 'SmolLM2'.
"""

import ctypes
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.checks import check_one_of, expect
from course_lib.data import smollm2_folder
from course_lib.model import (
    GPT,
    KERNELS,
    FastLinear,
    GPTConfig,
    Int4Linear,
    Int8Embedding,
    PackedGPT,
    PackedLinear,
    TiedEmbedding,
    fastest,
)
from course_lib.pretrained.convert import build, renamed
from course_lib.pretrained.gguf import GGUFFile
from course_lib.text import BPETokenizer
from course_lib.text.tokenizer import from_signs

Pack = Callable[[Tensor], nn.Module]  # makes a layer of a matrix

# GPT-2's words, but each digit is one of its own, before anything else is split.
SMOLLM2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?![^\s\p{N}])|\s+"
SYSTEM_PROMPT = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
START_OF_TURN, END_OF_TURN = "<|im_start|>", "<|im_end|>"
_SPECIAL = 3  # GGUF's type of a token that stands for itself
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
    check_one_of("precision", precision, ("float32", "bfloat16", "int4"))
    (path,) = smollm2_folder().glob("*.gguf")
    file = GGUFFile(path)
    tokenizer = read_tokenizer(file.fields)  # first: it takes the vocabulary out of the fields
    return read_model(file, precision), tokenizer


def read_model(file: GGUFFile, precision: str, kernel: str | None = None) -> GPT:
    """Return the model of SmolLM2's file, its weights laid out for the precision.

    Args:
        file: SmolLM2's.
        precision: see :func:`load_smollm2`.
        kernel: one of ``KERNELS``; the fastest on this processor by default.
    """
    config, trainable = _config(file), precision == "float32"
    weights = renamed(
        _packed_weights(file, config, precision, kernel),
        _GGUF_NAMES if trainable else _PACKED_NAMES,
    )
    model = build(lambda: PackedGPT(config, joined=not trainable), dict(weights))
    return model.requires_grad_(trainable)


def _config(file: GGUFFile) -> GPTConfig:
    shape = {name.removeprefix("llama."): value for name, value in file.fields.items()}
    return GPTConfig.llama(
        shape["vocab_size"],
        context=shape["context_length"],
        n_layers=shape["block_count"],
        n_heads=shape["attention.head_count"],
        d_model=shape["embedding_length"],
        n_kv_heads=shape["attention.head_count_kv"],
        d_ff=shape["feed_forward_length"],
        norm_eps=shape["attention.layer_norm_rms_epsilon"],
        rope_base=shape["rope.freq_base"],
    )


def _dtypes(precision: str) -> tuple[torch.dtype, torch.dtype]:
    """Return the types in which matrices and embeddings are read."""
    # Float16 rounds the embeddings less than bfloat16, and torch multiplies by it faster.
    return (torch.float32,) * 2 if precision == "float32" else (torch.bfloat16, torch.float16)


def _packing(config: GPTConfig, precision: str, kernel: str | None) -> tuple[Pack, Pack]:
    """Return what makes a layer of a matrix, and of the embeddings."""
    pack: Pack
    dtype, wide = _dtypes(precision)
    # Torch may lack the product by 8 bits; then the embeddings stay in 16.
    if precision == "int4":
        if hasattr(torch, "_weight_int8pack_mm"):
            return Int4Linear, Int8Embedding
        return Int4Linear, partial(TiedEmbedding, kernel=KERNELS[wide]["rows"], dtype=dtype)
    width, hidden = config.d_model, config.hidden
    kernel = kernel or fastest(dtype, [(width, width), (hidden, width), (width, hidden)])
    if precision == "float32":
        pack = partial(FastLinear, kernel=KERNELS[dtype][kernel])
        return pack, partial(TiedEmbedding, kernel=KERNELS[wide][kernel], dtype=None)
    pack = partial(PackedLinear, kernel=KERNELS[dtype][kernel])
    return pack, partial(TiedEmbedding, kernel=KERNELS[wide]["rows"], dtype=dtype)


def _packed_weights(
    file: GGUFFile, config: GPTConfig, precision: str, kernel: str | None
) -> Iterator[tuple[str, Tensor | nn.Module]]:
    """Yield the file's weights one by one: vectors as they are, matrices packed."""
    dtype, wide = _dtypes(precision)
    pack, pack_embedding = _packing(config, precision, kernel)
    joined = {} if precision == "float32" else _JOINED
    # Torch's requests don't fit the holes that its packing leaves in glibc's heap.
    give_back_holes = (
        getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    )

    def read(name: str) -> Tensor:
        weight = file.weight(name, wide if name == "token_embd.weight" else dtype)
        if ".attn_q." in name or ".attn_k." in name:
            # GGUF puts entries that RoPE rotates together side by side; here they lie half a head
            # apart.
            kv_heads = config.n_kv_heads or config.n_heads
            heads = config.n_heads if ".attn_q." in name else kv_heads
            weight = weight.unflatten(0, (heads, -1, 2)).transpose(1, 2).flatten(0, 2)
        return weight

    for name in file.weights:
        part = name.split(".")[-2]
        if any(part in others for others in joined.values()):
            continue  # comes with the first
        weight = read(name)
        if part in joined:
            others = [read(name.replace(part, other)) for other in joined[part]]
            weight = torch.cat([weight, *others])
        if weight.dim() == 1:
            yield name, weight
            continue
        layer = (pack_embedding if part == "token_embd" else pack)(weight)
        del weight  # before the next is read
        if give_back_holes is not None:
            give_back_holes(0)
        yield name, layer


def read_tokenizer(fields: dict[str, Any]) -> BPETokenizer:
    """Return the tokenizer of SmolLM2's file; its vocabulary is taken out of the fields."""
    tokens, types, merges = (
        fields.pop(f"tokenizer.ggml.{name}") for name in ("tokens", "token_type", "merges")
    )
    special = [token for token, kind in zip(tokens, types, strict=True) if kind == _SPECIAL]
    rest = [from_signs(token) for token in tokens[len(special) :]]
    pairs = (merge.split(" ") for merge in merges)
    return BPETokenizer(
        [(from_signs(left), from_signs(right)) for left, right in pairs],
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
    # The signs of turns.
    special = tokenizer.special_tokens
    signs = f"one with the special tokens {START_OF_TURN} and {END_OF_TURN}"
    there = START_OF_TURN in special and END_OF_TURN in special
    expect(there, "tokenizer", signs, list(special))
    start, end = special[START_OF_TURN], special[END_OF_TURN]
    # Turn by turn.
    ids: list[int] = []
    for message in messages:
        role, content = message.get("role"), message.get("content")
        if role not in ("system", "user", "assistant"):
            raise ValueError(f"role: expected system, user or assistant, got {role!r}")
        expect(isinstance(content, str), "content", "text", repr(content))
        turn = tokenizer.encode(f"{role}\n{content}")
        ids += [start, *turn, end, *tokenizer.encode("\n")]
    return [*ids, start, *tokenizer.encode("assistant\n")] if add_generation_prompt else ids
