"""From GPT-2's recipe to the speedrun: sweeps of rates, schedules, one change after another.

Taught in 'Training', which shows the curves in ``runs/speedrun.json``. Shakespeare's plays by
character, as in `course_lib.studies.ablation`; losses in nats per character. To make them takes
about five minutes of one core.

`sweep` has one small model under three optimizers and several learning rates; `schedules` has it
under Muon, with and without a warm-down, `newton_schulz` with fewer iterations, three seeds each.
`path` goes from the gpt2 recipe to the speedrun one, one change after another, at equal numbers
of steps.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from course_lib.model import Speedrun, SpeedrunConfig, count_parameters
from course_lib.studies import kit
from course_lib.studies.ablation import corpus
from course_lib.training import (
    TrainingError,
    corpus_loss,
    next_token_loss,
    optim,
    random_windows,
    recipe_optimizers,
    train,
)

FILES = ("runs/speedrun.json",)
DATA = ("plays",)
SMALL = {"n_layers": 2, "d_model": 64}
STEPS, WARMUP = 200, 10
RATES = {
    "SGD": [0.01, 0.03, 0.1, 0.3, 1.0, 3.0],
    "Adam": [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1],
    "Muon": [0.003, 0.01, 0.03, 0.1, 0.3, 1.0],
}
SEEDS = [0, 1, 2]
WARM_DOWN = {"constant": 0.0, "warm-down": 0.5}  # the falling part, as a share of the steps
PATH: dict[str, dict[str, Any]] = {
    "gpt2": {},
    "Muon for the matrices, warm-down": {},
    "RMSNorm, no biases": {"norm": "rms", "bias": False},
    "rotary positions": {"positions": "rope"},
    "squared ReLU": {"mlp": "relu2"},
    "QK-norm": {"qk_norm": True},
    "blocks begin at zero": {"zero_init": True},
    "own output matrix, logit cap": {"tied": False, "logit_cap": 15.0},
    "n-grams for two of the layers": {"ngrams": 5, "n_layers": 2},
}

Run = dict[str, Any]  # what a run gave: see :func:`run`
Prepared = tuple[Sequence[Optimizer], optim.Schedule]


def load_runs() -> dict[str, dict[str, Any]]:
    """Return the committed runs: by part, and within it by the names of what was varied."""
    return json.loads((kit.FOLDER / FILES[0]).read_text(encoding="utf-8"))


def small_optimizers(
    name: str, model: nn.Module, rate: float, iterations: int = 5
) -> list[Optimizer]:
    """Return one of the three optimizers; what isn't for Muon gets AdamW at a good rate."""
    if name == "SGD":
        return [optim.SGD(model.parameters(), rate, momentum=0.9)]
    if name == "Adam":
        return [optim.Adam(model.parameters(), rate, betas=(0.9, 0.99))]
    matrices, rest = optim.split_parameters(model)
    muon = optim.Muon(matrices, rate, steps=iterations)
    return [muon, optim.AdamW(rest, 0.01, betas=(0.9, 0.99))]


def run(
    config: SpeedrunConfig,
    prepare: Callable[[nn.Module], Prepared],
    steps: int,
    batch_size: int,
    clip: float | None,
    seed: int = 0,
) -> Run:
    """Train once.

    Args:
        config: of the model.
        prepare: gives the optimizers of a model, and their schedule.
        steps: number of batches.
        batch_size: windows of a batch.
        clip: largest norm of the gradient, or None.
        seed: of the weights and the batches.

    Returns:
        ``losses`` (one for each step), ``held_out`` (every 50 steps, and at the end), which may
        break off where a number is no longer finite; ``cpu_seconds`` and ``parameters``.
    """
    # The same weights and batches for every run of a seed.
    _, training, held_out = corpus()
    torch.manual_seed(seed)
    model = Speedrun(config)
    optimizers, schedule = prepare(model)
    losses: list[float | None] = []
    held: list[float] = []

    # Note the loss of each step, not only of the log's rows.
    def noted_loss(model: nn.Module, *batch: Tensor) -> Tensor:
        loss = next_token_loss(model, *batch)
        losses.append(round(loss.item(), 3) if loss.isfinite() else None)
        return loss

    def evaluate(model: nn.Module) -> float:
        held.append(round(corpus_loss(model, held_out[:20_000], config.context), 4))
        return held[-1]

    start = time.process_time()
    with contextlib.suppress(TrainingError):  # the losses so far are what is to be seen
        train(
            model,
            random_windows(training, batch_size, config.context, seed),
            steps=steps,
            optimizer=optimizers,
            schedule=schedule,
            evaluate=evaluate,
            eval_every=50,
            log_every=1,
            clip=clip,
            loss=noted_loss,
        )
    return {
        "losses": losses,
        "held_out": held,
        "cpu_seconds": round(time.process_time() - start, 1),
        "parameters": count_parameters(Speedrun, config),
    }


