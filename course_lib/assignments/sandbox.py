"""Walls around a process that runs a learner's code.

The first wall is bubblewrap: namespaces of its own for users, processes, network, IPC and
mounts; of the files only Python's, the system's libraries and ``course_lib``, all read-only, and
a small empty ``/tmp``. The second is put up from within, before any of the learner's code runs:
resource limits, no new privileges, Landlock where the kernel has it, and a seccomp filter. There
is no way to run without them: :func:`why_not` says what is missing.
"""

import ctypes
import dataclasses
import functools
import json
import os
import platform
import resource
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from course_lib.assignments.groups import Group
from course_lib.assignments.verdicts import Limits

PACKAGE = Path(__file__).resolve().parents[1]
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts")
EMPTY = ("/tmp", "/dev/shm")
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MPLBACKEND": "agg",
    "MPLCONFIGDIR": "/tmp",
    "PYTHONPATH": "/course",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONNOUSERSITE": "1",
    "PIP_NO_INDEX": "1",
    "HF_HUB_OFFLINE": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}

# A worker loads torch, which takes seconds: at first it is enough that it can be found.
WORKER = "course_lib.assignments.worker"
FIRST = "numpy, importlib.util\nassert importlib.util.find_spec('torch'), 'torch is missing'"
PROBE = "import {}\nfrom course_lib.assignments import sandbox\nsandbox.close_in("
PATIENCE = 120  # seconds for a process within the walls to begin

