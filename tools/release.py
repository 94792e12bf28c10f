"""Make a release in ``_build/release``: the book as a zip, as a PDF and as an EPUB, and the wheel.

Beside them lie what has changed and the sums of all. Built twice from one commit on one machine,
every file is the same to the byte.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import yaml
from build_book import SITE, build, remove

import course_lib

ROOT = Path(__file__).resolve().parent.parent


def fail(message: str) -> None:
    """Stop with one clear line."""
    sys.exit(f"make: {message}")


def run(command: Sequence[str | Path]) -> str:
    """Run a command in the project's folder; return what it prints, or stop with it."""
    how = {"capture_output": True, "encoding": "utf-8", "errors": "replace"}
    done = subprocess.run(command, cwd=ROOT, **how)
    if done.returncode:
        fail(f"{command[0]} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


def wrong_with(version: str, changes: str, citation: dict[str, object], status: str) -> list[str]:
    """Return what keeps this state of the project from being released, a line each.

    Args:
        version: what the package says of itself.
        changes: the text of CHANGELOG.md.
        citation: what CITATION.cff says.
        status: what ``git status --porcelain`` prints.
    """
    faults = []
    if not re.search(rf"^## {re.escape(version)}$", changes, re.MULTILINE):
        faults.append(f"CHANGELOG.md: expected a heading '## {version}'; write what has changed")
    if citation.get("version") != version:
        faults.append(f"CITATION.cff: expected version {version}, got {citation.get('version')}")
    if status:
        faults.append(f"expected every change committed, got these that aren't:\n{status}")
    return faults


def pack(folder: Path, name: str, archive: Path, seconds: int, without: str = "") -> None:
    """Write a folder into a zip, under one name and with one date, so that it repeats.

    Args:
        folder: what goes in, whole.
        name: the folder that the zip opens into.
        archive: the zip.
        seconds: the date of every file, in seconds since 1970.
        without: a folder in it that stays out.
    """
    date = time.gmtime(seconds)[:6]
    with zipfile.ZipFile(archive, "w") as file:
        paths = (p for p in folder.rglob("*") if not without or folder / without not in p.parents)
        # Sphinx's own note of its settings, which holds the folder that it worked in, stays out.
        for path in sorted(p for p in paths if p.is_file() and p.name != ".buildinfo"):
            entry = zipfile.ZipInfo(f"{name}/{path.relative_to(folder).as_posix()}", date)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, path.read_bytes())


def main() -> None:
    """Build all parts of the release from the last commit, or say what it lacks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    help = "where the release goes, in the place of an earlier one"
    parser.add_argument("folder", type=Path, help=help)
    target = parser.parse_args().folder.resolve()
    version = course_lib.__version__
    faults = wrong_with(
        version,
        (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8")),
        run(["git", "status", "--porcelain"]),
    )
    if faults:
        fail("no release was made\n" + "\n".join(faults))
    seconds = int(run(["git", "log", "-1", "--format=%ct"]))
    os.environ["SOURCE_DATE_EPOCH"] = str(seconds)  # Sphinx and the wheel date by it
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="release-", dir=target.parent) as folder:
        made = Path(folder) / "made"
        made.mkdir()
        make(made, f"llm-course-{version}", seconds)
        shutil.rmtree(target, ignore_errors=True)
        made.rename(target)
    for each in sorted(target.iterdir()):
        print(f"{each}  {each.stat().st_size / 1e6:.1f} MB")


def make(folder: Path, name: str, seconds: int) -> None:
    """Make all files of the release, and the list of their sums.

    Args:
        folder: an empty one.
        name: of the zip, the PDF and the EPUB.
        seconds: their date, in seconds since 1970.
    """
    # The pages are built anew, so that nothing of an earlier state is among them.
    print("Building the pages (a minute)", flush=True)
    remove()
    said = build()
    if said:
        fail(f"the book was not built\n{said}")
    # A page on disk can't load the model that talks, so the zip goes without it.
    pack(SITE, name, folder / f"{name}.zip", seconds, "_static/assistant")
    print("Printing them (3 minutes)", flush=True)
    for kind, words in {"pdf": ["--twice"], "epub": []}.items():
        run([sys.executable, f"tools/{kind}.py", *words, folder / f"{name}.{kind}"])
    print("Building the wheel", flush=True)
    # From the commit, and not from the folder: setuptools takes along what lies about.
    source = folder / "source"
    source.mkdir()
    run(["git", "archive", "--output", source / "source.tar", "HEAD"])
    shutil.unpack_archive(source / "source.tar", source, filter="data")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, source])
    shutil.rmtree(source)
    shutil.copy(ROOT / "CHANGELOG.md", folder)

    files = sorted(folder.iterdir())
    sums = [f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.name}\n" for each in files]
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        fail("stopped; an earlier release is as it was")
    except OSError as error:
        fail(f"no release was made: {error}")
