"""The package that is built holds everything, and works without the project's folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT

MODULES_IMPORTED = """
import importlib, pkgutil, sys
import course_lib
assert course_lib.__file__.startswith(sys.argv[1]), course_lib.__file__
for module in pkgutil.walk_packages(course_lib.__path__, "course_lib."):
    importlib.import_module(module.name)
"""


def files(folder: Path) -> set[Path]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path for path in found if path.suffix != ".pyc"}


def run(*command: str | Path, **how) -> None:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, **how)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder that holds nothing but the installed wheel."""
    pytest.importorskip("setuptools")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    for name in ("pyproject.toml", "README.md", "LICENSE"):  # a copy: building leaves files
        shutil.copy(ROOT / name, source)
    unbuilt = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "course_lib", source / "course_lib", ignore=unbuilt)
    pip = ("-m", "pip", "--disable-pip-version-check", "--quiet")
    build = ("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", source)
    run(*pip, *build, source)
    (wheel,) = source.glob("*.whl")
    run(*pip, "install", "--no-deps", "--no-compile", "--target", target, wheel)
    return target


def test_the_wheel_holds_every_file_of_the_package(installed):
    missing = files(ROOT / "course_lib") - files(installed / "course_lib")
    assert not missing, f"name them in pyproject.toml, package-data: {sorted(map(str, missing))}"


def test_every_module_of_the_wheel_can_be_imported(installed, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    run("-P", "-c", MODULES_IMPORTED, installed, cwd=tmp_path, env=environment)
