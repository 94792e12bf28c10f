"""Train the models whose curves 'Training' shows, and write course_lib/studies/runs/training.json.

Shakespeare's plays by character, as in `course_lib.studies.ablation`; losses in nats per
character. About five minutes of one core. The file is written after every run; --resume keeps its
runs.

`sweep` has one small model under three optimizers and several learning rates; `schedules` has it
under Muon, with and without a warm-down, `newton_schulz` with fewer iterations, three seeds each.
`path` goes from the gpt2 recipe to the speedrun one, one change after another, at equal numbers
of steps.
"""

import argparse
import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from course_lib.files import written_whole
from course_lib.model import Speedrun, SpeedrunConfig, count_parameters
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

FILE = Path(__file__).resolve().parent.parent / "course_lib" / "studies" / "runs" / "training.json"
SMALL = {"n_layers": 2, "d_model": 64}
SWEEP_STEPS, PATH_STEPS = 200, 200
RATES = {
    "SGD": [0.01, 0.03, 0.1, 0.3, 1.0, 3.0],
    "Adam": [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1],
    "Muon": [0.003, 0.01, 0.03, 0.1, 0.3, 1.0],
}
SEEDS = [0, 1, 2]
WARM_DOWN = {"constant": 0, "warm-down": SWEEP_STEPS // 2}  # length of the falling part
PATH = {
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


def small_optimizers(name: str, model: nn.Module, rate: float, iterations: int = 5) -> list:
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
    make: Callable,
    steps: int,
    batch_size: int,
    clip: float | None,
    seed: int = 0,
) -> dict:
    """Train once; return the loss at each step, the held-out losses, and what it took."""
    _, training, held_out = corpus()
    torch.manual_seed(seed)
    model = Speedrun(config)
    optimizers, schedule = make(model)
    losses, held = [], []

    def noted_loss(model: nn.Module, *batch: torch.Tensor) -> torch.Tensor:
        loss = next_token_loss(model, *batch)
        losses.append(round(loss.item(), 3) if loss.isfinite() else None)
        return loss

    batches = random_windows(training, batch_size, config.context, seed)

    def evaluate(model: nn.Module) -> float:
        held.append(round(corpus_loss(model, held_out[:20_000], config.context), 4))
        return held[-1]

    start = time.process_time()
    with contextlib.suppress(TrainingError):  # the losses so far are what is to be seen
        train(
            model,
            batches,
            steps=steps,
            optimizer=optimizers,
            schedule=schedule,
            evaluate=evaluate,
            eval_every=50,
            log_every=1,
            clip=clip,
            loss=noted_loss,
        )
    seconds = round(time.process_time() - start, 1)
    return {
        "losses": losses,
        "held_out": held,
        "cpu_seconds": seconds,
        "parameters": count_parameters(Speedrun, config),
    }


def path_optimizers(name: str) -> Callable:
    """Return what makes the optimizers and the schedule of a stage."""
    recipe = "gpt2" if name == "gpt2" else "speedrun"
    return lambda model: recipe_optimizers(model, recipe, PATH_STEPS)


def plan() -> dict[tuple[str, ...], Callable[[], dict]]:
    """Return all runs by name."""
    vocab_size = corpus()[0].vocab_size
    small = SpeedrunConfig.gpt2(vocab_size, **SMALL)
    runs = {}

    def small_run(
        name: str, rate: float, decay: int, iterations: int = 5, seed: int = 0
    ) -> Callable[[], dict]:
        def make(model: nn.Module) -> tuple:
            schedule = optim.warmup_stable_decay(SWEEP_STEPS, 10, decay)
            return small_optimizers(name, model, rate, iterations), schedule

        return lambda: run(small, make, SWEEP_STEPS, 8, None, seed)

    falls = WARM_DOWN["warm-down"]
    for name, rates in RATES.items():
        for rate in rates:
            runs["sweep", name, str(rate)] = small_run(name, rate, falls)
    for seed in SEEDS:
        for rate in RATES["Muon"][:4]:
            for shape, decay in WARM_DOWN.items():
                names = "schedules", shape, str(rate), str(seed)
                runs[names] = small_run("Muon", rate, decay, seed=seed)
            names = "newton_schulz", "3", str(rate), str(seed)
            runs[names] = small_run("Muon", rate, falls, 3, seed)
    changes: dict = {}
    for name, change in PATH.items():
        changes = changes | change
        config = SpeedrunConfig.gpt2(vocab_size, **changes)
        make = path_optimizers(name)
        runs["path", name] = lambda c=config, make=make: run(c, make, PATH_STEPS, 12, 1.0)
    return runs


def main() -> None:
    """Train, and write the file after every run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resume", action="store_true", help="train only what the file lacks")
    resume = parser.parse_args().resume and FILE.exists()
    found = json.loads(FILE.read_text(encoding="utf-8")) if resume else {}
    torch.set_num_threads(1)  # small models gain little from a second one
    for names, go in plan().items():
        place = found
        for name in names[:-1]:
            place = place.setdefault(name, {})
        if names[-1] in place:
            continue
        place[names[-1]] = result = go()
        with written_whole(FILE) as part:
            part.write_text(json.dumps(found) + "\n", encoding="utf-8")
        held = result["held_out"] or [f"no longer finite at step {len(result['losses']) - 1}"]
        print(*names, held[-1], f"({result['cpu_seconds']} s)", flush=True)


if __name__ == "__main__":
    main()
