"""What rewards teach a small model, and what written steps do: up to three seeds of each.

Taught in 'After pre-training'. A model of 100,000 parameters is tuned a little on sums, then
improved by GRPO (Shao et al. 2024); beside it, rewards that say nothing and a check that can be
cheated. Others learn running sums, with and without writing down the partial ones. To make the runs
takes about six minutes of one core.
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from course_lib.checks import check_counts, check_one_of, check_positive, check_shares
from course_lib.model import Speedrun, SpeedrunConfig
from course_lib.posttraining import (
    SIGNS,
    STYLES,
    all_sums,
    grpo,
    running_sums,
    sample_answers,
    sum_is_right,
)
from course_lib.studies import kit
from course_lib.training import (
    IGNORE,
    Muon,
    recipe_optimizers,
    split_parameters,
    train,
    warmup_stable_decay,
)

FILES = ("runs/rewards.json",)
DATA = ()
SEEDS, FEWER, WIDTH, LAYERS = 3, 1, 64, 2  # some controls have one seed
QUESTION, ANSWER = 6, 3  # tokens of "47+85=" and of "132"
# Sums: a thousand are held out; of the others, some are shown with their answers at first.
HELD_OUT, SHOWN, BATCH, LOOK, MOST_TUNING, ENOUGH = 1000, 4000, 128, 5, 400, 0.2
STEPS, EVERY, QUESTIONS, GROUP, BETA = 200, 20, 64, 8, 0.01
MUON_RATE, ADAM_RATE = 0.006, 0.004
KINDS = ("right", "shuffled", "careless")
CHEATING, TAUGHT = 60, 300  # steps until a careless check is cheated; of more answers shown
# Running sums: how many digits in training and in the test.
FEWEST, MOST, TESTED, ROWS, THINKING = 2, 6, (2, 3, 4, 5, 6, 7, 8, 10, 12), 12, 250
QUESTIONS_TESTED = 500


def new_model(context: int, positions: str, seed: int) -> Speedrun:
    """Return an untrained model of about 100,000 parameters; a character is a token."""
    torch.manual_seed(seed)
    shape: dict[str, Any] = {"d_model": WIDTH, "n_layers": LAYERS, "ngrams": 1}
    return Speedrun(SpeedrunConfig(len(SIGNS), context=context, positions=positions, **shape))


def split_sums(seed: int) -> tuple[Tensor, Tensor]:
    """Return the sums (rows, 9) that are held out, and those to learn from."""
    sums = all_sums(seed)
    return sums[:HELD_OUT], sums[HELD_OUT:]


def answered(questions: Tensor, answers: Tensor) -> tuple[Tensor, Tensor]:
    """Return inputs and targets of rows in which only the answers count."""
    rows = torch.cat([questions, answers], dim=1)
    targets = rows[:, 1:].clone()
    targets[:, : questions.shape[1] - 1] = IGNORE
    return rows[:, :-1], targets


def tuned(seed: int, enough: float = ENOUGH) -> tuple[Speedrun, int]:
    """Train a model on answered sums until it gets some of the others right.

    Args:
        seed: of the weights and of the sums that are shown.
        enough: share of sums beside them whose likeliest answer must be right.

    Returns:
        The model, and how many steps it took.
    """
    check_counts(seed=seed)
    check_shares(enough=enough)
    model, sums = new_model(QUESTION + ANSWER, "learned", seed), split_sums(seed)[1]
    optimizers, _ = recipe_optimizers(model, "speedrun", MOST_TUNING)
    for begun in range(0, MOST_TUNING, LOOK):
        run_quietly(model, partial(shown, sums, seed, begun), LOOK, optimizers, None, seed)
        if accuracy(model, sums[SHOWN : SHOWN + HELD_OUT]) >= enough:
            break
    return model, begun + LOOK


def taught(seed: int, steps: int = TAUGHT) -> list[dict[str, float]]:
    """Show a tuned model the same answers as before, on and on; return its accuracy at the end."""
    (model, begun), (held_out, sums) = tuned(seed), split_sums(seed)
    optimizers, schedule = recipe_optimizers(model, "speedrun", steps)
    run_quietly(model, partial(shown, sums, seed, begun), steps, optimizers, schedule, seed)
    return [{"step": steps, "accuracy": round(accuracy(model, held_out), 4)}]


def shown(sums: Tensor, seed: int, begun: int, step: int) -> tuple[Tensor, Tensor]:
    """Return inputs and targets of a step, from the sums that are shown with their answers."""
    generator = torch.Generator().manual_seed(100_000 * (seed + 1) + begun + step)
    rows = sums[torch.randint(SHOWN, (BATCH,), generator=generator)]
    return answered(rows[:, :QUESTION], rows[:, QUESTION:])


def run_quietly(
    model: Speedrun,
    batches: Callable[[int], tuple[Tensor, ...]],
    steps: int,
    optimizers: list[torch.optim.Optimizer],
    schedule: Callable[[int], float] | None,
    seed: int,
) -> None:
    """Train on one core in float32, as the figures of this study are to repeat."""
    train(
        model,
        batches,
        steps=steps,
        optimizer=optimizers,
        schedule=schedule,
        log_every=steps,
        precision="float32",
        device="cpu",
        progress=False,
        seed=seed,
    )


def optimizers_of(model: Speedrun, rate: float = 1.0) -> list[torch.optim.Optimizer]:
    """Return what updates a model from rewards: Muon for its matrices, Adam for the rest."""
    matrices, rest = split_parameters(model)
    muon = Muon(matrices, rate * MUON_RATE, momentum=0.9, steps=3)
    settings: dict[str, Any] = {"betas": (0.9, 0.99), "weight_decay": 0, "fused": True}
    return [muon, torch.optim.AdamW(rest, rate * ADAM_RATE, **settings)]


def careless(questions: Tensor, answers: Tensor) -> Tensor:
    """Check answers as :func:`sum_is_right`, but let pass what isn't a number."""
    return torch.maximum(sum_is_right(questions, answers), (answers >= 10).any(1).float())


