"""Attention: the formula, positions, the article's class, and the standard multi-head layer.

Taught in 'The mathematics of self-attention' and 'The SelfAttention class'.
"""

from course_lib.attention.article import SelfAttention
from course_lib.attention.cache import KeyValueCache
from course_lib.attention.formula import causal_mask, scaled_dot_product_attention
from course_lib.attention.inputs import as_padding, as_rows, check_heads
from course_lib.attention.multihead import MultiHeadAttention
from course_lib.attention.positions import (
    Rope,
    apply_rope,
    rope_table,
    rotate,
    sinusoidal_positions,
)

__all__ = [
    "KeyValueCache",
    "MultiHeadAttention",
    "Rope",
    "SelfAttention",
    "apply_rope",
    "as_padding",
    "as_rows",
    "causal_mask",
    "check_heads",
    "rope_table",
    "rotate",
    "scaled_dot_product_attention",
    "sinusoidal_positions",
]
