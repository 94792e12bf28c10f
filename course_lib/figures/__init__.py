"""Figures in the book's look, by day and by night, on a wide page, a phone and paper.

:func:`show` shows a chart. The explorers, and :func:`frames`, which puts charts behind a slider,
are pieces of a page that the reader's browser moves, where there is no kernel and no other machine.
"""

from course_lib.figures.attention import attention_explorer
from course_lib.figures.diagrams import transformers
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
from course_lib.widgets import (
    alignment_explorer,
    bleu_calculator,
    cost_calculator,
    decoding_explorer,
    frames,
    merges_explorer,
    roofline_explorer,
    samples_explorer,
    show_token,
    threshold_explorer,
)

__all__ = [
    "COLORS",
    "PAIR",
    "SERIES",
    "alignment_explorer",
    "attention_explorer",
    "attention_map",
    "bleu_calculator",
    "cost_calculator",
    "decoding_explorer",
    "frames",
    "heat",
    "label_ends",
    "merges_explorer",
    "roofline_explorer",
    "samples_explorer",
    "show",
    "show_token",
    "threshold_explorer",
    "transformers",
    "use_course_style",
]