def plan(steps: int = STEPS) -> dict[tuple[str, ...], Callable[[], Run]]:
    """Return all runs by name, each of so many steps."""
    vocab_size = corpus()[0].vocab_size
    small = SpeedrunConfig.gpt2(vocab_size, **SMALL)
    runs: dict[tuple[str, ...], Callable[[], Run]] = {}

    def small_run(
        name: str, rate: float, shape: str, iterations: int = 5, seed: int = 0
    ) -> Callable[[], Run]:
        def prepare(model: nn.Module) -> Prepared:
            falling = int(WARM_DOWN[shape] * steps)
            schedule = optim.warmup_stable_decay(steps, min(WARMUP, steps // 2), falling)
            return small_optimizers(name, model, rate, iterations), schedule

        return partial(run, small, prepare, steps, 8, None, seed)

    # Each optimizer at each of its rates.
    for name, rates in RATES.items():
        for rate in rates:
            runs["sweep", name, str(rate)] = small_run(name, rate, "warm-down")
    # Muon with and without the fall, and with fewer iterations, at its four lower rates.
    for seed in SEEDS:
        for rate in RATES["Muon"][:4]:
            for shape in WARM_DOWN:
                runs["schedules", shape, str(rate), str(seed)] = small_run(
                    "Muon", rate, shape, seed=seed
                )
            runs["newton_schulz", "3", str(rate), str(seed)] = small_run(
                "Muon", rate, "warm-down", 3, seed
            )
    # From one recipe to the other; each stage keeps the changes before it.
    changes: dict[str, Any] = {}
    for name, change in PATH.items():
        changes = changes | change
        recipe = "gpt2" if name == "gpt2" else "speedrun"
        prepare = partial(recipe_optimizers, recipe=recipe, steps=steps)
        config = SpeedrunConfig.gpt2(vocab_size, **changes)
        runs["path", name] = partial(run, config, prepare, steps, 12, 1.0)
    return runs


def _about(result: Run) -> str:
    """Say how a run ended."""
    if result["held_out"]:
        return f"{result['held_out'][-1]}"
    return f"no longer finite at step {len(result['losses']) - 1}"


def make(folder: Path) -> dict[str, Any]:
    """Train everything that is planned, and write the file."""
    named = {" / ".join(names): (names, go) for names, go in plan().items()}
    with kit.one_thread():
        done = kit.collect(folder, {name: go for name, (_, go) in named.items()}, _about)
    found: dict[str, Any] = {}
    for name, (names, _) in named.items():
        place = found
        for part in names[:-1]:
            place = place.setdefault(part, {})
        place[names[-1]] = done[name]
    kit.write_text(kit.FOLDER / FILES[0], json.dumps(found) + "\n")
    return {}


def probe() -> dict[str, Any]:
    """Return the last loss of a few steps: of each stage, and of each optimizer at one rate."""
    runs = plan(steps=20)
    chosen = [names for names in runs if names[0] == "path"]
    chosen += [("sweep", name, str(rates[2])) for name, rates in RATES.items()]
    chosen += [("schedules", "constant", "0.03", "1"), ("newton_schulz", "3", "0.03", "2")]
    with kit.one_thread():
        return {" / ".join(names): runs[names]()["losses"][-1] for names in chosen}


ENTRIES = (plan,)

if __name__ == "__main__":
    sys.exit(kit.main("speedrun"))
