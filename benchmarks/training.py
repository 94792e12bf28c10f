"""Our two recipes on Shakespeare by character: time to a loss, loss at equal time, what helps.

The text is ../shared/data/tinyshakespeare.txt beside the project (--data overrides): the first 90 %
train, the last 10 % are for validation. Losses are in nats per character over all of the
validation text. `gpt2` is nanoGPT's setting for a CPU: 4 layers, 4 heads, width 128, context
64, batch 12, AdamW, 2,000 steps. Time is steps × seconds per step, without evaluation. Seconds per
step are measured in one process, where all recipes take turns, so that ratios hold although the
machine's speed drifts; seconds are taken from a recipe's fastest round. Prints tables and saves a
plot.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from common import positive, processor
from lean import Lean, plain_loop
from matplotlib.ticker import LogLocator
from torch import Tensor, nn

from course_lib import figures
from course_lib.model import GPT, GPTConfig, Speedrun, SpeedrunConfig, count_parameters
from course_lib.text import CharacterTokenizer
from course_lib.training import corpus_loss, optim, random_windows, recipe_optimizers, train

TARGET, STEPS, FIRST_TRY = 1.89, 2000, 130
CONTEXT = 64  # of the evaluation


@dataclass(frozen=True)
class Recipe:
    """A model, how it is trained, and the shape of a batch."""

    config: GPTConfig
    optimizers: Callable = lambda model, steps: recipe_optimizers(model, "speedrun", steps)
    batch_size: int = 12
    context: int = 64
    precision: str = "float32"
    clip: float | None = 1.0

    def model(self, seed: int) -> GPT:
        """Return the model before training."""
        torch.manual_seed(seed)
        return self.kind(self.config)

    @property
    def kind(self) -> type[GPT]:
        """The class of the model."""
        return Speedrun if isinstance(self.config, SpeedrunConfig) else GPT


def with_adamw(model: nn.Module, steps: int) -> tuple:
    """Train all parameters by AdamW, at the best of the rates 1e-3, 2e-3, 4e-3 and 8e-3."""
    settings = {"betas": (0.9, 0.99), "weight_decay": 0.1, "fused": True}
    adamw = torch.optim.AdamW(model.parameters(), 2e-3, **settings)
    return adamw, recipe_optimizers(model, "speedrun", steps)[1]


def speedrun_but(change: Callable) -> Callable:
    """Return the speedrun's optimizers and schedule after a change."""

    def make(model: nn.Module, steps: int) -> tuple:
        optimizers, schedule = recipe_optimizers(model, "speedrun", steps)
        return change(optimizers, schedule, steps)

    return make


def set_group(index: int, **values: object) -> Callable:
    """Return the speedrun's optimizers with other settings of one of them."""

    def change(optimizers: list, schedule: Callable, steps: int) -> tuple:
        for group in optimizers[index].param_groups:
            group.update(values)
        return optimizers, schedule

    return speedrun_but(change)


