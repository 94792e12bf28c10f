"""Control groups: found where they are, each submission's own, none left; else a reason why not."""

import os
import time
from pathlib import Path

import pytest
from walled import need_walls

from course_lib.assignments import groups, pool, zygote
from course_lib.assignments.verdicts import Limits

LIMITS = Limits(memory=2**28, disk=2**26, processes=16)
MOUNTED = "30 23 0:26 {} {} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


@pytest.mark.parametrize(
    ("mounts", "mine", "found"),
    [
        (MOUNTED.format("/", "/sys/fs/cgroup"), "0::/user.slice/x.scope\n", "user.slice/x.scope"),
        (MOUNTED.format("/", "/sys/fs/cgroup"), "0::/\n", "."),
        (MOUNTED.format("/docker/1", "/sys/fs/cgroup"), "0::/docker/1/a\n", "a"),
    ],
    ids=["a scope of systemd", "the first one", "a container's"],
)
def test_its_own_group_is_found(mounts, mine, found):
    other = "25 23 0:22 / /proc rw - proc proc rw\n"
    assert groups.own(other + mounts, "4:memory:/x\n" + mine) == Path("/sys/fs/cgroup", found)


def test_without_version_2_there_is_none():
    assert (
        groups.own("36 35 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw\n", "0::/\n") is None
    )
    assert groups.own(MOUNTED.format("/", "/sys/fs/cgroup"), "4:memory:/x\n") is None


def test_a_group_that_cannot_be_used_says_why_and_what_to_do(tmp_path):
    assert "No such file" in groups.within(tmp_path)
    (tmp_path / "cgroup.controllers").write_text("cpu pids\n")
    assert groups.within(tmp_path).startswith(f"{tmp_path} can't limit memory; start it with: ")
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    (tmp_path / "cgroup.subtree_control").write_text("cpu\n")
    (tmp_path / "cgroup.type").write_text("domain\n")
    said = groups.within(tmp_path)
    assert said.startswith(f"{tmp_path}: No such file"), "no kernel makes files in the group below"
    assert "systemd-run" in said


def test_a_group_s_limits_are_written_as_far_as_the_kernel_has_them(tmp_path, monkeypatch):
    made = Path.mkdir

    def with_files(folder):
        made(folder)
        (folder / "cpu.max").touch()

    monkeypatch.setattr(Path, "mkdir", with_files)
    written = {one.name: one.read_text() for one in groups.made(tmp_path, LIMITS).folder.iterdir()}
    assert written == {
        "memory.max": str(groups.memory(LIMITS)),
        "memory.oom.group": "1",
        "pids.max": "16",
        "cpu.max": "100000 100000",
    }


# Where the kernel has them


@pytest.fixture(scope="module")
def folder():
    need_walls()
    if isinstance(found := groups.home(), str):
        pytest.skip(found)
    return found


@pytest.fixture(scope="module", params=["anew", "forked"])
def start(folder, request):
    """Starts a worker in a group of its own; each way."""
    if request.param == "anew":
        yield pool.Zygotes(LIMITS).anew
        return
    if (parent := zygote.begin(LIMITS, "import torch")) is None:
        pytest.skip("namespaces can't be nested here")
    yield parent.fork
    parent.end()


CELLS = """
def fill(megabytes, keep=[]):
    for number in range(megabytes):
        keep.append(bytearray(2**20))
    return len(keep)

def begin_threads():
    import threading
    for _ in range(30):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
"""


@pytest.fixture
def runs(start):
    from course_lib.assignments import judge

    made = judge.Runs([CELLS], 1, LIMITS, time.monotonic() + 100, start)
    yield made
    made.stop()


def made_here(folder):
    return list(folder.glob(f"course-{os.getpid()}-*"))


def test_a_submission_is_in_a_group_of_its_own_which_goes_with_it(folder, runs):
    runs.ready()
    [mine] = made_here(folder)
    assert (mine / "cgroup.procs").read_text().split(), "it is within"
    assert str(os.getpid()) not in (mine / "cgroup.procs").read_text().split()
    assert int((mine / "pids.max").read_text()) == LIMITS.processes
    if "cpu" in (folder / "cgroup.subtree_control").read_text().split():
        assert (mine / "cpu.max").read_text() == "100000 100000\n"
    runs.stop()
    assert not made_here(folder)


def test_the_group_counts_threads(folder, runs):
    judge = runs.ready()
    [mine] = made_here(folder)
    number = judge.must("define", "begin_threads")
    with pytest.raises(RuntimeError):
        judge.call(number, (), {})
    assert int((mine / "pids.current").read_text()) <= LIMITS.processes


def test_the_group_counts_memory_that_is_used(folder, runs):
    from course_lib.assignments.asking import Lost

    judge = runs.ready()
    [mine] = made_here(folder)
    (mine / "memory.max").write_text(str(2**26))  # less than its resource limit
    number = judge.must("define", "fill")
    with pytest.raises(Lost, match="its process ended"):
        judge.call(number, (100,), {})
    assert "oom_kill 0" not in (mine / "memory.events").read_text()


def test_what_a_killed_maker_left_is_removed(folder):
    gone = folder / "course-4999999-1"  # no process has so high a number
    gone.mkdir()
    groups.sweep()
    assert not gone.exists()
