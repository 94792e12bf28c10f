"""What the benchmarks share."""

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch


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