# System calls, by their numbers on x86_64 and aarch64; -1 where one doesn't exist. The learner's
# code gets EPERM: it needs no socket, no other program, no namespace and no kernel's machinery.
DENIED = {
    **{"socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200)},
    **{"listen": (50, 201), "accept": (43, 202), "accept4": (288, 242), "ptrace": (101, 117)},
    **{"fork": (57, -1), "vfork": (58, -1), "execve": (59, 221), "execveat": (322, 281)},
    **{"mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51)},
    **{"unshare": (272, 97), "setns": (308, 268), "keyctl": (250, 219), "add_key": (248, 217)},
    **{"request_key": (249, 218), "bpf": (321, 280), "perf_event_open": (298, 241)},
    **{"io_uring_setup": (425, 425), "io_uring_enter": (426, 426)},
    **{"io_uring_register": (427, 427), "userfaultfd": (323, 282), "kexec_load": (246, 104)},
    **{"kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273)},
    **{"delete_module": (176, 106), "memfd_create": (319, 279), "memfd_secret": (447, 447)},
    **{"shmget": (29, 194), "shmat": (30, 196), "msgget": (68, 186), "semget": (64, 190)},
    **{"mq_open": (240, 180), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271)},
    **{"pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424)},
    **{"open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264)},
    **{"move_mount": (429, 429), "open_tree": (428, 428), "fsopen": (430, 430)},
    **{"fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433)},
    **{"mount_setattr": (442, 442), "quotactl": (179, 60), "swapon": (167, 224)},
    **{"swapoff": (168, 225), "reboot": (169, 142), "acct": (163, 89), "settimeofday": (164, 170)},
    **{"clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171)},
    **{"iopl": (172, -1), "ioperm": (173, -1), "personality": (135, 92), "syslog": (103, 116)},
    **{"process_madvise": (440, 440), "process_mrelease": (448, 448), "kcmp": (312, 272)},
    **{"modify_ldt": (154, -1), "seccomp": (317, 277), "quotactl_fd": (443, 443)},
    **{"open_tree_attr": (467, 467), "vhangup": (153, 58), "fanotify_mark": (301, 263)},
    **{"fanotify_init": (300, 262), "sethostname": (170, 161), "setdomainname": (171, 162)},
}
# Each has a place in DENIED, a name in the kernel, and its numbers of clone and prlimit64.
MACHINES = {"x86_64": (0, 0xC000003E, 56, 302), "aarch64": (1, 0xC00000B7, 220, 261)}
CLONE3, CLONE_THREAD, KNOWN = 435, 0x10000, 450  # later calls than those known are none at all
ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x50001, 0x50026, 0x80000000


def seccomp_filter(machine: str) -> bytes:
    """Return the filter's program, as the kernel reads it."""
    place, arch, clone, limit = MACHINES[machine]
    denied = sorted(numbers[place] for numbers in DENIED.values() if numbers[place] >= 0)
    load, equal, above, bits, give = 0x20, 0x15, 0x35, 0x45, 0x06
    steps = [(load, 0, 0, 4), (equal, 1, 0, arch), (give, 0, 0, KILL), (load, 0, 0, 0)]
    if machine == "x86_64":  # its second numbering, x32
        steps += [(above, 0, 1, 0x40000000), (give, 0, 0, KILL)]
    steps += [(above, 0, 1, KNOWN + 1), (give, 0, 0, ENOSYS)]
    for number in denied:
        steps += [(equal, 0, 1, number), (give, 0, 0, EPERM)]
    steps += [(equal, 0, 1, CLONE3), (give, 0, 0, ENOSYS)]  # then clone is tried instead
    steps += [(equal, 0, 3, limit), (load, 0, 0, 16), (equal, 1, 0, 0)]  # of this process only
    steps += [(give, 0, 0, EPERM), (load, 0, 0, 0)]
    steps += [(equal, 0, 3, clone), (load, 0, 0, 16), (bits, 1, 0, CLONE_THREAD)]
    steps += [(give, 0, 0, EPERM), (give, 0, 0, ALLOW)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def libc(name: str, *args: object) -> int:
    """Call a function of the C library.

    Raises:
        OSError: if it fails.
    """
    library = ctypes.CDLL(None, use_errno=True)
    result = getattr(library, name)(*args)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return int(result)


def landlock_version() -> int:
    """Return the version of the kernel's Landlock, 0 where it has none."""
    try:
        return libc("syscall", ctypes.c_long(444), None, ctypes.c_size_t(0), 1)
    except OSError:
        return 0


def landlock() -> None:
    """Let this process write below ``/tmp`` only, where the kernel has Landlock."""
    if not (version := landlock_version()):
        return
    every = (1 << (13 if version < 2 else 14 if version < 3 else 15)) - 1
    reading = 1 << 0 | 1 << 2 | 1 << 3  # execute is needed to map libraries
    rules = ctypes.create_string_buffer(struct.pack("Q", every), 8)
    ruleset = libc("syscall", ctypes.c_long(444), rules, ctypes.c_size_t(8), 0)
    for path, rights in (("/", reading), ("/tmp", every), ("/dev/shm", every), ("/dev/null", 6)):
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights & every, opened), 12)
        libc("syscall", ctypes.c_long(445), ruleset, 1, rule, 0)
        os.close(opened)
    libc("prctl", 38, 1, 0, 0, 0)
    libc("syscall", ctypes.c_long(446), ruleset, 0)
    os.close(ruleset)


def close_in(limits: dict[str, float], last: Callable[[], None] | None = None) -> None:
    """Put up the second wall around this process, for good. It is called within the first.

    Args:
        limits: as :class:`Limits` names them.
        last: what is to be done while it still can be.
    """
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    memory, disk = int(limits["memory"]), int(limits["disk"])
    for what, most in (
        (resource.RLIMIT_AS, used + memory),
        (resource.RLIMIT_DATA, used + memory),
        (resource.RLIMIT_CPU, int(limits["cpu_seconds"])),
        (resource.RLIMIT_FSIZE, disk),
        (resource.RLIMIT_NPROC, int(limits["processes"])),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
    ):
        resource.setrlimit(what, (most, most))
    if last:
        last()
    landlock()
    libc("prctl", 38, 1, 0, 0, 0)  # no new privileges
    program = seccomp_filter(platform.machine())
    steps = ctypes.create_string_buffer(program, len(program))
    pointer = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(steps))
    libc("prctl", 22, 2, ctypes.create_string_buffer(pointer, len(pointer)), 0, 0)


def roots() -> list[str]:
    """Return the folders in which Python lies, beside the system's."""
    found = {sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parents[1])}
    return sorted(found - {"/usr", "/"})


def command(limits: Limits) -> list[str]:
    """Return bubblewrap's part of a command: what is seen inside, and what isn't."""
    walls = ["bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"]
    walls += ["--uid", "65534", "--gid", "65534", "--hostname", "sandbox", "--clearenv"]
    for path in (*SYSTEM, *roots()):
        if Path(path).is_symlink():
            walls += ["--symlink", os.readlink(path), path]
        elif Path(path).exists():
            walls += ["--ro-bind", path, path]
    walls += ["--ro-bind", str(PACKAGE), "/course/course_lib", "--proc", "/proc", "--dev", "/dev"]
    size = ["--size", str(limits.disk)]
    for place in EMPTY:
        walls += [*size, "--tmpfs", place]
    walls += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]
    for name, value in ENVIRONMENT.items():
        walls += ["--setenv", name, value]
    return walls


def probe(whole: bool = False) -> tuple[bool, str]:
    """Try the sandbox; return whether its walls can be built here, and what is wrong, or "".

    Args:
        whole: whether to load all that a worker loads, which takes seconds.
    """
    if sys.platform != "linux" or platform.machine() not in MACHINES:
        wanted = "Linux on x86_64 or aarch64; run it there, or in a virtual machine."
        return False, f"Grading needs {wanted}"
    if not shutil.which("bwrap"):
        return False, "Grading needs bubblewrap: install it (sudo apt-get install bubblewrap)."
    limits, first = Limits(), WORKER if whole else FIRST
    program = PROBE.format(first) + json.dumps(dataclasses.asdict(limits)) + ")"
    run = [*command(limits), sys.executable, "-c", program]
    try:
        tried = subprocess.run(run, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return True, f"The sandbox can be built here, but in it Python takes over {PATIENCE} s."
    if not tried.returncode:
        return True, ""
    # What stands in the way: namespaces, a folder that the sandbox hides, or what Python lacks.
    said = (tried.stderr.strip().split("\n") or [""])[-1][:200]
    if said.startswith("bwrap: ") and "execvp" not in said:
        return False, (
            f"bubblewrap can't build its sandbox here ({said}): allow user namespaces (on Ubuntu "
            "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, on Debian sudo sysctl "
            "kernel.unprivileged_userns_clone=1), or grade on another machine."
        )
    if hidden := [one for one in roots() for place in EMPTY if Path(one).is_relative_to(place)]:
        return False, (
            "The sandbox has an empty /tmp and /dev/shm of its own, and Python lies there "
            f"({hidden[0]}): move the project or its environment to another folder."
        )
    return True, (
        f"The sandbox can be built here, but Python doesn't work in it ({said}): it sees only "
        f"{', '.join(roots())} and the system's libraries; expected there what is missing: "
        "install it (pip install -r requirements.txt), or make a new environment."
    )


@functools.cache
def why_not() -> str | None:
    """Return what keeps the sandbox from working here, with what to do; None if it works."""
    return probe()[1] or None


def need() -> None:
    """Make sure that the sandbox works here.

    Raises:
        RuntimeError: if it doesn't; it says what to install.
    """
    if (missing := why_not()) is not None:
        raise RuntimeError(missing)


@dataclasses.dataclass
class Walled:
    """A process within the walls."""

    process: subprocess.Popen[bytes]
    group: Group | None = None

    def kill(self) -> None:
        """End it and all that it started: its namespace dies with its first process."""
        self.process.kill()

    def wait(self) -> None:
        """Wait until it has ended, and clear away what it leaves."""
        self.process.wait()
        if self.group:
            self.group.end()


def start(
    limits: Limits,
    module: str = WORKER,
    kind: socket.SocketKind = socket.SOCK_STREAM,
    words: Sequence[str] = (),
    group: Group | None = None,
) -> tuple[Walled, socket.socket]:
    """Start a process that waits, inside the first wall, for what the judge sends.

    Args:
        limits: what it may use.
        module: what runs; it gets its socket's number, the limits as JSON, and the words.
        kind: of the socket.
        words: more arguments.
        group: that it shall enter, by the file whose number is one argument more.

    Returns:
        The process and the socket to it.

    Raises:
        RuntimeError: where there are no such walls; it says what to install.
    """
    need()
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    entrance = [group.entrance()] if group else []
    said = json.dumps(dataclasses.asdict(limits))
    run = [sys.executable, "-m", module, str(theirs.fileno()), said, *words, *map(str, entrance)]
    process = subprocess.Popen(
        [*command(limits), *run],
        pass_fds=[theirs.fileno(), *entrance],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    theirs.close()
    for one in entrance:
        os.close(one)
    return Walled(process, group), ours


def enter(entrance: int) -> None:
    """Go into a control group, by its open file."""
    os.write(entrance, b"0")
    os.close(entrance)
