"""What a small model remembers of its training data: canaries, membership, and DP-SGD.

Taught in 'Data privacy'. The records are short sentences of film reviews; canaries are made up. To
make the runs takes about ten minutes of one core.
"""

import json
import sys
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_lib.data import load_film_reviews
from course_lib.model import GPT, GPTConfig
from course_lib.privacy import (
    Canary,
    as_rows,
    epsilon,
    exposure,
    losses_of,
    make_canaries,
    record_losses,
    secret_log_probs,
    train_privately,
)
from course_lib.studies import kit
from course_lib.text import CharacterTokenizer
from course_lib.training import epochs, shuffled, train

FILES = ("runs/memorization.json",)
DATA = ("film-reviews",)
LONGEST = 60  # characters of a sentence
CONTEXT = LONGEST + 1
NAMES = (
    *("ada", "alma", "ben", "bruno", "carl", "cleo", "dina", "dora", "emil", "erik", "fay", "finn"),
    *("gina", "gus", "hana", "hugo", "iris", "jack", "john", "kate", "leo", "mona", "nils", "olga"),
    *("paul", "rosa", "sam", "tara", "uma", "vera", "will", "xena", "yuri", "zara", "zoe"),
)
COPIES = (0, 1, 2, 4, 8, 16, 32)  # how often a canary is planted; five names each
SEEDS, WIDTHS = 3, (32, 64, 128)
SENTENCES, EPOCHS, BATCH, RATE = 1000, 6, 32, 5e-3
HELD_OUT = 300
SHADOWS, RECORDS, SHADOW_EPOCHS = 16, 800, 10
# DP-SGD: a record's probability in each step, the limit of its gradient, and the noises.
PRIVATE: dict[str, Any] = {"steps": 150, "rate": 0.08, "limit": 1.0}
PRIVATE_RATE, PRIVATE_SEEDS, NOISES = 1e-2, 2, (0.0, 0.4, 0.6, 1.0, 2.0)


@cache
def load_sentences() -> tuple[CharacterTokenizer, tuple[str, ...]]:
    """Return a tokenizer, and the short sentences of the film reviews, shuffled, each once."""
    texts = dict.fromkeys(review.text.strip() for review in load_film_reviews("rotten_tomatoes"))
    short = [text for text in texts if text.isascii() and len(text) <= LONGEST]
    np.random.default_rng(0).shuffle(short)
    return CharacterTokenizer("\n0123456789" + "".join(short)), tuple(short)


def new_model(width: int = 64, seed: int = 0) -> GPT:
    """Return an untrained model of characters: two blocks of Llama's recipe."""
    torch.manual_seed(seed)
    size = load_sentences()[0].vocab_size
    shape: dict[str, Any] = {"context": CONTEXT, "n_layers": 2, "d_model": width, "tied": False}
    return GPT(GPTConfig.llama(size, **shape))


