"""After pre-training: rewards that a program gives, and thinking in tokens.

Taught in 'After pre-training'.
"""

from course_lib.posttraining.attempts import majority, pass_at_k
from course_lib.posttraining.grpo import (
    group_advantages,
    grpo,
    grpo_loss,
    sample_answers,
    token_log_probs,
)
from course_lib.posttraining.problems import (
    LETTERS,
    NUMBERS,
    SIGNS,
    STYLES,
    all_sums,
    decode,
    encode,
    running_sums,
    sum_is_right,
)

__all__ = [
    "LETTERS",
    "NUMBERS",
    "SIGNS",
    "STYLES",
    "all_sums",
    "decode",
    "encode",
    "group_advantages",
    "grpo",
    "grpo_loss",
    "majority",
    "pass_at_k",
    "running_sums",
    "sample_answers",
    "sum_is_right",
    "token_log_probs",
]
