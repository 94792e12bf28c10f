"""Each wall of the sandbox holds a tiny program; without walls nothing is graded."""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import pytest
import walled
from graded_class import make_class
from project import ROOT, WITHOUT_SANDBOX

from course_lib.assignments import sandbox
from course_lib.assignments.verdicts import Limits

LIMITS = Limits(cpu_seconds=2, memory=2**28, disk=2**22, processes=16)
INSIDE = """
import ctypes, json, os, resource, socket, subprocess, sys, time
from course_lib.assignments import sandbox
sandbox.close_in(json.loads(sys.argv[1]))
def attempt():
    {}
try:
    found = attempt()
except (OSError, MemoryError, RuntimeError) as error:
    print("held", type(error).__name__)
else:
    print("reached", found)
"""


@pytest.fixture
def inside(walls):
    """What runs a program's lines within both walls, and returns what it says and its status."""

    def run(program):
        said = json.dumps(dataclasses.asdict(LIMITS))
        code = INSIDE.format(program.replace("\n", "\n    "))
        command = [*sandbox.command(LIMITS), sys.executable, "-c", code, said]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return done.stdout.strip() or done.stderr.strip()[-200:], done.returncode

    return run


TRIES = {
    "network": "socket.create_connection(('127.0.0.1', 80), timeout=1)",
    "network, a socket at all": "socket.socket(socket.AF_INET6)",
    "network, what is in the machine": "socket.socket(socket.AF_UNIX)",
    "files, the machine's passwords": "open('/etc/shadow').read()",
    "files, written into the course": "open('/course/course_lib/x', 'w')",
    "files, written into the root": "open('/x', 'w')",
    "files, of the first process": "open('/proc/1/mem', 'r+b').write(b'x')",
    "processes, a second one": "os.fork()",
    "processes, another program": "subprocess.run(['/usr/bin/true'])",
    "memory": "len(bytearray(2**30))",
    "file size": "open('/tmp/x', 'wb').write(bytes(2**23))",
    "rights, another user": "os.setuid(0)",
    "rights, a mount": "sandbox.libc('mount', b'x', b'/tmp', b'tmpfs', 0, None)",
    "rights, a tracer": "sandbox.libc('ptrace', 0, 0, 0, 0)",
    "rights, a file without a name": "os.memfd_create('x')",
    "rights, another name of the machine": "socket.sethostname('x')",
}


@pytest.mark.parametrize("program", TRIES.values(), ids=TRIES)
def test_a_wall_holds(inside, program):
    said, status = inside(f"return {program}")
    assert said.startswith("held"), said
    assert status == 0


def test_a_limit_cannot_be_lifted(inside):
    said, _ = inside(
        "try:\n    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))\n"
        "except ValueError as error:\n    raise OSError from error"
    )
    assert said.startswith("held")


def test_many_small_files_fill_no_more_than_one_may(inside):
    said, _ = inside("for i in range(99):\n    open(f'/tmp/{i}', 'wb').write(bytes(2**17))")
    assert said.startswith("held OSError")


def test_processor_time_ends(inside):
    said, status = inside("while True: pass")
    assert said == ""
    assert status != 0


def test_it_sees_itself_and_what_holds_it_alone(inside):
    said, _ = inside("return sum(name.isdigit() for name in os.listdir('/proc'))")
    assert said == "reached 2"


