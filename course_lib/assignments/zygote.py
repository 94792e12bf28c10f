"""A process within the first wall that has torch loaded, and forks one more for each submission.

Loading torch takes seconds, a fork milliseconds. The fork gets namespaces of its own within those
of the first wall (users, processes, mounts, IPC, network), its own empty ``/tmp``, and a bare
``/proc``; then the second wall is put up as ever. So no submission meets another one, nor this
process. Where namespaces can't be nested, :func:`begin` says so by None, and each submission gets
a process that starts anew.
"""

import array
import contextlib
import ctypes
import dataclasses
import importlib
import json
import os
import select
import signal
import socket
import sys
from typing import Any

from course_lib.assignments import groups, sandbox
from course_lib.assignments.groups import Group
from course_lib.assignments.verdicts import Limits

NEW = 0x10000000 | 0x20000 | 0x20000000 | 0x8000000 | 0x40000000  # user, mounts, pid, IPC, network
PRIVATE, QUIET = 0x44000, 0x6  # recursively private; no devices, no set-user-id
READ_ONLY, REMOUNT = 0x1, 0x20


@dataclasses.dataclass
class Fork:
    """A forked worker; it ends when its leash is let go."""

    leash: socket.socket
    group: Group | None

    def kill(self) -> None:
        """End it and all that it started."""
        self.leash.close()

    def wait(self) -> None:
        """Clear away what it leaves; it isn't a child of this process."""
        if self.group:
            self.group.end()


@dataclasses.dataclass
class Zygote:
    """The judge's side of it."""

    process: sandbox.Walled
    control: socket.socket
    limits: Limits

    def fork(self) -> tuple[Fork, socket.socket]:
        """Return a new worker, and the socket to it."""
        ours, theirs = socket.socketpair()
        leash, held = socket.socketpair()
        group = groups.make(self.limits)
        fds = [theirs.detach(), held.detach(), *([group.entrance()] if group else [])]
        rights = array.array("i", fds)
        self.control.sendmsg([b"fork"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        for one in fds:
            os.close(one)
        return Fork(leash, group), ours

    def end(self) -> None:
        """End it, and all its forks."""
        self.control.close()
        self.process.kill()
        self.process.wait()


def begin(limits: Limits, imports: str) -> Zygote | None:
    """Start one that has run a chapter's imports; None where namespaces can't be nested."""
    process, ours = sandbox.start(limits, __name__, socket.SOCK_SEQPACKET, [imports])
    ours.settimeout(120)
    zygote = Zygote(process, ours, limits)
    try:
        if ours.recv(16) == b"ready":
            ours.settimeout(None)
            return zygote
    except OSError:
        pass
    zygote.end()
    return None


# Inside


def mount(source: bytes | None, place: bytes, kind: bytes | None, flags: int, said: bytes) -> None:
    """Mount something."""
    sandbox.libc("mount", source, place, kind, ctypes.c_ulong(flags), said or None)


def apart(limits: dict[str, Any]) -> int:
    """Give this process namespaces of its own; return 0 in the first process of them.

    The process that it was called in gets the first one's id.
    """
    user, group = os.getuid(), os.getgid()
    sandbox.libc("unshare", NEW)
    maps = {"setgroups": "deny", "uid_map": f"{user} {user} 1", "gid_map": f"{group} {group} 1"}
    for name, text in maps.items():
        with open(f"/proc/self/{name}", "w") as out:
            out.write(text)
    if first := os.fork():
        return first
    sandbox.libc("prctl", 1, signal.SIGKILL, 0, 0, 0)  # not to outlive who forked it
    mount(None, b"/", None, PRIVATE, b"")
    size = f"size={int(limits['disk'])},mode=700".encode()
    for place in (b"/tmp", b"/dev/shm"):
        mount(b"tmpfs", place, b"tmpfs", QUIET, size)
    os.chdir("/tmp")
    return 0


def bare() -> None:
    """Hide ``/proc`` but for Python's own path, and give up all rights within the namespaces."""
    program = os.readlink("/proc/self/exe")
    mount(b"tmpfs", b"/proc", b"tmpfs", QUIET, b"size=64k,mode=755")
    os.mkdir("/proc/self")
    os.symlink(program, "/proc/self/exe")  # TensorFlow ends its process where it can't read both
    with open("/proc/self/cmdline", "w") as out:
        out.write(f"{program}\0")
    mount(None, b"/proc", None, QUIET | REMOUNT | READ_ONLY, b"")
    header = ctypes.create_string_buffer(b"\x22\x05\x08\x20" + bytes(4))  # version 3, this process
    sandbox.libc("capset", header, ctypes.create_string_buffer(24))


def hold(child: int, leash: socket.socket) -> None:
    """Wait until the child has ended, or the leash is let go; then end it."""
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if select.select([leash], [], [], 0.05)[0]:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            break
    os._exit(0)


def run(fds: list[int], limits: dict[str, Any]) -> None:
    """Be one fork: stay outside its namespaces to hold it, or be the worker within."""
    from course_lib.assignments import worker

    wire, leash = socket.socket(fileno=fds[0]), socket.socket(fileno=fds[1])
    if child := apart(limits):
        wire.close()
        hold(child, leash)
    leash.close()
    for entrance in fds[2:]:
        sandbox.enter(entrance)
    sandbox.close_in(limits, bare)
    worker.serve(wire)


def main() -> None:
    """Load what a chapter imports, then fork whenever the judge asks."""
    control, limits = socket.socket(fileno=int(sys.argv[1])), json.loads(sys.argv[2])
    from course_lib.assignments import peers

    importlib.import_module("course_lib.assignments.worker")
    peers.warm()
    with contextlib.suppress(Exception):
        exec(compile(sys.argv[3], "<imports>", "exec"), {})
    # Try whether namespaces can be nested.
    if not (trial := os.fork()):
        try:
            if child := apart(limits):
                os._exit(os.waitpid(child, 0)[1] and 1)
            bare()
            os._exit(0)
        except BaseException:
            os._exit(1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if os.waitpid(trial, 0)[1]:
        os._exit(1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control.send(b"ready")
    while True:
        said, rights, _, _ = control.recvmsg(16, socket.CMSG_SPACE(12))
        if not said:
            os._exit(0)
        fds = list(array.array("i", rights[0][2]))
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                control.close()
                run(fds, limits)
            finally:
                os._exit(1)
        for one in fds:
            os.close(one)


if __name__ == "__main__":
    main()
