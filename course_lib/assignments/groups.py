"""A control group for each submission: the kernel counts what it takes as a whole.

Resource limits count a process's own address space; a control group (version 2) counts what is
really used, files in ``/tmp`` included, of all that a submission started, and ends it as a whole.
Where it can, it gives all its threads together one core's time, so that they slow nobody down.
It needs a group in which this process may make others: root's, or one that systemd hands over.
Where there is none, :func:`home` says why, and the resource limits stand alone.
"""

import contextlib
import functools
import itertools
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from course_lib.assignments.verdicts import Limits

WANTED = ("memory", "pids")
NOT_EVERYWHERE = ("memory.swap.max", "cpu.max")  # without swap, or where no group limits it
DELEGATED = "start it with: systemd-run --user --scope -p Delegate=yes (without --user as root)"
NUMBERS = itertools.count(1)
LOADED = 2**29  # bytes of pages that were there before and are written to, beside the limit


@dataclass(frozen=True)
class Group:
    """One submission's group."""

    folder: Path

    def entrance(self) -> int:
        """Return an open file: what writes "0" into it is in the group, also from within walls."""
        return os.open(self.folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)

    def end(self) -> None:
        """End all that is in it, and remove it; what can't be is left for :func:`sweep`."""
        for _ in range(100):
            with contextlib.suppress(OSError):
                (self.folder / "cgroup.kill").write_text("1")  # since Linux 5.14
            with contextlib.suppress(OSError):
                self.folder.rmdir()
            if not self.folder.exists():
                return
            time.sleep(0.01)


def own(mounts: str, groups: str) -> Path | None:
    """Return the folder of this process's group.

    Args:
        mounts: what ``/proc/self/mountinfo`` says.
        groups: what ``/proc/self/cgroup`` says.
    """
    mine = [line[3:] for line in groups.splitlines() if line.startswith("0::/")]
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        if mine and after.split(" ")[0] == "cgroup2":
            root, place = before.split(" ")[3:5]
            return Path(place, os.path.relpath(mine[0], root))
    return None


@functools.cache
def home() -> Path | str:
    """Return the folder in which groups can be made, or why there is none.

    Where it must, this process moves into a group below: the kernel lets a group hold processes
    or others groups with limits, not both.
    """
    texts = [Path("/proc/self", name).read_text() for name in ("mountinfo", "cgroup")]
    folder = own(*texts)
    return "this system has no control groups of version 2" if folder is None else within(folder)


def within(folder: Path) -> Path | str:
    """Return a group's folder if groups can be made in it, or why they can't."""
    try:
        if missing := set(WANTED) - set((folder / "cgroup.controllers").read_text().split()):
            return f"{folder} can't limit {' and '.join(sorted(missing))}; {DELEGATED}"
        if not set(WANTED) <= set((folder / "cgroup.subtree_control").read_text().split()):
            # The kernel's first group, which has no type, may hold processes, too.
            (switch_on if not (folder / "cgroup.type").exists() else make_room)(folder)
        with contextlib.suppress(OSError):  # where it can't be had, limits on time stand alone
            (folder / "cgroup.subtree_control").write_text("+cpu")
        return tried(folder)
    except OSError as error:
        return f"{folder}: {error.strerror}; {DELEGATED}"


def make_room(folder: Path) -> None:
    """Move this process into a group below its own; undo it where others are in the way."""
    (below := folder / f"course-{os.getpid()}-0").mkdir()
    try:
        (below / "cgroup.procs").write_text(str(os.getpid()))
        switch_on(folder)
    except OSError:
        (folder / "cgroup.procs").write_text(str(os.getpid()))
        below.rmdir()
        raise


def tried(folder: Path) -> Path | str:
    """Return a folder if a process within walls gets into a group in it, or why it doesn't."""
    group = made(folder, Limits())
    try:
        entrance = group.entrance()
        run = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "/bin/echo", "0"]
        done = subprocess.run(run, stdout=entrance, stderr=subprocess.PIPE, text=True)
        os.close(entrance)
    finally:
        group.end()
    if done.returncode:
        return f"{folder}: a process within walls can't enter a group ({done.stderr.strip()[:200]})"
    return folder


def switch_on(folder: Path) -> None:
    """Let the groups within one have limits."""
    (folder / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in WANTED))


def make(limits: Limits) -> Group | None:
    """Return a new group with these limits; None where groups can't be made."""
    folder = home()
    return None if isinstance(folder, str) else made(folder, limits)


def memory(limits: Limits) -> int:
    """Return the bytes that a submission may take: its own, its files, and what is loaded."""
    return limits.memory + 2 * limits.disk + LOADED


def made(folder: Path, limits: Limits) -> Group:
    """Return a new group in a folder."""
    group = Group(folder / f"course-{os.getpid()}-{next(NUMBERS)}")
    group.folder.mkdir()
    most = {
        "memory.max": memory(limits),
        "memory.swap.max": 0,
        "memory.oom.group": 1,
        "pids.max": limits.processes,
        "cpu.max": "100000 100000",  # of each 0.1 s as much as one core has
    }
    for name, value in most.items():
        if name not in NOT_EVERYWHERE or (group.folder / name).exists():
            (group.folder / name).write_text(str(value))
    return group


def sweep() -> None:
    """Remove the groups of processes that were killed before they could."""
    if isinstance(folder := home(), str):
        return
    for left in folder.glob("course-*-*"):
        maker = left.name.split("-")[1]
        if not Path("/proc", maker).exists():
            Group(left).end()
