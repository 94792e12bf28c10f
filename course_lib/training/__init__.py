"""One training loop for every model, and what it stands on.

Taught in 'Training' and 'Training on GPU'.
"""

from course_lib.training.loop import (
    IGNORE,
    PRECISIONS,
    Batches,
    Pieces,
    TrainingError,
    corpus_loss,
    main,
    next_token_loss,
    pick_device,
    random_windows,
    recipe_optimizers,
    train,
)
from course_lib.training.optim import (
    AdamW,
    Muon,
    split_parameters,
    warmup_cosine,
    warmup_stable_decay,
)

__all__ = [
    "IGNORE",
    "PRECISIONS",
    "AdamW",
    "Batches",
    "Muon",
    "Pieces",
    "TrainingError",
    "corpus_loss",
    "main",
    "next_token_loss",
    "pick_device",
    "random_windows",
    "recipe_optimizers",
    "split_parameters",
    "train",
    "warmup_cosine",
    "warmup_stable_decay",
]
