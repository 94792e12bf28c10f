"""From logits to text: sampling, batches, beam search, grammars.

Taught in 'Text Generation'.
"""

from course_lib.generation.beam import Hypothesis, beam_search
from course_lib.generation.json_grammar import JSONChooser, JSONGrammar, State
from course_lib.generation.sampling import (
    GREEDY,
    Choose,
    Sampler,
    anew,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    penalize_repetition,
)
from course_lib.generation.session import Conditioned, Session
from course_lib.generation.writing import (
    Tokenizer,
    generate,
    generate_batch,
    generate_tokens,
    stream,
)

__all__ = [
    "GREEDY",
    "Choose",
    "Conditioned",
    "Hypothesis",
    "JSONChooser",
    "JSONGrammar",
    "Sampler",
    "Session",
    "State",
    "Tokenizer",
    "anew",
    "beam_search",
    "generate",
    "generate_batch",
    "generate_tokens",
    "keep_min_p",
    "keep_top_k",
    "keep_top_p",
    "penalize_repetition",
    "stream",
]
