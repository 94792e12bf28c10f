"""One training loop for every model of the course, on a CPU, a GPU or several.

Taught in 'Training' and 'Training on GPU'. Data and randomness of a step are pure functions of the
seed and the step's number, so a run that was stopped goes on as if it never had been. Mixed
precision and loss scaling follow Micikevicius et al. (2018), 'Mixed Precision Training'.

What a lesson on the loop doesn't need stands in files of its own: what memory holds (memory.py),
Ctrl-C (interrupt.py), several processes (distributed.py), files (checkpoints.py, log.py).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from course_lib.checks import (
    check_counts,
    check_not_negative,
    check_one_of,
    check_positive,
    check_sizes,
    expect,
)
from course_lib.training import checkpoints, distributed
from course_lib.training.batches import Batches
from course_lib.training.devices import PRECISIONS, pick_device, pick_precision, seed_device
from course_lib.training.interrupt import after_the_step
from course_lib.training.log import Row, TrainingLog
from course_lib.training.losses import next_token_loss
from course_lib.training.memory import is_out_of_memory, what_fits
from course_lib.training.pieces import Pieces, split


class TrainingError(RuntimeError):
    """Training can't go on; the message says at which step and what to try."""


@dataclass
class Result:
    """What a training run gave.

    Attributes:
        history: a row for every ``log_every`` steps: ``step`` (steps done), ``loss`` (mean since
            the row before), ``val_loss`` (or None), ``learning_rate``, ``grad_norm``, ``seconds``
            (of training alone, without evaluation) and ``tokens_per_second``.
    """

    history: list[Row]

    @property
    def loss(self) -> float:
        """Mean training loss of the last row."""
        return self.history[-1]["loss"]

    @property
    def val_loss(self) -> float | None:
        """The last evaluation's result."""
        return self.history[-1]["val_loss"]

    @property
    def seconds(self) -> float:
        """Seconds of training, without evaluation."""
        return self.history[-1]["seconds"]


