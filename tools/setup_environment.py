"""Make the environment that ``make`` works in: the pinned requirements and ``course_lib``.

On Windows, where make is seldom at hand, it is called by itself.
torch comes as its CPU build where a CPU is what there is. TensorFlow, which one chapter compares
with, comes only when it is asked for. Needs nothing but Python itself.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DISK_NEEDED = 4  # GB: the environment with torch's CPU build takes about 2 GB
TENSORFLOW_DISK_NEEDED = 3  # GB more: it takes about 2 GB
# What a Python that is called says comes in UTF-8, whatever the machine's own encoding.
UTF8 = {"env": {**os.environ, "PYTHONUTF8": "1"}, "encoding": "utf-8", "errors": "replace"}
# How pip and what it builds on say that the network isn't there or doesn't answer.
NETWORK_SIGNS = (
    *("connectionerror", "connection broken", "connection refused", "connection reset"),
    *("connection aborted", "failed to establish", "failed to resolve", "name resolution"),
    *("timed out", "timeouterror", "proxyerror", "max retries", "network is unreachable"),
    "(from versions: none)",  # every pinned package has versions: the index did not answer
)


def fail(message: str) -> None:
    """Stop with one clear line."""
    sys.exit(f"make: {message}")


def python_in(environment: Path) -> Path:
    """Return where an environment has its Python."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def check_version(python: str) -> None:
    """Stop if this Python is too old for the course."""
    code = "import platform, sys; print(platform.python_version(), sys.version_info >= (3, 11))"
    found = subprocess.run([python, "-c", code], capture_output=True, **UTF8).stdout.split()
    if found[1:] != ["True"]:
        version = found[0] if found else "no version"
        fail(f"Python 3.11 or later is needed; {python} is {version}")


def check_disk(folder: Path, gigabytes: int) -> None:
    """Stop if less disk is free than is needed."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(there).free / 1e9
    if free < gigabytes:
        fail(f"{free:.1f} GB of disk are free, about {gigabytes} GB are needed")


def pip(python: Path, *words: str) -> None:
    """Run pip with its progress shown; turn a failure into one line that says what to do."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *words]
    done = subprocess.run(command, stderr=subprocess.PIPE, **UTF8)
    if done.returncode == 0:
        return
    log = done.stderr.lower()
    if "no space left" in log or "errno 28" in log:
        fail("the disk is full; free about 4 GB and run the command again")
    denied = re.search(r"(?:permission denied|read-only file system): '?([^'\n]+)", log)
    if denied:
        fail(f"{denied[1]} can't be written to; see to its permissions and run the command again")
    if any(sign in log for sign in NETWORK_SIGNS):
        fail("a package could not be downloaded; check the network and run the command again")
    missing = re.search(r"no matching distribution found for (\S+)", log)
    if missing:
        fail(f"pip finds no {missing[1]} for {python}; make the environment by another Python")
    print(done.stderr, file=sys.stderr)
    fail(f"pip failed (see above): {' '.join(command)}")


def bring_pip(python: Path) -> None:
    """Install pip where there is none, as in an environment that uv has made."""
    there = [python, "-c", "import pip"]
    if subprocess.run(there, stderr=subprocess.DEVNULL).returncode != 0:
        done = subprocess.run([python, "-m", "ensurepip"], capture_output=True)
        if done.returncode != 0:
            fail(f"{python} has no pip, and can't get one; make the environment by another Python")


def pinned_torch() -> str:
    """Return the line of requirements.txt that pins torch."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return next(line.split()[0] for line in lines if line.startswith("torch=="))


def would_bring_cuda(python: Path, torch: str) -> bool:
    """Ask pip, without a download, whether its build of torch depends on CUDA packages."""
    words = ["install", "--dry-run", "--quiet", "--no-deps", "--report", "-", torch]
    report = subprocess.run([python, "-m", "pip", *words], capture_output=True, **UTF8)
    if report.returncode != 0:
        return False  # the installation itself will say why
    chosen = json.loads(report.stdout)["install"]
    needs = [need for item in chosen for need in item["metadata"].get("requires_dist", [])]
    return any(need.startswith(("nvidia-", "cuda-")) for need in needs)


def install_cpu_torch(python: Path, torch: str) -> None:
    """Let uv, which knows where torch's CPU builds are, install the pinned one."""
    pip(python, "install", "--quiet", "uv")
    # Without a cache: it would lie in the home folder, which may not be writable.
    command = [str(python), "-m", "uv", "pip", "install", "--no-cache", "--python", str(python)]
    done = subprocess.run([*command, "--torch-backend", "cpu", torch])
    if done.returncode != 0:
        print("torch's CPU build could not be had; taking the larger CUDA build", file=sys.stderr)


def add_tensorflow(python: Path) -> None:
    """Install TensorFlow beside what is there, which stays as it is pinned."""
    shown = subprocess.run(
        [python, "-m", "pip", "show", "--quiet", "tensorflow"], stderr=subprocess.DEVNULL
    )
    if shown.returncode != 0:
        check_disk(python.parent, TENSORFLOW_DISK_NEEDED)
        print("Adding TensorFlow for the chapter Tools (about 2 GB; a few minutes)", flush=True)
    files = [str(ROOT / name) for name in ("requirements-tensorflow.txt", "requirements.txt")]
    pip(python, "install", "-r", files[0], "-c", files[1])


def main() -> None:
    """Make the environment if it isn't there, then install into it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    help = "a virtual environment; made if missing [.venv in the project's folder]"
    parser.add_argument("environment", type=Path, nargs="?", default=ROOT / ".venv", help=help)
    parser.add_argument("--tensorflow", action="store_true", help="only add TensorFlow to it")
    args = parser.parse_args()
    environment, python = args.environment, python_in(args.environment)
    if args.tensorflow:
        add_tensorflow(python)
        return
    check_version(sys.executable)
    if not python.exists():
        check_disk(environment.resolve().parent, DISK_NEEDED)
        print(f"Making the environment {environment} (about 2 GB; a few minutes)", flush=True)
        new = not environment.exists()
        try:
            venv.create(environment, with_pip=True)
        except BaseException as error:
            if new:  # what was there before stays
                shutil.rmtree(environment, ignore_errors=True)
            if not isinstance(error, OSError | ValueError | subprocess.CalledProcessError):
                raise
            fail(f"the environment {environment} could not be made: {error}")
    check_version(str(python))
    bring_pip(python)
    torch = pinned_torch()
    if shutil.which("nvidia-smi") is None and would_bring_cuda(python, torch):
        install_cpu_torch(python, torch)
    requirements = str(ROOT / "requirements.txt")
    pip(python, "install", "-r", requirements)
    pip(python, "install", "--quiet", "--no-deps", "--editable", str(ROOT))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        fail("stopped; the same command goes on from here")
