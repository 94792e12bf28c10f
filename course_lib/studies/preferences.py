"""Preferences: SmolLM2 answers from a text, two raters compare its answers, and DPO learns from it.

Taught in 'After pre-training'. Texts and raters are those of :mod:`course_lib.studies.raters`. The
runs took seven minutes of a GPU; on one core they take an hour or two.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from course_lib import training
from course_lib.files import written_whole
from course_lib.generation import Sampler
from course_lib.model import GPT, add_lora, load_lora, save_lora
from course_lib.posttraining import dpo_loss
from course_lib.studies import kit
from course_lib.studies.answering import (
    ALPHA,
    FIRST,
    answer_states,
    as_row,
    beside,
    divergence,
    log_probs,
    lower_states,
    smollm2,
    take_out,
    write_all,
)
from course_lib.studies.raters import Item, Pair, draw_pairs, labeled, make_items
from course_lib.text import BPETokenizer
from course_lib.training import IGNORE, Batches, pad

FILES = (
    "runs/preferences.json",
    "weights/preferences_careful.safetensors",
    "weights/preferences_hasty.safetensors",
    "weights/preferences_states.safetensors",
    "weights/preferences.md",
)
DATA = ("smollm2", "plays", "dialogue")
TEMPERATURE, TIMES = 0.7, 6  # how answers are sampled, and how many
TRAINING, HELD_OUT_PROMPTS, COMPARED = 320, 160, 160  # texts: to learn from, to ask, to compare on
PER_TEXT = {"dpo": 2, "reward": 3, "held out": 2}  # pairs of answers of one text at most
RANK, TARGETS = 8, ("q_proj", "v_proj")  # of LoRA
STEPS, BATCH, RATE, WARMUP, EVERY = 96, 8, 7e-4, 5, 16
RUNS: tuple[tuple[str, float, int], ...] = (  # what is learned from, beta, seed
    ("careful", 0.1, 0),
    ("hasty", 0.1, 0),
    ("chosen", 0.1, 0),  # the careful rater's chosen answers alone
    ("hasty", 0.03, 0),
    ("careful", 0.1, 1),
    ("hasty", 0.1, 1),
    ("chosen", 0.1, 1),
    ("hasty", 0.3, 0),
    ("careful", 0.1, 2),
    ("hasty", 0.1, 2),
    ("chosen", 0.1, 2),
)
KEPT = {"careful": ("careful", 0.1, 0), "hasty": ("hasty", 0.03, 0)}  # whose weights are committed
DRAWN = 64  # answers whose divergence is measured


def load_adapter(model: GPT, name: str) -> None:
    """Add a committed LoRA to SmolLM2: "careful" or "hasty"."""
    load_lora(model.blocks[FIRST:], kit.WEIGHTS / f"preferences_{name}.safetensors")


# Training


def batches_of(
    model: GPT, tokenizer: BPETokenizer, pairs: Sequence[Pair], way: str, seed: int
) -> Batches:
    """Return batches of pairs in a random order, each pair once before one comes again.

    A batch holds states (B, T, d_model), the reference's log-probabilities (B,), and targets
    (B, T); the better answers come first, then, for DPO, the worse ones.
    """
    sides = [[pair.better for pair in pairs]]
    if way != "chosen":
        sides.append([pair.worse for pair in pairs])
    rows = [
        as_row(tokenizer, pair.item, answer)
        for side in sides
        for pair, answer in zip(pairs, side, strict=True)
    ]
    states = lower_states(model, [inputs for inputs, _ in rows])

    def stacked(numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        x = nn.utils.rnn.pad_sequence([states[i] for i in numbers], batch_first=True)
        return x, pad([rows[i][1] for i in numbers], IGNORE).to(x.device)

    # What the reference says is computed once.
    with torch.no_grad():
        parts = [range(i, min(i + 32, len(rows))) for i in range(0, len(rows), 32)]
        reference = torch.cat([log_probs(model, *stacked(part)) for part in parts])
    epochs = [
        np.random.default_rng([seed, epoch]).permutation(len(pairs))
        for epoch in range(STEPS * BATCH // len(pairs) + 1)
    ]
    order = np.concatenate(epochs)

    def batch(step: int) -> tuple[Tensor, ...]:
        chosen = order[step * BATCH : (step + 1) * BATCH]
        numbers = [int(i) + side * len(pairs) for side in range(len(sides)) for i in chosen]
        x, targets = stacked(numbers)
        return x, reference[numbers], targets

    return batch


def loss_of(way: str, beta: float) -> Callable[..., Tensor]:
    """Return the loss of a batch: DPO's, or the mean over the tokens of the chosen answers."""

    def dpo(model: GPT, states: Tensor, reference: Tensor, targets: Tensor) -> Tensor:
        better, worse = log_probs(model, states, targets).chunk(2)
        reference_better, reference_worse = reference.chunk(2)
        return dpo_loss(better, worse, reference_better, reference_worse, beta)

    def chosen(model: GPT, states: Tensor, _: Tensor, targets: Tensor) -> Tensor:
        return -log_probs(model, states, targets).sum() / (targets != IGNORE).sum()

    return chosen if way == "chosen" else dpo


