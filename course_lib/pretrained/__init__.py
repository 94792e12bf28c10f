"""Published weights in the course's own models.

Used from 'Text generation' and 'Dialogue' on. Weights are read from safetensors or GGUF files,
which hold numbers and text only: reading them runs no code.
"""

from course_lib.pretrained.convert import from_transformers, from_weights
from course_lib.pretrained.gguf import GGUFFile
from course_lib.pretrained.minilm import SentenceEncoder, load_minilm
from course_lib.pretrained.smollm2 import (
    END_OF_TURN,
    SMOLLM2_PATTERN,
    START_OF_TURN,
    SYSTEM_PROMPT,
    encode_chat,
    load_smollm2,
)

__all__ = [
    "END_OF_TURN",
    "SMOLLM2_PATTERN",
    "START_OF_TURN",
    "SYSTEM_PROMPT",
    "GGUFFile",
    "SentenceEncoder",
    "encode_chat",
    "from_transformers",
    "from_weights",
    "load_minilm",
    "load_smollm2",
]
