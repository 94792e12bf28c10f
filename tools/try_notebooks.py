"""Run all notebooks in an environment other than the pinned one, made anew in ``_build``.

``newest`` has the newest version of everything that ``pyproject.toml`` asks for, ``colab`` what
Google Colab has. ``course_lib`` comes into it as by a notebook's first cell, from the last commit.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import setup_environment
from setup_environment import ROOT, UTF8, fail, pip

COLAB = ROOT / "requirements-colab.txt"
DISK_NEEDED = 12  # GB, with TensorFlow and torch's CUDA build


def colab_s() -> dict[str, str]:
    """Return the packages that Colab has, with their versions, and its Python's."""
    text = COLAB.read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE))
    found = re.search(r"^# Python (3\.\d+)\.", text, re.MULTILINE)
    if found is None:
        fail(f"{COLAB.name}: expected a line that begins '# Python 3.…'; say which one Colab has")
    return {"python": found[1], **pinned}


def find_python(version: str) -> str:
    """Return this Python, or another one on this machine, of the version that is asked for."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    for python in (sys.executable, f"python{version}"):
        if shutil.which(python):
            said = subprocess.run([python, "-c", code], capture_output=True, **UTF8).stdout
            if said.strip() == version:
                return python
    fail(
        f"Colab has Python {version}, and none was found; install it as python{version}, "
        f"or name it: make test-colab PYTHON=/path/to/python{version}"
    )


def versions(python: Path) -> dict[str, str]:
    """Return what an environment holds."""
    command = [python, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"]
    listed = subprocess.run(command, capture_output=True, check=True, **UTF8).stdout
    return {each["name"]: each["version"] for each in json.loads(listed)}


def make(kind: str, folder: Path) -> Path:
    """Make the environment, ``course_lib`` in it, and say what that brought; return its Python."""
    setup_environment.check_disk(ROOT, DISK_NEEDED)
    shutil.rmtree(folder, ignore_errors=True)
    own, wanted = sys.executable, ["tensorflow"]  # for the chapter Tools
    if kind == "colab":
        own, wanted = find_python(colab_s()["python"]), ["-r", str(COLAB)]
    subprocess.run([own, "-m", "venv", folder], check=True)
    python = setup_environment.python_in(folder)
    torch = f"torch=={colab_s()['torch']}" if kind == "colab" else "torch"
    if shutil.which("nvidia-smi") is None and setup_environment.would_bring_cuda(python, torch):
        setup_environment.install_cpu_torch(python, torch)
    pip(python, "install", "--quiet", *wanted)

    # As by a notebook's first cell; what is there stays as it is.
    before, start = versions(python), time.perf_counter()
    pip(python, "install", "--quiet", f"git+{ROOT.as_uri()}")
    seconds, after = time.perf_counter() - start, versions(python)
    new = ", ".join(f"{name} {after[name]}" for name in sorted(after.keys() - before.keys()))
    print(f"course_lib was installed in {seconds:.0f} seconds. It brought {new}.", flush=True)
    changed = [name for name in before if after.get(name) != before[name]]
    if changed:
        fail(f"to install course_lib changed {', '.join(changed)}, which must stay as they are")
    pip(python, "install", "--quiet", "nbval", "pytest-xdist")
    return python


def main(words: Sequence[str] | None = None) -> int:
    """Make one of the environments and run the notebooks, or those that are named, in it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=["newest", "colab"])
    parser.add_argument("notebook", nargs="*", type=Path, help="default: all of notebooks/")
    args = parser.parse_args(words)
    python = make(args.kind, ROOT / "_build" / args.kind)
    options = ["-n", "auto", "--dist", "loadfile", "--nbval", "--nbval-current-env"]
    paths = args.notebook or ["notebooks"]
    return subprocess.run([python, "-m", "pytest", *options, *paths], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
