import json

import pytest
import torch
from project import NOTEBOOKS

from course_lib.studies import kit, ladder

RUNGS = json.loads((kit.FOLDER / ladder.FILES[0]).read_text(encoding="utf-8"))


def test_the_ladder_goes_down_in_bits_and_each_rung_has_a_chapter():
    bits = [rung["bits"] for rung in RUNGS]
    assert bits == sorted(bits, reverse=True)
    assert {rung["name"] for rung in RUNGS} == set(ladder.MAKERS)
    assert {rung["chapter"] for rung in RUNGS} <= {path.stem for path in NOTEBOOKS}
    assert all(len(rung["sample"]) > 100 for rung in RUNGS)


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("name", ["all letters alike", "letter frequencies"])
def test_rungs_that_are_quick_are_measured_again(name):
    committed = next(rung for rung in RUNGS if rung["name"] == name)
    assert ladder.rung(name) == committed | {"bits": pytest.approx(committed["bits"], abs=2e-3)}


@pytest.mark.usefixtures("network")
def test_the_trained_model_that_is_kept_is_as_good_as_its_rung():
    committed = next(rung for rung in RUNGS if rung["name"] == ladder.WELL)
    model, tokenizer = ladder.load_trained_well()
    assert not model.training
    assert next(model.parameters()).dtype is torch.float32
    bits, _ = ladder._of_gpt(model, tokenizer, ladder.load_text().held_out)
    assert bits == pytest.approx(committed["bits"], abs=3e-3)


def test_a_ladder_on_another_model_is_stale(monkeypatch, tmp_path):
    other = tmp_path / "other.json"
    other.write_text("{}")
    monkeypatch.setattr(ladder, "BUILT_ON", (other,))
    assert any(str(other) in reason for reason in kit.stale("ladder"))
