"""A tiny model, batches and runs that the tests of training share."""

import torch
import torch.nn.functional as F
from torch import nn

from course_lib.training import IGNORE, random_windows, train
from course_lib.training.loop import Result

TOKENS = torch.randint(11, (400,), generator=torch.Generator().manual_seed(0))
BATCHES = random_windows(TOKENS, batch_size=8, context=6, seed=1)
NARROW = (torch.int32, torch.int16, torch.int8, torch.uint8)


def tiny_model(dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(11, 8), nn.Dropout(dropout), nn.Tanh(), nn.Linear(8, 11))


def adamw(model: nn.Module, lr: float = 0.05) -> torch.optim.AdamW:
    return torch.optim.AdamW(model.parameters(), lr)


def run(model: nn.Module, batches=BATCHES, steps: int = 12, **settings) -> Result:
    settings = {"optimizer": adamw(model), "device": "cpu", **settings}
    return train(model, batches, steps=steps, **settings)


def assert_same_weights(one: nn.Module, other: nn.Module, **tolerance) -> None:
    torch.testing.assert_close(one.state_dict(), other.state_dict(), **tolerance)


def masked(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets of which ever more don't count: unequally many in each row."""
    inputs, targets = BATCHES(step)
    rows = torch.arange(8)[:, None]
    return inputs, targets.masked_fill(torch.arange(6) < rows - 2, IGNORE)


def mean_loss(model, *batch):
    """A mean over what counts, as torch computes it: NaN where nothing does."""
    *inputs, targets = batch
    logits = model(*inputs).flatten(0, -2)
    return F.cross_entropy(logits, targets.flatten(), ignore_index=IGNORE, label_smoothing=0.1)
