"""Ways out of the sandbox; each returns "held", or what it reached. Only the sandbox runs them."""

import ctypes
import gc
import os
import resource
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path


def held(attempt, *errors):
    try:
        return f"reached: {attempt()!r}"[:200]
    except (OSError, *errors):
        return "held"


def unless(reached):
    return f"reached: {reached!r}"[:200] if reached else "held"


def system_call(number, *args):
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(ctypes.c_long(number), *args)
    return unless(result >= 0 or ctypes.get_errno() not in (1, 38))


def wall__network_by_ipv4():
    return held(lambda: socket.create_connection(("127.0.0.1", 22), timeout=1))


def wall__network_by_ipv6():
    return held(lambda: socket.socket(socket.AF_INET6))


def wall__names_by_dns():
    return held(lambda: socket.getaddrinfo("example.org", 80))


def wall__unix_sockets():
    return held(lambda: socket.socket(socket.AF_UNIX))


def wall__packets_of_the_kernel():
    return held(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))


def wall__a_pair_of_sockets():
    return held(socket.socketpair)


def wall__processes_of_others():
    pids = [name for name in os.listdir("/proc") if name.isdigit()]
    return unless(len(pids) > 2 and pids)


def wall__environment_of_others():
    texts = [str(dict(os.environ))]
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            texts.append(path.read_text())
        except OSError:
            continue
    return unless([text for text in texts if "CANARY" in text])


def wall__memory_of_the_first_process():
    return held(lambda: open("/proc/1/mem", "r+b").write(b"x"))


def wall__the_chapters_with_hidden_tests():
    found = []
    for root in ("/course", "/work", "/root", "/home", "/tmp"):
        for folder, folders, files in os.walk(root):
            folders[:] = [f for f in folders if f"{folder}/{f}" not in (sys.prefix, "/root/.pyenv")]
            found += [name for name in files if name.endswith(".ipynb")]
    return unless(found)


def wall__the_reader_of_chapters():
    from course_lib.assignments import cells

    return held(lambda: cells.read_chapter(cells.chapter_path("numbers_that_learn")), ValueError)


def wall__the_tests_of_the_course():
    return unless([p for p in Path("/").glob("*/*/tests/book") if p.exists()])


def wall__hidden_tests_in_memory():
    word = "hidden_" + "test_one"
    strings = (one for one in gc.get_objects() if isinstance(one, dict))
    return unless([1 for one in strings if any(isinstance(k, str) and word in k for k in one)])


def wall__frames_of_the_caller():
    frame, names = sys._getframe(), set()
    while frame:
        names |= set(frame.f_globals) | set(frame.f_locals)
        frame = frame.f_back
    return unless([name for name in names if isinstance(name, str) and "hidden_test_" in name])


def wall__passwords():
    return held(lambda: Path("/etc/shadow").read_text())


def wall__the_home_of_root():
    try:
        found = {Path("/root", name) for name in os.listdir("/root")}
    except OSError:
        return "held"
    return unless(found - {*Path(sys.base_prefix).parents, *Path(sys.prefix).parents})


def wall__writing_into_the_course():
    return held(lambda: Path("/course/course_lib/extra.py").write_text("x"))


def wall__writing_into_pythons_packages():
    return held(lambda: Path(sys.prefix, "sitecustomize.py").write_text("x"))


def wall__writing_into_the_root():
    return held(lambda: Path("/gradebook.db").write_text("x"))


def wall__writing_into_devices():
    return held(lambda: Path("/dev/extra").write_text("x"))


def wall__a_file_that_fills_the_disk():
    def fill():
        with open("/tmp/full", "wb") as out:
            for _ in range(300):
                out.write(bytes(2**20))

    try:
        return held(fill)
    finally:
        Path("/tmp/full").unlink(missing_ok=True)


def wall__many_files_that_fill_the_disk():
    def fill():
        for i in range(300):
            Path(f"/tmp/part{i}").write_bytes(bytes(2**20))

    try:
        return held(fill)
    finally:
        for path in Path("/tmp").glob("part*"):
            path.unlink()


def wall__shared_memory_that_fills_the_machine():
    def fill():
        for i in range(300):
            Path(f"/dev/shm/part{i}").write_bytes(bytes(2**20))

    try:
        return held(fill)
    finally:
        for path in Path("/dev/shm").glob("part*"):
            path.unlink()


def wall__memory_without_end():
    return held(lambda: len([bytearray(2**28) for _ in range(40)]), MemoryError)


def wall__shared_memory_without_end():
    import mmap

    return held(lambda: len([mmap.mmap(-1, 2**28) for _ in range(40)]), MemoryError, ValueError)


def wall__processes_without_end():
    return held(lambda: [os.fork() for _ in range(100)])


def wall__other_programs():
    return held(lambda: subprocess.run(["/usr/bin/id"], capture_output=True))


def wall__another_program_in_place():
    return held(lambda: os.execv("/usr/bin/id", ["id"]))


def wall__a_shell():
    return unless(os.system("true") == 0)


def wall__threads_without_end():
    stop, started = threading.Event(), []

    def start():
        for _ in range(5000):
            thread = threading.Thread(target=stop.wait, daemon=True)
            thread.start()
            started.append(thread)
        return len(started)

    try:
        return held(start, RuntimeError, MemoryError)
    finally:
        stop.set()
        for thread in started:
            thread.join()


def wall__higher_limits():
    return held(lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)), ValueError)


def wall__another_user():
    return held(lambda: os.setuid(0))


def wall__the_judge_as_a_process():
    return held(lambda: os.kill(os.getppid() or 999_999, 9) if os.getppid() != 1 else open("/no"))


def wall__tracing():
    return system_call(101, 0, 0, 0, 0)


def wall__mounting():
    return system_call(165, b"x", b"/tmp", b"tmpfs", 0, None)


