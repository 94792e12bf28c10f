"""Figures in the book's look, by day and by night, on a wide page, a phone and paper.

:func:`show` shows a chart. The explorers, and :func:`frames`, which puts charts behind a slider,
are pieces of a page that the reader's browser moves, where there is no kernel and no other machine.
"""

from course_lib.figures.agent import agent_loop, retrieval, what_guards_see
from course_lib.figures.alignment import alignment_explorer
from course_lib.figures.assistant import assistant_box
from course_lib.figures.attention import attention_explorer
from course_lib.figures.bits import bits_explorer
from course_lib.figures.bleu import bleu_calculator
from course_lib.figures.caches import paged_cache, shared_keys, which_keys
from course_lib.figures.comparing import two_ways
from course_lib.figures.cost import cost_calculator
from course_lib.figures.decoding import decoding_explorer
from course_lib.figures.diagrams import (
    decoder_only,
    encoder_decoder,
    norm_places,
    teacher_forcing,
)
from course_lib.figures.flow import attention_flow, multi_head_flow
from course_lib.figures.frames import frames
from course_lib.figures.induction import induction_explorer
from course_lib.figures.inside import (
    activation_patching,
    induction_heads,
    lens_grid,
    patching_grid,
    way_of_a_fact,
)
from course_lib.figures.learning import copies_and_shards, muon, ring, windows
from course_lib.figures.looking import contexts, turned_round
from course_lib.figures.measuring import held_out_stretches, measurement
from course_lib.figures.memory import memory_calculator
from course_lib.figures.merges import merges_explorer, show_token
from course_lib.figures.models import gpt_parts, noisy_channel, word_window
from course_lib.figures.pieces import merge_tree, text_to_ids
from course_lib.figures.privacy import privacy_explorer, secret_in_and_out
from course_lib.figures.reading import data_calculator
from course_lib.figures.rewards import depth_by_writing, group_of_answers, pushes, three_steps
from course_lib.figures.roofline import roofline_explorer
from course_lib.figures.rungs import ladder, ladder_html
from course_lib.figures.samples import samples_explorer
from course_lib.figures.sizes import gpus_that_hold, model_widths
from course_lib.figures.sketches import (
    Said,
    conversation,
    key_value_cache,
    lora,
    pipeline,
    two_tasks,
    weight_layouts,
    writing_loop,
)
from course_lib.figures.style import (
    COLORS,
    PAIR,
    SERIES,
    attention_map,
    heat,
    label_ends,
    use_course_style,
)
from course_lib.figures.svg import show
from course_lib.figures.tensors import broadcasting, learning_loop, matrix_product
from course_lib.figures.threshold import threshold_explorer
from course_lib.figures.thrift import draft_and_check, mixture_of_experts
from course_lib.figures.writer import writer_explorer

__all__ = [
    "COLORS",
    "PAIR",
    "SERIES",
    "Said",
    "activation_patching",
    "agent_loop",
    "alignment_explorer",
    "assistant_box",
    "attention_explorer",
    "attention_flow",
    "attention_map",
    "bits_explorer",
    "bleu_calculator",
    "broadcasting",
    "contexts",
    "conversation",
    "copies_and_shards",
    "cost_calculator",
    "data_calculator",
    "decoder_only",
    "decoding_explorer",
    "depth_by_writing",
    "draft_and_check",
    "encoder_decoder",
    "frames",
    "gpt_parts",
    "gpus_that_hold",
    "group_of_answers",
    "heat",
    "held_out_stretches",
    "induction_explorer",
    "induction_heads",
    "key_value_cache",
    "label_ends",
    "ladder",
    "ladder_html",
    "learning_loop",
    "lens_grid",
    "lora",
    "matrix_product",
    "measurement",
    "memory_calculator",
    "merge_tree",
    "merges_explorer",
    "mixture_of_experts",
    "model_widths",
    "multi_head_flow",
    "muon",
    "noisy_channel",
    "norm_places",
    "paged_cache",
    "patching_grid",
    "pipeline",
    "privacy_explorer",
    "pushes",
    "retrieval",
    "ring",
    "roofline_explorer",
    "samples_explorer",
    "secret_in_and_out",
    "shared_keys",
    "show",
    "show_token",
    "teacher_forcing",
    "text_to_ids",
    "three_steps",
    "threshold_explorer",
    "turned_round",
    "two_tasks",
    "two_ways",
    "use_course_style",
    "way_of_a_fact",
    "weight_layouts",
    "what_guards_see",
    "which_keys",
    "windows",
    "word_window",
    "writer_explorer",
    "writing_loop",
]