def recipes(vocab_size: int) -> dict[str, Recipe]:
    """Return gpt2, speedrun, and speedrun with one part changed."""
    speedrun = Recipe(SpeedrunConfig(vocab_size))
    gpt2 = Recipe(
        GPTConfig.gpt2(vocab_size),
        lambda model, steps: recipe_optimizers(model, "gpt2", steps),
    )
    parts = {
        "no n-grams": {"ngrams": 1},
        "no n-grams, 4 layers": {"ngrams": 1, "n_layers": 4},
        "pairs only": {"ngrams": 2},
        "up to 4-grams": {"ngrams": 4},
        "1 layer": {"n_layers": 1},
        "LayerNorm": {"norm": "layer"},
        "GELU": {"mlp": "gelu"},
        "learned positions": {"positions": "learned"},
        "no QK-norm": {"qk_norm": False},
        "tied embeddings": {"tied": True},
        "no zero initialization": {"zero_init": False},
        "no logit cap": {"logit_cap": None},
    }
    cosine = speedrun_but(lambda o, _, steps: (o, optim.warmup_cosine(steps, min(10, steps // 10))))
    return {
        "gpt2": gpt2,
        "speedrun": speedrun,
        **{
            name: replace(speedrun, config=replace(speedrun.config, **change))
            for name, change in parts.items()
        },
        "AdamW for all": replace(speedrun, optimizers=with_adamw),
        "5 Newton-Schulz steps": replace(speedrun, optimizers=set_group(0, steps=5)),
        "embeddings at 0.005": replace(speedrun, optimizers=set_group(1, lr=0.005)),
        "cosine schedule": replace(speedrun, optimizers=cosine),
        "no clipping": replace(speedrun, clip=None),
        "batch 24": replace(speedrun, batch_size=24),
        "batch 6": replace(speedrun, batch_size=6),
        "24 windows of 32": replace(speedrun, batch_size=24, context=32),
        "bfloat16": replace(speedrun, precision="bfloat16"),
    }


def lean_loop(recipe: Recipe, text: Tensor) -> Callable[[int], None]:
    """Return a plain loop for the gpt2 model."""
    model = Lean(recipe.model(seed=0))
    x = text[:128].view(2, 64)
    torch.testing.assert_close(model(x), recipe.model(seed=0)(x))  # the same model
    return plain_loop(model, model, text, recipe.batch_size, recipe.context)


class Bench:
    """The text, and runs on it."""

    def __init__(self, text: str) -> None:
        self.tokenizer = CharacterTokenizer(text)
        ids = torch.tensor(self.tokenizer.encode(text))
        self.training, self.validation = ids[: int(0.9 * len(ids))], ids[int(0.9 * len(ids)) :]

    def loop(self, recipe: Recipe) -> Callable[[int], None]:
        """Return a function that takes so many steps of the course's loop."""
        model = recipe.model(seed=0)
        optimizers, _ = recipe.optimizers(model, STEPS)
        return lambda steps: self.train(recipe, model, optimizers, steps)

    def train(self, recipe: Recipe, model: GPT, optimizers: object, steps: int, **more) -> list:
        """Call the course's training loop; return its history."""
        batches = random_windows(
            self.training, recipe.batch_size, recipe.context, more.get("seed", 0)
        )
        settings = {"precision": recipe.precision, "clip": recipe.clip, "progress": False, **more}
        return train(model, batches, steps=steps, optimizer=optimizers, **settings).history

    def losses(self, recipe: Recipe, steps: int, seed: int, every: int | None = None) -> dict:
        """Train anew; return the validation losses by step."""
        model = recipe.model(seed)
        optimizers, schedule = recipe.optimizers(model, steps)

        def evaluate(model: nn.Module) -> float:
            return corpus_loss(model, self.validation, CONTEXT)

        settings = {"schedule": schedule, "evaluate": evaluate, "eval_every": every, "seed": seed}
        history = self.train(recipe, model, optimizers, steps, **settings)
        return {row["step"]: row["val_loss"] for row in history if row["val_loss"] is not None}

    def steps_to(self, recipe: Recipe, seed: int, first: int = FIRST_TRY) -> tuple[float, dict]:
        """Return the length of a run that ends at the target, and the final losses by length.

        Tries lengths until two of them hold the target between them, or one is close; the loss is
        taken as linear in the logarithm of the length.
        """
        tried: dict[int, float] = {}
        length = first
        while len(tried) < 6:
            tried[length] = self.losses(recipe, length, seed)[length]
            if abs(tried[length] - TARGET) < 0.004:
                break
            above = [s for s, loss in tried.items() if loss > TARGET]
            below = [s for s, loss in tried.items() if loss <= TARGET]
            if above and below and min(below) < 1.15 * max(above):
                break
            length = round(_interpolate(tried))
            if length in tried:
                break
        return _interpolate(tried), tried


def _interpolate(tried: dict[int, float]) -> float:
    """Return the length at which the loss is the target, from the two losses next to it."""
    points = sorted(tried.items(), key=lambda item: abs(item[1] - TARGET))[:2]
    slope = -0.2  # per e-fold, until two runs tell
    if len(points) == 2:
        (s1, l1), (s2, l2) = points
        slope = min((l2 - l1) / math.log(s2 / s1), -0.05)
    steps, loss = points[0]
    return steps * math.exp(min(max((TARGET - loss) / slope, -0.7), 1.2))


def seconds_per_step(loops: dict[str, Callable[[int], None]], rounds: int, steps: int) -> dict:
    """Time all loops in turn; return their seconds per step, a list each."""
    for loop in loops.values():
        loop(2)
    taken: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, loop in loops.items():
            start = time.perf_counter()
            loop(steps)
            taken[name].append((time.perf_counter() - start) / steps)
    return taken


def ratio(taken: dict[str, list[float]], a: str, b: str) -> float:
    """Return the median of a/b, round by round."""
    return statistics.median(x / y for x, y in zip(taken[a], taken[b], strict=True))


def spread(values: list[float], digits: int = 2) -> str:
    """Return the median and the range."""
    middle = f"{statistics.median(values):.{digits}f}"
    return middle + f" ({min(values):.{digits}f}-{max(values):.{digits}f})" * (len(values) > 1)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    text_file = Path(__file__).resolve().parents[2] / "shared/data/tinyshakespeare.txt"
    parser.add_argument("--data", type=Path, default=text_file, help="the text")
    parser.add_argument("--seeds", type=positive, default=3, metavar="N", help="runs of each (3)")
    parser.add_argument("--rounds", type=positive, default=9, help="rounds of timing (9)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the steps, no ablation")
    parser.add_argument("--speed-only", action="store_true", help="time steps, train nothing")
    parser.add_argument("--out", type=Path, default=Path("_build/benchmarks"), help="for the plot")
    args = parser.parse_args()
    if not args.data.exists():
        print(f"{args.data} is not there, so there is nothing to measure; --data names another.")
        return
    args.out.mkdir(parents=True, exist_ok=True)
    bench = Bench(args.data.read_text(encoding="utf-8"))
    all_recipes = recipes(bench.tokenizer.vocab_size)
    steps = STEPS // 10 if args.quick else STEPS
    chosen = ["gpt2", "speedrun"] if args.quick else list(all_recipes)
    print(f"{processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}, float32")
    print("median (min-max)\n")

    loops = {name: bench.loop(all_recipes[name]) for name in chosen}
    loops["lean loop"] = lean_loop(all_recipes["gpt2"], bench.training)
    taken = seconds_per_step(loops, args.rounds, steps=10)
    cost = {name: min(taken[name]) for name in taken}  # least disturbed by the rest of the machine
    print(f"{'recipe':24}{'parameters':>11}{'ms per step':>22}{'tokens/s, best':>16}")
    for name in taken:
        recipe = all_recipes.get(name, all_recipes["gpt2"])
        tokens = recipe.batch_size * recipe.context
        row = f"{name:24}{count_parameters(recipe.kind, recipe.config):11,}"
        row += f"{spread([1000 * t for t in taken[name]], 1):>22}"
        print(row + f"{tokens / cost[name]:16,.0f}")
    speed = ratio(taken, "lean loop", "gpt2")
    print(f"\ngpt2's steps/s by the leanest plain loop's: {speed:.3f}")
    if args.speed_only:
        return

    relative = ratio(taken, "speedrun", "gpt2")
    equal = int(steps / relative)
    evaluations = {"every": steps // 20}
    curves: dict[str, list[dict]] = {"gpt2": [], "speedrun": [], "speedrun, short": []}
    times: dict[str, list[float]] = {"gpt2": [], "speedrun": [], "factor": []}
    print(f"\nspeedrun takes {equal} steps in the time of gpt2's {steps}\n")
    print(f"{'seed':4}{'gpt2 ends at':>18}{'speedrun ends at':>18}", end="")
    print(f"{f's to {TARGET}: gpt2':>22}{'speedrun':>10}{'factor':>8}")
    for seed in range(args.seeds):
        base = bench.losses(all_recipes["gpt2"], steps, seed, **evaluations)
        long = bench.losses(all_recipes["speedrun"], equal, seed, equal // 20)
        curves["gpt2"].append({s * cost["gpt2"]: loss for s, loss in base.items()})
        curves["speedrun"].append({s * cost["speedrun"]: loss for s, loss in long.items()})
        row = f"{seed:4}{base[steps]:18.3f}{long[equal]:18.3f}"
        reached = next((s for s, loss in base.items() if loss <= TARGET), steps)
        if not args.quick:
            length, tried = bench.steps_to(all_recipes["speedrun"], seed)
            short = {s * cost["speedrun"]: loss for s, loss in sorted(tried.items())}
            curves["speedrun, short"].append(short)
            times["gpt2"].append(reached * cost["gpt2"])
            times["speedrun"].append(length * cost["speedrun"])
            times["factor"].append(reached / length / relative)
            row += f"{times['gpt2'][-1]:22.1f}{times['speedrun'][-1]:10.1f}"
            row += f"{times['factor'][-1]:8.1f}" + " (not reached)" * (base[reached] > TARGET)
        print(row, flush=True)
    ends = {name: [list(c.values())[-1] for c in curves[name]] for name in ("gpt2", "speedrun")}
    for name in ends:
        print(f"{name}: loss after {steps * cost['gpt2']:.0f} s {spread(ends[name], 3)}")
    if not args.quick:
        print(f"time to {TARGET}, gpt2's by speedrun's: {spread(times['factor'], 1)}")
    plot(curves, args.out / "training.png")

    if not args.quick:
        ablate(bench, all_recipes, cost, statistics.median(times["speedrun"]))
    print(f"\nplot: {args.out / 'training.png'}")


def ablate(bench: Bench, all_recipes: dict, cost: dict, ours: float) -> None:
    """Print what each part of the speedrun recipe is worth."""
    print(f"\nmodern with one change, seed 0: a run that ends at {TARGET}")
    print(f"{'change':24}{'steps':>7}{'seconds':>9}{'more':>8}   losses by length of run")
    print(f"{'none (median of seeds)':24}{'':7}{ours:9.1f}")
    for name in list(all_recipes)[2:]:
        recipe = all_recipes[name]
        first = round(FIRST_TRY * 12 * 64 / recipe.batch_size / recipe.context)
        length, tried = bench.steps_to(recipe, 0, first)
        took = length * cost[name]
        unsure = " *" if min(abs(loss - TARGET) for loss in tried.values()) > 0.04 else "  "
        listed = ", ".join(f"{s}: {loss:.3f}" for s, loss in sorted(tried.items()))
        row = f"{name:24}{length:7.0f}{took:9.1f}{took - ours:+8.1f}{unsure} {listed}"
        print(row, flush=True)
    print("* extrapolated")


def plot(curves: dict[str, list[dict]], path: Path) -> None:
    """Save the losses over the seconds."""
    figures.use_course_style()
    figure, ax = plt.subplots()
    for (name, runs), color in zip(curves.items(), figures.SERIES, strict=False):
        for i, run in enumerate(runs):
            marker = {"marker": "o", "linestyle": ""} if name == "speedrun, short" else {}
            label = name if i == 0 else None
            ax.plot(run.keys(), run.values(), color=color, label=label, linewidth=1.2, **marker)
    ax.axhline(TARGET, color="gray", linewidth=1)
    ax.set(xscale="log", xlabel="seconds of training", ylabel="validation loss (nats)")
    ax.set(ylim=(1.5, 2.6))
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter("")
    ax.legend()
    figure.savefig(path)


if __name__ == "__main__":
    main()