def rows(texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Return records as inputs and targets (n, CONTEXT)."""
    return as_rows(texts, load_sentences()[0], CONTEXT)


def canaries(seed: int = 0) -> dict[Canary, int]:
    """Return the canaries, and how often each is planted; a seed draws digits and copies."""
    found = make_canaries([f"the door code of {name} is " for name in NAMES], seed=seed)
    order = np.random.default_rng(seed).permutation(len(found))
    return {found[place]: COPIES[i % len(COPIES)] for i, place in enumerate(order)}


def planted(known: dict[Canary, int], n_sentences: int = SENTENCES) -> list[str]:
    """Return training records: sentences, and each canary as often as it is planted."""
    copies = [canary.text for canary, count in known.items() for _ in range(count)]
    return [*load_sentences()[1][:n_sentences], *copies]


def held_out() -> tuple[Tensor, Tensor]:
    """Return sentences that no model of canaries reads, as rows."""
    return rows(load_sentences()[1][-HELD_OUT:])


def fit(model: GPT, texts: Sequence[str], n_epochs: int = EPOCHS, seed: int = 0) -> GPT:
    """Train a model by AdamW on records that come in a random order; the rate falls to zero."""
    inputs, targets = rows(texts)
    batches, per_epoch = epochs(
        shuffled(len(texts), BATCH, seed), lambda places: (inputs[places], targets[places])
    )
    steps = n_epochs * per_epoch
    train(
        model,
        batches,
        steps=steps,
        optimizer=torch.optim.AdamW(model.parameters(), lr=RATE),
        schedule=lambda step: min(1.0, (step + 1) / 20) * (1 - step / steps),
        precision="float32",
        seed=seed,
    )
    return model.eval()


def exposures(model: GPT, known: dict[Canary, int]) -> list[list[float]]:
    """Return the exposure of each canary in bits: a list for each of ``COPIES``, in that order."""
    tokenizer = load_sentences()[0]
    found: list[list[float]] = [[] for _ in COPIES]
    for canary, copies in known.items():
        log_probs = secret_log_probs(model, tokenizer, canary.before, len(canary.secret))
        found[COPIES.index(copies)].append(round(exposure(log_probs, canary.secret), 2))
    return found


def remembered(model: GPT, known: dict[Canary, int]) -> dict[str, Any]:
    """Return what a trained model has learned, and what of its canaries."""
    loss = record_losses(model, *held_out()).mean().item()
    return {"loss": round(loss, 4), "exposures": exposures(model, known)}


def of_width(width: int, seed: int, n_epochs: int = EPOCHS) -> dict[str, Any]:
    """Train a model of a width on sentences with canaries among them."""
    known = canaries(seed)
    return remembered(fit(new_model(width, seed), planted(known), n_epochs, seed), known)


def halves() -> np.ndarray:
    """Return which records each shadow model is trained on, (SHADOWS, RECORDS): half of all.

    Each record is in the data of half of the models.
    """
    chance = np.random.default_rng(0)
    order = np.stack([chance.permutation(SHADOWS) for _ in range(RECORDS)], axis=1)
    return order < SHADOWS // 2


def of_shadow(number: int, n_epochs: int = SHADOW_EPOCHS) -> list[float]:
    """Train one shadow model; return its loss for each record, member or not."""
    texts = load_sentences()[1][:RECORDS]
    members = [text for text, inside in zip(texts, halves()[number], strict=True) if inside]
    model = fit(new_model(seed=number), members, n_epochs, seed=number)
    return [round(loss, 4) for loss in record_losses(model, *rows(texts)).tolist()]


def private(noise: float, seed: int = 0, steps: int = PRIVATE["steps"]) -> dict[str, Any]:
    """Train a model with DP-SGD on the same records; return what it costs and what it remembers."""
    known = canaries(seed)
    texts = planted(known)
    model = new_model(seed=seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=PRIVATE_RATE)
    settings = PRIVATE | {"noise": noise, "steps": steps}
    train_privately(model, losses_of, rows(texts), optimizer, **settings, seed=seed)
    spent = epsilon(noise, PRIVATE["rate"], steps, 1 / len(texts))
    return {"epsilon": round(spent, 3) if noise else None, **remembered(model.eval(), known)}


def load_runs() -> dict[str, Any]:
    """Return the committed runs.

    "widths" has a list of runs for each of ``WIDTHS``, "private" one for each of ``NOISES``, each
    as :func:`of_width` and :func:`private` return them; "shadows" has each model's losses.
    """
    return json.loads((kit.FOLDER / FILES[0]).read_text(encoding="utf-8"))


def plan() -> dict[str, Any]:
    """Return all runs by name."""
    widths = {f"width {w}, seed {s}": partial(of_width, w, s) for w in WIDTHS for s in range(SEEDS)}
    shadows = {f"shadow {i}": partial(of_shadow, i) for i in range(SHADOWS)}
    noises = {
        f"noise {noise}, seed {s}": partial(private, noise, s)
        for noise in NOISES
        for s in range(PRIVATE_SEEDS)
    }
    return shadows | noises | widths


def make(folder: Path) -> dict[str, Any]:
    """Train all models, and write their file."""

    def about(found: Any) -> str:
        return f"mean {np.mean(found):.2f}" if isinstance(found, list) else f"{found['loss']:.3f}"

    with kit.one_thread():
        done = kit.collect(folder, plan(), about)
    found = {
        "widths": [[done[f"width {w}, seed {s}"] for s in range(SEEDS)] for w in WIDTHS],
        "shadows": [done[f"shadow {i}"] for i in range(SHADOWS)],
        "private": [[done[f"noise {n}, seed {s}"] for s in range(PRIVATE_SEEDS)] for n in NOISES],
    }
    kit.write_text(kit.FOLDER / FILES[0], json.dumps(found) + "\n")
    return {}


def probe() -> dict[str, Any]:
    """Return a few figures after short trainings."""
    with kit.one_thread():
        return {
            "width 32": of_width(32, 0, n_epochs=1)["loss"],
            "shadow 0": round(float(np.mean(of_shadow(0, n_epochs=1))), 4),
            "noise 1.0": private(1.0, steps=5)["loss"],
        }


ENTRIES = (plan,)

if __name__ == "__main__":
    sys.exit(kit.main("memorization"))
