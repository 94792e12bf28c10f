"""Other weights for a while: to try what a change of them costs, and have the model back."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn

from course_lib.checks import expect


@contextmanager
def other_weights(matrices: Sequence[Tensor], others: Iterable[Tensor]) -> Iterator[None]:
    """Let matrices of a model hold other numbers within a ``with`` block.

    Args:
        matrices: weights of a model; they are as before at the end.
        others: one for each, of the same shape; made one by one.
    """
    before = [matrix.detach().clone() for matrix in matrices]
    try:
        with torch.no_grad():
            for matrix, other in zip(matrices, others, strict=True):
                matrix.copy_(other)
        yield
    finally:
        with torch.no_grad():
            for matrix, old in zip(matrices, before, strict=True):
                matrix.copy_(old)


def changed_weights(
    model: nn.Module, change: Callable[[Tensor], Tensor]
) -> AbstractContextManager[None]:
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
    return other_weights(matrices, (change(matrix.detach()) for matrix in matrices))
