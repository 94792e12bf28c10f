"""Optimizers and learning rates that work, by the names of the models that they are for.

Taught in 'Training'. AdamW is torch's, whose fused kernel does in one pass what ``optim.AdamW``
does in its written-out steps.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from course_lib.checks import check_one_of, check_sizes
from course_lib.training import optim

RECIPES = ("gpt2", "llama", "speedrun")


def recipe_optimizers(
    model: nn.Module, recipe: str, steps: int
) -> tuple[list[Optimizer], optim.Schedule]:
    """Return optimizers and schedule of a named recipe.

    Args:
        model: what they train; sharded already, if it is to be.
        recipe: ``gpt2`` or ``llama`` (AdamW, warm-up and cosine) or ``speedrun`` (Muon for
            matrices, AdamW for the rest, and a linear warm-down).
        steps: length of the training.
    """
    check_one_of("recipe", recipe, RECIPES)
    check_sizes(steps=steps)
    if recipe != "speedrun":
        adamw = _adamw(model.parameters(), 1e-3)
        return [adamw], optim.warmup_cosine(steps, warmup=min(100, steps // 10))
    matrices, rest = optim.split_parameters(model)
    muon = optim.Muon(matrices, 0.02, momentum=0.9, weight_decay=0.1, steps=3)
    adamw = _adamw(rest, 0.02)
    schedule = optim.warmup_stable_decay(steps, min(10, steps // 10), steps // 2)
    return [muon, adamw], schedule


def _adamw(params: Iterable[Tensor], lr: float) -> torch.optim.AdamW:
    return torch.optim.AdamW(params, lr, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
