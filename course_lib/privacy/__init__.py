"""Privacy: what a model remembers of its training data, who can find out, and what helps.

Taught in 'Data privacy'.
"""

from course_lib.privacy.accountant import epsilon, noise_for, renyi_divergences, roc_bound
from course_lib.privacy.attacks import ROC, likelihood_ratio, roc
from course_lib.privacy.canaries import (
    Canary,
    as_rows,
    exposure,
    losses_of,
    make_canaries,
    record_losses,
    secret_log_probs,
)
from course_lib.privacy.dpsgd import (
    clipped_sum,
    norms,
    per_example_gradients,
    poisson_sample,
    private_gradient,
    train_privately,
)
from course_lib.privacy.made_up import Message, made_up_messages, missed
from course_lib.privacy.recitation import TWINS, Twins, recited

__all__ = [
    "ROC",
    "TWINS",
    "Canary",
    "Message",
    "Twins",
    "as_rows",
    "clipped_sum",
    "epsilon",
    "exposure",
    "likelihood_ratio",
    "losses_of",
    "made_up_messages",
    "make_canaries",
    "missed",
    "noise_for",
    "norms",
    "per_example_gradients",
    "poisson_sample",
    "private_gradient",
    "recited",
    "record_losses",
    "renyi_divergences",
    "roc",
    "roc_bound",
    "secret_log_probs",
    "train_privately",
]
