"""A study that is stopped says so, says what it found at the next start, and goes on."""

import json
import types

import pytest

from course_lib.studies import __main__ as studies
from course_lib.studies import kit
from course_lib.studies.fingerprints import Fingerprint


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Return a study of three runs, in a folder of its own; ``broken`` is the run that is hit."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kit, "FOLDER", tmp_path)
    monkeypatch.setattr(kit, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(kit, "MADE", tmp_path / "made.json")
    monkeypatch.setattr(kit, "NAMES", ("small",))
    module = types.SimpleNamespace(
        __doc__="A small study. It counts.",
        FILES=("runs/small.json",),
        code="1",
        ran=[],
        broken=None,
        error=KeyboardInterrupt,
    )

    def run(name):
        if name == module.broken:
            raise module.error
        module.ran.append(name)
        return len(name)

    def make(folder):
        plan = {name: lambda name=name: run(name) for name in ("one", "two", "three")}
        found = kit.collect(folder, plan, lambda result: f"{result} letters")
        kit.write_text(kit.FOLDER / module.FILES[0], json.dumps(found))
        return {"runs": len(found)}

    module.make, module.probe = make, lambda: {"loss": 1.5}
    monkeypatch.setattr(kit, "study", lambda name: module)
    now = lambda name: Fingerprint({"RATE": 0.1}, {"train": module.code})  # noqa: E731
    monkeypatch.setattr(kit, "fingerprint_of", now)
    return module


def test_a_stopped_study_goes_on_where_it_was(study, capsys):
    study.broken = "three"
    assert kit.main("small", []) == 130
    said = capsys.readouterr()
    assert "3 runs, 0 of them done" in said.out
    assert "small: stopped; the same command goes on where it was" in said.err
    assert not (kit.FOLDER / "runs").exists(), "nothing is written by halves"

    study.broken = None
    assert kit.main("small", []) == 0
    said = capsys.readouterr().out
    assert f"goes on from {kit.BEGUN / 'small'} (runs.json); --again begins anew" in said
    assert "3 runs, 2 of them done" in said
    assert "made runs/small.json" in said
    assert study.ran == ["one", "two", "three"]
    assert not kit.stale("small")
    assert not (kit.BEGUN / "small").exists()


def test_what_is_made_is_left_alone(study, capsys):
    assert kit.main("small", []) == kit.main("small", []) == 0
    assert "small: made already; --again makes it anew" in capsys.readouterr().out
    assert study.ran == ["one", "two", "three"]
    assert kit.main("small", ["--again"]) == 0
    assert study.ran == 2 * ["one", "two", "three"]


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [(["--again"], "1", "--again"), ([], "2", "what was begun was of other code or settings")],
)
def test_what_can_t_be_gone_on_with_is_put_aside(study, capsys, arguments, code, why):
    study.broken = "two"
    kit.main("small", [])
    study.broken, study.code = None, code
    assert kit.main("small", arguments) == 0
    said = capsys.readouterr().out
    assert f"small: begins anew ({why}); what there was is now in" in said
    assert study.ran == ["one", "one", "two", "three"]
    aside = kit.BEGUN / "small.before" / "runs.json"
    assert json.loads(aside.read_text()) == {"one": 3}


def test_a_failure_is_told_and_the_next_start_goes_on(study, capsys):
    study.broken, study.error = "two", ValueError("rate: expected a number above 0, got -1")
    assert kit.main("small", []) == 1
    assert capsys.readouterr().err == "small: rate: expected a number above 0, got -1\n"
    study.broken = None
    assert kit.main("small", []) == 0
    assert study.ran == ["one", "two", "three"]


def test_check_names_the_file_and_the_command(study, capsys):
    assert studies.main(["--check"]) == 1
    assert "small: runs/small.json: no longer what" in capsys.readouterr().err
    kit.main("small", [])
    assert studies.main(["--check", "small"]) == 0
    study.code = "2"
    assert studies.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "(train changed). `python -m course_lib.studies.small` makes all anew" in said
    assert studies.main(["--confirm"]) == 0
    assert studies.main(["--check"]) == 0
    (kit.FOLDER / study.FILES[0]).write_text("{}")
    assert studies.main(["--check"]) == 1
    assert "runs/small.json isn't the file that was made" in capsys.readouterr().err


def test_wrong_words_are_told(study, capsys):
    for arguments, wanted in {
        ("tiny",): "NAME: expected one of small, got tiny",
        ("--again", "--confirm"): "not allowed with argument",
    }.items():
        with pytest.raises(SystemExit, match="2"):
            studies.main(list(arguments))
        assert wanted in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        kit.main("small", ["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "A small study. Makes runs/small.json in ., if the code that made them" in said
