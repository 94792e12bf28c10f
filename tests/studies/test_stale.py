"""Committed weights, cards and runs are what today's code makes, and what isn't is named."""

import pytest

from course_lib.studies import kit
from course_lib.studies.fingerprints import Fingerprint


@pytest.mark.parametrize("name", kit.NAMES)
def test_committed_files_are_what_today_s_code_makes(name):
    assert not kit.stale(name), kit.how_to_mend(name)


def test_every_committed_file_belongs_to_a_study():
    known = {file for name in kit.NAMES for file in kit.study(name).FILES}
    there = {
        path.relative_to(kit.FOLDER).as_posix()
        for folder in (kit.WEIGHTS, kit.RUNS)
        for path in folder.iterdir()
    }
    # benchmarks/gpu.py's: no CPU makes them anew
    measured = {file for file in there if file.startswith("runs/gpu_")}
    assert there == known | measured
    assert set(kit.made()) == set(kit.NAMES)


@pytest.mark.parametrize("name", [n for n in kit.NAMES if hasattr(kit.study(n), "card")])
def test_cards_say_what_is_known(name):
    card = (kit.WEIGHTS / f"{name}.md").read_text(encoding="utf-8")
    assert card == kit.study(name).card(kit.facts(name)), f"{name}: cards are made, not edited"


@pytest.mark.parametrize("name", ["plays", "dialogue", "reviews", "translation"])
def test_a_changed_learning_rate_or_loss_is_named_with_the_command(name, monkeypatch):
    module = kit.study(name)
    monkeypatch.setattr(module, "SEED", 7)
    reasons = kit.stale(name)
    assert "SEED was 0, is 7" in reasons
    message = kit.how_to_mend(name)
    assert f"weights/{name}.safetensors, " in message
    assert f"`python -m course_lib.studies.{name}` makes all anew" in message
    assert "--confirm" not in message
    # A setting can't be confirmed away, and nothing is run to find that out.
    monkeypatch.setattr(module, "probe", lambda: pytest.fail("it was run"))
    with pytest.raises(ValueError, match="SEED was 0, is 7: only training again"):
        kit.confirm(name)


class TestConfirm:
    @pytest.fixture
    def changed(self, tmp_path, monkeypatch):
        """Let the code of a study be another, and made.json a copy."""
        copy = tmp_path / "made.json"
        copy.write_text(kit.MADE.read_text(encoding="utf-8"), encoding="utf-8")
        monkeypatch.setattr(kit, "MADE", copy)
        now = kit.fingerprint_of("ablation")
        other = Fingerprint(now.settings, now.code | {"corpus_loss": "0123"})
        monkeypatch.setattr(kit, "fingerprint_of", lambda name: other)
        assert kit.stale("ablation") == ["corpus_loss changed"]
        assert "`python -m course_lib.studies --confirm ablation`" in kit.how_to_mend("ablation")
        return kit.study("ablation"), kit.made()["ablation"]["probe"]

    def test_code_that_gives_the_same_is_noted(self, changed, monkeypatch):
        module, probe = changed
        monkeypatch.setattr(module, "probe", lambda: {k: v * 1.0005 for k, v in probe.items()})
        kit.confirm("ablation")
        assert kit.stale("ablation") == []
        assert kit.made()["ablation"]["probe"] == probe, "it doesn't drift"

    def test_code_that_gives_something_else_is_refused(self, changed, monkeypatch):
        module, probe = changed
        monkeypatch.setattr(module, "probe", lambda: probe | {"without heads": 3.0})
        with pytest.raises(ValueError, match=r"something else .* without heads was 3\.29.*, is 3"):
            kit.confirm("ablation")
        assert kit.stale("ablation") == ["corpus_loss changed"]
