"""A fingerprint changes with what can change a result, and with nothing else."""

import importlib
import sys

import pytest

from course_lib.studies import fingerprints
from course_lib.studies.fingerprints import Fingerprint, fingerprint

CODE = '''
import torch

from course_lib.checks import check_sizes

RATE = 0.1
KINDS = {"half": torch.float16}


def loss(x):
    """Return a loss."""
    check_sizes(n=len(x))
    return sum(x) * RATE  # scaled


class Model:
    """A model."""

    size: int = 3

    def step(self, x: list) -> float:
        return loss(x) if KINDS else 0


def train(steps):
    """Train."""
    return [Model().step([step]) for step in range(steps)]


def other():
    return 1
'''


@pytest.fixture
def of(tmp_path, monkeypatch):
    """Return what gives the fingerprint of ``train`` in a module of such code."""
    monkeypatch.setattr(fingerprints, "PACKAGE", "written")
    monkeypatch.syspath_prepend(tmp_path)
    count = iter(range(99))

    def of(*changes, code=CODE):
        for before, after in changes:
            assert before in code
            code = code.replace(before, after)
        # A name of its own for each: Python keeps what it has imported.
        folder = tmp_path / f"folder{next(count)}"
        folder.mkdir()
        (folder / "written.py").write_text(code)
        sys.modules.pop("written", None)
        monkeypatch.syspath_prepend(folder)
        importlib.invalidate_caches()
        return fingerprint(importlib.import_module("written").train)

    yield of
    sys.modules.pop("written", None)


def test_it_has_what_is_reached_and_no_more(of):
    found = of()
    assert found.settings == {"KINDS": {"half": "torch.float16"}, "RATE": 0.1}
    assert found.code.keys() == {"Model", "loss", "train"}


@pytest.mark.parametrize(
    "change",
    [
        ("  # scaled", ""),
        ('"""Return a loss."""', '"""Another sentence."""'),
        ("    check_sizes(n=len(x))\n", ""),
        ("x: list) -> float", "x)"),
        ("sum(x) * RATE", "(sum(x) *\n        RATE)"),
        ("return 1", "return 2"),
        ("\n\ndef other", "\n\nSPARE = 1\n\n\ndef other"),
        ('    """Train."""\n', "    assert steps\n"),
    ],
)
def test_writing_it_otherwise_changes_nothing(of, change):
    assert of(change) == of()


@pytest.mark.parametrize(
    ("change", "settings", "rest"),
    [
        (("RATE = 0.1", "RATE = 0.2"), ["RATE was 0.1, is 0.2"], []),
        (("sum(x)", "max(x)"), [], ["loss changed"]),
        (("size: int = 3", "size: int = 4"), [], ["Model changed"]),
        (("def loss", "def cost"), [], ["loss is gone"]),
        (("float16", "float32"), ["KINDS was {'half': 'torch.float16'}, is {'half': 'torch"], []),
    ],
)
def test_what_can_change_a_result_is_named(of, change, settings, rest):
    changed, others = of().differences(of(change))
    assert len(changed) == len(settings)
    assert all(a.startswith(b) for a, b in zip(changed, settings, strict=True))
    assert set(rest) <= set(others)
    assert bool(others) == bool(rest)


def test_a_local_name_is_no_reference(of):
    shadowed = ("for step in range(steps)]", "for step in range(steps) if (other := step) or 1]")
    assert "other" not in of(shadowed).code


def test_checks_and_files_are_left_out():
    from course_lib.studies import plays

    found = fingerprint(plays.train)
    assert {"train", "Muon", "GPT", "corpus_loss", "random_windows"} <= found.code.keys()
    assert (
        not {"check_sizes", "expect", "written_whole", "TrainingLog", "fetch"} & found.code.keys()
    )


def test_differences_of_none():
    found = Fingerprint({"a": 1}, {"f": "12"})
    assert found.differences(found) == ([], [])
