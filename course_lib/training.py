"""One training loop for every model of the course, on a CPU, a GPU or several.

Taught in 'Training' and 'Training on GPU'. Data and randomness of a step are pure functions of the
seed and the step's number, so a run that was stopped goes on as if it never had been. Mixed
precision and loss scaling follow Micikevicius et al. (2018), 'Mixed Precision Training'.
"""

import csv
import hashlib
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm.auto import tqdm

IGNORE = -100  # a target that doesn't count
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
COLUMNS = ["step", "loss", "val_loss", "learning_rate", "grad_norm", "seconds", "tokens_per_second"]
Batches = Callable[[int], tuple[Tensor, ...]]


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

    history: list[dict[str, float | None]]

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


def pick_device() -> torch.device:
    """Return the fastest device that is here: a CUDA GPU, Apple's GPU (MPS), or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def pick_precision(device: torch.device) -> str:
    """Return ``bfloat16`` for GPUs that compute in it, ``float16`` for older ones.

    Else it is ``float32``.
    """
    if device.type != "cuda":
        return "float32"
    has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if has_bfloat16 else "float16"


def _mixed(*numbers: int) -> int:
    """Return a seed that differs for all series of numbers."""
    return int.from_bytes(hashlib.blake2b(repr(numbers).encode(), digest_size=4).digest())


def random_windows(
    tokens: Tensor | Sequence[int], batch_size: int, context: int, seed: int = 0
) -> Batches:
    """Return batches of windows of a text, each from a random place.

    Args:
        tokens: token ids of the whole text.
        batch_size: windows per batch, B.
        context: tokens per window, T.
        seed: of the places.

    Returns:
        A function of the step that gives inputs (B, T) and targets (B, T), one token further.

    Raises:
        ValueError: if the text is too short for one window and the token behind it.
    """
    tokens = torch.as_tensor(tokens)
    if len(tokens) <= context:
        raise ValueError(f"tokens: expected more than context = {context}, got {len(tokens)}")
    offsets = torch.arange(context + 1)

    def batches(step: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(_mixed(seed, step))
        starts = torch.randint(len(tokens) - context, (batch_size, 1), generator=generator)
        windows = tokens[starts + offsets].long()  # (B, T + 1)
        return windows[:, :-1], windows[:, 1:]

    return batches


def next_token_loss(model: nn.Module, *batch: Tensor) -> Tensor:
    """Return the mean cross-entropy in nats over the targets that aren't ``IGNORE``.

    Args:
        model: called with all tensors of the batch but the last; gives logits (..., V).
        batch: the last tensor holds the targets (...): the next tokens, or classes (B,).
    """
    *inputs, targets = batch
    logits = model(*inputs).flatten(0, -2)
    counted = (targets != IGNORE).sum().clamp(min=1)
    return F.cross_entropy(logits, targets.flatten(), reduction="sum") / counted


@torch.no_grad()
def corpus_loss(model: nn.Module, tokens: Tensor | Sequence[int], context: int) -> float:
    """Return the mean loss in nats over a whole text: every token but the first is predicted once.

    The text is cut into windows of ``context`` tokens, side by side; the last may be shorter.

    Args:
        model: gives logits (B, T, V) for tokens (B, T).
        tokens: token ids of the whole text.
        context: tokens per window.

    Raises:
        ValueError: if the text has fewer than two tokens.
    """
    tokens = torch.as_tensor(tokens)
    if len(tokens) < 2:
        raise ValueError(f"tokens: expected at least 2, got {len(tokens)}")
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    inputs, targets = tokens[:-1].long(), tokens[1:].long()
    whole = len(inputs) // context * context
    pieces = list(
        zip(
            inputs[:whole].view(-1, context).split(64),
            targets[:whole].view(-1, context).split(64),
            strict=True,
        )
    )
    if whole < len(inputs):
        pieces.append((inputs[None, whole:], targets[None, whole:]))
    total = torch.zeros((), dtype=torch.float64)
    for x, y in pieces:
        logits = model(x.to(device)).flatten(0, -2)
        total += F.cross_entropy(logits, y.to(device).flatten(), reduction="sum").cpu()
    model.train(training)
    return total.item() / len(inputs)


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
    log: str | Path | None = None,
    log_every: int = 10,
    progress: bool = True,
    seed: int = 0,
) -> Result:
    """Train a model; it is left on the device, in evaluation mode.

    Args:
        model: what to train.
        batches: gives a step's batch, tensors with B rows each, the targets last. Must be a pure
            function of the step; numbers that it draws from torch's global generator are one.
        steps: number of steps.
        optimizer: one, or several that share the parameters among them.
        schedule: gives the factor of the learning rates at a step, counted from 0.
        loss: gives the mean loss over the targets that count, for the model and a batch's tensors.
        evaluate: gives the validation loss of the model; runs after the last step.
        eval_every: runs ``evaluate`` after every so many steps, too.
        device: where to compute; :func:`pick_device` by default.
        precision: of the activations: ``float32``, ``bfloat16`` or ``float16`` (with a loss
            scaler); weights stay as they are. :func:`pick_precision` by default.
        accumulate: in how many pieces the batch is computed, one after another: the same gradient
            in less memory.
        clip: largest norm of the gradient; None doesn't clip.
        compile: compile the model, which pays when many steps of one shape follow.
        log: a folder for ``log.csv`` and TensorBoard's files.
        log_every: steps per row of the history.
        progress: show a bar where somebody watches: at a terminal, or in a notebook that a person
            runs.
        seed: of what is random in a step, such as dropout.

    Raises:
        ValueError: on an argument that can't be.
        TrainingError: if the loss is no longer finite, or the memory doesn't suffice.
    """
    _check_positive(steps=steps, accumulate=accumulate, log_every=log_every)
    device = torch.device(device) if device else pick_device()
    precision = precision or pick_precision(device)
    if precision not in PRECISIONS:
        raise ValueError(f"precision: expected one of {', '.join(PRECISIONS)}, got {precision!r}")
    optimizers = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer)
    groups = [group for one in optimizers for group in one.param_groups]
    rates = [group.setdefault("initial_lr", group["lr"]) for group in groups]
    parameters = [p for group in groups for p in group["params"]]
    model.to(device).train()
    forward = torch.compile(model) if compile else model
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "float16")
    low = PRECISIONS[precision]

    def gradients(pieces: list[tuple[list[Tensor], float]]) -> Tensor:
        """Add the pieces' gradients up; return their loss."""
        total = 0.0
        for piece, share in pieces:
            piece = [tensor.to(device, non_blocking=True) for tensor in piece]
            with torch.autocast(device.type, low) if low else nullcontext():
                value = loss(forward, *piece)
            value = value if share == 1 else value * share
            scaler.scale(value).backward()
            total += value.detach()
        return total

    def update() -> Tensor:
        """Take the step; return the gradient's norm."""
        if clip is not None:
            for one in optimizers:
                scaler.unscale_(one)
        norm = nn.utils.clip_grad_norm_(parameters, math.inf if clip is None else clip)
        for one in optimizers:
            scaler.step(one)
            one.zero_grad()
        scaler.update()
        return norm

    for one in optimizers:
        one.zero_grad()
    with _Log(steps, log, progress) as rows, _after_the_step() as interrupted:
        for step in range(steps):
            _seed(device, seed, step)
            factor = schedule(step) if schedule else 1.0
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate * factor
            batch = batches(step)
            pieces = _split(batch, accumulate)
            try:
                value, out_of_memory = gradients(pieces), False
            except (MemoryError, RuntimeError) as error:
                out_of_memory = _is_out_of_memory(error)
                if not out_of_memory:
                    raise
            if out_of_memory:  # not in the handler: its frames hold what the model computed
                raise TrainingError(_what_fits(step, batch, accumulate, optimizers, gradients))
            rows.step(value, update(), _count_tokens(batch))
            done = step + 1
            last = done == steps
            evaluating = evaluate and (last or (eval_every and done % eval_every == 0))
            if not (last or evaluating or interrupted or done % log_every == 0):
                continue
            rows.add(done, groups[0]["lr"], f"clip={clip}, precision={precision!r}", scaler)
            if evaluating:
                model.eval()
                with rows.paused(), torch.no_grad():
                    rows.history[-1]["val_loss"] = float(evaluate(model))
                model.train()
            rows.write()
            if interrupted:
                raise KeyboardInterrupt(f"stopped after step {done}")
    model.eval()
    return Result(rows.history)


