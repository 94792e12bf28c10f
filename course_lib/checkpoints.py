"""Checkpoints that survive a crash: what a training run needs to go on, bit for bit.

Taught in 'Training on GPU'. A checkpoint is a folder of two safetensors files and one JSON file. It
is written beside its place, flushed to the disk and then renamed, so that it is there whole or not
at all. Nothing in it is code: pickle, which may run what a file says, is not used.
"""

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from course_lib.distributed import like, whole

FORMAT = "course_lib checkpoint 1"
FILES = ("model.safetensors", "optimizer.safetensors")


class CheckpointError(RuntimeError):
    """A checkpoint can't be used; the message says why."""


@dataclass
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        step: number of steps done.
        model: name to weight or buffer; a tensor that has two names stands under its first.
        optimizer: ``optimizer.parameter.name`` to tensor, the first two counted from 0.
        state: what JSON can hold: numbers of the optimizers, the history, and so on.
    """

    step: int
    model: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    state: dict


def _model_tensors(model: nn.Module) -> dict[str, Tensor]:
    found: dict[int, tuple[str, Tensor]] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        found.setdefault(id(tensor), (name, tensor))  # tied weights are one
    return dict(found.values())


def capture(
    step: int, model: nn.Module, optimizers: Sequence[Optimizer], **state: object
) -> Checkpoint:
    """Return what is needed to go on. All processes must call it: sharded tensors are gathered.

    Raises:
        ValueError: if an optimizer keeps something that is neither a tensor nor a number.
    """
    tensors, numbers = {}, {}
    for i, optimizer in enumerate(optimizers):
        for j, kept in optimizer.state_dict()["state"].items():
            for name, value in kept.items():
                if isinstance(value, Tensor):
                    tensors[f"{i}.{j}.{name}"] = whole(value)
                elif value is None or isinstance(value, int | float):
                    numbers[f"{i}.{j}.{name}"] = value
                else:
                    kind = type(value).__name__
                    raise ValueError(
                        f"optimizer: expected state of tensors and numbers, got {kind}"
                    )
    weights = {name: whole(tensor.detach()) for name, tensor in _model_tensors(model).items()}
    return Checkpoint(step, weights, tensors, {"numbers": numbers, **state})


@torch.no_grad()
def restore(checkpoint: Checkpoint, model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
    """Set a model's weights and optimizers' state to a checkpoint's.

    Learning rates and other settings stay those of the optimizers given.

    Raises:
        CheckpointError: if the checkpoint is of another model or other optimizers.
    """
    tensors = _model_tensors(model)
    _check_same("model", tensors, checkpoint.model)
    for name, tensor in tensors.items():
        tensor.copy_(like(checkpoint.model[name], tensor))
    kept: dict[tuple[int, int], dict[str, object]] = {}
    for key, value in {**checkpoint.optimizer, **checkpoint.state["numbers"]}.items():
        i, j, name = key.split(".", 2)
        kept.setdefault((int(i), int(j)), {})[name] = value
    for i, optimizer in enumerate(optimizers):
        pairs = [(p, group) for group in optimizer.param_groups for p in group["params"]]
        for j, (p, group) in enumerate(pairs):
            state = kept.pop((i, j), {})
            for name, value in state.items():
                if isinstance(value, Tensor) and value.shape == p.shape:
                    state[name] = like(value, p).clone()
                elif isinstance(value, Tensor) and value.dim() == 0:
                    on_device = group.get("fused") or group.get("capturable")
                    state[name] = value.to(p.device if on_device else "cpu", copy=True)
                elif isinstance(value, Tensor):
                    raise CheckpointError(
                        f"optimizer {i}, parameter {j}: expected shape {tuple(p.shape)}, the "
                        f"checkpoint has {tuple(value.shape)}"
                    )
            optimizer.state[p] = state
    if kept:
        i, j = next(iter(kept))
        raise CheckpointError(f"optimizer {i}: it has no parameter {j}, the checkpoint has")


def _check_same(what: str, ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    for name in sorted(ours.keys() | theirs.keys()):
        one, other = (
            f"{tuple(t[name].shape)} {t[name].dtype}" if name in t else "nothing"
            for t in (ours, theirs)
        )
        if one != other:
            raise CheckpointError(
                f"{what}: expected {one} for {name}, the checkpoint has {other}; it is of another "
                "model: name another folder"
            )


def save(folder: str | Path, checkpoint: Checkpoint, keep: int = 3) -> Path:
    """Write a checkpoint, whole or not at all; then remove all but the newest ones.

    Args:
        folder: holds a run's checkpoints; only one process may write to it.
        checkpoint: what to write.
        keep: number of checkpoints to keep.

    Returns:
        The checkpoint's own folder, ``step-00000120``.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".part-*"):  # by a process that was killed
        _remove(left)
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
    sizes, sums = {}, {}
    for name, tensors in zip(FILES, (checkpoint.model, checkpoint.optimizer), strict=True):
        tensors = {key: tensor.contiguous() for key, tensor in tensors.items()}
        safetensors.torch.save_file(tensors, part / name)
        sizes[name], sums[name] = (part / name).stat().st_size, _flushed_sum(part / name)
    state = {"step": checkpoint.step, "sizes": sizes, "sha256": sums, **checkpoint.state}
    content = {"format": FORMAT, "sha256": _sum_of(state), "state": state}
    (part / "state.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    _flushed_sum(part / "state.json")
    _flush(part)
    place = folder / f"step-{checkpoint.step:08d}"
    if place.exists():  # a damaged one, or the same again
        place.rename(f"{part}-replaced")
    part.rename(place)
    _flush(folder)
    for old in [*folder.glob(".part-*"), *_steps(folder)[keep:]]:
        # Renamed first: a half removed checkpoint must not look like a damaged one.
        if not old.name.startswith("."):
            old = old.rename(folder / f".part-{old.name}")
        _remove(old)
    return place


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _flush(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _flushed_sum(path: Path) -> str:
    _flush(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sum_of(state: dict) -> str:
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()


def _steps(folder: Path) -> list[Path]:
    """Return the checkpoints' folders, the newest first."""
    return sorted(folder.glob("step-*"), reverse=True)


def load(path: str | Path) -> Checkpoint:
    """Read one checkpoint's folder and verify all of it.

    Raises:
        CheckpointError: if it is not a checkpoint, or was cut off or altered.
    """
    path = Path(path)
    try:
        content = json.loads((path / "state.json").read_text(encoding="utf-8"))
        known = content["format"] == FORMAT
        state = dict(content["state"])
        altered = content["sha256"] != _sum_of(state)
    except (OSError, ValueError, KeyError, TypeError):
        known = altered = False
    if not known:
        raise CheckpointError(f"{path}: expected a checkpoint, found no state.json of one")
    if altered:
        raise CheckpointError(f"{path}/state.json: it was altered; its SHA-256 differs")
    sizes, sums = state.pop("sizes"), state.pop("sha256")
    for name in FILES:
        file = path / name
        size = file.stat().st_size if file.is_file() else 0
        if size != sizes[name]:
            raise CheckpointError(
                f"{file}: expected {sizes[name]} bytes, got {size}: it is cut off"
            )
        if _flushed_sum(file) != sums[name]:
            raise CheckpointError(f"{file}: it was altered; its SHA-256 differs")
    model, optimizer = (safetensors.torch.load_file(path / name) for name in FILES)
    return Checkpoint(state.pop("step"), model, optimizer, state)


def load_latest(folder: str | Path) -> Checkpoint | None:
    """Return the newest checkpoint that is whole, or None if there is none at all.

    Warns of newer ones that can't be used.

    Raises:
        CheckpointError: if there are checkpoints and none can be used.
    """
    errors = []
    for path in _steps(Path(folder)):
        try:
            checkpoint = load(path)
        except CheckpointError as error:
            errors.append(str(error))
            continue
        for error in errors:
            warnings.warn(f"{error}; going on from step {checkpoint.step}", stacklevel=2)
        return checkpoint
    if errors:
        raise CheckpointError(
            f"{'; '.join(errors)}; no other checkpoint is left: name another folder to begin anew"
        )
    return None
