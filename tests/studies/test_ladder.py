import pytest
import torch
from project import NOTEBOOKS

from course_lib.studies import ladder


def test_the_ladder_goes_down_in_bits_and_each_rung_has_a_chapter():
    rungs = ladder.load_ladder()
    assert [rung.bits for rung in rungs] == sorted((rung.bits for rung in rungs), reverse=True)
    assert {rung.name for rung in rungs} == set(ladder.MAKERS)
    assert {rung.chapter for rung in rungs} <= {path.stem for path in NOTEBOOKS}
    assert all(len(rung.sample) > 100 for rung in rungs)


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("name", ["all letters alike", "letter frequencies"])
def test_rungs_that_are_quick_are_measured_again(name):
    committed = next(rung for rung in ladder.load_ladder() if rung.name == name)
    bits, sample = ladder.MAKERS[name][1]()
    assert bits == pytest.approx(committed.bits, abs=2e-3)
    assert sample == committed.sample


@pytest.mark.usefixtures("network")
def test_the_trained_model_that_is_kept_is_as_good_as_its_rung():
    committed = next(rung for rung in ladder.load_ladder() if rung.chapter == "training")
    model, tokenizer = ladder.load_trained_well()
    assert not model.training
    assert next(model.parameters()).dtype is torch.float32
    bits, _ = ladder._of_gpt(model, tokenizer, ladder.load_text().held_out)
    assert bits == pytest.approx(committed.bits, abs=3e-3)