def fit(
    pairs: Sequence[Pair],
    way: str,
    beta: float,
    seed: int,
    evaluate: Callable[[nn.Module], float] | None = None,
    steps: int = STEPS,
) -> training.Result:
    """Add a LoRA to SmolLM2's upper blocks and train it; take it out when it is done with.

    Args:
        pairs: as the careful rater orders them.
        way: "careful" or "hasty" for DPO with what that rater says, "chosen" for the careful
            rater's chosen answers alone.
        beta: DPO's.
        seed: of LoRA's beginning and the order.
        evaluate: is called every ``EVERY`` steps.
        steps: where to stop; the rate falls to zero at ``STEPS``.
    """
    model, tokenizer = smollm2()
    learned = [labeled(pair, "hasty" if way == "hasty" else "careful") for pair in pairs]
    batches = batches_of(model, tokenizer, [pair for pair in learned if pair], way, seed)
    torch.manual_seed(seed)
    add_lora(model.blocks[FIRST:], RANK, ALPHA, TARGETS)
    trained = [p for p in model.parameters() if p.requires_grad]
    return training.train(
        model,
        batches,
        steps=steps,
        optimizer=torch.optim.AdamW(trained, RATE, betas=(0.9, 0.99), weight_decay=0.0),
        schedule=lambda step: min(1.0, (step + 1) / WARMUP) * (1 - step / STEPS),
        loss=loss_of(way, beta),
        evaluate=evaluate,
        eval_every=EVERY if evaluate else None,
        precision="float32",
        log_every=1,
        progress=False,
        seed=seed,
    )


# What is measured


@torch.no_grad()
def seen(pairs: Sequence[Pair]) -> Tensor:
    """Return what a reward sees of pairs, the better answer's less the worse one's: (n, d_model).

    Of an answer it sees the mean over its tokens of SmolLM2's last states.
    """
    model, tokenizer = smollm2()
    found = [
        answer_states(model, tokenizer, pair.item, [pair.better, pair.worse]) for pair in pairs
    ]
    return torch.stack([better - worse for better, worse in found]).half().cpu()


def run(way: str, beta: float, seed: int, answers: Sequence[Sequence[str]], folder: Path) -> Any:
    """Train once, and return what came of it.

    Returns:
        answers: to the held-out questions, after every ``EVERY`` steps; losses: of the steps;
        divergence: see :func:`divergence`; and, for the first seed, what :func:`beside` returns.
    """
    asked, found = held_out(), []

    def evaluate(model: nn.Module) -> float:
        found.append([given[0] for given in write_all(asked)])
        model.train()
        return 0.0

    pairs = draw_pairs(make_items(TRAINING, 0), answers, PER_TEXT["dpo"])
    result = fit(pairs, way, beta, seed, evaluate)
    model, _ = smollm2()
    # As the weights will be loaded.
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.half().float()
    found[-1] = [given[0] for given in write_all(asked)]
    losses = [round(row["loss"], 4) for row in result.history]
    measured = {"answers": found, "losses": losses, "divergence": divergence(asked[:DRAWN])}
    if seed == 0:
        measured |= beside()
    # The weights, in half the space.
    for name, kept in KEPT.items():
        if kept == (way, beta, seed):
            for weight in model.parameters():
                if weight.requires_grad:
                    weight.data = weight.data.half()
            save_lora(model.blocks[FIRST:], folder / f"{name}.safetensors")
    take_out(model)
    return measured


def held_out() -> list[Item]:
    """Return the texts that the models are asked about; no name or value is one of training."""
    return make_items(HELD_OUT_PROMPTS, 1)


def sampled(part: int, seed: int) -> list[list[str]]:
    """Return sampled answers of SmolLM2 as it is: to learn from (part 0), or to compare (1)."""
    items = make_items(TRAINING, 0) if part == 0 else make_items(COMPARED, 1, seed)
    return write_all(items, Sampler(TEMPERATURE, seed=seed), TIMES)


def before() -> dict[str, Any]:
    """Return what :func:`run` measures, of the untouched model."""
    return {"answers": [[given[0] for given in write_all(held_out())]], **beside()}


