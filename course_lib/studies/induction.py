"""How a small model learns to continue what was there before: induction heads over training.

Taught in 'Interpretability', after Olsson et al. (2022), 'In-context Learning and Induction Heads'.
The texts are random tokens that come again, each after a distance of its own: nothing but the
text's own past helps. To make the runs takes about four minutes of one core.
"""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.attention import KeyValueCache, Rope
from course_lib.checks import check_counts, check_one_of, check_sizes
from course_lib.interpret import (
    attention_weights,
    prefix_matching,
    repeated_tokens,
    without_heads,
)
from course_lib.model import GPT, GPTConfig
from course_lib.model.parts import make_attention, make_norm
from course_lib.studies import kit
from course_lib.training import Muon, split_parameters, train

FILES = ("runs/induction.json",)
DATA = ()
VOCABULARY, CONTEXT, ROWS, WIDTH, HEADS = 32, 64, 32, 64, 2
NEAREST, FARTHEST = 6, 32  # how far apart the copies stand in training
TESTED = 24  # and where the model is measured
STEPS, EVERY, SEEDS = 450, 25, 5
MUON_RATE, ADAM_RATE, WARMUP = 0.02, 0.01, 50
# Kinds of model: layers, and how they know of places.
KINDS = {"two layers": (2, "rope"), "one layer": (1, "rope"), "learned": (2, "learned")}
SHOWN = 8  # tokens, twice, in the text whose maps are kept


class AttentionOnly(nn.Module):
    """A block that has attention and nothing else; it is called as a GPT calls its blocks."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.attention_norm = make_norm(config)
        self.attention = make_attention(config)

    def forward(
        self,
        x: Tensor,
        rope: Rope | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Pass the residual stream (B, T, d_model) through the block."""
        normed = self.attention_norm(x)
        return x + self.attention(normed, rope=rope, mask=mask, causal=causal, cache=cache)


def new_model(kind: str = "two layers", seed: int = 0) -> GPT:
    """Return an untrained model of one of ``KINDS``: attention with two heads in each layer."""
    check_one_of("kind", kind, list(KINDS))
    layers, positions = KINDS[kind]
    torch.manual_seed(seed)
    shape: dict[str, Any] = {"context": CONTEXT, "n_layers": layers, "n_heads": HEADS}
    more: dict[str, Any] = {"d_model": WIDTH, "norm": "rms", "bias": False, "tied": False}
    return GPT(GPTConfig(VOCABULARY, positions=positions, **shape, **more), AttentionOnly)


def batch(seed: int, step: int) -> tuple[Tensor, Tensor]:
    """Return the inputs and targets (ROWS, CONTEXT - 1) of a step; each row has its distance."""
    generator = torch.Generator().manual_seed(100_000 * (seed + 1) + step)
    distances = torch.randint(NEAREST, FARTHEST + 1, (ROWS, 1), generator=generator)
    tokens = torch.randint(VOCABULARY, (ROWS, FARTHEST), generator=generator)
    tokens = tokens.gather(1, torch.arange(CONTEXT) % distances)
    return tokens[:, :-1], tokens[:, 1:]


def unseen(rows: int = 64) -> Tensor:
    """Return the texts (rows, 48) by which all models are judged: 24 tokens, twice."""
    return repeated_tokens(rows, TESTED, 2, VOCABULARY, seed=2**40)


def shown_text() -> Tensor:
    """Return the text (1, 16) whose maps are kept: 8 different tokens, twice."""
    order = torch.randperm(26, generator=torch.Generator().manual_seed(0))
    return order[:SHOWN].repeat(2)[None]


@torch.no_grad()
def losses(model: nn.Module, tokens: Tensor) -> tuple[float, float]:
    """Return the mean loss in nats within the first copy, and within the second."""
    loss = F.cross_entropy(model(tokens[:, :-1]).mT, tokens[:, 1:], reduction="none")
    return loss[:, : TESTED - 1].mean().item(), loss[:, TESTED:].mean().item()


