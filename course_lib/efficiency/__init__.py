"""What makes a trained model cheaper: fewer bits, fewer weights, a smaller pupil, a draft.

Taught in 'Compute'. Each way changes the weights or the order of work, never the text on which it
is judged, so that all can stand in one table. `serving` is about many texts at once.
"""

from course_lib.efficiency.distillation import distillation_loss
from course_lib.efficiency.keys import share_heads, through_a_latent
from course_lib.efficiency.pruning import prune, prune_two_of_four
from course_lib.efficiency.quantization import (
    Quantized,
    bits_per_weight,
    pack,
    quantize,
    rounded,
    rounded_inputs,
    unpack,
)
from course_lib.efficiency.serving import Engine, Requests, Served, draw_requests, serve
from course_lib.efficiency.speculative import (
    Draft,
    expected_speed_up,
    expected_tokens,
    write_with_draft,
)
from course_lib.efficiency.weights import changed_weights, other_weights

__all__ = [
    "Draft",
    "Engine",
    "Quantized",
    "Requests",
    "Served",
    "bits_per_weight",
    "changed_weights",
    "distillation_loss",
    "draw_requests",
    "expected_speed_up",
    "expected_tokens",
    "other_weights",
    "pack",
    "prune",
    "prune_two_of_four",
    "quantize",
    "rounded",
    "rounded_inputs",
    "serve",
    "share_heads",
    "through_a_latent",
    "unpack",
    "write_with_draft",
]