def wall__new_namespaces():
    return system_call(272, 0x10000000)


def wall__entering_namespaces():
    return system_call(308, 0, 0)


def wall__the_kernels_keys():
    return system_call(250, 0, -3, 0, 0, 0)


def wall__programs_in_the_kernel():
    return system_call(321, 0, None, 0)


def wall__rings_of_the_kernel():
    return system_call(425, 8, None)


def wall__watching_the_processor():
    return system_call(298, None, 0, -1, -1, 0)


def wall__faults_in_user_space():
    return system_call(323, 0)


def wall__files_without_names():
    return system_call(319, b"x", 0)


def wall__a_new_root():
    return held(lambda: os.chroot("/tmp"))


def wall__links_out():
    os.symlink("/etc/shadow", "/tmp/link")
    try:
        return held(lambda: Path("/tmp/link").read_text())
    finally:
        os.unlink("/tmp/link")


def wall__hard_links_out():
    return held(lambda: os.link("/usr/bin/env", "/tmp/hard"))


def wall__open_files_of_the_judge():
    kinds = []
    for number in range(256):
        try:
            mode = os.fstat(number).st_mode
        except OSError:
            continue
        kinds.append("socket" if stat.S_ISSOCK(mode) else "device" if stat.S_ISCHR(mode) else mode)
    return unless(sorted(kinds) != ["device"] * 3 + ["socket"] and kinds)


def wall__the_clock():
    import time

    return held(lambda: time.clock_settime(time.CLOCK_REALTIME, 0))


def wall__a_file_that_python_runs_at_its_start():
    return held(lambda: Path(sys.prefix, "lib", "extra.pth").write_text("import os"))


def wall__a_library_before_all_others():
    return held(lambda: Path("/etc/ld.so.preload").write_text("/tmp/x.so"))


def wall__settings_of_the_kernel():
    return held(lambda: Path("/proc/sys/kernel/hostname").write_text("x"))


def wall__the_last_to_be_ended_for_memory():
    return held(lambda: Path("/proc/self/oom_score_adj").write_text("-1000"))


def wall__more_of_the_processor():
    return held(lambda: os.nice(-5))


def wall__the_processor_for_itself():
    return held(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))


def wall__groups_of_processes():
    return held(lambda: Path("/sys/fs/cgroup/cgroup.procs").write_text("1"))


def wall__a_device_of_its_own():
    return held(lambda: os.mknod("/tmp/disk", stat.S_IFBLK | 0o666, os.makedev(8, 0)))


def wall__the_machines_memory():
    return held(lambda: open("/dev/mem", "rb").read(1))


def wall__the_terminal():
    return held(lambda: open("/dev/tty", "w").write("x"))


def wall__memory_of_another_process():
    return system_call(310, 1, None, 0, None, 0, 0)


def wall__advice_on_another_process():
    return system_call(440, 0, None, 0, 0, 0)


def wall__comparing_processes():
    return system_call(312, 1, 1, 0, 0, 0)


def wall__segments_of_the_processor():
    return system_call(154, 0, None, 0)


def wall__filters_that_ask_back():
    return system_call(317, 1, 8, None)


def wall__rights_that_were_given_up():
    libc = ctypes.CDLL(None, use_errno=True)
    header = ctypes.create_string_buffer(b"\x22\x05\x08\x20" + bytes(4))  # version 3
    rights = ctypes.create_string_buffer(24)
    libc.capget(header, rights)
    return unless(rights.raw != bytes(24) or libc.prctl(39, 0, 0, 0, 0) != 1)


def wall__calls_that_are_newer_than_the_filter():
    mounts, listed = (system_call(number, None, None, 0, 0) for number in (457, 458))
    return unless((mounts, listed, system_call(4000)) != ("held",) * 3)


def wall__names_of_users():
    return held(lambda: Path("/etc/passwd").read_text())


def wall__the_machines_devices():
    return held(lambda: os.listdir("/sys/class"))


def wall__the_kernels_words():
    return held(lambda: open("/dev/kmsg").read(1))


def wall__memory_that_stays():
    libc = ctypes.CDLL(None, use_errno=True)
    block = ctypes.create_string_buffer(2**20)
    return unless(libc.mlock(block, 2**20) == 0)


def wall__shared_segments():
    return system_call(29, 1, 4096, 0o1600)


def wall__queues_of_messages():
    return system_call(240, b"queue", 0o102, 0o600, None)


def wall__a_program_by_its_open_file():
    with open("/usr/bin/env", "rb") as program:
        return system_call(322, program.fileno(), b"", None, None, 0x1000)


def wall__copies_by_any_call():
    flags = (17, 0x4111, 0x100 | 17, 0x4000 | 17)  # fork, vfork, with shared memory
    return unless([flag for flag in flags if system_call(56, flag, 0, 0, 0, 0) != "held"])


def wall__limits_of_another_process():
    other = 1 if os.getpid() != 1 else 2
    return unless(system_call(302, other, 7, None, None) != "held" and other == 1)


def wall__signals_to_all_above():
    me = os.getpid()
    return unless([pid for pid in range(2, 100) if pid != me and reaches(pid)])


def reaches(pid):
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def wall__a_trap_in_a_file_of_python():
    import json

    return held(lambda: Path(json.__file__).write_text("x"))


def wall__what_another_submission_left():
    left = [*Path("/tmp").iterdir(), *Path("/dev/shm").iterdir()]
    return unless([path for path in left if path.name != "cache"])


def wall__a_word_of_its_own_among_the_kernels():
    for name in ("/proc/x", "/proc/self/x", "/proc/self/exe", "/proc/self/cmdline"):
        if (said := held(lambda path=Path(name): path.write_text("x"))) != "held":
            return said
    return "held"
