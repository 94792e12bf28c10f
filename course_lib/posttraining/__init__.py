"""After pre-training: preferences, rewards that a program gives, and thinking in tokens.

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
from course_lib.posttraining.preferences import (
    answer_log_probs,
    best_policy,
    dpo_loss,
    fit_reward,
    implicit_reward,
    preference_loss,
    regularized_reward,
    token_divergences,
)
from course_lib.posttraining.problems import (
    SIGNS,
    STYLES,
    all_sums,
    decode,
    encode,
    running_sums,
    sum_is_right,
)

__all__ = [
    "SIGNS",
    "STYLES",
    "all_sums",
    "answer_log_probs",
    "best_policy",
    "decode",
    "dpo_loss",
    "encode",
    "fit_reward",
    "group_advantages",
    "grpo",
    "grpo_loss",
    "implicit_reward",
    "majority",
    "pass_at_k",
    "preference_loss",
    "regularized_reward",
    "running_sums",
    "sample_answers",
    "sum_is_right",
    "token_divergences",
    "token_log_probs",
]
