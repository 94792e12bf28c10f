"""From logits to text: sampling, batches, beam search, grammars.

Taught in 'Text Generation'.
"""

from course_lib.generation.json_grammar import JSONChooser, JSONGrammar, State
from course_lib.generation.sampling import (
    GREEDY,
    Choose,
    Conditioned,
    Hypothesis,
    Sampler,
    Tokenizer,
    anew,
    beam_search,
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
    "State",
    "Tokenizer",
    "anew",
    "beam_search",
    "generate",
    "generate_batch",
    "generate_tokens",
    "stream",
]
