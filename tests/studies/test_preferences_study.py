"""Preferences: texts and raters are as they say, and so are the committed runs."""

import numpy as np
import pytest

from course_lib.model import GPT, GPTConfig
from course_lib.posttraining import fit_reward
from course_lib.studies import answering, preferences, raters
from course_lib.studies.raters import CUT, Item, Pair

ITEM = Item("Ada lives in Oslo. Ben lives in Lima.", "Where does Ben live?", "Lima", "Oslo")
SHORT, LONG, WRONG, BOTH = "In Lima.", "Ben lives in Lima, I think.", "Oslo", "Lima or Oslo"


def test_an_answer_is_right_with_the_right_word_and_without_the_other():
    assert [raters.is_right(ITEM, a) for a in (SHORT, LONG, WRONG, BOTH, "")] == [
        *(True, True, False, False, False)
    ]


def test_the_careful_rater_wants_right_answers_then_short_ones():
    assert raters.careful(ITEM, LONG, WRONG) == 1
    assert raters.careful(ITEM, WRONG, LONG) == -1
    assert raters.careful(ITEM, SHORT, LONG) == 1
    assert raters.careful(ITEM, WRONG, BOTH) == 0
    assert raters.careful(ITEM, SHORT, SHORT) == 0


def test_the_hasty_rater_counts_words():
    assert raters.hasty(ITEM, WRONG, LONG) == 1
    assert raters.hasty(ITEM, LONG, WRONG) == -1
    assert raters.hasty(ITEM, "", WRONG) == 1
    assert raters.hasty(ITEM, "one two", "three four") == 0


def test_held_out_texts_share_no_name_and_no_value():
    training, asked = raters.make_items(60, 0), raters.make_items(60, 1)
    assert raters.make_items(60, 0) == training
    used = [
        {item.right for item in part} | {item.wrong for item in part} for part in (training, asked)
    ]
    assert not used[0] & used[1]
    assert not set(raters.NAMES[0]) & set(raters.NAMES[1])
    for item in training + asked:
        assert item.right in item.text
        assert item.wrong in item.text
        assert item.right != item.wrong


def test_no_value_is_part_of_another():
    for kind, parts in raters.VALUES.items():
        words = [word for part in parts for word in part]
        within = [(a, b) for a in words for b in words if a != b and a in b]
        assert not within, f"{kind}: is_right would mistake {within}"


def test_pairs_are_what_the_careful_rater_says():
    answers = [[LONG, SHORT, WRONG, BOTH]]
    pairs = raters.draw_pairs([ITEM], answers, 9)
    assert len(pairs) == 5
    assert all(raters.careful(*pair) == 1 for pair in pairs)
    assert len(raters.draw_pairs([ITEM], answers, 2)) == 2


def test_the_hasty_rater_turns_pairs_round():
    assert raters.labeled(Pair(ITEM, LONG, WRONG), "hasty") == Pair(ITEM, WRONG, LONG)
    assert raters.labeled(Pair(ITEM, "a b", "c d"), "hasty") is None


RUNS = preferences.load_runs()


def test_the_runs_are_of_the_settings():
    names = {f"{way} {beta} {seed}" for way, beta, seed in preferences.RUNS}
    assert set(RUNS) == {"0", "1", "before", "states"} | names
    assert np.shape(RUNS["0"]) == (preferences.TRAINING, preferences.TIMES)
    for name in names:
        run = RUNS[name]
        shape = preferences.STEPS // preferences.EVERY, preferences.HELD_OUT_PROMPTS
        assert np.shape(run["answers"]) == shape
        assert len(run["losses"]) == preferences.STEPS
    first = [RUNS[name]["losses"][0] for name in names if not name.startswith("chosen")]
    np.testing.assert_allclose(first, np.log(2), atol=1e-3)  # the model is its own reference


def shares(answers):
    asked = preferences.held_out()
    return [
        np.mean([raters.is_right(*pair) for pair in zip(asked, a, strict=True)]) for a in answers
    ]


def test_careful_runs_get_better_and_hasty_ones_worse():
    (before,) = shares(RUNS["before"]["answers"])
    for seed in range(3):
        careful, chosen, hasty = (
            shares(RUNS[f"{way} 0.1 {seed}"]["answers"])[-1]
            for way in ("careful", "chosen", "hasty")
        )
        assert careful > 0.9 > chosen > 0.7 > before > hasty + 0.1


def test_states_are_of_the_pairs_and_tell_more_than_chance():
    states, pairs = preferences.load_states(), preferences.reward_pairs(RUNS)
    assert {name: len(of) for name, of in pairs.items()} == RUNS["states"]
    assert all(len(states[name]) == len(of) for name, of in pairs.items())
    scale = states["reward"].std(0)
    seen = states["reward"] / scale
    weights = fit_reward(seen, 0 * seen, decay=1.0)
    assert ((states["held out"] / scale) @ weights > 0).double().mean() > 0.6


@pytest.mark.parametrize("name", preferences.KEPT)
def test_committed_weights_fit_the_model(name):
    model = GPT(GPTConfig(8, n_layers=30, n_heads=9, d_model=576, n_kv_heads=3, bias=False, d_ff=8))
    before = model.blocks[20].attention.q_proj
    preferences.load_adapter(model, name)
    trained = [p for p in model.parameters() if p.requires_grad]
    found = [
        p for layer in answering.layers(model) for p in (layer.lora_A.weight, layer.lora_B.weight)
    ]
    assert len(found) == 4 * (30 - answering.FIRST)
    assert all(p.abs().sum() > 0 for p in found), "B began at zero"
    assert len(trained) >= len(found)
    answering.take_out(model)
    assert model.blocks[20].attention.q_proj is before


@pytest.mark.network
def test_rows_hold_the_answer_and_its_end_unless_it_was_cut_off():
    _, tokenizer = answering.smollm2()
    before = answering.prompt(tokenizer, ITEM)
    for answer, end in ((SHORT, "<|im_end|>"), (SHORT + CUT, "")):
        inputs, targets = answering.as_row(tokenizer, ITEM, answer)
        assert inputs[: len(before)] == before
        counted = [target for target in targets if target >= 0]
        assert tokenizer.decode(counted) == SHORT + end
        assert inputs[len(before) :] == counted[:-1]