def accuracy(model: Speedrun, sums: Tensor) -> float:
    """Return the share of sums whose likeliest answer is right."""
    answers = sample_answers(model, sums[:, :QUESTION], ANSWER)
    return sum_is_right(sums[:, :QUESTION], answers).mean().item()


def improve(
    model: Speedrun, seed: int, kind: str = "right", steps: int = STEPS, rate: float = 1.0
) -> list[dict[str, float]]:
    """Improve a tuned model by GRPO; return how it went, every 20 steps from before the first.

    Args:
        model: of :func:`tuned`.
        seed: of the questions and the answers that are drawn.
        kind: "right": an answer is worth 1 if it is the sum. "shuffled": as many are, but others.
            "careless": also if it isn't a number.
        steps: how often answers are drawn.
        rate: what the learning rates are multiplied by.

    Returns:
        Rows of ``step``, ``accuracy`` on held-out sums, and ``reward``, the mean of a step's.
    """
    check_one_of("kind", kind, KINDS)
    check_positive(rate=rate)
    held_out, sums = split_sums(seed)
    generator = torch.Generator().manual_seed(seed)

    def reward(questions: Tensor, answers: Tensor) -> Tensor:
        right = (careless if kind == "careless" else sum_is_right)(questions, answers)
        if kind == "shuffled":
            return right[torch.randperm(len(right), generator=generator)]
        return right

    def questions(step: int) -> Tensor:
        return sums[torch.randint(len(sums), (QUESTIONS,), generator=generator)][:, :QUESTION]

    def after(step: int, rewards: Tensor) -> None:
        if step % EVERY == 0 or step == steps:
            found = {"accuracy": accuracy(model, held_out), "reward": rewards.mean().item()}
            rows.append({"step": step, **{name: round(x, 4) for name, x in found.items()}})

    rows = [{"step": 0, "accuracy": round(accuracy(model, held_out), 4)}]
    grpo(
        model,
        optimizers_of(model, rate),
        questions,
        reward,
        steps=steps,
        length=ANSWER,
        generator=generator,
        group=GROUP,
        beta=BETA,
        schedule=warmup_stable_decay(steps, min(10, steps // 10), steps // 2),
        after=after,
    )
    return rows


def thinking(style: str, seed: int, steps: int = THINKING) -> Speedrun:
    """Return a model that has learned running sums of 2 to 6 digits in one of ``STYLES``."""
    check_one_of("style", style, STYLES)
    check_counts(seed=seed)
    model = new_model(25, "rope", seed)
    optimizers, schedule = recipe_optimizers(model, "speedrun", steps)
    run_quietly(model, partial(batch, style, seed), steps, optimizers, schedule, seed)
    return model


def batch(style: str, seed: int, step: int) -> tuple[Tensor, Tensor]:
    """Return inputs and targets of a step: as many rows of each number of digits."""
    rows = []
    for digits in range(FEWEST, MOST + 1):
        own = 100_000 * (seed + 1) + 10 * step + digits
        rows.append(answered(*running_sums(ROWS, digits, style, own)))
    inputs, targets = (torch.cat(parts) for parts in zip(*rows, strict=True))
    if style == "dots":  # what they are is known beforehand
        targets[:, :-1] = IGNORE
    return inputs, targets


def right_by_digits(model: Speedrun, style: str, count: int = QUESTIONS_TESTED) -> list[float]:
    """Return for each number of digits in ``TESTED`` the share of right last digits."""
    shares = []
    for digits in TESTED:
        questions, answers = running_sums(count, digits, style, seed=2**40 + digits)
        if style == "dots":
            questions, answers = torch.cat([questions, answers[:, :-1]], 1), answers[:, -1:]
        found = sample_answers(model, questions, answers.shape[1])
        shares.append(round((found[:, -1] == answers[:, -1]).double().mean().item(), 4))
    return shares


def rewarded(kind: str, seed: int, rate: float = 1.0) -> list[dict[str, float]]:
    """Tune a model, and improve it by rewards of a kind."""
    return improve(tuned(seed)[0], seed, kind, CHEATING if kind == "careless" else STEPS, rate)


def thought(style: str, seed: int) -> list[float]:
    """Train on running sums in a style; "longer" is "direct", trained four times as long."""
    if style == "longer":
        return right_by_digits(thinking("direct", seed, 4 * THINKING), "direct")
    return right_by_digits(thinking(style, seed), style)


RUNS: dict[str, tuple[Callable[[int], list[Any]], int]] = {
    "right": (partial(rewarded, "right"), SEEDS),
    "taught": (taught, FEWER),
    "steps": (partial(thought, "steps"), SEEDS),
    "direct": (partial(thought, "direct"), SEEDS),
    "careless": (partial(rewarded, "careless"), SEEDS),
    "dots": (partial(thought, "dots"), FEWER),
    "longer": (partial(thought, "longer"), FEWER),
    "shuffled": (partial(rewarded, "shuffled"), FEWER),
    "half the rates": (partial(rewarded, "right", rate=0.5), FEWER),
    "twice the rates": (partial(rewarded, "right", rate=2.0), FEWER),
}  # what makes each, and with how many seeds


def make(folder: Path) -> dict[str, Any]:
    """Make all runs, and write their curves."""
    plan = {
        f"{name} {seed}": partial(run, seed)
        for name, (run, seeds) in RUNS.items()
        for seed in range(seeds)
    }
    with kit.one_thread():
        done = kit.collect(folder, plan, lambda rows: str(rows[-1]))
    runs = {name: [done[f"{name} {seed}"] for seed in range(n)] for name, (_, n) in RUNS.items()}
    kit.write_text(kit.FOLDER / FILES[0], json.dumps(runs, separators=(",", ":")) + "\n")
    return {kind: [rows[-1]["accuracy"] for rows in runs[kind]] for kind in KINDS}


def probe() -> dict[str, Any]:
    """Return what a few steps give."""
    with kit.one_thread():
        rows = improve(tuned(0)[0], 0, steps=10)
        think = thinking("steps", 0, steps=20)
    return {"rewarded": [row["accuracy"] for row in rows], "steps": right_by_digits(think, "steps")}


def load_runs() -> dict[str, list[Any]]:
    """Return three runs of each kind, one of each control.

    Rows of :func:`improve`, or of :func:`right_by_digits`.
    """
    return json.loads((kit.FOLDER / FILES[0]).read_text(encoding="utf-8"))


ENTRIES = (tuned, taught, improve, thinking, right_by_digits)

if __name__ == "__main__":
    sys.exit(kit.main("rewards"))
