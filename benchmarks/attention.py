"""Time and memory of our attention against torch's own layer, over the length of the text.

Prints a table and saves a plot. Every ratio is taken within one process, run by run in turn, so
that it holds although the machine's speed drifts.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from common import peak_megabytes, positive, processor
from torch import nn

from course_lib import figures
from course_lib.attention import MultiHeadAttention

WIDTH, HEADS = 256, 8
NAMES = ("written out", "fused", "torch")


def layers() -> tuple[MultiHeadAttention, nn.MultiheadAttention]:
    """Return our layer and torch's, with the same weights."""
    ours = MultiHeadAttention(WIDTH, HEADS)
    theirs = nn.MultiheadAttention(WIDTH, HEADS, bias=False, batch_first=True)
    with torch.no_grad():
        projections = (ours.q_proj, ours.k_proj, ours.v_proj)
        theirs.in_proj_weight.copy_(torch.cat([p.weight for p in projections]))
        theirs.out_proj.weight.copy_(ours.out_proj.weight)
    return ours, theirs


def ways(ours: MultiHeadAttention, theirs: nn.Module, backward: bool) -> dict[str, Callable]:
    """Return the three ways to compute the same thing from an input."""

    def run(forward: Callable) -> Callable:
        def step(x: torch.Tensor) -> torch.Tensor:
            if backward:
                forward(x.requires_grad_()).sum().backward()
                return x
            with torch.inference_mode():
                return forward(x)

        return step

    return {
        "written out": run(lambda x: ours(x, return_weights=True)[0]),
        "fused": run(lambda x: ours(x)),
        "torch": run(lambda x: theirs(x, x, x, need_weights=False)[0]),
    }


def seconds(steps: dict[str, Callable], x: torch.Tensor, runs: int) -> dict[str, list[float]]:
    """Time each way in turn, ``runs`` times."""
    for step in steps.values():
        step(x)
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(runs):
        for name, step in steps.items():
            if x.is_cuda:
                torch.cuda.synchronize()
            start = time.perf_counter()
            step(x)
            if x.is_cuda:
                torch.cuda.synchronize()
            taken[name].append(time.perf_counter() - start)
    return taken


def machine(device: str) -> str:
    """Return one line that says where the figures are from."""
    name = torch.cuda.get_device_name() if device == "cuda" else processor()
    return f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}, float32, seed 0"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    lengths = [64, 128, 256, 512, 1024, 2048]
    parser.add_argument("--lengths", type=positive, nargs="+", default=lengths, metavar="N")
    parser.add_argument("--runs", type=positive, default=15, help="timed runs of each (15)")
    parser.add_argument("--out", type=Path, default=Path("_build/benchmarks"), help="for the plot")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(machine(device))
    print(f"width {WIDTH}, {HEADS} heads; batch such that a batch holds 4096 tokens or one text")
    print("time: median (min-max) of ms per batch; ratio: median of fused/torch, pair by pair\n")
    head = f"{'pass':9}{'length':>7}" + "".join(f"{name:>26}" for name in NAMES)
    print(head + f"{'ratio':>8}" + "".join(f"{name + ' MB':>15}" for name in NAMES))
    results: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for kind in ("inference", "training"):
        for length in args.lengths:
            torch.manual_seed(0)
            ours, theirs = (layer.to(device) for layer in layers())
            for layer in (ours, theirs):
                layer.train(kind == "training")
            x = torch.randn(max(1, 4096 // length), length, WIDTH, device=device)
            steps = ways(ours, theirs, backward=kind == "training")
            taken = seconds(steps, x, args.runs)
            memory = {name: peak_megabytes(step, x) for name, step in steps.items()}
            row = f"{kind:9}{length:7}"
            for name in NAMES:
                ms = sorted(1000 * t for t in taken[name])
                row += f"{statistics.median(ms):10.1f} ({ms[0]:.1f}-{ms[-1]:.1f})".rjust(26)
                per_text = statistics.median(ms) / len(x), memory[name] / len(x)
                results.setdefault((kind, name), []).append(per_text)
            pairs = zip(taken["fused"], taken["torch"], strict=True)
            row += f"{statistics.median(a / b for a, b in pairs):8.2f}"
            print(row + "".join(f"{memory[name]:15.1f}" for name in NAMES), flush=True)
    figures.use_course_style()
    figure, axes = plt.subplots(1, 2, figsize=(9, 4))
    for ax, which, label in ((axes[0], 0, "ms per text"), (axes[1], 1, "peak MB per text")):
        for name in NAMES:
            values = [pair[which] for pair in results["inference", name]]
            ax.loglog(args.lengths, values, marker="o", label=name, base=2)
        last = results["inference", "written out"][-1][which]
        law = [last * (n / args.lengths[-1]) ** 2 for n in args.lengths]
        ax.loglog(args.lengths, law, color="gray", linewidth=1, label="∝ n²", base=2)
        ax.set(xlabel="tokens n", ylabel=label)
        ax.legend()
    figure.savefig(args.out / "attention.png")
    print(f"\nplot: {args.out / 'attention.png'}")


if __name__ == "__main__":
    main()
