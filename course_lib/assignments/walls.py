"""Which walls of the sandbox stand on this machine: each is tried, by a program within them."""

import argparse
import dataclasses
import json
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from course_lib.assignments import groups, sandbox, zygote
from course_lib.assignments.verdicts import Limits

STANDS = "stands"


def tried_within() -> dict[str, str]:
    """Return what each wall says to this process, which is within all of them."""
    status = dict(
        line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines()
    )
    others = [name for name in os.listdir("/proc") if name.isdigit()]
    tries = {
        "network": refused(lambda: socket.socket(socket.AF_INET)),
        "files": refused(lambda: Path("/course/x").touch()),
        "processes": len(others) <= 2 and refused(os.fork),
        "seccomp filter": status["Seccomp"] == "2",
        "no new privileges": status["NoNewPrivs"] == "1" and int(status["CapEff"], 16) == 0,
        "resource limits": resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY,
    }
    return {name: STANDS if held else "does not hold" for name, held in tries.items()}


def refused(attempt: Any) -> bool:
    """Whether the system refuses something."""
    try:
        attempt()
    except OSError:
        return True
    return False


def found(limits: Limits) -> dict[str, str]:
    """Return of each wall that it stands, or why it doesn't.

    Raises:
        RuntimeError: where the sandbox can't be built; it says what to install.
    """
    sandbox.need()
    said = json.dumps(dataclasses.asdict(limits))
    run = [*sandbox.command(limits), sys.executable, "-m", __name__, said]
    done = subprocess.run(run, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(f"The sandbox's second wall can't be built: {done.stderr[-300:]}")
    walls = json.loads(done.stdout)
    version = sandbox.landlock_version()
    walls["Landlock"] = f"{STANDS}, version {version}" if version else "no: this kernel has none"
    home = groups.home()
    walls["control groups"] = f"no: {home}" if isinstance(home, str) else f"{STANDS}, in {home}"
    forked = zygote.begin(limits, "")
    walls["forks within"] = STANDS if forked else "no: each submission starts anew, slower"
    if forked:
        forked.end()
    return dict(walls)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""


def run(args: argparse.Namespace) -> tuple[int, dict[str, Any], str]:
    """Do the command; return its exit status, what --json prints, and what is said."""
    walls = found(Limits())
    lines = [f"{name:18} {said}" for name, said in walls.items()]
    return int("does not hold" in walls.values()), {"walls": walls}, "\n".join(lines)


if __name__ == "__main__":
    sandbox.close_in(json.loads(sys.argv[1]))
    print(json.dumps(tried_within()))
