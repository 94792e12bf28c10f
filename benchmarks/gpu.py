"""All that the course measures on a GPU, in six minutes: speeds, memory, and whether it is right.

Needs PyTorch (2.11 or newer), Transformers, tokenizers and safetensors, and fetches nothing. First
``--pack FILE``, on a machine that has the course's data, writes what the runs read: the plays as
token ids, 5 MB. Then ``--data FILE`` reads it on the machine with the GPU; without it the tokens
are random, which train as fast, and losses say nothing. SmolLM2's own weights are too large to
carry along: generation is timed with random ones of its shape, made there.

Run it from the project's folder: PYTHONPATH=. python benchmarks/gpu.py --data FILE
Where there is no GPU, all sizes are small: a try that takes a minute.

Each part's figures are written to the JSON file as soon as they are there. A part that fails or
runs out of its share of the time is left, with what it has; Ctrl-C ends the run in the same way.
Without Transformers or pytest the rows that need them say so, and the others are measured.
"""

import argparse
import gc
import json
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import torch

try:
    from common import positive, processor
    from gpu_parts import PARTS, SMALL, Bench, Sizes
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save_file
except ImportError as error:
    sys.exit(
        "benchmarks/gpu.py: expected PyTorch 2.11 or newer, safetensors and, in PYTHONPATH, the "
        f"project's folder; got PyTorch {torch.__version__}, and {error}"
    )

LARGEST = 50 * 2**20  # bytes of a pack


class TimeUpError(BaseException):
    """A part's time is up; no part's own handler of errors takes it for one."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeUpError in the block after so many seconds, where the system has alarms."""

    def stop(*_: object) -> None:
        raise TimeUpError

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run_parts(bench: Bench, parts: dict, limit: float, report: dict, path: Path) -> None:
    """Measure part by part into the report; write it after each row.

    Args:
        bench: what the parts are given.
        parts: name to a part and its share of the time.
        limit: seconds for all; what a part leaves over is the later parts'.
        report: its ``parts`` are filled.
        path: where to write it as JSON.
    """
    end = time.monotonic() + limit
    names = list(parts)
    for i, (name, (part, share)) in enumerate(parts.items()):
        begun = time.monotonic()
        later = sum(parts[other][1] for other in names[i:])
        allowed = (end - begun) * share / later
        record = {"says": part.__doc__.splitlines()[0], "ended": "running", "rows": []}
        report["parts"][name] = record
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            with time_limit(allowed):
                for labels, measure in part(bench):
                    if time.monotonic() - begun > allowed:  # where the system has no alarms
                        raise TimeUpError
                    record["rows"].append({**labels, **measured(measure)})
                    write(report, path)
            record["ended"] = "done"
        except TimeUpError:
            record["ended"] = "its time was up"
        except KeyboardInterrupt:
            record["ended"] = "Ctrl-C"
            raise
        except Exception as error:
            record["ended"] = said(error)
        finally:
            release()
            record["seconds"] = round(time.monotonic() - begun, 1)
            write(report, path)


def measured(measure: object) -> dict:
    """Return a row's figures, or how measuring them failed."""
    try:
        return measure()
    except Exception as error:
        return {"error": said(error)}
    finally:
        release()


def release() -> None:
    """Give back what a row held, so that it is not in the way of the next."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def said(error: Exception) -> str:
    """Return an error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def write(report: dict, path: Path) -> None:
    """Write the report, so that there is a whole one at any moment; a full disk ends nothing."""
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        new.replace(path)
    except OSError as error:
        print(f"{path}: not written: {said(error)}", file=sys.stderr)


