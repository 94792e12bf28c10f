"""Distillation: a small model learns from what a large one thinks of every next token.

Taught in 'Compute'. From Hinton et al. (2015), 'Distilling the Knowledge in a Neural Network',
section 2.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks import check_positive, check_shares


def distillation_loss(
    teacher: nn.Module, temperature: float = 2.0, share: float = 0.5
) -> Callable[..., Tensor]:
    """Return a loss for :func:`course_lib.training.train` that asks the teacher, too.

    It is share · T² · KL(teacher, pupil) + (1 - share) · cross-entropy. Both logits are divided by
    the temperature T before the softmax of the first part; T² keeps its slopes at one size.

    Args:
        teacher: token ids (B, T) to logits (B, T, V); it doesn't learn.
        temperature: T; above 1 it shows more of what the teacher thinks of unlikely tokens.
        share: of the teacher's part.

    Raises:
        ValueError: if a number is out of its range.
    """
    check_positive(temperature=temperature)
    check_shares(share=share)
    teacher.eval()

    def loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad():
            taught = (teacher(inputs).flatten(0, -2) / temperature).log_softmax(-1)  # (B · T, V)
        logits = model(inputs).flatten(0, -2)
        own = (logits / temperature).log_softmax(-1)
        soft = F.kl_div(own, taught, log_target=True, reduction="batchmean")
        hard = F.cross_entropy(logits, targets.flatten())
        return share * temperature**2 * soft + (1 - share) * hard

    return loss
