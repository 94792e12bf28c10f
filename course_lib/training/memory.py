"""After running out of memory: try smaller and smaller pieces of the batch; say which one fits.

Used by ``course_lib.training``.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.training import distributed
from course_lib.training.pieces import Pieces, rows_at_a_time, split


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that the memory, of the device or the machine, is too small."""
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in str(error)


def what_fits(
    batch: tuple[Tensor, ...],
    accumulate: int,
    tried: Callable[[Pieces], Tensor | None],
    forget_gradients: Callable[[], None],
) -> str:
    """Return a sentence on how many rows fit, and what to pass.

    Args:
        batch: what did not fit.
        accumulate: in how many pieces.
        tried: computes gradients of pieces; gives None if the memory is too small.
        forget_gradients: frees those of the try before.
    """
    rows, pieces = len(batch[-1]), accumulate
    said = f"out of memory with {rows_at_a_time(rows, pieces)} rows at a time; "
    if distributed.world_size() > 1:  # the others are not here to try with
        return f"{said}try accumulate={2 * pieces} for the same gradient in less memory"
    while rows_at_a_time(rows, pieces) > 1:
        # Half as many rows, in a memory that holds nothing of the try before.
        pieces *= 2
        forget_gradients()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if tried(split(batch, min(pieces, rows))[:1]) is not None:
            return (
                f"{said}{rows_at_a_time(rows, pieces)} fit: pass accumulate={pieces} for the "
                "same gradient in that memory, or make the batch smaller"
            )
    return said + "not even one row fits: take a shorter context or a smaller model"
