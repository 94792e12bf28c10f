"""Checkpoints that survive a crash: what a training run needs to go on, bit for bit.

Taught in 'Training on GPU'. A checkpoint is a folder of two safetensors files and one JSON file. It
is written beside its place, flushed to the disk and then renamed, so that it is there whole or not
at all. Nothing in it is code: pickle, which may run what a file says, is not used.
"""

import hashlib
import json
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.optim import Optimizer

from course_lib.checks import check_counts, check_sizes
from course_lib.files import flush, reason
from course_lib.training.distributed import like, whole

FORMAT = "course_lib checkpoint 2"
FILES = ("model.safetensors", "optimizer.safetensors")
# Entries of an optimizer's group that don't change what it computes.
NO_SETTINGS = {"params", "param_names", "initial_lr", "fused", "foreach", "capturable"}


class CheckpointError(RuntimeError):
    """A checkpoint can't be written or used; the message says why."""


@dataclass
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        step: number of steps done.
        model: name to weight or buffer; a tensor that has two names stands under its first.
        optimizer: ``optimizer.parameter.name`` to tensor, the first two counted from 0.
        state: what JSON can hold: numbers and settings of the optimizers, the history, and so on.
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
    check_counts(step=step)
    # An optimizer keeps tensors and numbers by parameter: i.j.name.
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
    # The weights, gathered; then what the optimizers are.
    weights = {name: whole(tensor.detach()) for name, tensor in _model_tensors(model).items()}
    described = _describe(model, optimizers)
    return Checkpoint(
        step, weights, tensors, {"numbers": numbers, "optimizers": described, **state}
    )


def _describe(model: nn.Module, optimizers: Sequence[Optimizer]) -> dict[str, object]:
    """Return each optimizer's class, and its groups' settings and parameters."""
    names = {id(p): name for name, p in model.named_parameters()}
    found: dict[str, object] = {}
    for i, optimizer in enumerate(optimizers):
        kind = type(optimizer)
        found[f"optimizer {i}"] = f"{kind.__module__}.{kind.__qualname__}"
        for g, group in enumerate(optimizer.param_groups):
            where = f"optimizer {i}, group {g}"
            for name in sorted(group.keys() - NO_SETTINGS):
                found[f"{where}: {name}"] = group[name]
            for j, p in enumerate(group["params"]):
                name = names.get(id(p), f"one of shape {tuple(p.shape)}")
                found[f"{where}: parameter {j}"] = name

    def plain(value: object) -> object:
        return value.tolist() if hasattr(value, "tolist") else type(value).__name__

    return json.loads(json.dumps(found, default=plain))  # as it comes out of a file


