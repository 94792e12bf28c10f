"""What all studies share: where their files lie, how a stopped one goes on, what made them.

A study is a module with

- ``FILES``: what it makes, by name in this folder; ``ENTRIES``: the functions that make it; and
  ``DATA``: the corpora that these read;
- ``make(folder)``: trains, goes on from what an earlier start left in the folder, writes the files,
  and returns what is to be known of them;
- ``probe()``: figures that show in a minute or two whether the code still does what it did;
- ``card(facts)``, if there is one: the text of its card;
- ``BUILT_ON``, if there is one: the files of other studies that it reads.

``made.json`` holds for each study the fingerprint of the code and the settings that made its files,
their SHA-256, the facts of its card, and what ``probe`` gave.
"""

import argparse
import importlib
import json
import math
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_model
from torch import nn

from course_lib.data import CORPORA, DataError
from course_lib.files import written_whole
from course_lib.studies.fingerprints import Fingerprint, file_hash, fingerprint
from course_lib.training import Result, TrainingError
from course_lib.training.checkpoints import CheckpointError

FOLDER = Path(__file__).parent
WEIGHTS, RUNS = FOLDER / "weights", FOLDER / "runs"
MADE = FOLDER / "made.json"
BEGUN = Path("_build") / "studies"  # in the folder of the command: what a study left when stopped
NAMES = (
    "ablation",
    "speedrun",
    "scaling",
    "plays",
    "writer",
    "ladder",
    "dialogue",
    "reviews",
    "translation",
    "translation_llm",
    "questions",
    "memorization",
    "compute",
    "induction",
    "features",
    "preferences",
    "retrieval",
    "rewards",
)
TOLERANCE = 2e-3  # of a probe's figures, relative: processors round differently
FAILURES = (DataError, CheckpointError, TrainingError, OSError, ValueError)


# What is known of a study's files


def study(name: str) -> Any:
    """Return a study's module."""
    return importlib.import_module(f"course_lib.studies.{name}")


def fingerprint_of(name: str) -> Fingerprint:
    """Return the fingerprint of a study as it is now: of its code, its settings, and its data."""
    found = fingerprint(*study(name).ENTRIES)
    for corpus in study(name).DATA:
        found.settings[f"corpus {corpus}"] = CORPORA[corpus].sha256[:12]
    for file in getattr(study(name), "BUILT_ON", ()):
        found.settings[f"file {file}"] = file_hash(FOLDER / file)[:12]
    return found


def made() -> dict[str, Any]:
    """Return what is known of all studies' files."""
    return json.loads(MADE.read_text(encoding="utf-8")) if MADE.exists() else {}


def facts(name: str) -> dict[str, Any]:
    """Return what a study's card says about its files."""
    return made()[name]["facts"]


def record(name: str, facts: Mapping[str, Any], probe: Mapping[str, Any]) -> None:
    """Write a study's card, and note that its files are what today's code makes."""
    module = study(name)
    if hasattr(module, "card"):
        write_text(WEIGHTS / f"{name}.md", module.card(facts))
    now = fingerprint_of(name)
    entry = {
        "settings": now.settings,
        "code": now.code,
        "files": {file: file_hash(FOLDER / file) for file in module.FILES},
        "facts": facts,
        "probe": probe,
    }
    everything = made() | {name: entry}
    text = json.dumps(dict(sorted(everything.items())), ensure_ascii=False, indent=1)
    write_text(MADE, text + "\n")


def stale(name: str) -> list[str]:
    """Say why a study's files aren't what today's code makes; nothing if they are."""
    trained, rest = _differences(name)
    return trained + rest


def _differences(name: str) -> tuple[list[str], list[str]]:
    """Say for what only training again makes up, and what else differs."""
    entry = made().get(name)
    if entry is None:
        return ["made.json doesn't know it"], []
    # A changed setting makes other files, whatever the first steps are like.
    known = Fingerprint(entry["settings"], entry["code"])
    trained, rest = known.differences(fingerprint_of(name))
    # A card is written from what is known.
    for file in study(name).FILES:
        of = rest if file == f"weights/{name}.md" else trained
        if not (FOLDER / file).exists():
            of.append(f"{file} is missing")
        elif file_hash(FOLDER / file) != entry["files"].get(file):
            of.append(f"{file} isn't the file that was made")
    return trained, rest


def listed(reasons: Sequence[str], most: int = 6) -> str:
    """Return the first reasons as one line, and how many there are beyond them."""
    more = [f"and {len(reasons) - most} more"] if len(reasons) > most else []
    return "; ".join([*reasons[:most], *more])


def how_to_mend(name: str) -> str:
    """Return which files are stale, why, and the commands that mend them."""
    trained, rest = _differences(name)
    command = "python -m course_lib.studies"
    text = (
        f"{', '.join(study(name).FILES)}: no longer what today's code makes "
        f"({listed(trained + rest)}). `{command}.{name}` makes all anew"
    )
    if trained:
        return text
    return (
        f"{text}. If the code was only written otherwise, `{command} --confirm {name}` checks that "
        "it gives the same, and notes it"
    )


