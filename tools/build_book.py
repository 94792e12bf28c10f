"""Build the book and its slides into ``_build/html``; after a failure nothing is kept.

Sphinx would not repeat the warnings of pages that it has read.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "html"


def build() -> str:
    """Build what has changed; return the warnings, or nothing."""
    python = Path(sys.executable)
    commands = [
        [python, "book/_ext/offline.py"],
        [python.with_name("jupyter-book"), "build", "-n", "-W", "--keep-going", "-q", "."],
        [python, "tools/slides.py"],
    ]
    for command in commands:
        how = {"capture_output": True, "encoding": "utf-8", "errors": "replace"}
        done = subprocess.run(command, cwd=ROOT, **how)
        if done.returncode:
            shutil.rmtree(SITE, ignore_errors=True)
            shutil.rmtree(SITE.with_name(".doctrees"), ignore_errors=True)
            return (done.stdout + done.stderr).strip() or f"{command[0]} failed"
    (SITE / "book" / "home.html").touch()
    return ""


if __name__ == "__main__":
    said = build()
    sys.exit(f"{said}\nmake: the book was not built; the reason is above" if said else 0)
