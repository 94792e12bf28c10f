"""Other weights for a while: to try what a change of them costs, and have the model back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from course_lib.checks import expect


@contextmanager
def changed_weights(model: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Let the matrices of a model's linear layers be changed within a ``with`` block.

    Embeddings and norms stay; so does an output matrix that is the embeddings'.

    Args:
        model: what is changed, and is as before at the end.
        change: takes a matrix (out, in), returns one of the same shape.

    Raises:
        ValueError: if the model has no linear layer.
    """
    matrices = [layer.weight for layer in model.modules() if isinstance(layer, nn.Linear)]
    expect(len(matrices) > 0, "model", "one with linear layers", type(model).__name__)
    before = [matrix.detach().clone() for matrix in matrices]
    try:
        with torch.no_grad():
            for matrix in matrices:
                matrix.copy_(change(matrix.detach()))
        yield
    finally:
        with torch.no_grad():
            for matrix, old in zip(matrices, before, strict=True):
                matrix.copy_(old)