def _check_positive(**arguments: int) -> None:
    for name, value in arguments.items():
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")


def _seed(device: torch.device, *numbers: int) -> None:
    """Seed what the device draws from; much cheaper than ``torch.manual_seed``."""
    number = _mixed(*numbers)
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        torch.cuda.manual_seed(number)
    elif device.type == "mps":
        torch.mps.manual_seed(number)


def _split(batch: tuple[Tensor, ...], pieces: int) -> list[tuple[list[Tensor], float]]:
    """Cut a batch into pieces of rows; give each its share of the targets that count.

    The loss is a mean over such targets. Pieces may have unequally many, so the mean of their
    losses would not be the batch's.
    """
    if pieces == 1:
        return [(list(batch), 1.0)]
    if len(batch[-1]) < pieces:
        raise ValueError(f"batch: expected at least {pieces} rows to cut up, got {len(batch[-1])}")
    cut = list(zip(*(tensor.tensor_split(pieces) for tensor in batch), strict=True))
    counts = [int((piece[-1] != IGNORE).sum()) for piece in cut]
    total = max(sum(counts), 1)
    return [(list(piece), count / total) for piece, count in zip(cut, counts, strict=True)]


def _count_tokens(batch: tuple[Tensor, ...]) -> int:
    """Return how many token ids enter the model; masks are no tokens."""
    return sum(tensor.numel() for tensor in batch[:-1] if tensor.dtype == torch.long)


