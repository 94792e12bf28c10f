"""What each part of the Transformer is worth: models with one part taken out, trained alike.

Taught in 'The Transformer'. Longer runs are in ``runs/ablation.json``; to make them takes about ten
minutes of one core.
"""

import json
import sys
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.checks import check_counts, check_one_of, check_positive, check_sizes
from course_lib.data import HELD_OUT, load_spoken_plays
from course_lib.model import GPT, Block, GPTConfig, initialize
from course_lib.studies import kit
from course_lib.text import CharacterTokenizer
from course_lib.training import corpus_loss, random_windows, train

PARTS = ("nothing", "heads", "positions", "attention", "MLP", "normalization", "residual stream")
FILES = ("runs/ablation.json",)
DATA = ("plays",)
SEEDS = 3
# Of the longer runs.
LONGER: dict[str, Any] = {"n_layers": 4, "steps": 1000, "learning_rate": 5e-3, "every": 100}


class NoAttention(Block):
    """A block whose tokens don't see each other."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__(config)
        del self.attention, self.attention_norm

    def forward(self, x: Tensor, *_: object) -> Tensor:
        """Pass (B, T, d_model) through the MLP alone."""
        return x + self.mlp(self.mlp_norm(x))


class NoMLP(Block):
    """A block that only moves and mixes what the tokens hold."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__(config)
        del self.mlp, self.mlp_norm

    def forward(self, x: Tensor, *_: object) -> Tensor:
        """Pass (B, T, d_model) through attention alone."""
        return x + self.attention(self.attention_norm(x), causal=True)


class NoResidual(Block):
    """A block that replaces its input instead of adding to it."""

    def forward(self, x: Tensor, *_: object) -> Tensor:
        """Pass (B, T, d_model) through attention and the MLP, one after the other."""
        x = self.attention(self.attention_norm(x), causal=True)
        return self.mlp(self.mlp_norm(x))


def without(part: str, config: GPTConfig) -> GPT:
    """Return a GPT with one part taken out.

    Args:
        part: one of :data:`PARTS`; "heads" leaves one head that is as wide as all were together.
        config: of the whole model.

    Raises:
        ValueError: if there is no such part.
    """
    check_one_of("part", part, PARTS)
    changes: dict[str, dict[str, Any]] = {
        "heads": {"n_heads": 1},
        "positions": {"positions": "none"},
    }
    # Some parts are a setting, some a kind of block, one is taken out of the finished model.
    config = replace(config, **changes.get(part, {}))
    model = GPT(config)
    kinds = {"attention": NoAttention, "MLP": NoMLP, "residual stream": NoResidual}
    if part in kinds:
        model.blocks = nn.ModuleList(kinds[part](config) for _ in range(config.n_layers))
        initialize(model, config.n_layers)
    if part == "normalization":
        model.norm = nn.Identity()
        for block in model.blocks:
            block.attention_norm = block.mlp_norm = nn.Identity()
    return model


@cache
def corpus() -> tuple[CharacterTokenizer, Tensor, Tensor]:
    """Return Shakespeare by character: tokenizer, 35 plays to train on, 50,000 tokens held out."""
    training, held_out = load_spoken_plays(HELD_OUT)
    tokenizer = CharacterTokenizer(training + held_out)
    train_tokens, test_tokens = (
        torch.tensor(tokenizer.encode(part)) for part in (training, held_out[:50_000])
    )
    return tokenizer, train_tokens, test_tokens


def run(
    part: str, *, n_layers: int, steps: int, learning_rate: float, every: int, seed: int = 0
) -> tuple[GPT, list[tuple[int, float]]]:
    """Train the model without ``part`` by AdamW.

    Every model of a seed sees the same batches.

    Args:
        part: see :func:`without`.
        n_layers: number of blocks, each of width 64 with four heads.
        steps: number of batches, each of 16 windows of 64 characters.
        learning_rate: at its highest, after 20 steps; it falls to zero.
        every: steps between two evaluations.
        seed: of the weights and the batches.

    Returns:
        The model, and pairs of step and held-out loss in nats per character.

    Raises:
        ValueError: if a number is out of its range, or there is no such part.
    """
    check_one_of("part", part, PARTS)
    check_sizes(n_layers=n_layers, steps=steps, every=every)
    check_positive(learning_rate=learning_rate)
    check_counts(seed=seed)
    # A seed draws the weights and the batches.
    tokenizer, train_tokens, held_out = corpus()
    torch.manual_seed(seed)
    config = GPTConfig.gpt2(tokenizer.vocab_size, n_layers=n_layers, d_model=64)
    model = without(part, config)
    result = train(
        model,
        random_windows(train_tokens, batch_size=16, context=config.context, seed=seed),
        steps=steps,
        optimizer=torch.optim.AdamW(model.parameters(), lr=learning_rate, fused=True),
        schedule=lambda step: min(1.0, (step + 1) / 20) * (1 - step / steps),
        evaluate=lambda model: corpus_loss(model, held_out, config.context),
        eval_every=every,
        log_every=every,
    )
    # A row with a held-out loss is a point of the curve.
    losses = {row["step"]: row["val_loss"] for row in result.history}
    return model, [(step, round(loss, 4)) for step, loss in losses.items() if loss is not None]


def load_runs() -> dict[str, list[list[tuple[int, float]]]]:
    """Return the committed longer runs: part to one curve per seed, as :func:`run` returns them."""
    return json.loads((kit.FOLDER / FILES[0]).read_text(encoding="utf-8"))


def plan() -> dict[str, Any]:
    """Return the longer runs by name: each gives a curve."""

    def curve(part: str, seed: int) -> list[tuple[int, float]]:
        return run(part, **LONGER, seed=seed)[1]

    return {
        f"seed {seed}, without {part}": partial(curve, part, seed)
        for seed in range(SEEDS)
        for part in PARTS
    }


def make(folder: Path) -> dict[str, Any]:
    """Train the longer runs, and write their file."""
    with kit.one_thread():
        curves = kit.collect(folder, plan(), lambda curve: f"{curve[-1][1]:.3f}")
    found = {part: [curves[f"seed {s}, without {part}"] for s in range(SEEDS)] for part in PARTS}
    kit.write_text(kit.FOLDER / FILES[0], json.dumps(found) + "\n")
    return {}


def probe() -> dict[str, Any]:
    """Return each model's held-out loss after a few steps."""
    with kit.one_thread():
        short = LONGER | {"steps": 20, "every": 20}
        return {f"without {part}": run(part, **short)[1][-1][1] for part in PARTS}


ENTRIES = (plan,)

if __name__ == "__main__":
    sys.exit(kit.main("ablation"))
