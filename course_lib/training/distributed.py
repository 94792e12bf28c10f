"""Several processes that train one model: what ``torchrun`` starts, one per GPU.

Taught in 'Training on GPU'. With data parallelism (DDP, Li et al. 2020) each process holds the
whole model and computes a part of the batch. With sharding (FSDP, Zhao et al. 2023, after
Rajbhandari et al. 2020) each holds only a part of the weights, gradients and optimizer state, too.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel


@contextmanager
def process_group() -> Iterator[None]:
    """Join the other processes that ``torchrun`` started; does nothing where it started none."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield
        return
    if has_gpu():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if has_gpu() else "gloo", **_own_store())
    try:
        yield
    finally:
        dist.destroy_process_group()


def _own_store() -> dict[str, Any]:
    """Return arguments with which a restart doesn't read the addresses of the processes before it.

    torchrun (seen in torch 2.13) keeps one store of addresses for all restarts. On one machine the
    number of restarts tells them apart. On several, machines count differently: there, start
    torchrun with TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1.
    """
    known = os.environ
    if known.get("TORCHELASTIC_USE_AGENT_STORE") != "True" or known["GROUP_WORLD_SIZE"] != "1":
        return {}
    world, rank = int(known["WORLD_SIZE"]), int(known["RANK"])
    address, port = known["MASTER_ADDR"], int(known["MASTER_PORT"])
    # Both classes are public; that is not said where a type checker looks for it.
    store = dist.TCPStore(address, port, world, is_master=False)  # type: ignore[attr-defined]
    prefix = f"restart {known['TORCHELASTIC_RESTART_COUNT']}"
    prefixed = dist.PrefixStore(prefix, store)  # type: ignore[attr-defined]
    return {"store": prefixed, "world_size": world, "rank": rank}


def has_gpu() -> bool:
    """Say whether there is a CUDA GPU for each process on this machine."""
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return torch.cuda.is_available() and torch.cuda.device_count() >= here


def world_size() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return this process's number, counted from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_restart() -> bool:
    """Say whether ``torchrun`` has started this run again, after a process of it failed."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def wait() -> None:
    """Return when all processes have come here."""
    if dist.is_initialized():
        dist.barrier()


def shard(model: nn.Module) -> nn.Module:
    """Spread the model's weights over the processes (FSDP2), block by block.

    To be called before the optimizers are made. The blocks are what the model holds in a
    ``ModuleList``; each is gathered when it computes, and let go of right after.
    """
    for part in list(model.modules()):
        if isinstance(part, nn.ModuleList):
            for block in part:
                fully_shard(block)
    fully_shard(model)  # in place: the model gets a class of its own
    return model


def replicate(model: nn.Module) -> nn.Module:
    """Return the model in a wrapper that averages gradients over processes (DDP) if need be."""
    if world_size() == 1 or isinstance(model, FSDPModule):
        return model
    return DistributedDataParallel(model)


def set_sync(model: nn.Module, on: bool) -> None:
    """Say whether the next backward pass exchanges gradients: only the last piece's has to."""
    if isinstance(model, DistributedDataParallel):
        model.require_backward_grad_sync = on
    elif isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(on)


def mean_over_processes(values: list[float], device: torch.device) -> list[float]:
    """Return the means of the processes' numbers, which pass through their devices."""
    if world_size() == 1:
        return values
    tensor = torch.tensor(values, dtype=torch.float32, device=device)
    dist.all_reduce(tensor)
    return (tensor / world_size()).tolist()


def whole(tensor: Tensor) -> Tensor:
    """Return a sharded tensor as one; all processes must call it. Others come back as they are."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def local(tensor: Tensor) -> Tensor:
    """Return the part of a sharded tensor that this process holds."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def like(tensor: Tensor, reference: Tensor) -> Tensor:
    """Return a tensor on the reference's device, and sharded as it is."""
    tensor = tensor.to(reference.device)
    if isinstance(reference, DTensor):
        return distribute_tensor(tensor, reference.device_mesh, reference.placements)
    return tensor
