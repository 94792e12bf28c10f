"""Docker or Podman in bubblewrap's place: what is run, what is said where it can't be.

The engine is a small program here that runs the worker as it is; where ``COURSE_IMAGE`` names an
image, a real one runs it, too (``COURSE_ENGINE``, podman by default).
"""

import os
import sys
from itertools import pairwise

import pytest
from graded_class import LIGHT_EXERCISES, hand_in
from project import ROOT

from course_lib.assignments.__main__ import main
from course_lib.assignments.engines import Engine
from course_lib.assignments.gradebook import FILE, Gradebook
from course_lib.assignments.verdicts import Limits

RIGHT = {one.name: one.solution for one in LIGHT_EXERCISES}
ALL = sum(one.points for one in LIGHT_EXERCISES)
FAKE = f"""#!{sys.executable}
import os, sys
words = sys.argv[1:]
if words[0] == "run":
    rest = words[words.index("--entrypoint") + 3 :]
    os.execve(sys.executable, [sys.executable, *rest], os.environ | {{"PYTHONPATH": "{ROOT}"}})
if words[0] == "image" and words[-1] != "course":
    sys.exit("Error: no such image")
if words[0] == "ps":
    print("course-4999999-1")
if words[0] == "kill":
    open(os.environ["KILLED"], "a").write(words[1])
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """An engine that builds no walls; what it is told to kill stands in a file."""
    folder = tmp_path / "engine"
    folder.mkdir()
    (folder / "podman").write_text(FAKE)
    (folder / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("KILLED", str(folder / "killed"))
    return folder


def pairs(words):
    return set(pairwise(words))


@pytest.mark.parametrize("program", ["docker", "podman"])
def test_the_container_has_no_network_no_rights_and_nothing_to_write_to(program):
    limits = Limits(memory=2**30, disk=2**20, processes=7)
    words = Engine(program, "course").command(limits, "course-1-1")
    assert words[:2] == [program, "run"]
    assert {"--rm", "--read-only"} <= set(words)
    walls = {("--network", "none"), ("--cap-drop", "ALL"), ("--user", "65534:65534")}
    walls |= {("--security-opt", "no-new-privileges"), ("--pids-limit", "7"), ("--pull", "never")}
    assert walls <= pairs(words)
    named = dict(pairwise(words))
    assert 2**30 < int(named["--memory"]) < 2**31
    assert named["--memory"] == named["--memory-swap"], "no swap besides"
    assert named["--tmpfs"].endswith(f"size={2**20}")
    assert [word for word in words if word.endswith(":ro")] == [named["--volume"]]
    assert words[-3:] == ["--entrypoint", "python", "course"]
    assert "--privileged" not in words


@pytest.mark.long
def test_it_grades_over_input_and_output(fake, tmp_path):
    course = hand_in(tmp_path, 1, lambda _: RIGHT)
    run = ["grade", "--course", str(course), "--engine", "podman", "--image", "course"]
    assert main([*run, "--json"]) == 0
    with Gradebook(course / FILE) as book:
        assert [row["score"] for row in book.scores()] == [ALL]
    assert (fake / "killed").read_text() == "course-4999999-1", "a dead command's container"


def test_one_that_goes_on_is_killed_by_its_name(fake, monkeypatch):
    monkeypatch.setattr(Engine, "command", lambda *_: ["/bin/sh", "-c", "sleep 1000; true"])
    worker, sock = Engine("podman", "course").start(Limits())
    sock.close()
    worker.kill()
    assert (fake / "killed").read_text() == worker.name
    worker.process.kill()
    worker.wait()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--engine", "podman"], "--engine and --image: expected both of them or none, got one"),
        (["--image", "course"], "--engine and --image: expected both of them or none, got one"),
        (
            ["--engine", "podman", "--image", "other"],
            "expected an image that podman has, got 'other'; build it, or get it: podman pull",
        ),
    ],
)
def test_without_an_image_it_says_what_to_do(fake, course, capsys, more, said):
    assert main(["grade", "--course", str(course), *more]) == 2
    assert said in capsys.readouterr().err


def test_an_image_without_the_packages_says_what_is_missing(fake, monkeypatch):
    (fake / "podman").write_text(FAKE.replace("*rest", "'-c', 'import no_such_package'"))
    with pytest.raises(RuntimeError, match="No module named 'no_such_package'"):
        Engine("podman", "course").need()


def test_without_the_engine_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="expected docker, which isn't installed"):
        Engine("docker", "course").need()


def test_an_engine_that_does_not_work_says_why(fake):
    (fake / "podman").write_text("#!/bin/sh\necho 'Cannot connect to the daemon' >&2\nexit 1\n")
    with pytest.raises(RuntimeError, match="doesn't work here: Cannot connect to the daemon"):
        Engine("podman", "course").need()


# With a real one

TRIED = f"""
import os, socket
reached = []
for attempt in (
    lambda: socket.create_connection(("1.1.1.1", 53), timeout=1),
    lambda: open("/x", "w"),
    lambda: open("/course/course_lib/x", "w"),
    os.fork,
    lambda: [bytearray(2**28) for _ in range(40)],
    lambda: open("/tmp/x", "wb").write(bytes(2**27)),
    lambda: os.mknod("/tmp/disk", 0o60660, 2049),
):
    try:
        reached.append(attempt())
    except (OSError, MemoryError):
        pass
{RIGHT["one_step"]}
if reached:
    del one_step
"""


@pytest.mark.long
def test_a_real_engine_grades_and_its_walls_hold(tmp_path):
    if (image := os.environ.get("COURSE_IMAGE")) is None:
        pytest.skip("set COURSE_IMAGE to an image with Python and the course's packages")
    engine = Engine(os.environ.get("COURSE_ENGINE", "podman"), image)
    engine.need()
    course = hand_in(tmp_path, 1, lambda _: RIGHT | {"one_step": TRIED})
    run = ["grade", "--course", str(course), "--json"]
    assert main([*run, "--engine", engine.program, "--image", image]) == 0
    with Gradebook(course / FILE) as book:
        assert [row["score"] for row in book.scores()] == [ALL]
    assert not engine.ask("ps", "--all", "--quiet", "--filter", "name=course-").stdout
