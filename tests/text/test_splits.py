"""Splits don't leak, and stay as they are when documents come and go."""

import math
import random

import pytest

from course_lib import data
from course_lib.text.splits import sentence_keys, split


def test_split_gives_each_document_to_one_part_about_as_the_shares_say(reviews):
    parts = split(reviews, (0.7, 0.2, 0.1))
    keys = [key for part in parts for key in part]
    assert sorted(keys) == sorted(reviews)
    for part, share in zip(parts, (0.7, 0.2, 0.1), strict=True):
        assert abs(len(part) / len(reviews) - share) < 0.04
        assert all(reviews[key] == sample for key, sample in part.items())


def test_no_validation_sentence_is_in_train(reviews):
    """Here of 8 words and more; the shorter ones are common speech, such as 'I loved it'."""
    train, validation, test = split(reviews)
    seen = {s for sample in train.values() for s in sentence_keys(sample) if len(s) >= 8}
    held_out = [s for part in (validation, test) for t in part.values() for s in sentence_keys(t)]
    assert len(held_out) > 1_500
    assert not seen.intersection(held_out)


@pytest.mark.network
def test_no_validation_sentence_at_all_is_in_train_where_documents_are_sentences():
    found = data.load_film_reviews("rotten_tomatoes")
    documents = dict(enumerate(review.text for review in found[::3]))
    train, validation, _ = split(documents, sentence_words=1)
    seen = {s for sample in train.values() for s in sentence_keys(sample)}
    assert len(validation) > 200
    assert not [s for sample in validation.values() for s in sentence_keys(sample) if s in seen]


@pytest.mark.parametrize("kind", ["near copies", "a long sentence in common"])
def test_documents_that_share_much_are_on_one_side(kind):
    chance = random.Random(0)

    def words(count):
        return [f"w{chance.randrange(10_000)}" for _ in range(count)]

    documents = {}
    for i in range(300):
        first, common = words(80), " ".join(words(8)) + "."
        second = [*first[:30], "changed", *first[31:]] if kind == "near copies" else words(80)
        for name, found in (("first", first), ("second", second)):
            text = " ".join(found)
            documents[i, name] = text if kind == "near copies" else f"{text}. {common} End."
    parts = split(documents, (0.5, 0.5))
    assert all(len(part) > 200 for part in parts)
    for part in parts:
        assert all((i, "first") in part and (i, "second") in part for i, _ in part)


@pytest.mark.network
def test_exact_copies_are_on_one_side():
    reviews = [review.text for review in data.load_chinese_reviews()][:4000]
    train, validation, test = split(dict(enumerate(reviews)))
    assert len(set(reviews)) < 4000
    assert not set(train.values()) & {*validation.values(), *test.values()}


def test_document_stays_on_its_side_when_others_come_and_in_any_order(reviews):
    some = {key: reviews[key] for key in list(reviews)[::-2]}
    parts = split(some)
    everything = split(reviews)
    moved = [k for p, q in zip(parts, everything, strict=True) for k in p if k not in q]
    # Only documents that a new one connects may move.
    assert len(moved) <= 5
    turned = split({key: reviews[key] for key in reversed(reviews)})
    assert [set(part) for part in turned] == [set(part) for part in everything]


def test_another_seed_gives_another_split(reviews):
    some = {key: reviews[key] for key in list(reviews)[:200]}
    assert set(split(some)[1]) != set(split(some, seed=1)[1])
    with pytest.raises(ValueError, match=r"shares: .* sum to 1, got \(0.5, 0.6\)"):
        split({}, (0.5, 0.6))


def test_split_of_nothing_is_empty():
    assert split({}) == ({}, {}, {})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: split({}, ()), r"shares: expected .* that sum to 1, got \(\)"),
        (lambda: split({}, (0.5, 0.6)), "shares: expected .* that sum to 1, got"),
        (lambda: split({}, (math.nan, 1)), "shares: expected a share from 0 to 1, got nan"),
        (lambda: split({}, (-0.5, 1.5)), "shares: expected a share from 0 to 1, got -0.5"),
        (lambda: split({}, sentence_words=0), "sentence_words: expected a whole number"),
    ],
)
def test_bad_setting_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
