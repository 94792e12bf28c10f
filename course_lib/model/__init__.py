"""Transformers: `GPT`, the encoder, the encoder-decoder, and what is built onto them.

`gpt` is to be read first: it is a whole model in one page. `parts` has what it is made of.

Taught in 'The Transformer'; low-rank adapters in 'Dialogue', weights of few bits in 'Text
generation', which also reads beyond the trained length; mixtures of experts in 'Compute'.
"""

from course_lib.model.encoder import Encoder, EncoderConfig, PostNormBlock
from course_lib.model.experts import (
    Experts,
    ExpertsConfig,
    MixtureGPT,
    balance_loss,
)
from course_lib.model.gpt import GPT, GPTConfig
from course_lib.model.long_context import long_logits, rope_frequencies, rope_of, window_mask
from course_lib.model.lora import LoRALinear, add_lora, load_lora, merge_lora, save_lora
from course_lib.model.parts import MLP, Block, count_parameters, initialize
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
from course_lib.model.speedrun import Speedrun, SpeedrunConfig, SpeedrunTransformer
from course_lib.model.transformer import Memory, Transformer, TransformerConfig

__all__ = [
    "GPT",
    "KERNELS",
    "MLP",
    "Block",
    "Encoder",
    "EncoderConfig",
    "Experts",
    "ExpertsConfig",
    "FastLinear",
    "GPTConfig",
    "Int4Linear",
    "Int8Embedding",
    "LoRALinear",
    "Memory",
    "MixtureGPT",
    "PackedGPT",
    "PackedLinear",
    "PostNormBlock",
    "Speedrun",
    "SpeedrunConfig",
    "SpeedrunTransformer",
    "TiedEmbedding",
    "Transformer",
    "TransformerConfig",
    "add_lora",
    "balance_loss",
    "count_parameters",
    "fastest",
    "initialize",
    "load_lora",
    "long_logits",
    "merge_lora",
    "rope_frequencies",
    "rope_of",
    "save_lora",
    "window_mask",
]
