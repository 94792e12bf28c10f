"""Figures in the book's look, by day and by night, on a wide page, a phone and paper."""

from course_lib.figures.style import (
    COLORS,
    PAIR,
    SERIES,
    attention_map,
    diagram,
    heat,
    label_ends,
    use_course_style,
)
from course_lib.figures.svg import show

__all__ = [
    "COLORS",
    "PAIR",
    "SERIES",
    "attention_map",
    "diagram",
    "heat",
    "label_ends",
    "show",
    "use_course_style",
]