def table(name: str, record: dict) -> str:
    """Return a part's figures as text."""
    rows, title = record["rows"], f"\n{name} ({record['ended']}, {record['seconds']} s): "
    title += record["says"]
    if not rows:
        return title
    columns = list(dict.fromkeys(key for row in rows for key in row if key != "error"))
    cells = [columns, *([shown(row.get(key, "")) for key in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    lines = [title]
    for line, row in zip(cells, [{}, *rows], strict=True):
        text = "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        lines.append((text + (f"  {row['error']}" if "error" in row else "")).rstrip())
    return "\n".join(lines)


def shown(value: object) -> str:
    """Return a cell of the table: a number with three digits, or the words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")
    return "none" if value is None else str(value)


def pack(path: Path) -> None:
    """Write what the runs read: the plays as token ids, by character."""
    from course_lib import data
    from course_lib.text import CharacterTokenizer

    (text,) = data.load_spoken_plays()
    tokenizer = CharacterTokenizer(text)
    ids = torch.tensor(tokenizer.encode(text), dtype=torch.uint8)
    about = {"vocab_size": str(tokenizer.vocab_size), "says": "Shakespeare's plays, by character"}
    save_file({"plays": ids}, path, metadata=about)
    size = path.stat().st_size
    if size > LARGEST:
        path.unlink()
        raise ValueError(f"--pack: expected at most {LARGEST:,} bytes, got {size:,}")
    print(f"{path}: {len(ids):,} tokens of {tokenizer.vocab_size} kinds, {size / 1e6:.1f} MB")


def unpack(path: Path) -> tuple[torch.Tensor, int]:
    """Return the token ids of a pack, and how many kinds there are.

    Raises:
        ValueError: if it is no pack.
    """
    try:
        with safe_open(path, "pt") as file:
            return file.get_tensor("plays"), int((file.metadata() or {})["vocab_size"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        found = "no such file" if not path.exists() else said(error)
        raise ValueError(f"--data: expected a file that --pack made, got {path}: {found}") from None


def machine(bench: Bench) -> dict:
    """Say where the figures are from."""
    found = {"processor": processor(), "python": platform.python_version()}
    found |= {"torch": torch.__version__, "transformers": version("transformers")}
    found |= {"card": bench.card, "threads": torch.get_num_threads()}
    if bench.card:
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        try:
            driver = subprocess.run(query, capture_output=True, text=True, check=True, timeout=20)
            found["driver"] = driver.stdout.strip()
        except (OSError, subprocess.SubprocessError) as error:
            found["driver"] = said(error)
        found |= {"cuda": torch.version.cuda}
        found["memory"] = torch.cuda.get_device_properties(bench.device).total_memory
    try:
        found["measured peak, FLOP/s"] = bench.peak
    except RuntimeError as error:  # the card has too little memory left, or is broken
        found["measured peak, FLOP/s"] = said(error)
    return found | {"data sheet's peak, FLOP/s": bench.sheet}


def version(package: str) -> str:
    """Return an installed package's version."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def check_writable(name: str, path: Path) -> None:
    """Expect that a file can be written at the path; one that is there stays as it is."""
    there = path.exists()
    try:
        path.open("a").close()
    except OSError as error:
        raise ValueError(
            f"{name}: expected a file that can be written, got {path}: {said(error)}"
        ) from None
    if not there:
        path.unlink()


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    about, _, more = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=about, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pack", type=Path, metavar="FILE", help="write what the runs read; end")
    parser.add_argument("--data", type=Path, metavar="FILE", help="what --pack wrote")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), help="the JSON (gpu.json)")
    parser.add_argument("--limit", type=positive, default=360, help="seconds for all (360)")
    parser.add_argument("--small", action="store_true", help="small sizes on a GPU, too")
    only = f"only these of {', '.join(PARTS)}"
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="NAME", help=only
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), help="a GPU if there is one")
    args = parser.parse_args(given)
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device: expected one that PyTorch sees, got cuda; there is cpu")
    try:
        check_writable(*(("--pack", args.pack) if args.pack else ("--out", args.out)))
        args.text = unpack(args.data) if args.data else None
    except ValueError as error:
        parser.error(str(error))
    return args


def main(given: list[str] | None = None) -> int:
    """Run the benchmark; return 0 if all parts were measured, 130 after Ctrl-C, else 1."""
    args = arguments(given)
    begun = time.monotonic()
    if args.pack:
        pack(args.pack)
        return 0
    found = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(args.device or found)
    small = args.small or device.type == "cpu"
    report: dict = {"machine": {}, "small": small, "limit": args.limit}
    report["text"] = "Shakespeare's plays" if args.text else "random tokens"
    report["parts"] = {}
    stopped = False
    try:
        bench = Bench(device, SMALL if small else Sizes(), *(args.text or ()))
        report["machine"] = machine(bench)
        left = args.limit - (time.monotonic() - begun)
        run_parts(bench, {name: PARTS[name] for name in args.parts}, left, report, args.out)
    except KeyboardInterrupt:
        stopped = True
    print("\n".join(f"{key}: {shown(value)}" for key, value in report["machine"].items()))
    print(f"text: {report['text']}")
    for name, record in report["parts"].items():
        print(table(name, record))
    write(report, args.out)
    print(f"\n{args.out}")
    records = list(report["parts"].values())
    failed = [
        row for record in records for row in record["rows"] if row.get("error", row.get("failed"))
    ]
    whole = not failed and all(record["ended"] == "done" for record in records)
    return 130 if stopped else 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
