"""One training loop for every model of the course, on a CPU, a GPU or several.

Taught in 'Training' and 'Training on GPU'. Data and randomness of a step are pure functions of the
seed and the step's number, so a run that was stopped goes on as if it never had been. Mixed
precision and loss scaling follow Micikevicius et al. (2018), 'Mixed Precision Training'.
"""

import argparse
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.optim import Optimizer

from course_lib.checks import (
    check_counts,
    check_not_negative,
    check_one_of,
    check_positive,
    check_sizes,
    expect,
)
from course_lib.data import DataError, load_spoken_plays
from course_lib.generation import Sampler, generate
from course_lib.model import GPT, GPTConfig, Speedrun, SpeedrunConfig
from course_lib.text import BPETokenizer, CharacterTokenizer
from course_lib.training import checkpoints, distributed, optim
from course_lib.training.batches import Batches, random_windows, seed_from
from course_lib.training.log import Row, TrainingLog
from course_lib.training.losses import IGNORE, corpus_loss, next_token_loss

RECIPES = ("gpt2", "llama", "speedrun")
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
Pieces = list[tuple[list[Tensor], float]]  # rows of a batch, and their share of the loss


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
    check_sizes(
        steps=steps, accumulate=accumulate, log_every=log_every, checkpoint_every=checkpoint_every
    )
    check_counts(seed=seed)
    if eval_every is not None:
        check_sizes(eval_every=eval_every)
    if clip is not None:
        check_positive(clip=clip)
    optimizers = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer)
    known = optimizers and all(isinstance(one, Optimizer) for one in optimizers)
    expect(bool(known), "optimizer", "one or several optimizers", optimizer)
    groups = [group for one in optimizers for group in one.param_groups]
    trained = [id(p) for group in groups for p in group["params"]]
    once = len(set(trained)) == len(trained)
    expect(once, "optimizer", "each parameter in one optimizer", "one in several")
    rates = [group["lr"] for group in groups]
    for rate in rates:
        check_not_negative(lr=float(rate))
    found = checkpoints.load_latest(checkpoint) if checkpoint else None
    if found:
        done = found.step
        expect(steps >= done, "steps", f"at least {done}, as {checkpoint} has", steps)
        checkpoints.check_fits(found, model, optimizers)
    device = torch.device(device) if device else pick_device()
    run = _Run(model, optimizers, loss, device, precision, accumulate, clip, compile)
    first, history = run.resume(found) if found else (0, [])
    main = distributed.rank() == 0
    log = TrainingLog(history, steps, log if main else None, progress and main, live_plot and main)
    with _rates_given_back(groups, rates), log, _after_the_step() as interrupted:
        for step in range(first, steps):
            _seed(device, seed, step)
            factor = schedule(step) if schedule else 1.0
            check_not_negative(schedule=factor)
            _set_rates(groups, rates, factor)
            batch = batches(step)
            _seed(device, seed, step, distributed.rank())
            log.step(*run.step(step, batch), _count_tokens(batch))
            done = step + 1
            evaluating = evaluate and (done == steps or (eval_every and done % eval_every == 0))
            saving = checkpoint and (done == steps or done % checkpoint_every == 0)
            # Several processes must stop at the same step, so they ask each other at rows only.
            stopping = interrupted and distributed.world_size() == 1
            if not (evaluating or saving or stopping or done % log_every == 0 or done == steps):
                continue
            losses = run.check(step, log.read())
            log.add_row(done, groups[0]["lr"], *losses)
            (stopping,) = distributed.mean_over_processes([len(interrupted)], device)
            if evaluating:
                model.eval()
                with torch.no_grad():
                    history[-1]["val_loss"] = float(evaluate(model))
                model.train()
            log.show()
            if saving or (stopping and checkpoint):
                _set_rates(groups, rates)
                run.save(checkpoint, done, history)
            if stopping:
                where = f"; the same call goes on from {checkpoint}" if checkpoint else ""
                raise KeyboardInterrupt(f"stopped after step {done}{where}")
            log.start_clock()
    model.eval()
    return Result(history)


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
        pieces = _split(batch, self.accumulate)
        if not pieces:
            nothing = torch.zeros((), device=self.device)
            return nothing, nothing
        try:
            loss = self.gradients(pieces)
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            loss = None
        if loss is None:  # not in the handler: its frames hold what the model computed
            raise TrainingError(f"step {step}: {self.what_fits(batch)}")
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        limit = math.inf if self.clip is None else self.clip
        norm = distributed.whole(nn.utils.clip_grad_norm_(self.parameters, limit))
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()
        self.forget_gradients()
        return loss, norm

    def gradients(self, pieces: Pieces) -> Tensor:
        """Add up the gradients of the pieces; return their loss."""
        low, total = PRECISIONS[self.precision], 0.0
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

    def what_fits(self, batch: tuple[Tensor, ...]) -> str:
        """After running out of memory, try smaller and smaller pieces; say which one fits."""
        rows, pieces = len(batch[-1]), self.accumulate
        said = f"out of memory with {_rows_at_a_time(rows, pieces)} rows at a time; "
        if distributed.world_size() > 1:  # the others are not here to try with
            return f"{said}try accumulate={2 * pieces} for the same gradient in less memory"
        while _rows_at_a_time(rows, pieces) > 1:
            pieces *= 2
            self.forget_gradients()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            try:
                self.gradients(_split(batch, min(pieces, rows))[:1])
            except (MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                continue
            return (
                f"{said}{_rows_at_a_time(rows, pieces)} fit: pass accumulate={pieces} for the "
                "same gradient in that memory, or make the batch smaller"
            )
        return said + "not even one row fits: take a shorter context or a smaller model"

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


def _seed(device: torch.device, *numbers: int) -> None:
    """Seed what the device draws from; much cheaper than ``torch.manual_seed``."""
    number = seed_from(*numbers)
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        torch.cuda.manual_seed(number)
    elif device.type == "mps":
        torch.mps.manual_seed(number)


def _split(batch: tuple[Tensor, ...], accumulate: int) -> Pieces:
    """Cut a batch into pieces of rows; return this process's, each with its share of the loss.

    The loss is a mean over targets that count. Pieces may have unequally many, so the mean of
    their losses would not be the batch's. Gradients are averaged over processes, hence the factor.
    A piece where nothing counts has no mean: it is left out. So all are, where none counts.
    """
    rows = [len(tensor) for tensor in batch]
    expect(min(rows) == max(rows) > 0, "batch", "tensors of as many rows, at least one", rows)
    world, rank = distributed.world_size(), distributed.rank()
    each = max(min(accumulate, rows[0] // world), 1)
    cut = list(zip(*(tensor.tensor_split(each * world) for tensor in batch), strict=True))
    if len(cut) == 1 and not batch[-1].is_cpu:  # to count on a GPU would mean to wait for it
        return [(list(batch), 1.0)]
    counts = [_counted(piece[-1]) for piece in cut]
    if not any(counts):
        return []
    shares = [world * count / sum(counts) for count in counts]
    mine = list(zip(cut, shares, strict=True))[rank * each : (rank + 1) * each]
    if world > 1:  # processes wait for each other: one with nothing to count computes along
        full = cut[counts.index(max(counts))]
        mine = [(piece if share else full, share) for piece, share in mine]
    else:
        mine = [(piece, share) for piece, share in mine if share]
    return [(list(piece), share) for piece, share in mine]


def _counted(targets: Tensor) -> int:
    """Return how many targets count; numbers with a fraction all do."""
    targets = targets if targets.is_floating_point() else targets.long()
    return int((targets != IGNORE).cpu().numpy().sum())


def _rows_at_a_time(rows: int, accumulate: int) -> int:
    return max(math.ceil(rows / accumulate / distributed.world_size()), 1)


def _count_tokens(batch: tuple[Tensor, ...]) -> int:
    """Return how many token ids enter the model; masks are no tokens."""
    ids = (t for t in batch[:-1] if t.dtype is not torch.bool and not t.is_floating_point())
    return sum(tensor.numel() for tensor in ids)


def _is_out_of_memory(error: BaseException) -> bool:
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in str(error)


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


def recipe_optimizers(
    model: nn.Module, recipe: str, steps: int
) -> tuple[list[Optimizer], optim.Schedule]:
    """Return optimizers and schedule of a named recipe.

    Args:
        model: what they train; sharded already, if it is to be.
        recipe: ``gpt2`` or ``llama`` (AdamW, warm-up and cosine) or ``speedrun`` (Muon for
            matrices, AdamW for the rest, and a linear warm-down).
        steps: length of the training.
    """
    check_one_of("recipe", recipe, RECIPES)
    check_sizes(steps=steps)
    if recipe != "speedrun":
        adamw = optim.AdamW(model.parameters(), 1e-3, betas=(0.9, 0.99), weight_decay=0.1)
        return [adamw], optim.warmup_cosine(steps, warmup=min(100, steps // 10))
    matrices, rest = optim.split_parameters(model)
    muon = optim.Muon(matrices, 0.02, momentum=0.9, weight_decay=0.1, steps=3)
    adamw = optim.AdamW(rest, 0.02, betas=(0.9, 0.99), weight_decay=0.1)
    schedule = optim.warmup_stable_decay(steps, min(10, steps // 10), steps // 2)
    return [muon, adamw], schedule


def _read_text(path: Path | None) -> str:
    if path is None:
        return load_spoken_plays()[0]
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(
            f"--text: expected a file to read, got {path} ({error.strerror})"
        ) from None
    except UnicodeDecodeError as error:
        raise ValueError(f"--text: expected UTF-8, got byte {error.start} of {path}") from None


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m course_lib.training",
        description="Train a language model on a text: the first 90 % of it; the rest validates.",
        epilog="On several GPUs: torchrun --nproc-per-node 8 -m course_lib.training ... "
        "With --checkpoint, a run that was stopped goes on when it is called again.",
    )
    add = parser.add_argument
    add("--text", type=Path, help="a text file in UTF-8 [Shakespeare's plays]")
    add("--tokenizer", choices=["characters", "bpe"], default="characters", help="[%(default)s]")
    add("--vocab-size", type=int, default=1024, help="number of tokens of bpe [%(default)s]")
    add("--recipe", choices=RECIPES, default="speedrun", help="model, optimizers [%(default)s]")
    add("--layers", type=int, help="number of blocks [the recipe's]")
    add("--width", type=int, default=128, help="d_model; heads are 32 wide [%(default)s]")
    add("--context", type=int, default=64, help="tokens that the model sees [%(default)s]")
    add("--batch-size", type=int, default=12, help="windows, of all processes [%(default)s]")
    add("--accumulate", type=int, default=1, help="pieces of a process's part [%(default)s]")
    add("--steps", type=int, default=2000, help="length of the training [%(default)s]")
    add("--eval-every", type=int, default=500, help="steps between validations [%(default)s]")
    add("--precision", choices=PRECISIONS, help="[what the device is best at]")
    add("--compile", action="store_true", help="compile the model: slow to begin, then faster")
    add("--shard", action="store_true", help="spread the weights over the processes (FSDP)")
    add("--checkpoint", type=Path, help="a folder for checkpoints")
    add("--log", type=Path, help="a folder for log.csv and TensorBoard's files")
    add("--seed", type=int, default=0, help="of weights, batches and the sample [%(default)s]")
    return parser.parse_args(arguments)


def _train_as_asked(args: argparse.Namespace, say: Callable[..., None]) -> None:
    text = _read_text(args.text)
    cut = len(text) * 9 // 10
    if args.tokenizer == "bpe":
        tokenizer = BPETokenizer.train(text[:cut], args.vocab_size)
    else:
        tokenizer = CharacterTokenizer(text)
    train_tokens, val_tokens = (torch.tensor(tokenizer.encode(t)) for t in (text[:cut], text[cut:]))
    batches = random_windows(train_tokens, args.batch_size, args.context, args.seed)
    expect(len(val_tokens) > 1, "--text", "at least 2 tokens in its last tenth", len(val_tokens))
    torch.manual_seed(args.seed)
    shape = {"context": args.context, "d_model": args.width, "n_heads": max(args.width // 32, 1)}
    if args.layers is not None:
        shape["n_layers"] = args.layers
    if args.recipe == "speedrun":
        model: GPT = Speedrun(SpeedrunConfig(tokenizer.vocab_size, **shape))
    else:
        model = GPT(getattr(GPTConfig, args.recipe)(tokenizer.vocab_size, **shape))
    parameters = sum(p.numel() for p in model.parameters())
    model.to(pick_device())
    if args.shard and distributed.world_size() > 1:
        distributed.shard(model)
    optimizers, schedule = recipe_optimizers(model, args.recipe, args.steps)
    say(
        f"{parameters:,} parameters, {len(train_tokens):,} training tokens of "
        f"{tokenizer.vocab_size} kinds, on {pick_device()} x {distributed.world_size()}"
    )
    result = train(
        model,
        batches,
        steps=args.steps,
        optimizer=optimizers,
        schedule=schedule,
        evaluate=lambda model: corpus_loss(model, val_tokens, args.context),
        eval_every=args.eval_every,
        precision=args.precision,
        accumulate=args.accumulate,
        compile=args.compile,
        checkpoint=args.checkpoint,
        log=args.log,
        seed=args.seed,
    )
    per_character = result.val_loss * (len(val_tokens) - 1) / len(text[cut:])
    say(
        f"step {result.history[-1]['step']}: loss {result.loss:.4f}, validation "
        f"{result.val_loss:.4f} nats per token, {per_character:.4f} per character, "
        f"{result.seconds:.0f} s"
    )
    if isinstance(model, FSDPModule):  # the weights of a sharded model are in no one place
        return
    sampler = Sampler(temperature=0.8, seed=args.seed)
    say(generate(model, tokenizer, text[:1], sampler, max_new_tokens=200))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says; return the exit code."""
    args = _parse(arguments)
    with distributed.process_group():
        main_process = distributed.rank() == 0

        def say(*words: object) -> None:
            if main_process:
                print(*words, flush=True)

        try:
            _train_as_asked(args, say)
        except (
            ValueError,
            OSError,
            TrainingError,
            checkpoints.CheckpointError,
            DataError,
        ) as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt as stop:
            print(stop, file=sys.stderr)
            return 130
    return 0