def measured(model: GPT, tokens: Tensor) -> dict[str, Any]:
    """Return the model's losses, and of each head what it looks at and what it is needed for.

    Args:
        model: one of :func:`new_model`.
        tokens: of :func:`unseen`.

    Returns:
        ``first`` and ``second``, the losses; and a row for each layer with a number for each head:
        ``scores``, how much it looks at what followed the last time; ``previous``, at the token
        before; ``silent``, pairs of both losses if it gives out zeros.
    """
    # What is lost without each head.
    silent: list[list[list[float]]] = []
    for layer in range(len(model.blocks)):
        silent.append([])
        for head in range(HEADS):
            with without_heads(model, [(layer, head)]):
                silent[-1].append([round(loss, 3) for loss in losses(model, tokens)])
    # Where each looks.
    maps = attention_weights(model, tokens)
    looks = {
        "scores": prefix_matching(maps, TESTED),
        "previous": maps.diagonal(-1, -2, -1).mean(-1),
    }
    first, second = losses(model, tokens)
    return {
        "first": round(first, 3),
        "second": round(second, 3),
        **{
            name: [[round(share, 3) for share in row] for row in found.mean(1).tolist()]
            for name, found in looks.items()
        },
        "silent": silent,
    }


def grow(kind: str, seed: int, steps: int = STEPS) -> tuple[GPT, list[dict[str, Any]]]:
    """Train one model; return it, and what was measured every 25 steps from before the first.

    Args:
        kind: one of ``KINDS``.
        seed: of the weights and the texts.
        steps: number of batches.

    Returns:
        The model, and rows of :func:`measured` with their ``step`` and their ``maps``: of each
        layer and head, on :func:`shown_text`, in percent.
    """
    check_sizes(steps=steps)
    check_counts(seed=seed)
    model, tokens = new_model(kind, seed), unseen()
    matrices, rest = split_parameters(model)
    rows: list[dict[str, Any]] = []

    def measure(model: nn.Module) -> float:
        assert isinstance(model, GPT)
        maps = attention_weights(model, shown_text())[:, 0]
        percent = (100 * maps).round().int().tolist()
        rows.append({"step": min(EVERY * len(rows), steps), **measured(model, tokens)})
        rows[-1]["maps"] = percent
        return rows[-1]["second"]

    measure(model)
    train(
        model,
        partial(batch, seed),
        steps=steps,
        optimizer=[Muon(matrices, MUON_RATE), torch.optim.AdamW(rest, ADAM_RATE, fused=True)],
        schedule=lambda step: min(1.0, (step + 1) / WARMUP),
        evaluate=measure,
        eval_every=EVERY,
        log_every=EVERY,
        precision="float32",
        device="cpu",
        progress=False,
        seed=seed,
    )
    return model, rows


def make(folder: Path) -> dict[str, Any]:
    """Train all kinds with all seeds; write their curves, and the maps of the first run."""

    def run(kind: str, seed: int) -> list[dict[str, Any]]:
        rows = grow(kind, seed)[1]
        if (kind, seed) != ("two layers", 0):
            for row in rows:
                del row["maps"]
        return rows

    plan = {f"{kind} {seed}": partial(run, kind, seed) for kind in KINDS for seed in range(SEEDS)}
    with kit.one_thread():
        done = kit.collect(folder, plan, lambda rows: f"{rows[-1]['second']:.2f} nats")
    curves = {kind: [done[f"{kind} {seed}"] for seed in range(SEEDS)] for kind in KINDS}
    kit.write_text(kit.FOLDER / FILES[0], json.dumps(curves, separators=(",", ":")) + "\n")
    return {kind: [rows[-1]["second"] for rows in runs] for kind, runs in curves.items()}


def probe() -> dict[str, Any]:
    """Return what a few steps give."""
    with kit.one_thread():
        last = grow("two layers", 0, steps=20)[1][-1]
    return {name: last[name] for name in ("first", "second", "scores")}


def load_runs() -> dict[str, list[list[dict[str, Any]]]]:
    """Return for each kind the rows of five seeds; see :func:`grow`; maps are of the first."""
    return json.loads((kit.FOLDER / FILES[0]).read_text(encoding="utf-8"))


ENTRIES = (grow, batch, unseen)

if __name__ == "__main__":
    sys.exit(kit.main("induction"))