def test_it_sees_no_file_and_no_variable_of_the_instructor(inside, tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("x")
    monkeypatch.setenv("SECRET", "x")
    places = [str(tmp_path / "secret"), str(ROOT / "notebooks"), str(ROOT / "tests")]
    said, _ = inside(f"return [os.path.exists(p) for p in {places}], 'SECRET' in os.environ")
    assert said == "reached ([False, False, False], False)"


def test_it_gets_no_file_that_the_judge_has_open(inside, tmp_path):
    with open(tmp_path / "open", "w") as opened:
        os.set_inheritable(opened.fileno(), True)
        said, _ = inside("return len(os.listdir('/proc/self/fd'))")
    assert said == "reached 4", "three streams, and the folder that is being listed"


def test_the_filter_names_both_machines():
    for machine in sandbox.MACHINES:
        assert len(sandbox.seccomp_filter(machine)) % 8 == 0
    with pytest.raises(KeyError):
        sandbox.seccomp_filter("riscv64")


# Without walls


@pytest.mark.parametrize(
    ("variables", "built", "outcome"),
    [
        ({}, False, pytest.skip.Exception),
        ({"CI": "true"}, False, pytest.fail.Exception),
        ({"CI": "true", WITHOUT_SANDBOX: "1"}, False, pytest.skip.Exception),
        ({"CI": "true", WITHOUT_SANDBOX: "1"}, True, pytest.fail.Exception),
    ],
    ids=["at home", "in CI", "in CI that says so", "in CI, where it only doesn't work"],
)
def test_in_ci_a_sandbox_that_does_not_work_is_a_failure(monkeypatch, variables, built, outcome):
    monkeypatch.setattr(walled, "tried", lambda: (built, "no walls."))
    for name in ("CI", WITHOUT_SANDBOX):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(outcome, match="no walls"):
        walled.need_walls()


def test_where_bubblewrap_is_missing_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    said = "Grading needs bubblewrap: install it (sudo apt-get install bubblewrap)."
    assert sandbox.probe() == (False, said)
    assert sandbox.why_not.__wrapped__() == said


def test_where_it_cannot_be_built_it_says_why(monkeypatch, tmp_path):
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: no namespaces' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    built, said = sandbox.probe()
    assert not built
    assert "bwrap: no namespaces" in said
    assert "allow user namespaces" in said


@pytest.mark.parametrize("place", sandbox.EMPTY)
def test_a_python_that_the_sandbox_hides_is_refused_before_anybody_gets_zero(walls, place):
    with tempfile.TemporaryDirectory(dir=place) as folder:
        venv.create(Path(folder, "venv"), symlinks=True)
        code = "from course_lib.assignments import sandbox; print(*sandbox.probe(), sep='|')"
        run = [f"{folder}/venv/bin/python", "-c", code]
        done = subprocess.run(run, capture_output=True, text=True, cwd=ROOT, timeout=120)
    built, said = done.stdout.split("|")
    assert built == "False"
    assert f"Python lies there ({folder}/venv): move the project or its environment" in said


@pytest.mark.parametrize("whole", [False, True])
def test_where_python_lacks_something_within_the_walls_it_says_what(walls, monkeypatch, whole):
    assert sandbox.probe(whole) == (True, "")
    monkeypatch.setitem(sandbox.ENVIRONMENT, "PYTHONPATH", "/nowhere")
    built, said = sandbox.probe(whole)
    assert built
    assert "Python doesn't work in it (ModuleNotFoundError: No module named 'course_lib" in said
    assert sys.prefix in said


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_on_another_system_it_says_where_to_grade(monkeypatch, system):
    monkeypatch.setattr(sys, "platform", system)
    built, said = sandbox.probe()
    assert not built
    assert said.startswith("Grading needs Linux")


def test_nothing_is_started_without_walls(monkeypatch):
    monkeypatch.setattr(sandbox, "why_not", lambda: "no walls")
    with pytest.raises(RuntimeError, match="no walls"):
        sandbox.start(Limits())


@pytest.mark.long
@pytest.mark.parametrize("command", ["demo", "grade"])
def test_the_commands_end_with_one_line_where_bubblewrap_is_missing(tmp_path, command):
    arguments = ["--out", str(tmp_path / "new")]
    if command == "grade":
        arguments = ["--course", str(make_class(tmp_path)), "--again"]
    run = [sys.executable, "-m", "course_lib.assignments", command, *arguments]
    kept = {"PATH": str(tmp_path), "PYTHONPATH": str(ROOT), "HOME": str(Path.home())}
    done = subprocess.run(run, env=kept, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "new").exists(), "nothing is begun that can't be ended"
    said = f"python -m course_lib.assignments {command}: Grading needs bubblewrap: install it"
    assert done.stderr == f"{said} (sudo apt-get install bubblewrap).\n"
