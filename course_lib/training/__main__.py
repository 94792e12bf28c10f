"""`python -m course_lib.training`: train a model on a text file.

A run that was stopped says what it found and goes on; ``--again`` begins anew.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch.distributed.fsdp import FSDPModule

from course_lib.checks import expect
from course_lib.data import DataError, load_spoken_plays
from course_lib.generation import Sampler, generate
from course_lib.model import GPT, GPTConfig, Speedrun, SpeedrunConfig
from course_lib.text import BPETokenizer, CharacterTokenizer
from course_lib.training import checkpoints, distributed
from course_lib.training.batches import random_windows
from course_lib.training.devices import PRECISIONS, pick_device
from course_lib.training.loop import TrainingError, train
from course_lib.training.losses import corpus_loss
from course_lib.training.recipes import RECIPES, recipe_optimizers

# What a user can mend: said in one sentence, without a traceback.
FAILURES = (ValueError, OSError, TrainingError, checkpoints.CheckpointError, DataError)


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
    # The text and its tokens.
    add("--text", type=Path, help="a text file in UTF-8 [Shakespeare's plays]")
    add("--tokenizer", choices=["characters", "bpe"], default="characters", help="[%(default)s]")
    add("--vocab-size", type=int, default=1024, help="number of tokens of bpe [%(default)s]")
    # The model.
    add("--recipe", choices=RECIPES, default="speedrun", help="model, optimizers [%(default)s]")
    add("--layers", type=int, help="number of blocks [the recipe's]")
    add("--width", type=int, default=128, help="d_model; heads are 32 wide [%(default)s]")
    add("--context", type=int, default=64, help="tokens that the model sees [%(default)s]")
    # The run.
    add("--batch-size", type=int, default=12, help="windows, of all processes [%(default)s]")
    add("--accumulate", type=int, default=1, help="pieces of a process's part [%(default)s]")
    add("--steps", type=int, default=2000, help="length of the training [%(default)s]")
    add("--eval-every", type=int, default=500, help="steps between validations [%(default)s]")
    # The machine.
    add("--precision", choices=PRECISIONS, help="[what the device is best at]")
    add("--compile", action="store_true", help="compile the model: slow to begin, then faster")
    add("--shard", action="store_true", help="spread the weights over the processes (FSDP)")
    # What is kept.
    add("--checkpoint", type=Path, help="a folder for checkpoints")
    add("--again", action="store_true", help="begin anew, whatever the folder has")
    add("--log", type=Path, help="a folder for log.csv and TensorBoard's files")
    add("--seed", type=int, default=0, help="of weights, batches and the sample [%(default)s]")
    return parser.parse_args(arguments)


def _go_on_or_begin(folder: Path, again: bool, say: Callable[..., None]) -> None:
    """Say what a folder of checkpoints has; with ``again``, put it aside and begin anew."""
    # What torchrun starts again after a failure goes on from what this same run has saved.
    if again and not distributed.is_restart():
        aside = checkpoints.put_aside(folder) if distributed.rank() == 0 else None
        distributed.wait()  # nobody may read the folder before
        if aside:
            say(f"begins anew (--again); what there was is now in {aside}")
    elif found := checkpoints.load_latest(folder):
        say(f"goes on from {folder} (step {found.step}); --again begins anew")


def _new_model(args: argparse.Namespace, vocab_size: int) -> GPT:
    shape = {"context": args.context, "d_model": args.width, "n_heads": max(args.width // 32, 1)}
    if args.layers is not None:
        shape["n_layers"] = args.layers
    if args.recipe == "speedrun":
        return Speedrun(SpeedrunConfig(vocab_size, **shape))
    return GPT(getattr(GPTConfig, args.recipe)(vocab_size, **shape))


def _train_as_asked(args: argparse.Namespace, say: Callable[..., None]) -> None:
    # The text: tokens to train on, and the last tenth to validate.
    text = _read_text(args.text)
    cut = len(text) * 9 // 10
    tokenizer: CharacterTokenizer | BPETokenizer
    if args.tokenizer == "bpe":
        tokenizer = BPETokenizer.train(text[:cut], args.vocab_size)
    else:
        tokenizer = CharacterTokenizer(text)
    train_tokens, val_tokens = (torch.tensor(tokenizer.encode(t)) for t in (text[:cut], text[cut:]))
    batches = random_windows(train_tokens, args.batch_size, args.context, args.seed)
    expect(len(val_tokens) > 1, "--text", "at least 2 tokens in its last tenth", len(val_tokens))

    # The model, in parts if that is asked for, and its optimizers.
    torch.manual_seed(args.seed)
    model = _new_model(args, tokenizer.vocab_size)
    parameters = sum(p.numel() for p in model.parameters())
    model.to(pick_device())
    if args.shard and distributed.world_size() > 1:
        distributed.shard(model)
    optimizers, schedule = recipe_optimizers(model, args.recipe, args.steps)
    say(
        f"{parameters:,} parameters, {len(train_tokens):,} training tokens of "
        f"{tokenizer.vocab_size} kinds, on {pick_device()} x {distributed.world_size()}"
    )
    if args.checkpoint:
        _go_on_or_begin(args.checkpoint, args.again, say)
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

    # What came of it: the loss by token and by character, and a sample.
    assert result.val_loss is not None  # what is evaluated once is so after the last step
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
        except FAILURES as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt as stop:
            print(stop, file=sys.stderr)
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