def _is_out_of_memory(error: BaseException) -> bool:
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in str(error)


def _what_fits(
    step: int,
    batch: tuple[Tensor, ...],
    accumulate: int,
    optimizers: list[Optimizer],
    gradients: Callable[[list[tuple[list[Tensor], float]]], Tensor],
) -> str:
    """Try smaller and smaller pieces of the batch; say which one fits."""
    rows = len(batch[-1])
    said = f"step {step}: out of memory with {math.ceil(rows / accumulate)} rows at a time; "
    while accumulate < rows:
        accumulate = min(2 * accumulate, rows)
        for one in optimizers:
            one.zero_grad()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            gradients(_split(batch, accumulate)[:1])
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            continue
        return (
            f"{said}{math.ceil(rows / accumulate)} fit: pass accumulate={accumulate} for the same "
            "gradient in that memory, or make the batch smaller"
        )
    return said + "not even one row fits: take a shorter context or a smaller model"


@contextmanager
def _after_the_step() -> Iterator[list[int]]:
    """Let Ctrl-C fill a list instead of breaking into a step; a second one breaks in."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked  # signals reach the main thread only
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(number: int, _: object) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def somebody_watches() -> bool:
    """Say whether a person sees the output as it comes: at a terminal, or in a live notebook.

    A notebook that a program runs can't ask its user anything; its output is kept, so that
    progress bars have no place in it.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    kernel = getattr(shell, "kernel", None)
    return kernel._allow_stdin if kernel else sys.stderr.isatty()


class _Log:
    """The history, its files, and the bar."""

    def __init__(self, steps: int, folder: str | Path | None, progress: bool) -> None:
        self.history: list[dict[str, float | None]] = []
        self.steps, self.folder, self.progress = steps, folder and Path(folder), progress
        self.losses: list[Tensor] = []  # since the last row; on a GPU, reading them waits for it
        self.norms: list[Tensor] = []
        self.tokens, self.seconds = 0, 0.0

    def __enter__(self) -> "_Log":
        self.file = self.board = None
        if self.folder:
            from torch.utils.tensorboard import SummaryWriter  # slow to import

            self.folder.mkdir(parents=True, exist_ok=True)
            self.file = (self.folder / "log.csv").open("w", newline="", encoding="utf-8")
            self.writer = csv.DictWriter(self.file, COLUMNS)
            self.writer.writeheader()
            self.board = SummaryWriter(self.folder)
        self.bar = tqdm(
            total=self.steps, disable=not (self.progress and somebody_watches()), unit="step"
        )
        self.since = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()
        if self.folder:
            self.file.close()
            self.board.close()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock."""
        yield
        self.since = time.perf_counter()

    def step(self, loss: Tensor, norm: Tensor, tokens: int) -> None:
        self.losses.append(loss)
        self.norms.append(norm)
        self.tokens += tokens

    def add(
        self, done: int, learning_rate: float, settings: str, scaler: torch.amp.GradScaler
    ) -> None:
        """Make a row of the steps since the last one.

        Raises:
            TrainingError: if a loss is not finite, or a gradient where no scaler skips the step.
        """
        losses = torch.stack(self.losses).tolist()
        norms = torch.stack(self.norms).tolist()
        now = time.perf_counter()
        took, self.since = now - self.since, now
        self.seconds += took
        first = done - len(losses)
        for i, (loss, norm) in enumerate(zip(losses, norms, strict=True)):
            if not math.isfinite(loss) or not (math.isfinite(norm) or scaler.is_enabled()):
                raise TrainingError(_not_finite(first + i, loss, norm, learning_rate, settings))
        row = {
            "step": done,
            "loss": sum(losses) / len(losses),
            "val_loss": None,
            "learning_rate": learning_rate,
            "grad_norm": norms[-1],
            "seconds": self.seconds,
            "tokens_per_second": self.tokens / took,
        }
        self.history.append(row)
        self.losses, self.norms, self.tokens = [], [], 0
        self.bar.update(len(losses))

    def write(self) -> None:
        """Show the last row, and write it to the files."""
        row = self.history[-1]
        shown = {"loss": f"{row['loss']:.3f}", "tokens/s": f"{row['tokens_per_second']:,.0f}"}
        if row["val_loss"] is not None:
            shown["val"] = f"{row['val_loss']:.3f}"
        self.bar.set_postfix(shown)
        if self.folder:
            self.writer.writerow(row)
            self.file.flush()
            for name, value in row.items():
                if name != "step" and value is not None:
                    self.board.add_scalar(name, value, row["step"])


def _not_finite(step: int, loss: float, norm: float, learning_rate: float, settings: str) -> str:
    what = f"loss is {loss}" if not math.isfinite(loss) else f"gradient's norm is {norm}"
    return (
        f"step {step}: the {what}. Try a learning rate far below {learning_rate:.2g}, a warm-up, "
        f"clip=1.0, or precision='bfloat16' or 'float32' (now {settings}); if it happens at once, "
        "look at this step's batch"
    )
