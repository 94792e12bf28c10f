"""Scaling laws: one model in many sizes, and the curve that its loss follows.

Taught in 'Large language models: what scale buys'. That the loss falls as a power of size, data and
compute is from Kaplan et al. (2020), 'Scaling Laws for Neural Language Models'; the form with a
floor, in both size and data, from Hoffmann et al. (2022), 'Training Compute-Optimal Large Language
Models', section 3.3.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import ArrayLike
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
from course_lib.text import CharacterTokenizer
from course_lib.training import AdamW, Muon, corpus_loss, split_parameters, train, warmup_cosine

CONTEXT = 64
BATCH_SIZE = 16
MUON_RATE, ADAMW_RATE = 0.015, 0.03
VALIDATION = ("as-you-like-it", "othello")  # chose the learning rate
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
            AdamW(rest, lr=rate * ADAMW_RATE, betas=(0.9, 0.95), weight_decay=0.0),
        ],
        schedule=warmup_cosine(steps, steps // 20, final=0.0),
        precision="float32",
        log_every=100,
        progress=progress,
        seed=seed,
    )
    seconds = time.process_time() - start
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
    """Return the committed runs, and what made them; see ``tools/scaling_runs.py``."""
    text = (Path(__file__).with_name("runs") / "scaling.json").read_text(encoding="utf-8")
    saved = json.loads(text)
    return saved["runs"], saved["about"]


@dataclass(frozen=True)
class PowerLaw:
    """loss = floor + Σ scale · size^-exponent, with a term for each kind of size.

    Attributes:
        floor: what remains at infinite size.
        scales: one for each kind of size.
        exponents: one for each kind of size.
        spread: standard deviation of a run about the curve; NaN if no run is left to tell.
    """

    floor: float
    scales: tuple[float, ...]
    exponents: tuple[float, ...]
    spread: float

    def __call__(self, *sizes: ArrayLike) -> np.ndarray:
        """Return the loss at these sizes, e.g. parameters, or parameters and characters.

        Raises:
            ValueError: if there aren't as many kinds of size as terms, or one isn't above 0.
        """
        kinds = len(self.scales)
        expect(len(sizes) == kinds, "sizes", f"as many kinds as terms ({kinds})", len(sizes))
        for size in sizes:
            numbers = np.asarray(size, float)
            above = np.isfinite(numbers) & (numbers > 0)
            expect(above.all(), "sizes", "numbers above 0", size)
        terms = zip(self.scales, sizes, self.exponents, strict=True)
        powers = [a * np.asarray(x, float) ** -e for a, x, e in terms]
        return np.asarray(self.floor + sum(powers))


def fit_power_law(losses: ArrayLike, *sizes: ArrayLike, floor: bool = True) -> PowerLaw:
    """Fit a power law to runs by least squares.

    With the exponents given, the loss is linear in floor and scales, and these are computed. So
    only the exponents are searched for, on a grid that closes in on the best.

    Args:
        losses: (n,), one for each run.
        sizes: one or more kinds of size, each (n,).
        floor: False holds the floor at 0: a straight line if both axes are logarithmic.

    Returns:
        The best law with a floor of at least 0.

    Raises:
        ValueError: if the numbers don't fit together, aren't positive, or are too few, or if the
            loss doesn't fall with size.
    """
    y, x = np.asarray(losses, float), np.array(sizes, float)
    if not sizes or y.ndim != 1 or x.shape != (len(sizes), len(y)):
        raise ValueError(f"sizes: expected shape {y.shape} like losses, got {x.shape[1:]}")
    if not (np.isfinite(y).all() and np.isfinite(x).all() and (x > 0).all()):
        raise ValueError("losses, sizes: expected finite numbers, sizes above 0")
    needed = 3 if floor else 2
    if min(len(set(row)) for row in x) < needed:
        raise ValueError(f"sizes: expected at least {needed} different ones")
    terms = 2 * len(x) + floor
    expect(len(y) >= terms, "losses", f"at least {terms}, as the law has terms", len(y))
    centered = np.log(x) - np.log(x).mean(axis=1, keepdims=True)
    independent = np.linalg.matrix_rank(centered) == len(x)
    expect(independent, "sizes", "kinds that don't grow in step", "one that follows another")
    law = _least_squares(y, x, floor)
    if min(law.scales) <= 0:
        raise ValueError("losses: expected them to fall as sizes grow")
    return law


def _least_squares(y: np.ndarray, x: np.ndarray, floor: bool) -> PowerLaw:
    middle = np.exp(np.log(x).mean(axis=1, keepdims=True))  # keeps powers near 1
    exponents = np.full((len(x), 2), (0.01, 3.0))
    for _ in range(12):
        points = 25 if len(x) == 1 else 13
        axes = [np.geomspace(low, high, points) for low, high in exponents]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(x))  # (G, k)
        powers = (x / middle) ** -grid[..., None]  # (G, k, n)
        means = powers.mean(axis=-1), y.mean()
        p, q = (powers - means[0][..., None], y - means[1]) if floor else (powers, y)
        scales = np.linalg.solve(p @ p.mT, (p @ q)[..., None])[..., 0]  # (G, k)
        errors = ((q - (scales[..., None] * p).sum(axis=1)) ** 2).sum(axis=-1)
        best = np.unravel_index(errors.argmin(), [len(axis) for axis in axes])
        for bounds, axis, i in zip(exponents, axes, best, strict=True):
            bounds[:] = axis[max(i - 1, 0)], axis[min(i + 1, len(axis) - 1)]
    chosen = errors.argmin()
    bottom = float(means[1] - scales[chosen] @ means[0][chosen]) if floor else 0.0
    if bottom < 0:
        return _least_squares(y, x, floor=False)
    free = len(y) - 2 * len(x) - floor
    return PowerLaw(
        bottom,
        tuple((scales[chosen] * middle[:, 0] ** grid[chosen]).tolist()),
        tuple(grid[chosen].tolist()),
        float(np.sqrt(errors[chosen] / free)) if free > 0 else float("nan"),
    )


def resample(law: PowerLaw, *sizes: ArrayLike, times: int = 400, seed: int = 0) -> list[PowerLaw]:
    """Fit again to runs that could as well have come out: the parametric bootstrap.

    Each time, runs are drawn about the law at the same sizes, and a law is fitted to them. How far
    runs lie from the law is known from a few runs only; so the spread is drawn, too. What is taken
    for granted is the form of the law.

    Args:
        law: fitted to these sizes, with a finite spread.
        sizes: as they were given to :func:`fit_power_law`.
        times: number of laws.
        seed: of the draws.

    Returns:
        Laws; each has the spread that it was drawn with.

    Raises:
        ValueError: if the law's spread is unknown, or a number is out of its range.
    """
    check_sizes(times=times)
    check_counts(seed=seed)
    if not np.isfinite(law.spread):
        raise ValueError("law: expected a fit to more runs than it has numbers")
    chance = np.random.default_rng(seed)
    clean, x, floor = law(*sizes), np.array(sizes, float), law.floor > 0
    free = clean.size - 2 * len(sizes) - floor
    expect(free > 0, "sizes", "more runs than the law has numbers", clean.size)
    laws = []
    for _ in range(times):
        spread = law.spread * np.sqrt(free / chance.chisquare(free))
        drawn = clean + spread * chance.standard_normal(clean.shape)
        laws.append(replace(_least_squares(drawn, x, floor), spread=float(spread)))
    return laws


def prediction_interval(
    laws: Sequence[PowerLaw], *sizes: ArrayLike, level: float = 0.9, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return between which losses a new run should lie.

    Args:
        laws: from :func:`resample`.
        sizes: of the new run or runs.
        level: share of the drawn runs that lie inside.
        seed: of the new runs' own spread.

    Raises:
        ValueError: if there is no law, or a number is out of its range.
    """
    check_shares(level=level)
    check_counts(seed=seed)
    expect(len(laws) > 0, "laws", "at least one", "none")
    chance = np.random.default_rng(seed)
    losses = [
        (clean := law(*sizes)) + law.spread * chance.standard_normal(clean.shape) for law in laws
    ]
    low, high = np.quantile(losses, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high