def check_fits(checkpoint: Checkpoint, model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
    """Check all that :func:`restore` needs, and change nothing.

    Raises:
        CheckpointError: if the checkpoint is of another model, or of optimizers of another kind,
            with other parameters or other settings.
    """
    # The weights: the same names and shapes.
    _check_same("model", _model_tensors(model), checkpoint.model)
    # The optimizers: the same kinds and settings.
    theirs, ours = checkpoint.state.get("optimizers", {}), _describe(model, optimizers)
    for what in {**theirs, **ours}:
        one, other = theirs.get(what, "nothing"), ours.get(what, "nothing")
        if one != other:
            raise CheckpointError(
                f"{what}: expected {one} as in the checkpoint, got {other}; pass what the run "
                "began with, or name another folder to begin anew"
            )
    # What they keep: for parameters that are there, in their shapes.
    shapes = {
        (i, j): p.shape
        for i, optimizer in enumerate(optimizers)
        for j, p in enumerate(p for group in optimizer.param_groups for p in group["params"])
    }
    for (i, j), state in _kept(checkpoint).items():
        if (i, j) not in shapes:
            raise CheckpointError(f"optimizer {i}: it has no parameter {j}, the checkpoint has")
        for value in state.values():
            if isinstance(value, Tensor) and value.dim() and value.shape != shapes[i, j]:
                raise CheckpointError(
                    f"optimizer {i}, parameter {j}: expected shape {tuple(shapes[i, j])}, the "
                    f"checkpoint has {tuple(value.shape)}"
                )


def _kept(checkpoint: Checkpoint) -> dict[tuple[int, int], dict[str, object]]:
    """Return what each optimizer keeps of each parameter."""
    kept: dict[tuple[int, int], dict[str, object]] = {}
    for key, value in {**checkpoint.optimizer, **checkpoint.state.get("numbers", {})}.items():
        try:
            i, j, name = key.split(".", 2)
            kept.setdefault((int(i), int(j)), {})[name] = value
        except ValueError:
            expected = "optimizer: expected names such as 0.0.exp_avg"
            raise CheckpointError(f"{expected}, the checkpoint has {key!r}") from None
    return kept


@torch.no_grad()
def restore(checkpoint: Checkpoint, model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
    """Set a model's weights and optimizers' state to a checkpoint's.

    Raises:
        CheckpointError: as :func:`check_fits` does; then all is as it was.
    """
    check_fits(checkpoint, model, optimizers)
    for name, tensor in _model_tensors(model).items():
        tensor.copy_(like(checkpoint.model[name], tensor))
    kept = _kept(checkpoint)
    for i, optimizer in enumerate(optimizers):
        pairs = [(p, group) for group in optimizer.param_groups for p in group["params"]]
        for j, (p, group) in enumerate(pairs):
            state = kept.get((i, j), {})
            on_device = group.get("fused") or group.get("capturable")
            for name, value in state.items():
                if isinstance(value, Tensor) and value.shape == p.shape:
                    state[name] = like(value, p).clone()
                elif isinstance(value, Tensor):
                    state[name] = value.to(p.device if on_device else "cpu", copy=True)
            optimizer.state[p] = state


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
        keep: number of checkpoints to keep: this one, and the newest others that are whole.

    Returns:
        The checkpoint's own folder, ``step-00000120``.

    Raises:
        ValueError: if ``keep`` is not a whole number above 0.
        CheckpointError: if it can't be written. Then nothing is left of it, and all others stay.
    """
    check_sizes(keep=keep)
    check_counts(step=checkpoint.step)
    folder = Path(folder)
    try:
        place = _write(folder, checkpoint)
        _prune(folder, place, keep)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder}: the checkpoint of step {checkpoint.step} can't be written "
            f"({reason(error)}); free space there, or name another folder"
        ) from error
    return place


def _write(folder: Path, checkpoint: Checkpoint) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".part-*"):  # by a process that was killed
        _remove(left)
    # All is written beside its place, and renamed when it is whole.
    place = folder / f"step-{checkpoint.step:08d}"
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
    replaced = Path(f"{part}-replaced")
    placed = False
    try:
        sizes, sums = {}, {}
        for name, tensors in zip(FILES, (checkpoint.model, checkpoint.optimizer), strict=True):
            tensors = {key: tensor.contiguous() for key, tensor in tensors.items()}
            safetensors.torch.save_file(tensors, part / name)
            flush(part / name)
            sizes[name], sums[name] = (part / name).stat().st_size, _sum_of_file(part / name)
        # The state, with sizes and sums of the files and its own sum.
        state = {"step": checkpoint.step, "sizes": sizes, "sha256": sums, **checkpoint.state}
        content = {"format": FORMAT, "sha256": _sum_of(state), "state": state}
        (part / "state.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
        flush(part / "state.json")
        flush(part)
        if place.exists():  # a damaged one, or the same again
            place.rename(replaced)
        part.rename(place)
        placed = True
        flush(folder)
    # Nothing half done stays; what was there comes back.
    except BaseException:
        shutil.rmtree(place if placed else part, ignore_errors=True)
        if replaced.exists():
            replaced.rename(place)
        raise
    return place


def _prune(folder: Path, newest: Path, keep: int) -> None:
    """Remove what is older than the newest ``keep`` checkpoints that are whole."""
    whole = 1  # the one just written
    removed = list(folder.glob(".part-*"))
    for path in _steps(folder):
        if path == newest:
            continue
        if whole == keep:
            removed.append(path)
        else:
            whole += _is_whole(path)
    for old in removed:
        # Renamed first: a half removed checkpoint must not look like a damaged one.
        if not old.name.startswith("."):
            old = old.rename(folder / f".part-{old.name}")
        _remove(old)


def _is_whole(path: Path) -> bool:
    try:
        _verified(path)
    except CheckpointError:
        return False
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _sum_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sum_of(state: dict) -> str:
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()


def _steps(folder: Path) -> list[Path]:
    """Return the checkpoints' folders, the newest first."""
    paths = [path for path in folder.glob("step-????????*") if path.name[5:].isdecimal()]
    return sorted(paths, key=lambda path: int(path.name[5:]), reverse=True)


def load(path: str | Path) -> Checkpoint:
    """Read one checkpoint's folder and verify all of it.

    Raises:
        CheckpointError: if it is not a checkpoint, or was cut off or altered.
    """
    path = Path(path)
    state = _verified(path)
    try:
        model, optimizer = (safetensors.torch.load_file(path / name) for name in FILES)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: it can't be read ({reason(error)})") from error
    return Checkpoint(state.pop("step"), model, optimizer, state)


def _verified(path: Path) -> dict:
    """Return a checkpoint's state, after a look at all its files."""
    # What the state says of itself.
    try:
        content = json.loads((path / "state.json").read_text(encoding="utf-8"))
        known = content["format"] == FORMAT
        state = dict(content["state"])
        altered = content["sha256"] != _sum_of(state)
        if known and not altered:
            sizes, sums = state.pop("sizes"), state.pop("sha256")
            expected = {name: (sizes[name], sums[name]) for name in FILES}
            known = isinstance(state["step"], int)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        known = altered = False
    if not known:
        raise CheckpointError(f"{path}: expected a checkpoint, found no state.json of one")
    if altered:
        raise CheckpointError(f"{path}/state.json: it was altered; its SHA-256 differs")
    # The files beside it: whole, and not altered.
    for name, (size, sha256) in expected.items():
        file = path / name
        try:
            got = file.stat().st_size if file.is_file() else 0
            same = got == size and _sum_of_file(file) == sha256
        except OSError as error:
            raise CheckpointError(f"{file}: it can't be read ({reason(error)})") from error
        if got != size:
            raise CheckpointError(f"{file}: expected {size} bytes, got {got}: it is cut off")
        if not same:
            raise CheckpointError(f"{file}: it was altered; its SHA-256 differs")
    return state


def put_aside(folder: str | Path) -> Path | None:
    """Rename a folder of checkpoints, so that a run begins anew; return where it is now.

    What was put aside before is removed. None if there is no such folder.

    Raises:
        OSError: if it can't be renamed.
    """
    folder = Path(folder)
    if not folder.exists():
        return None
    aside = folder.with_name(f"{folder.name}.before")
    shutil.rmtree(aside, ignore_errors=True)
    return folder.rename(aside)


def load_latest(folder: str | Path) -> Checkpoint | None:
    """Return the newest checkpoint that is whole, or None if there is none at all.

    Warns of newer ones that can't be used.

    Raises:
        CheckpointError: if there are checkpoints and none can be used, or there is no folder of
            that name but a file.
    """
    folder, errors = Path(folder), []
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder}: expected a folder for checkpoints, found a file")
    # Newest first, until one is whole.
    for path in _steps(folder):
        try:
            checkpoint = load(path)
        except CheckpointError as error:
            errors.append(str(error))
            continue
        for said in errors:
            warnings.warn(f"{said}; going on from step {checkpoint.step}", stacklevel=2)
        return checkpoint
    # There were some, and none can be used.
    if errors:
        raise CheckpointError(
            f"{'; '.join(errors)}; no other checkpoint is left: name another folder to begin anew"
        )
    return None