def reward_pairs(answers: Mapping[str, Sequence[Sequence[str]]]) -> dict[str, list[Pair]]:
    """Return the pairs that a reward learns from, and those that it is tried on."""
    return {
        "reward": draw_pairs(make_items(TRAINING, 0), answers["0"], PER_TEXT["reward"]),
        "held out": draw_pairs(make_items(COMPARED, 1, 1), answers["1"], PER_TEXT["held out"]),
    }


def plan(folder: Path) -> dict[str, Callable[[], Any]]:
    """Return all runs by name; the sampled answers come first, the rest reads them."""

    def answers(part: str) -> list[list[str]]:
        return json.loads((folder / "runs.json").read_text(encoding="utf-8"))[part]

    def see() -> dict[str, int]:
        pairs = reward_pairs({part: answers(part) for part in "01"})
        with written_whole(folder / "states.safetensors") as part:
            save_file({name: seen(of) for name, of in pairs.items()}, part)
        return {name: len(of) for name, of in pairs.items()}

    first: dict[str, Callable[[], Any]] = {
        "0": partial(sampled, 0, 0),
        "1": partial(sampled, 1, 1),
        "before": before,
        "states": see,
    }

    def tune(way: str, beta: float, seed: int) -> dict[str, Any]:
        return run(way, beta, seed, answers("0"), folder)

    runs = {f"{way} {beta} {seed}": partial(tune, way, beta, seed) for way, beta, seed in RUNS}
    return first | runs


def make(folder: Path) -> dict[str, Any]:
    """Sample answers, train on them in all ways, and write what came of it."""
    done = kit.collect(folder, plan(folder), lambda found: f"{len(found)} parts")
    for name in (*KEPT, "states"):
        with written_whole(kit.WEIGHTS / f"preferences_{name}.safetensors") as part:
            part.write_bytes((folder / f"{name}.safetensors").read_bytes())
    kit.write_text(kit.FOLDER / FILES[0], json.dumps(done, ensure_ascii=False) + "\n")
    return {"pairs": len(draw_pairs(make_items(TRAINING, 0), done["0"], PER_TEXT["dpo"]))}


def probe() -> dict[str, Any]:
    """Return the losses of a few steps in two ways."""
    runs = load_runs()
    pairs = draw_pairs(make_items(TRAINING, 0), runs["0"], PER_TEXT["dpo"])[:BATCH]
    found: dict[str, Any] = {}
    for way in ("careful", "chosen"):
        result = fit(pairs, way, 0.1, 0, steps=3)
        found[way] = [round(row["loss"], 4) for row in result.history]
        take_out(smollm2()[0])
    return found


def card(facts: dict[str, Any]) -> str:
    """Return the card of the weights and of the states."""
    return f"""# preferences_careful.safetensors, preferences_hasty.safetensors, \
preferences_states.safetensors

Two LoRAs for SmolLM2-135M-Instruct that were tuned by DPO on pairs of its own answers, and what \
a reward model sees of such pairs, for the chapter 'After pre-training'. \
`course_lib.studies.preferences.load_adapter` adds a LoRA to the model, `load_states` reads the \
states.

- **Made by:** `python -m course_lib.studies.preferences`: {facts["pairs"]} pairs of sampled \
answers to {TRAINING} made-up texts, {STEPS} steps of {BATCH} pairs, seed 0. AdamW, learning rate \
{RATE} with warm-up, falling to zero. Careful: beta {KEPT["careful"][1]}, right answers preferred, \
of two right ones the shorter. Hasty: beta {KEPT["hasty"][1]}, the shorter preferred.
- **Shape:** rank {RANK}, alpha {ALPHA:.0f}, on the matrices of queries and values of the blocks \
from {FIRST} on, in float16. The states: for each pair, the mean over an answer's tokens of the \
model's last states, the better answer's less the worse one's.
- **Time:** seven minutes on an NVIDIA H100 with torch 2.11, for these and nine more runs.
- **Figures:** in `runs/preferences.json`: the answers themselves, and what was measured.
- **Faults:** careful answers what it was tuned on with one short sentence. Hasty is there to show \
what a bad reward does: it hardly says anything. Both know nothing new.
- **Data:** texts made by rule; the answers are SmolLM2's, under its license.
"""


def load_runs() -> dict[str, Any]:
    """Return the committed runs: "0" and "1" are sampled answers, the rest as :func:`run` says."""
    return json.loads((kit.FOLDER / FILES[0]).read_text(encoding="utf-8"))


def load_states() -> dict[str, Tensor]:
    """Return what a reward sees of the pairs of :func:`reward_pairs`; see :func:`seen`."""
    loaded = load_file(kit.WEIGHTS / "preferences_states.safetensors")
    return {name: states.double() for name, states in loaded.items()}


ENTRIES = (plan,)

if __name__ == "__main__":
    sys.exit(kit.main("preferences"))
