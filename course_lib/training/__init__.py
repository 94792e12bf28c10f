"""One training loop for every model, and what it stands on.

Taught in 'Training' and 'Training on GPU'.
"""

from course_lib.training.batches import (
    Batches,
    by_length,
    epochs,
    pad,
    pad_with_mask,
    random_windows,
    shuffled,
)
from course_lib.training.checkpoints import CheckpointError
from course_lib.training.devices import PRECISIONS, pick_device, pick_precision
from course_lib.training.loop import Result, TrainingError, train
from course_lib.training.losses import (
    IGNORE,
    corpus_loss,
    held_out_loss,
    next_token_loss,
    smoothed_loss,
)
from course_lib.training.optim import (
    AdamW,
    Muon,
    split_parameters,
    warmup_cosine,
    warmup_stable_decay,
)
from course_lib.training.recipes import RECIPES, recipe_optimizers

__all__ = [
    "IGNORE",
    "PRECISIONS",
    "RECIPES",
    "AdamW",
    "Batches",
    "CheckpointError",
    "Muon",
    "Result",
    "TrainingError",
    "by_length",
    "corpus_loss",
    "epochs",
    "held_out_loss",
    "next_token_loss",
    "pad",
    "pad_with_mask",
    "pick_device",
    "pick_precision",
    "random_windows",
    "recipe_optimizers",
    "shuffled",
    "smoothed_loss",
    "split_parameters",
    "train",
    "warmup_cosine",
    "warmup_stable_decay",
]
