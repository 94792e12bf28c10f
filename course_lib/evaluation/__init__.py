"""Evaluation: how good a model is, in numbers that others can repeat.

Taught in 'Evaluation'.
"""

from course_lib.evaluation.choices import Question, choice_log_probs, choose
from course_lib.evaluation.intervals import bootstrap_interval
from course_lib.evaluation.labels import (
    accuracy,
    confusion_matrix,
    expected_calibration_error,
    precision_recall_f1,
    reliability,
)
from course_lib.evaluation.language import bits_per_byte, perplexity, token_losses
from course_lib.evaluation.preference import bradley_terry
from course_lib.evaluation.translation import (
    bleu,
    bleu_counts,
    bleu_from_counts,
    chrf,
    chrf_counts,
    chrf_from_counts,
    tokenize_13a,
)

__all__ = [
    "Question",
    "accuracy",
    "bits_per_byte",
    "bleu",
    "bleu_counts",
    "bleu_from_counts",
    "bootstrap_interval",
    "bradley_terry",
    "choice_log_probs",
    "choose",
    "chrf",
    "chrf_counts",
    "chrf_from_counts",
    "confusion_matrix",
    "expected_calibration_error",
    "perplexity",
    "precision_recall_f1",
    "reliability",
    "token_losses",
    "tokenize_13a",
]
