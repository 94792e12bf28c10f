"""Scaling: one model in many sizes, on more or less text, and what each run gave.

Taught in 'Large language models: what scale buys'; `course_lib.studies.power_law` fits curves to
the runs in ``runs/scaling.json``. That the loss falls as a power of size, data and compute is from
Kaplan et al. (2020), 'Scaling Laws for Neural Language Models'. All runs take about twenty minutes
on one core that has nothing else to do.
"""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor, nn

from course_lib.checks import (
    check_counts,
    check_positive,
    check_shares,
    check_sizes,
    expect,
)
from course_lib.data import HELD_OUT, load_spoken_plays
from course_lib.model import Speedrun, SpeedrunConfig, count_parameters
from course_lib.studies import kit
from course_lib.text import CharacterTokenizer
from course_lib.training import Muon, corpus_loss, split_parameters, train, warmup_cosine

FILES = ("runs/scaling.json",)
DATA = ("plays",)
CONTEXT = 64
BATCH_SIZE = 16
MUON_RATE, ADAMW_RATE = 0.015, 0.03
VALIDATION = ("as-you-like-it", "othello")  # chose the learning rate
FITTED = (8, 12, 16, 24, 32, 48, 64)  # widths to which the law is fitted
PREDICTED = 128  # the width that it foretells
DEFAULTS = {"share": 1.0, "epochs": 1, "rate": 1.0, "seed": 0}
SETTINGS = ("width", *DEFAULTS)  # what a run is known by
MATCHES = (1, 2, 3, 5, 10)  # lengths of passages that must be predicted without an error


@dataclass(frozen=True)
class Corpus:
    """The plays as characters, cut three ways by whole plays.

    Attributes:
        windows: (n, CONTEXT + 1), the training text in windows side by side.
        validation: characters for choosing settings.
        test: characters for reporting.
        vocab_size: number of different characters.
    """

    windows: Tensor
    validation: Tensor
    test: Tensor
    vocab_size: int


class Run(TypedDict):
    """What one training run was and gave; losses in nats per character."""

    width: int
    share: float
    epochs: int
    rate: float
    seed: int
    parameters: int
    characters: int
    validation: float
    loss: float
    exact: list[float]
    seconds: float


def load_corpus() -> Corpus:
    """Return Shakespeare's plays, ready for :func:`run`."""
    texts = load_spoken_plays(VALIDATION, HELD_OUT)
    tokenizer = CharacterTokenizer(texts[0])
    training, validation, test = (torch.tensor(tokenizer.encode(text)) for text in texts)
    windows = training.unfold(0, CONTEXT + 1, CONTEXT)
    return Corpus(windows, validation, test, tokenizer.vocab_size)


def config(width: int, vocab_size: int) -> SpeedrunConfig:
    """Return the model's shape: two blocks, two heads; only the width changes.

    Raises:
        ValueError: if the width is no multiple of 4, as two heads with rotary positions need it.
    """
    check_sizes(width=width)
    expect(width % 4 == 0, "width", "a multiple of 4", width)
    return SpeedrunConfig(vocab_size, context=CONTEXT, n_heads=2, d_model=width, ngrams=1)


def non_embedding_parameters(shape: SpeedrunConfig) -> int:
    """Count the parameters without input embeddings, positions and output matrix."""
    embeddings = shape.vocab_size * shape.d_model * (1 if shape.tied else 2)
    positions = shape.context * shape.d_model if shape.positions == "learned" else 0
    return count_parameters(Speedrun, shape) - embeddings - positions


