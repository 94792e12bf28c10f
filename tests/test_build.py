"""A build is whole or begins anew; a tool that is asked what it does says so, and does nothing."""

import os
import shutil
import subprocess
import sys

import build_book
import pytest
from project import ROOT

TOOLS = [
    path.name
    for path in sorted((ROOT / "tools").glob("*.py"))
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
]


@pytest.fixture
def site(monkeypatch, tmp_path):
    """A folder to build in, where a stand-in for all three commands writes one page."""
    site = tmp_path / "_build" / "html"
    monkeypatch.setattr(build_book, "SITE", site)
    monkeypatch.setattr(build_book, "UNFINISHED", site.with_name("unfinished"))
    (site / "book").mkdir(parents=True)

    def run(command, **_):
        (site / "book").mkdir(parents=True, exist_ok=True)
        (site / "book" / "home.html").touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(build_book.subprocess, "run", run)
    return site


def test_what_a_whole_build_left_is_built_on(site):
    (site / "page").touch()
    assert build_book.build() == ""
    assert (site / "page").exists()
    assert not build_book.UNFINISHED.exists()


def test_what_a_build_left_that_was_cut_off_is_built_anew(site, monkeypatch):
    whole = build_book.subprocess.run

    def cut_off(command, **how):
        whole(command, **how)
        raise KeyboardInterrupt

    monkeypatch.setattr(build_book.subprocess, "run", cut_off)
    with pytest.raises(KeyboardInterrupt):
        build_book.build()
    assert build_book.UNFINISHED.exists(), "by which make knows that home.html is no whole book"
    (site / "half").touch()
    monkeypatch.setattr(build_book.subprocess, "run", whole)
    assert build_book.build() == ""
    assert not (site / "half").exists()
    assert not build_book.UNFINISHED.exists()


def test_make_builds_again_what_was_cut_off(tmp_path):
    """The real Makefile, in a folder where all is up to date."""
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    for name in ("book", "course_lib", "notebooks", "env/bin", "_build/html/book", "tools"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml", "requirements.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    for name in ("tools/slides.py", "tools/setup_environment.py", "env/.course-ready"):
        (tmp_path / name).touch()
    (tmp_path / "env" / "bin" / "python").touch()
    (tmp_path / "_build" / "html" / "book" / "home.html").touch()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    environment["VIRTUAL_ENV"] = str(tmp_path / "env")
    command = ["make", "--dry-run", "--file", str(ROOT / "Makefile"), "book"]

    def builds() -> bool:
        how = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
        done = subprocess.run(command, **how)
        assert done.returncode == 0, done.stderr
        return "build_book.py" in done.stdout

    assert not builds()
    (tmp_path / "_build" / "unfinished").touch()
    assert builds()


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_that_is_asked_what_it_does_says_so_and_does_nothing(name):
    command = [sys.executable, str(ROOT / "tools" / name), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {name}")
