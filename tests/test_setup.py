"""The set-up takes torch's CPU build exactly where pip's own choice would bring CUDA."""

import json
import stat
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import setup_environment


@pytest.fixture
def python_that_reports(tmp_path):
    """Make a stand-in for an environment's Python whose pip reports what it would install."""

    def make(install):
        (tmp_path / "report.json").write_text(json.dumps({"install": install}))
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\ncat {tmp_path}/report.json\n")
        python.chmod(python.stat().st_mode | stat.S_IXUSR)
        return python

    return make


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


def test_an_old_python_is_refused_in_one_line(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 3.10.2 False\n")
    python.chmod(0o755)
    with pytest.raises(SystemExit, match=r"Python 3.11 or later is needed; .* is 3.10.2"):
        setup_environment.check_version(str(python))
