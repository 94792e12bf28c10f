"""The set-up takes torch's CPU build where pip would bring CUDA, and TensorFlow only for tests."""

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from project import ROOT

sys.path.insert(0, str(ROOT / "tools"))
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import offline
import setup_environment


@pytest.fixture
def python_that_reports(tmp_path):
    """Make a stand-in for an environment's Python whose pip reports what it would install."""

    def report(install):
        (tmp_path / "report.json").write_text(json.dumps({"install": install}))
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\ncat {tmp_path}/report.json\n")
        python.chmod(python.stat().st_mode | stat.S_IXUSR)
        return python

    return report


@pytest.mark.parametrize(
    ("requires", "cuda"),
    [
        (["filelock", "nvidia-cublas==13.0; platform_system == 'Linux'"], True),
        (["cuda-bindings>=13"], True),
        (["filelock", "sympy>=1.13"], False),
        ([], False),
    ],
)
def test_cuda_is_seen_in_what_pip_would_install(python_that_reports, requires, cuda):
    python = python_that_reports([{"metadata": {"requires_dist": requires}}])
    assert setup_environment.would_bring_cuda(python, "torch==2.13.0") is cuda


def test_nothing_is_replaced_where_torch_is_installed(python_that_reports):
    assert not setup_environment.would_bring_cuda(python_that_reports([]), "torch==2.13.0")


def test_pinned_torch_is_a_bare_requirement():
    name, version = setup_environment.pinned_torch().split("==")
    assert name == "torch"
    assert version.replace(".", "").isdigit()


@pytest.mark.parametrize(
    ("system", "place"), [("posix", "bin/python"), ("nt", "Scripts/python.exe")]
)
def test_an_environment_has_its_python_where_the_system_puts_it(monkeypatch, system, place):
    monkeypatch.setattr(setup_environment, "os", SimpleNamespace(name=system))
    assert setup_environment.python_in(Path("x")) == Path("x") / place