def train(
    model: nn.Module,
    batches: Batches,
    *,
    steps: int,
    optimizer: Optimizer | Sequence[Optimizer],
    schedule: Callable[[int], float] | None = None,
    loss: Callable[..., Tensor] = next_token_loss,
    evaluate: Callable[[nn.Module], float] | None = None,
    eval_every: int | None = None,
    device: torch.device | str | None = None,
    precision: str | None = None,
    accumulate: int = 1,
    clip: float | None = 1.0,
    compile: bool = False,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 500,
    log: str | Path | None = None,
    log_every: int = 10,
    progress: bool = True,
    live_plot: bool = False,
    seed: int = 0,
) -> Result:
    """Train a model; it is left on the device, in evaluation mode.

    The optimizers' learning rates come back as they were given. A batch without a target that
    counts changes nothing.

    Args:
        model: what to train.
        batches: gives a step's batch, tensors with B rows each, the targets last. Must be a pure
            function of the step; numbers that it draws from torch's global generator are one.
        steps: number of steps.
        optimizer: one, or several that share the parameters among them.
        schedule: gives the factor of the optimizers' learning rates at a step, counted from 0.
        loss: gives the mean loss over the targets that count, for the model and a batch's tensors.
        evaluate: gives the validation loss of the model; runs after the last step.
        eval_every: runs ``evaluate`` after every so many steps, too.
        device: where to compute; :func:`pick_device` by default.
        precision: of the activations: ``float32``, ``bfloat16`` or ``float16`` (with a loss
            scaler); weights stay as they are. :func:`pick_precision` by default.
        accumulate: in how many pieces the batch is computed, one after another: the same gradient
            in less memory. A batch of fewer rows is computed row by row.
        clip: largest norm of the gradient; None doesn't clip.
        compile: compile the model, which pays when many steps of one shape follow.
        checkpoint: a folder for checkpoints; if it has one already, training goes on from there.
        checkpoint_every: steps between two; one is also made after the last step and on Ctrl-C.
        log: a folder for ``log.csv`` and TensorBoard's files.
        log_every: steps per row of the history.
        progress: show a bar where somebody watches: at a terminal, or in a notebook that a person
            runs.
        live_plot: draw the loss as it falls, in a notebook that a person runs.
        seed: of what is random in a step, such as dropout.

    Raises:
        ValueError: on an argument that can't be.
        TrainingError: if the loss is no longer finite, or the memory doesn't suffice.
        CheckpointError: if the folder's checkpoints are damaged, or of another model, other
            optimizers or other settings of theirs; then nothing is changed. Also if one can't be
            written, as on a full disk.
        OSError: if the log can't be written.
        KeyboardInterrupt: after Ctrl-C, when the step is done and saved.
    """
    # Check what was given, before anything is changed.
    check_sizes(
        steps=steps, accumulate=accumulate, log_every=log_every, checkpoint_every=checkpoint_every
    )
    check_counts(seed=seed)
    if eval_every is not None:
        check_sizes(eval_every=eval_every)
    if clip is not None:
        check_positive(clip=clip)
    optimizers = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer)
    groups, rates = _checked_groups(optimizers)

    # A run that was stopped goes on from its checkpoint.
    found = checkpoints.load_latest(checkpoint) if checkpoint else None
    if found:
        done = found.step
        expect(steps >= done, "steps", f"at least {done}, as {checkpoint} has", steps)
        checkpoints.check_fits(found, model, optimizers)
    device = torch.device(device) if device else pick_device()
    run = _Run(model, optimizers, loss, device, precision, accumulate, clip, compile)
    first, history = run.resume(found) if found else (0, [])

    main = distributed.rank() == 0
    told = TrainingLog(history, steps, log if main else None, progress and main, live_plot and main)
    with _rates_given_back(groups, rates), told, after_the_step() as interrupted:
        for step in range(first, steps):
            # The step itself: a learning rate, a batch, and the update.
            seed_device(device, seed, step)
            factor = schedule(step) if schedule else 1.0
            check_not_negative(schedule=factor)
            _set_rates(groups, rates, factor)
            batch = batches(step)
            seed_device(device, seed, step, distributed.rank())
            told.step(*run.step(step, batch), _count_tokens(batch))
            done = step + 1

            # Most steps end here: to read a loss from a GPU means to wait for it.
            evaluating = evaluate and (done == steps or (eval_every and done % eval_every == 0))
            saving = checkpoint and (done == steps or done % checkpoint_every == 0)
            # Several processes must stop at the same step, so they ask each other at rows only.
            stopping = bool(interrupted) and distributed.world_size() == 1
            if not (evaluating or saving or stopping or done % log_every == 0 or done == steps):
                continue

            # A row of the history, with the validation loss if it is its turn.
            told.add_row(done, groups[0]["lr"], *run.check(step, told.read()))
            stopping = distributed.mean_over_processes([len(interrupted)], device) != [0]
            if evaluate and evaluating:
                model.eval()
                with torch.no_grad():
                    history[-1]["val_loss"] = float(evaluate(model))
                model.train()
            told.show()

            # A checkpoint holds the learning rates as they were given.
            if checkpoint and (saving or stopping):
                _set_rates(groups, rates)
                run.save(checkpoint, done, history)
            if stopping:
                where = f"; the same call goes on from {checkpoint}" if checkpoint else ""
                raise KeyboardInterrupt(f"stopped after step {done}{where}")
            told.start_clock()
    model.eval()
    return Result(history)


def _checked_groups(optimizers: list[Optimizer]) -> tuple[list[dict], list[float]]:
    """Return the groups of parameters of all optimizers, and their learning rates."""
    known = optimizers and all(isinstance(one, Optimizer) for one in optimizers)
    expect(bool(known), "optimizer", "one or several optimizers", optimizers)
    groups = [group for one in optimizers for group in one.param_groups]
    trained = [id(p) for group in groups for p in group["params"]]
    once = len(set(trained)) == len(trained)
    expect(once, "optimizer", "each parameter in one optimizer", "one in several")
    rates = [group["lr"] for group in groups]
    for rate in rates:
        check_not_negative(lr=float(rate))
    return groups, rates


def _set_rates(groups: list[dict], rates: list[float], factor: float = 1.0) -> None:
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate * factor


@contextmanager
def _rates_given_back(groups: list[dict], rates: list[float]) -> Iterator[None]:
    try:
        yield
    finally:
        _set_rates(groups, rates)


