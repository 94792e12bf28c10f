"""What the benchmarks share."""

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler's own messages aren't results

import torch
from torch.profiler import ProfilerActivity, profile


def positive(text: str) -> int:
    """Parse a whole number above 0."""
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def seconds(run: Callable[[], object]) -> float:
    """Return how long one run takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def processor() -> str:
    """Return the processor's name and its number of cores."""
    name, info = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if info.exists():
        models = [s for s in info.read_text().splitlines() if s.startswith("model name")]
        name = models[0].split(":")[1].strip() if models else name
    return f"{name}, {os.cpu_count()} cores"


def memory_bandwidth(megabytes: int = 512, runs: int = 6) -> float:
    """Return how many bytes a second the processor reads from memory at best, with all threads."""
    numbers = torch.ones(megabytes * 2**18)  # four bytes each: far more than a cache holds
    return numbers.nbytes / min(seconds(numbers.sum) for _ in range(runs))


def peak_megabytes(step: Callable, x: torch.Tensor) -> float:
    """Return the most memory that was held at once for tensors made by the step, in MB."""
    if x.is_cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step(x)
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        step(x)
    changes = [e for e in recorded.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(changes, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak / 1e6
