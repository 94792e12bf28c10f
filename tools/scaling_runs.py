"""Make the committed runs of the chapter on scale, in `course_lib/studies/runs/scaling.json`.

Each run is saved when it is done. What is there already is not trained again, so the command may be
stopped and repeated. All runs take about twenty minutes on one core that has nothing else to do.
"""

import argparse
import json
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from course_lib.files import written_whole
from course_lib.studies import scaling

FILE = Path(scaling.__file__).with_name("runs") / "scaling.json"
FITTED = (8, 12, 16, 24, 32, 48, 64)
PREDICTED = 128
PARTS = ("rates", "grid", "seeds", "repeats", "all", "predicted")
DEFAULTS = {"share": 1.0, "epochs": 1, "rate": 1.0, "seed": 0}
KEY = ("width", *DEFAULTS)


def plan(part: str) -> Iterator[dict]:
    """Yield the settings of a part's runs, where they aren't the defaults."""
    if part == "rates":
        for width in (8, 16, 32, 64):
            for rate in (0.25, 0.5, 1.0, 2.0, 4.0):
                yield {"width": width, "share": 1 / 8, "rate": rate}
    elif part == "grid":
        for share in (1 / 16, 1 / 8, 1 / 4, 1 / 2):
            yield from ({"width": width, "share": share} for width in FITTED)
    elif part == "seeds":
        yield from ({"width": width, "share": 1 / 2, "seed": 1} for width in FITTED)
        yield from ({"width": width, "share": 1 / 2, "seed": 2} for width in FITTED if width <= 16)
    elif part == "repeats":
        yield from ({"width": 32, "share": 1 / n, "epochs": n // 2} for n in (4, 8, 16))
    elif part == "all":
        yield from ({"width": width, "share": 1.0} for width in (16, 64))
    else:
        yield {"width": PREDICTED, "share": 1 / 2}


def save(runs: list[scaling.Run]) -> None:
    """Write the file in one go; a run is a line."""
    machine = f"{platform.system()} {platform.machine()}, one core, torch {torch.__version__}"
    runs = sorted(runs, key=lambda run: [run[key] for key in KEY])
    lines = ",\n".join(map(json.dumps, runs))
    about = {
        "command": "OMP_NUM_THREADS=1 python tools/scaling_runs.py",
        "machine": machine,
        "losses": "nats per character",
        "exact": f"share of passages of {scaling.MATCHES} characters that are right",
        "seconds": "CPU time of the training, on a machine that did other work, too",
    }
    text = f'{{"about": {json.dumps(about, indent=1)},\n"runs": [\n{lines}\n]}}\n'
    with written_whole(FILE) as part:
        part.write_text(text, encoding="utf-8")


def main() -> int:
    """Train what is planned and not yet in the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="default: all")
    parts = parser.parse_args().only
    runs = json.loads(FILE.read_text(encoding="utf-8"))["runs"] if FILE.exists() else []
    wanted = {tuple((DEFAULTS | s)[key] for key in KEY) for part in parts for s in plan(part)}
    done = {tuple(run[key] for key in KEY) for run in runs}
    missing = sorted(wanted - done, key=lambda key: key[0] ** 2 * key[1])  # cheap ones first
    print(f"{len(wanted)} runs wanted, {len(missing)} to train", flush=True)
    corpus = scaling.load_corpus()
    for number, key in enumerate(missing, 1):
        settings = dict(zip(KEY, key, strict=True))
        run = scaling.run(corpus, **settings)
        runs.append(run)
        save(runs)
        print(f"{number}/{len(missing)} {settings}: loss {run['loss']:.4f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