def confirm(name: str) -> None:
    """Note that today's code makes a study's files, if its first steps show no difference.

    Raises:
        ValueError: if a setting has another value, a file isn't the one that was made, or a figure
            of the probe differs.
    """
    trained, _ = _differences(name)
    if trained:
        raise ValueError(f"{listed(trained)}: only training again makes up for that")
    module, entry = study(name), made()[name]
    probe = module.probe()
    wrong = [
        f"{what} was {before}, is {probe.get(what)}"
        for what, before in entry["probe"].items()
        if not _same(before, probe.get(what))
    ]
    if wrong:
        raise ValueError(f"the code does something else than it did: {listed(wrong)}")
    record(name, entry["facts"], entry["probe"])


def _same(a: Any, b: Any) -> bool:
    """Compare figures up to rounding, and anything else exactly."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(a == b)


# Making them


def begin(name: str, again: bool) -> Path:
    """Return the folder of what a study has begun, and say what is in it.

    What other code or other settings began is put aside, as is everything with ``again``.
    """
    folder, now = BEGUN / name, fingerprint_of(name)
    note, wanted = folder / "begun.json", json.dumps([now.settings, now.code])
    # Go on with what the same code began; put anything else aside.
    if folder.exists():
        same = note.exists() and note.read_text(encoding="utf-8") == wanted
        if again or not same:
            aside = folder.with_name(f"{name}.before")
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
            why = "--again" if again else "what was begun was of other code or settings"
            print(f"{name}: begins anew ({why}); what there was is now in {aside}", flush=True)
        else:
            left = ", ".join(sorted(path.name for path in folder.iterdir() if path != note))
            print(f"{name}: goes on from {folder} ({left}); --again begins anew", flush=True)
    else:
        print(f"{name}: begins; {folder} holds what is done", flush=True)
    # Note whose it is before anything else is written.
    folder.mkdir(parents=True, exist_ok=True)
    write_text(note, wanted)
    return folder


def collect(
    folder: Path, plan: Mapping[str, Callable[[], Any]], about: Callable[[Any], str]
) -> dict[str, Any]:
    """Return the results of all runs of a plan; each is saved when it is done.

    Args:
        folder: holds what an earlier start has done.
        plan: each run by name.
        about: says in a few words how a run went.
    """
    file = folder / "runs.json"
    done = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    print(f"{len(plan)} runs, {len(done)} of them done", flush=True)
    for name, run in plan.items():
        if name in done:
            continue
        start = time.perf_counter()
        done[name] = run()
        write_text(file, json.dumps(done))
        seconds = time.perf_counter() - start
        print(f"{len(done)}/{len(plan)} {name}: {about(done[name])} ({seconds:.0f} s)", flush=True)
    return {name: done[name] for name in plan}


def make(name: str, again: bool = False) -> None:
    """Make a study's files, if they aren't what today's code makes, or in any case."""
    reasons, begun = stale(name), (BEGUN / name).exists()
    if not (reasons or again or begun):
        print(f"{name}: made already; --again makes it anew", flush=True)
        return
    if reasons:
        print(f"{name}: {listed(reasons)}", flush=True)
    folder = begin(name, again)
    found = study(name).make(folder)
    record(name, found, study(name).probe())
    shutil.rmtree(folder)
    print(f"{name}: made {', '.join(study(name).FILES)}", flush=True)


def losses(result: Result) -> dict[str, Any]:
    """Return a short training's losses, for a probe."""
    return {
        "loss": [round(row["loss"], 5) for row in result.history],
        "validation": round(result.val_loss or 0.0, 5),
    }


def save_half(path: Path, model: nn.Module, about: Mapping[str, str] | None = None) -> None:
    """Write a model's weights in float16."""
    with written_whole(path) as part:
        save_model(model.half().cpu(), str(part), dict(about or {}))


def write_text(path: Path, text: str) -> None:
    """Write a text, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one core: small models gain little from a second one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def machine() -> str:
    """Return what computes, e.g. 'Linux x86_64, 2 threads, torch 2.13.0'."""
    threads = torch.get_num_threads()
    count = "one thread" if threads == 1 else f"{threads} threads"
    return f"{platform.system()} {platform.machine()}, {count}, torch {torch.__version__}"


def time_taken(seconds: float) -> str:
    """Return how long a training took by the clock, and on what."""
    return f"{seconds / 60:.0f} minutes by the clock ({machine()})"


# The command line


def main(name: str, arguments: Sequence[str] | None = None) -> int:
    """Make one study's files, as its command line says; return the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"python -m course_lib.studies.{name}",
        description=f"{(study(name).__doc__ or '').split('.', 1)[0]}. Makes "
        f"{', '.join(study(name).FILES)} in {os.path.relpath(FOLDER)}, if the code that made them "
        "has changed since. A run that was stopped goes on where it was.",
    )
    parser.add_argument("--again", action="store_true", help="begin anew, in any case")
    again = parser.parse_args(arguments).again
    return told(lambda name: make(name, again), [name])


def told(do: Callable[[str], None], names: Sequence[str]) -> int:
    """Do something for studies in turn; say what goes wrong, and return the exit code."""
    failed = 0
    for name in names:
        try:
            do(name)
        except KeyboardInterrupt:
            print(f"\n{name}: stopped; the same command goes on where it was", file=sys.stderr)
            return 130
        except FAILURES as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = 1
    return failed
