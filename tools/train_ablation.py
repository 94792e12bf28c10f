"""Train the models of `course_lib.studies.ablation` for longer; writes runs/ablation.json.

About ten minutes of one core. The file is written after every run; --resume keeps its runs.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from course_lib.files import written_whole
from course_lib.studies.ablation import PARTS, run

FILE = Path(__file__).resolve().parent.parent / "course_lib" / "studies" / "runs" / "ablation.json"
SEEDS = 3
SETTINGS = {"n_layers": 4, "steps": 1000, "learning_rate": 5e-3, "every": 100}


def main() -> None:
    """Train, and write the file after every run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resume", action="store_true", help="train only what the file lacks")
    curves = json.loads(FILE.read_text()) if parser.parse_args().resume else {}
    torch.set_num_threads(1)  # small models gain little from a second one
    for seed in range(SEEDS):
        for part in PARTS:
            done = curves.setdefault(part, [])
            if len(done) > seed:
                continue
            start = time.perf_counter()
            done.append(run(part, **SETTINGS, seed=seed)[1])
            with written_whole(FILE) as file:
                file.write_text(json.dumps(curves) + "\n")
            loss, seconds = done[-1][-1][1], time.perf_counter() - start
            print(f"seed {seed}, without {part}: {loss:.3f} ({seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