def test_an_old_python_is_refused_in_one_line(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 3.10.2 False\n")
    python.chmod(0o755)
    with pytest.raises(SystemExit, match=r"Python 3.11 or later is needed; .* is 3.10.2"):
        setup_environment.check_version(str(python))


def make(*words, **variables):
    """Run make, with an environment's variables as given; return what it did."""
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    theirs = ("MAKE", "MFLAGS", "VIRTUAL_ENV", "CONDA")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(theirs)} | variables
    return subprocess.run(
        ["make", *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("target", "needed"), [("book", False), ("quick", False), ("test", True), ("notebooks", True)]
)
def test_tensorflow_is_installed_only_where_it_is_needed(tmp_path, target, needed):
    """In a fresh environment; make says what it would do and does nothing."""
    done = make("--dry-run", "--always-make", target, VIRTUAL_ENV=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert f'setup_environment.py "{tmp_path}"\n' in done.stdout
    assert (f'setup_environment.py --tensorflow "{tmp_path}"\n' in done.stdout) is needed


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_an_environment_s_path_may_hold_spaces(tmp_path, variable):
    environment = tmp_path / "my own environment"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").write_text('#!/bin/sh\necho "python: $@"\n')
    (environment / "bin" / "python").chmod(0o755)
    (environment / ".course-ready").touch()
    variables = {variable: str(environment), "CONDA_DEFAULT_ENV": "course"}
    done = make("data", **variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("python: -m course_lib.data fetch all\n")


def test_words_of_a_title_reach_the_tool_as_they_are(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text('#!/bin/sh\nprintf "[%s]" "$@"\n')
    (tmp_path / "bin" / "python").chmod(0o755)
    (tmp_path / ".course-ready").touch()
    words = {"NAME": "new_one", "TITLE": 'What\'s new: "one" & more', "PART": "The end"}
    done = make("chapter", *(f"{k}={v}" for k, v in words.items()), VIRTUAL_ENV=str(tmp_path))
    name, title, part = words.values()
    assert done.stdout == f"[tools/chapter.py][{name}][{title}][--part][{part}]", done.stderr
    done = make("check", "CHAPTER=new_one", VIRTUAL_ENV=str(tmp_path))
    assert done.stdout == "[tools/check.py][new_one]", done.stderr


def test_an_environment_of_another_folder_is_noticed(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text('#!/bin/sh\necho "python: $@"\n')
    (tmp_path / "bin" / "python").chmod(0o755)
    stamp = tmp_path / ".course-ready"
    stamp.write_text(f"{tmp_path.resolve()} for {ROOT}\n")
    done = make("data", VIRTUAL_ENV=str(tmp_path))
    assert done.returncode == 0, done.stderr
    for other in (f"{tmp_path.resolve()} for /another/clone", f"/moved/from for {ROOT}"):
        stamp.write_text(f"{other}\n")
        done = make("data", VIRTUAL_ENV=str(tmp_path))
        assert done.returncode != 0
        assert f"was set up as {other}, so it runs that folder's code" in done.stdout
        assert "and make again" in done.stdout


def test_a_busy_port_is_told_in_one_line():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        command = [sys.executable, str(ROOT / "tools" / "serve.py"), "--port", str(port), "."]
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        f"make: port {port} is in use by another program; name another one: make serve PORT=8765\n"
    )


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("npm error code ENOTFOUND\nnpm error network", "check the network"),
        ("npm ERR! code ECONNREFUSED", "check the network"),
        ("npm error code EACCES\nnpm error path /root/.npm", "can't be written to"),
        ("npm error code ENOSPC", "the disk is full"),
        ("npm error code E404\nnpm error 404 Not Found", "npm, which says:\nnpm error code E404"),
    ],
)
def test_a_failure_of_npm_is_told_as_what_it_is(log, said):
    assert said in offline.why_npm_failed(log)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("ERROR: [Errno 28] No space left on device", "the disk is full; free about 4 GB"),
        (
            "NewConnectionError: ... No matching distribution for x",
            "a package could not be downloaded",
        ),
        ("ERROR: No matching distribution found for tensorflow==2.21.0", "pip finds no tensorflow"),
        ("OSError: [Errno 13] Permission denied: '/env/lib'", "/env/lib can't be written to"),
        ("Could not fetch: Read timed out.", "a package could not be downloaded"),
        (
            "ERROR: Could not find a version that satisfies x==1 (from versions: none)\n"
            "ERROR: No matching distribution found for x==1",
            "a package could not be downloaded",
        ),
        ("ERROR: pip's dependency resolver found conflicts", "pip failed"),
    ],
)
def test_a_failure_of_pip_is_told_in_one_line(tmp_path, log, said):
    python = tmp_path / "python"
    (tmp_path / "log").write_text(log)
    python.write_text(f"#!/bin/sh\ncat {tmp_path}/log >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(SystemExit, match=f"^make: {said}"):
        setup_environment.pip(python, "install", "tensorflow==2.21.0")


@pytest.mark.parametrize("ensured", [True, False])
def test_an_environment_without_pip_gets_one_or_it_is_told(tmp_path, ensured):
    """As uv makes them, or as one is left whose making was cut off."""
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\nif [ "$1" = -c ]; then exit 1; fi\necho "$@" > {tmp_path}/asked\n'
        f"exit {int(not ensured)}\n"
    )
    python.chmod(0o755)
    if ensured:
        setup_environment.bring_pip(python)
        assert (tmp_path / "asked").read_text() == "-m ensurepip\n"
    else:
        with pytest.raises(SystemExit, match=r"^make: .* has no pip, and can't get one; make"):
            setup_environment.bring_pip(python)


@pytest.mark.parametrize("own", [False, True], ids=["a new folder", "somebody's folder"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("no space"), ValueError("a file")])
def test_of_an_environment_that_was_not_made_whole_stays_what_was_there(
    monkeypatch, tmp_path, error, own
):
    if own:
        (tmp_path / "env").mkdir()
        (tmp_path / "env" / "letter").touch()

    def create(folder, **_):
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").touch()
        raise error

    monkeypatch.setattr(setup_environment.venv, "create", create)
    monkeypatch.setattr(sys, "argv", ["setup", str(tmp_path / "env")])
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        setup_environment.main()
    assert (tmp_path / "env").exists() is (tmp_path / "env" / "letter").exists() is own


def test_a_place_below_folders_that_are_not_there_yet_is_one(tmp_path):
    setup_environment.check_disk(tmp_path / "not" / "yet", 0)


def test_too_small_a_disk_is_told_before_tensorflow_is_fetched(tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")  # pip show: not there
    python.chmod(0o755)
    monkeypatch.setattr(setup_environment, "TENSORFLOW_DISK_NEEDED", 10**9)
    with pytest.raises(SystemExit, match=r"GB of disk are free, about 1000000000 GB are needed"):
        setup_environment.add_tensorflow(python)
