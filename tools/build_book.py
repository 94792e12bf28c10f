"""Build the book and its slides into ``_build/html``; after a failure nothing is kept.

Sphinx would not repeat the warnings of pages that it has read, nor finish what a build has left
behind that was cut off: such a one begins anew.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "html"
UNFINISHED = SITE.with_name("unfinished")  # there while the book is built; make looks for it, too
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"  # its command, on every system


def remove() -> None:
    """Remove what was built."""
    for built in (SITE, SITE.with_name(".doctrees")):
        shutil.rmtree(built, ignore_errors=True)


def build() -> str:
    """Build what has changed; return the warnings, or nothing."""
    if UNFINISHED.exists():
        remove()
    UNFINISHED.parent.mkdir(exist_ok=True)
    UNFINISHED.touch()
    python = sys.executable
    commands = [
        [python, "book/_ext/offline.py"],
        [python, "-c", JUPYTER_BOOK, "build", "-n", "-W", "--keep-going", "-q", "."],
        [python, "tools/slides.py"],
    ]
    for command in commands:
        how = {"capture_output": True, "encoding": "utf-8", "errors": "replace"}
        done = subprocess.run(command, cwd=ROOT, **how)
        if done.returncode:
            remove()
            UNFINISHED.unlink()
            return (done.stdout + done.stderr).strip() or f"{command[1]} failed"
    (SITE / "book" / "home.html").touch()
    UNFINISHED.unlink()
    return ""


def main() -> None:
    """Build, or say why that failed."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    try:
        said = build()
    except KeyboardInterrupt:
        sys.exit("make: stopped; the next build begins anew")
    if said:
        sys.exit(f"{said}\nmake: the book was not built; the reason is above")


if __name__ == "__main__":
    main()
