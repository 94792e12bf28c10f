"""Docker or Podman in bubblewrap's place, for machines where namespaces can't be had without.

Each submission's worker runs in a container of its own: no network, nothing that can be written but
an empty ``/tmp``, no rights, limits on memory and processes; within, the second wall is the same.
The image brings Python and the chapter's packages, ``course_lib`` comes from this machine, and the
judge talks to it over the container's input and output. A container starts Python anew, so this is
slower than the sandbox, which forks.
"""

import dataclasses
import itertools
import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

from course_lib.assignments import groups, sandbox
from course_lib.assignments.verdicts import Limits

PROGRAMS = ("docker", "podman")
NUMBERS = itertools.count(1)


@dataclasses.dataclass
class Contained:
    """A process in a container."""

    process: subprocess.Popen[bytes]
    program: str
    name: str

    def kill(self) -> None:
        """End it: it does so itself when nobody asks any more, unless it is kept from it."""
        try:
            self.process.wait(1)
        except subprocess.TimeoutExpired:
            subprocess.run([self.program, "kill", self.name], capture_output=True)

    def wait(self) -> None:
        """Wait until it has ended; the engine removes what it leaves."""
        self.process.wait()


@dataclasses.dataclass(frozen=True)
class Engine:
    """What runs containers.

    Attributes:
        program: "docker" or "podman".
        image: with ``python`` and what the chapters import.
    """

    program: str
    image: str

    def command(self, limits: Limits, name: str) -> list[str]:
        """Return what runs the image's Python, up to its arguments."""
        memory = str(groups.memory(limits))
        run = [self.program, "run", "--rm", "--interactive", "--pull", "never", "--name", name]
        run += ["--network", "none", "--read-only", "--cap-drop", "ALL"]
        run += ["--security-opt", "no-new-privileges", "--user", "65534:65534"]
        run += ["--memory", memory, "--memory-swap", memory]
        run += ["--pids-limit", str(limits.processes), "--ulimit", "nofile=256:256"]
        run += ["--ulimit", f"nproc={limits.processes}:{limits.processes}", "--ulimit", "core=0:0"]
        run += ["--tmpfs", f"/tmp:rw,nosuid,nodev,mode=1777,size={limits.disk}"]
        run += ["--shm-size", str(limits.disk), "--hostname", "sandbox", "--workdir", "/tmp"]
        run += ["--volume", f"{sandbox.PACKAGE}:/course/course_lib:ro"]
        for key, value in sandbox.ENVIRONMENT.items():
            if key != "PATH":  # the image's own
                run += ["--env", f"{key}={value}"]
        return [*run, "--entrypoint", "python", self.image]

    def need(self) -> None:
        """Make sure that a worker can be started; end those that a killed command has left.

        Raises:
            RuntimeError: if it can't; it says what to do.
        """
        if not shutil.which(self.program):
            raise RuntimeError(
                f"--engine: expected {self.program}, which isn't installed; install it, or grade "
                "in bubblewrap, without --engine"
            )
        names = self.ask("ps", "--format", "{{.Names}}")
        if names.returncode:
            raise RuntimeError(f"--engine: {self.program} doesn't work here: {last(names)}")
        for name in names.stdout.split():
            word, *numbers = name.split("-")
            if word == "course" and len(numbers) == 2 and not Path("/proc", numbers[0]).exists():
                self.ask("kill", name)
        if self.ask("image", "inspect", self.image).returncode:
            raise RuntimeError(
                f"--image: expected an image that {self.program} has, got {self.image!r}; "
                f"build it, or get it: {self.program} pull {self.image}"
            )
        tried = subprocess.run(
            [*self.command(Limits(), fresh()), "-c", f"import {sandbox.WORKER}"],
            capture_output=True,
            text=True,
        )
        if tried.returncode:
            raise RuntimeError(
                f"--image: expected one in which python has what the chapters import, got "
                f"{self.image!r}, where it says: {last(tried)}"
            )

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Return what the engine says to a command."""
        return subprocess.run([self.program, *words], capture_output=True, text=True)

    def start(self, limits: Limits) -> tuple[Contained, socket.socket]:
        """Start a worker; return it and the socket to it."""
        ours, theirs = socket.socketpair()
        said, name = json.dumps(dataclasses.asdict(limits)), fresh()
        process = subprocess.Popen(
            [*self.command(limits, name), "-m", sandbox.WORKER, "-", said],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        return Contained(process, self.program, name), ours


def fresh() -> str:
    """Return a name for a container that says whose it is."""
    return f"course-{os.getpid()}-{next(NUMBERS)}"


def last(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line of what a program complained of."""
    return (done.stderr.strip().split("\n") or [""])[-1][:300]
