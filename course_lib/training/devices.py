"""Where a model computes, in which precision, and from what seed the device draws.

Used by ``course_lib.training``.
"""

import torch

from course_lib.training import distributed
from course_lib.training.batches import seed_from

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_device() -> torch.device:
    """Return the fastest device that is here: a CUDA GPU, Apple's GPU (MPS), or the CPU.

    Several processes compute on the CPU where there isn't a GPU for each.
    """
    if distributed.has_gpu():
        return torch.device("cuda", torch.cuda.current_device())
    alone = distributed.world_size() == 1
    return torch.device("mps" if alone and torch.backends.mps.is_available() else "cpu")


def pick_precision(device: torch.device) -> str:
    """Return ``bfloat16`` for GPUs that compute in it, ``float16`` for older ones.

    Else it is ``float32``.
    """
    if device.type != "cuda":
        return "float32"
    has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if has_bfloat16 else "float16"


def seed_device(device: torch.device, *numbers: int) -> None:
    """Seed what the device draws from; much cheaper than ``torch.manual_seed``."""
    number = seed_from(*numbers)
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        torch.cuda.manual_seed(number)
    elif device.type == "mps":
        torch.mps.manual_seed(number)
