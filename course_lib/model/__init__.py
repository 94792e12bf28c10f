"""Transformers: `GPT`, the encoder, the encoder-decoder, and what is built onto them.

Taught in 'The Transformer'; low-rank adapters in 'Dialogue', weights of few bits in 'Text
Generation'.
"""

from course_lib.model.gpt import (
    GPT,
    MLP,
    Block,
    Encoder,
    EncoderConfig,
    GPTConfig,
    Memory,
    RMSNorm,
    Transformer,
    TransformerConfig,
    count_parameters,
    initialize,
)
from course_lib.model.lora import LoRALinear, add_lora, load_lora, merge_lora, save_lora
from course_lib.model.quantized import (
    KERNELS,
    FastLinear,
    Int4Linear,
    Int8Embedding,
    PackedGPT,
    PackedLinear,
    TiedEmbedding,
    fastest,
)

__all__ = [
    "GPT",
    "KERNELS",
    "MLP",
    "Block",
    "Encoder",
    "EncoderConfig",
    "FastLinear",
    "GPTConfig",
    "Int4Linear",
    "Int8Embedding",
    "LoRALinear",
    "Memory",
    "PackedGPT",
    "PackedLinear",
    "RMSNorm",
    "TiedEmbedding",
    "Transformer",
    "TransformerConfig",
    "add_lora",
    "count_parameters",
    "fastest",
    "initialize",
    "load_lora",
    "merge_lora",
    "save_lora",
]