class _Run:
    """A model with all that a step needs."""

    def __init__(
        self,
        model: nn.Module,
        optimizers: list[Optimizer],
        loss: Callable[..., Tensor],
        device: torch.device,
        precision: str | None,
        accumulate: int,
        clip: float | None,
        compile: bool,
    ) -> None:
        self.precision = precision or pick_precision(device)
        check_one_of("precision", self.precision, PRECISIONS)
        self.model, self.optimizers, self.loss, self.device = model, optimizers, loss, device
        self.accumulate, self.clip = accumulate, clip
        self.parameters = [p for o in optimizers for g in o.param_groups for p in g["params"]]
        # To the device, and wrapped as several processes and a compiler need it.
        model.to(device).train()
        self.parallel = distributed.replicate(model)
        self.forward = torch.compile(self.parallel) if compile else self.parallel
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "float16")
        self.forget_gradients()

    def forget_gradients(self) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad()

    def step(self, step: int, batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Take one step; return the loss and the norm of the gradient."""
        # The gradient, in pieces; what does not fit in memory is said.
        pieces = split(batch, self.accumulate)
        if not pieces:
            nothing = torch.zeros((), device=self.device)
            return nothing, nothing
        loss = self.tried(pieces)
        if loss is None:
            said = what_fits(batch, self.accumulate, self.tried, self.forget_gradients)
            raise TrainingError(f"step {step}: {said}")
        # Clip the gradient as it is without the scaler's factor; then the update.
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        limit = math.inf if self.clip is None else self.clip
        norm = distributed.whole(nn.utils.clip_grad_norm_(self.parameters, limit))
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()
        self.forget_gradients()
        return loss, norm

    def tried(self, pieces: Pieces) -> Tensor | None:
        """Return the pieces' loss, as :meth:`gradients` does, or None if the memory is too small.

        Nothing is computed in the handler: its frames hold on to what the model computed.
        """
        try:
            return self.gradients(pieces)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            return None

    def gradients(self, pieces: Pieces) -> Tensor:
        """Add up the gradients of the pieces; return their loss."""
        low, total = PRECISIONS[self.precision], torch.zeros((), device=self.device)
        for i, (piece, share) in enumerate(pieces):
            distributed.set_sync(self.parallel, i == len(pieces) - 1)
            piece = [tensor.to(self.device, non_blocking=True) for tensor in piece]
            with torch.autocast(self.device.type, low) if low else nullcontext():
                loss = self.loss(self.forward, *piece)
            if share != 1:
                loss = loss * share
            self.scaler.scale(loss).backward()
            total = total + loss.detach()
        return total

    def check(self, step: int, read: list[tuple[float, float]]) -> tuple[list[float], float]:
        """Return the losses of the last steps, up to this one, and the last gradient's norm.

        Raises:
            TrainingError: if a number is not finite. With a scaler, gradients may be: it leaves
                such steps out.
        """
        losses = distributed.mean_over_processes([loss for loss, _ in read], self.device)
        for i, (loss, (_, norm)) in enumerate(zip(losses, read, strict=True), step + 1 - len(read)):
            if math.isfinite(loss) and (math.isfinite(norm) or self.scaler.is_enabled()):
                continue
            what = "the gradient's norm" if math.isfinite(loss) else "the loss"
            rate = self.optimizers[0].param_groups[0]["lr"]
            raise TrainingError(
                f"step {i}: {what} is {norm if math.isfinite(loss) else loss}. Try a learning "
                f"rate well below {rate:.2g}, a warm-up, clip=1.0 (now {self.clip}), or "
                f"precision='float32' (now {self.precision}); if it comes at once, look at this "
                "step's batch"
            )
        return losses, read[-1][1]

    def save(self, folder: str | Path, done: int, history: list[Row]) -> None:
        """Write a checkpoint."""
        state = {"history": history, "scaler": self.scaler.state_dict()}
        checkpoint = checkpoints.capture(done, self.model, self.optimizers, **state)
        if distributed.rank() == 0:
            checkpoints.save(folder, checkpoint)

    def resume(self, found: checkpoints.Checkpoint) -> tuple[int, list[Row]]:
        """Go on from a checkpoint; return steps done and history."""
        checkpoints.restore(found, self.model, self.optimizers)
        if scale := found.state["scaler"]:  # empty after a run without one
            self.scaler.load_state_dict(scale)
        return found.step, found.state["history"]


def _count_tokens(batch: tuple[Tensor, ...]) -> int:
    """Return how many token ids enter the model; masks are no tokens."""
    ids = (t for t in batch[:-1] if t.dtype is not torch.bool and not t.is_floating_point())
    return sum(tensor.numel() for tensor in ids)
