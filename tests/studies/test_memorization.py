"""The models with canaries: their data, and what the committed runs must agree with."""

from collections import Counter

import numpy as np
import pytest

from course_lib.privacy import epsilon
from course_lib.studies import memorization

RUNS = memorization.load_runs()


def test_each_record_is_in_the_data_of_half_of_the_models():
    members = memorization.halves()
    assert members.shape == (memorization.SHADOWS, memorization.RECORDS)
    assert (members.sum(axis=0) == memorization.SHADOWS // 2).all()
    assert len({row.tobytes() for row in members}) == memorization.SHADOWS


def test_as_many_names_have_each_number_of_copies_and_seeds_deal_them_anew():
    dealt = memorization.canaries(seed=0)
    each = len(memorization.NAMES) // len(memorization.COPIES)
    assert Counter(dealt.values()) == dict.fromkeys(memorization.COPIES, each)
    other = memorization.canaries(seed=1)
    assert {c.before for c in other} == {c.before for c in dealt}
    assert {c.secret for c in other} != {c.secret for c in dealt}


def test_records_are_short_each_once_and_none_is_held_out(network):
    _, sentences = memorization.load_sentences()
    assert len(set(sentences)) == len(sentences)
    assert max(map(len, sentences)) <= memorization.LONGEST
    rest = len(sentences) - memorization.HELD_OUT
    assert rest >= max(memorization.SENTENCES, memorization.RECORDS)
    known = memorization.canaries()
    counts = Counter(memorization.planted(known))
    assert all(counts[canary.text] == copies for canary, copies in known.items())


def test_the_runs_are_of_the_settings():
    assert len(RUNS["widths"]) == len(memorization.WIDTHS)
    assert {len(found) for found in RUNS["widths"]} == {memorization.SEEDS}
    assert np.shape(RUNS["shadows"]) == (memorization.SHADOWS, memorization.RECORDS)
    n_records = memorization.SENTENCES + sum(memorization.canaries().values())
    settings = [memorization.PRIVATE[name] for name in ("rate", "steps")]
    for noise, found in zip(memorization.NOISES, RUNS["private"], strict=True):
        for run in found:
            expected = epsilon(noise, *settings, 1 / n_records) if noise else None
            assert run["epsilon"] == (expected and pytest.approx(expected, abs=1e-3))


def test_what_was_never_planted_is_at_chance_and_what_was_often_is_not():
    of = [run["exposures"] for found in RUNS["widths"] for run in found]
    never, often = (np.mean([exposures[i] for exposures in of]) for i in (0, -1))
    assert never == pytest.approx(1.44, abs=0.5)
    assert often > 10