@torch.no_grad()
def hits(model: nn.Module, tokens: Tensor) -> Tensor:
    """Say for each token whether the model holds it for the likeliest, given those before it.

    Args:
        model: gives logits (B, T, V) for tokens (B, T).
        tokens: (n,), token ids of a text.

    Returns:
        Booleans (windows, CONTEXT // 2): of each window only the second half counts, so that each
        token has at least CONTEXT // 2 tokens before it.

    Raises:
        ValueError: if the text is too short for a window and the token behind.
    """
    shape = tuple(tokens.shape)
    fits = len(shape) == 1 and shape[0] > CONTEXT
    expect(fits, "tokens", f"shape (n,), n above {CONTEXT}", shape)
    device = next(model.parameters()).device
    found = []
    for windows in tokens.unfold(0, CONTEXT + 1, CONTEXT).split(64):
        windows = windows.to(device).long()
        guesses = model(windows[:, :-1]).argmax(dim=-1)  # (B, T)
        found.append((guesses == windows[:, 1:])[:, CONTEXT // 2 :].cpu())
    return torch.cat(found)


def exact_match(right: Tensor, length: int) -> float:
    """Return the share of passages of ``length`` tokens that are right from end to end.

    A model that always writes its likeliest next token writes exactly such a passage: as long as
    all its tokens are right, it reads the true text.

    Args:
        right: booleans (windows, T), as :func:`hits` returns them.
        length: tokens per passage; passages lie side by side in a window.

    Raises:
        ValueError: if no passage fits into a window.
    """
    check_sizes(length=length)
    shape = tuple(right.shape)
    fits = right.dtype is torch.bool and len(shape) == 2 and shape[0] > 0
    expect(fits, "right", "booleans (windows, T)", f"{right.dtype} of shape {shape}")
    expect(length <= shape[1], "length", f"1 to {shape[1]}", length)
    return right.unfold(1, length, length).all(dim=-1).double().mean().item()


def run(
    corpus: Corpus,
    width: int,
    *,
    share: float = 1.0,
    epochs: int = 1,
    rate: float = 1.0,
    seed: int = 0,
    progress: bool = True,
) -> Run:
    """Train one model and measure it on the held-out plays.

    Args:
        corpus: from :func:`load_corpus`.
        width: of the model, a multiple of 4.
        share: of the training windows, drawn at random.
        epochs: how often each window is read.
        rate: factor on the learning rates MUON_RATE and ADAMW_RATE.
        seed: of the weights and of the draw of the windows.
        progress: show a bar where somebody watches.

    Raises:
        ValueError: if the share leaves no two batches, or a number is out of its range.
    """
    # What is read, in which order.
    shape = config(width, corpus.vocab_size)
    check_shares(share=share)
    check_sizes(epochs=epochs)
    check_positive(rate=rate)
    check_counts(seed=seed)
    order = torch.randperm(len(corpus.windows), generator=torch.Generator().manual_seed(seed))
    windows = corpus.windows[order[: round(len(order) * share)]]
    steps = len(windows) * epochs // BATCH_SIZE
    expect(steps > 1, "share", "at least two batches", share)

    def batches(step: int) -> tuple[Tensor, Tensor]:
        rows = (step * BATCH_SIZE + torch.arange(BATCH_SIZE)) % len(windows)
        return windows[rows, :-1], windows[rows, 1:]

    # Train: Muon for the matrices, AdamW for the rest, timed by the processor.
    torch.manual_seed(seed)
    model = Speedrun(shape)
    matrices, rest = split_parameters(model)
    start = time.process_time()
    train(
        model,
        batches,
        steps=steps,
        optimizer=[
            Muon(matrices, lr=rate * MUON_RATE),
            torch.optim.AdamW(
                rest, lr=rate * ADAMW_RATE, betas=(0.9, 0.95), weight_decay=0.0, fused=True
            ),
        ],
        schedule=warmup_cosine(steps, steps // 20, final=0.0),
        precision="float32",
        log_every=100,
        progress=progress,
        seed=seed,
    )
    seconds = time.process_time() - start
    # Measure on whole plays that it has not read.
    right = hits(model, corpus.test)
    return {
        "width": width,
        "share": share,
        "epochs": epochs,
        "rate": rate,
        "seed": seed,
        "parameters": non_embedding_parameters(shape),
        "characters": steps * BATCH_SIZE * CONTEXT // epochs,
        "validation": round(corpus_loss(model, corpus.validation, CONTEXT), 5),
        "loss": round(corpus_loss(model, corpus.test, CONTEXT), 5),
        "exact": [round(exact_match(right, length), 6) for length in MATCHES],
        "seconds": round(seconds, 1),
    }


def load_runs() -> tuple[list[Run], dict[str, str]]:
    """Return the committed runs, and what made them."""
    saved = json.loads((kit.FOLDER / FILES[0]).read_text(encoding="utf-8"))
    return saved["runs"], saved["about"]


def planned() -> Iterator[dict[str, Any]]:
    """Yield the settings of all committed runs, where they aren't the defaults."""
    # Is the learning rate right for every width? Are the laws, with their seeds?
    for width in (8, 16, 32, 64):
        for rate in (0.25, 0.5, 1.0, 2.0, 4.0):
            yield {"width": width, "share": 1 / 8, "rate": rate}
    for share in (1 / 16, 1 / 8, 1 / 4, 1 / 2):
        yield from ({"width": width, "share": share} for width in FITTED)
    yield from ({"width": width, "share": 1 / 2, "seed": 1} for width in FITTED)
    yield from ({"width": width, "share": 1 / 2, "seed": 2} for width in FITTED if width <= 16)
    # Old text again, all text, and the large model that the small ones foretell.
    yield from ({"width": 32, "share": 1 / n, "epochs": n // 2} for n in (4, 8, 16))
    yield from ({"width": width, "share": 1.0} for width in (16, 64))
    yield {"width": PREDICTED, "share": 1 / 2}


def plan() -> dict[str, Any]:
    """Return the committed runs by name, cheap ones first."""
    keys = {tuple((DEFAULTS | s)[name] for name in SETTINGS) for s in planned()}
    corpus = load_corpus()
    runs = {}
    for key in sorted(keys, key=lambda key: (key[0] ** 2 * key[1], key)):
        settings = dict(zip(SETTINGS, key, strict=True))
        name = ", ".join(f"{name} {value:g}" for name, value in settings.items())
        runs[name] = partial(run, corpus, **settings)
    return runs


def make(folder: Path) -> dict[str, Any]:
    """Train all runs, and write their file; a run is a line."""
    with kit.one_thread():
        found = kit.collect(folder, plan(), lambda run: f"loss {run['loss']:.4f}")
        about = {
            "command": "python -m course_lib.studies.scaling",
            "machine": kit.machine(),
            "losses": "nats per character",
            "exact": f"share of passages of {MATCHES} characters that are right",
            "seconds": "CPU time of the training, on a machine that did other work, too",
        }
    runs = sorted(found.values(), key=lambda run: [run[name] for name in SETTINGS])
    lines = ",\n".join(map(json.dumps, runs))
    text = f'{{"about": {json.dumps(about, indent=1)},\n"runs": [\n{lines}\n]}}\n'
    kit.write_text(kit.FOLDER / FILES[0], text)
    return {}


def probe() -> dict[str, Any]:
    """Return the losses of two short runs."""
    corpus = load_corpus()
    short: dict[str, dict[str, Any]] = {
        "width 8": {"share": 1 / 16},
        "width 16": {"share": 1 / 64, "epochs": 2, "seed": 1},
    }
    with kit.one_thread():
        return {
            name: run(corpus, int(name.split()[1]), **settings, progress=False)["loss"]
            for name, settings in short.items()
        }


ENTRIES = (plan,)

if __name__ == "__main__":
    sys.exit(kit.main("scaling"))
