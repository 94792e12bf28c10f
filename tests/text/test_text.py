"""Cleaning does what each step's name says and no more; splits don't leak."""

import math
import random
import time
import unicodedata

import numpy as np
import pytest

from course_lib import data
from course_lib.text import cleaning as text
from course_lib.text.cleaning import (
    clean,
    drop_copies,
    drop_near_copies,
    drop_repeated_lines,
    each,
    jaccard,
    keep,
    minhash,
    near_copies,
    sentences,
    shingles,
    split,
    table,
)


@pytest.fixture(scope="module")
def reviews(network):
    """IMDb reviews, two that are nearly the same among them, by number."""
    found = [review.text for review in data.load_film_reviews()]
    chosen = [*range(0, 25_000, 20), *near(found)]
    return {i: found[i] for i in sorted(set(chosen))}


def near(found):
    """Two posts of one review, the second with a space less."""
    return [i for i, sample in enumerate(found) if "in the Slavic Village-Broadway" in sample]


# Steps for one document


@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        (text.nfc, "cafe\u0301 中文 🙂", "café 中文 🙂"),
        (text.nfc, "\u1112\u1161\u11ab", "한"),
        (text.mend_encoding, "wow \x96 it\x92s \x93good\x94\x85", "wow – it’s “good”…"),
        (text.mend_encoding, "a\x81b", "ab"),
        (text.strip_html, "one<br /><br>two<BR/>three", "one\n\ntwo\nthree"),
        (text.strip_html, "<i>so</i> &amp; &#8230; <b class='x'>on</b>", "so & … on"),
        (text.strip_html, "I <grin> at 1 < 2 and a<b, b>a <3", "I <grin> at 1 < 2 and a<b, b>a <3"),
        (text.strip_html, "&lt;br&gt;", "<br>"),
        (text.squeeze_whitespace, "  a \t b\r\n\r\n\n\n c\u00a0\u3000d  ", "a b\n\nc d"),
        (text.mask_personal_data, "Write to a.b+c@mail.example.co.uk.", "Write to <email>."),
        (text.mask_personal_data, "邮箱abc@qq.com电话13812345678。", "邮箱<email>电话<phone>。"),
        (text.mask_personal_data, "(555) 123-4567, 555-123-4567", "<phone>, <phone>"),
        (text.mask_personal_data, "+44 20 7946 0958 or +86 138 1234 5678", "<phone> or <phone>"),
    ],
)
def test_step_changes_what_it_names(step, before, after):
    assert step(before) == after


@pytest.mark.parametrize("step", [text.nfc, text.mend_encoding, text.strip_html])
@pytest.mark.parametrize("sample", ["", "naïve café", "中文分词,对吗?", "👩‍👩‍👧‍👦 🇫🇷", "a < b"])
def test_step_leaves_plain_text_in_any_script_alone(step, sample):
    assert step(sample) == sample


@pytest.mark.parametrize(
    "sample",
    [
        "1939-1945 and 2001: A Space Odyssey",
        "8/10, 1,000,000 dollars, 12-13-2004",
        "user @ home, @name, ISBN 0-306-40615-2",
        "138123456789012",
    ],
)
def test_mask_leaves_other_numbers_and_signs_alone(sample):
    assert text.mask_personal_data(sample) == sample


@pytest.mark.parametrize("step", [text.squeeze_whitespace, text.mask_personal_data])
def test_step_done_twice_changes_no_more(step, reviews):
    for review in list(reviews.values())[:300]:
        assert step(step(review)) == step(review)


@pytest.mark.network
def test_play_loses_its_markup_and_keeps_its_words():
    hamlet = text.strip_play_markup(data.load_plays()["hamlet"])
    assert hamlet.startswith("Who's there?\n\nNay, answer me: stand, and unfold yourself.")
    assert not set(hamlet) & set("#*_[]\\")
    assert "Enter HAMLET" not in hamlet
    assert "To be, or not to be: that is the question:\nWhether 'tis nobler" in hamlet
    assert "\n\n\n" not in hamlet
    assert " \n" not in hamlet


@pytest.mark.network
def test_english_is_told_from_other_languages():
    def share(texts):
        joined = [" ".join(texts[i : i + 20]) for i in range(0, 400, 20)]
        return np.mean([text.looks_english(sample) for sample in joined])

    pairs = data.load_messages("fr")
    assert share([review.text for review in data.load_film_reviews()]) == 1
    assert share([pair.source for pair in pairs]) > 0.9
    assert share([pair.target for pair in pairs]) == 0
    assert share([review.text for review in data.load_chinese_reviews()]) < 0.1


# Steps for all documents


def test_repeated_lines_are_those_of_enough_documents():
    documents = {i: f"Film {i}\nRead my page!\nRead my page!" for i in range(5)}
    assert drop_repeated_lines(documents) == {i: f"Film {i}" for i in range(5)}
    assert drop_repeated_lines(documents, least=6) == documents


def test_first_of_copies_is_kept():
    assert drop_copies({"a": "x", "b": "y", "c": "x"}) == {"a": "x", "b": "y"}
    with_case = {0: "One two three four five six", 1: "one, TWO three four five six!", 2: "Other"}
    assert drop_near_copies(with_case) == {0: with_case[0], 2: "Other"}


def test_near_copies_of_the_reviews_are_found(reviews):
    first, second = [key for key, sample in reviews.items() if "Slavic Village-B" in sample]
    assert reviews[first] != reviews[second]
    kept = drop_near_copies(reviews)
    assert first in kept
    assert second not in kept


# Near copies


def test_shingles_are_runs_of_words():
    assert len(shingles("a b c d e f g")) == 3
    assert len(shingles("a b c d e a b c d e f")) == 6  # one run of five comes twice
    assert len(shingles("too short")) == 1
    assert len(shingles("?!")) == 0
    assert len(shingles("中文没有空格")) == 2
    assert list(shingles("One, two; three four five!")) == list(shingles("one two three four five"))
    assert list(shingles("a b c d e")) != list(shingles("b a c d e")), "order counts"


def test_jaccard_by_hand():
    assert jaccard(np.array([1, 2, 3]), np.array([2, 3, 4, 5])) == 2 / 5
    assert jaccard(np.array([1]), np.array([1])) == 1
    assert jaccard(np.array([]), np.array([])) == 0


@pytest.mark.parametrize("common", [10, 50, 90, 100])
def test_minhash_estimates_the_exact_jaccard_similarity(common):
    rng = np.random.default_rng(common)
    numbers = rng.integers(0, 2**63, 200, dtype=np.uint64)
    a, b = numbers[:100], numbers[100 - common : 200 - common]
    n = 4096
    agree = np.mean(minhash(a, n) == minhash(b, n))
    exact = jaccard(a, b)
    assert abs(agree - exact) <= 5 * np.sqrt(exact * (1 - exact) / n)  # five standard deviations


def test_minhash_is_the_same_in_every_run():
    assert minhash(shingles("the same in every process"), 3).tolist() == [
        2092054779,
        3918460726,
        1557619404,
    ]


def test_minhash_of_nothing_is_refused():
    with pytest.raises(ValueError, match="shingles: expected at least one"):
        minhash(shingles(""))


def test_near_copies_equal_those_of_every_pair(reviews):
    """Texts with words replaced at random, against comparing all of them with all."""
    chance = random.Random(0)
    texts = []
    for review in list(reviews.values())[:40]:
        words = review.split()[:150]
        for changes in (0, 1, 2, 4, 8):
            copy = list(words)
            for place in chance.sample(range(len(copy)), min(changes, len(copy))):
                copy[place] = f"word{chance.random()}"
            texts.append(" ".join(copy))
    sets = [shingles(sample) for sample in texts]
    every = {(i, j): jaccard(sets[i], sets[j]) for j in range(len(texts)) for i in range(j)}
    expected = {pair: s for pair, s in every.items() if s >= 0.7}
    found = {(i, j): s for i, j, s in near_copies(texts, 0.7)}
    assert len(expected) > 100
    assert set(found) <= set(expected)
    assert len(found) >= 0.99 * len(expected)
    assert all(found[pair] == expected[pair] for pair in found)


def test_texts_without_words_are_no_copies():
    assert near_copies(["", "?", "!", "..."]) == []
    assert near_copies([]) == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: near_copies([], 0), "threshold: expected a share above 0, at most 1, got 0"),
        (lambda: near_copies([], math.nan), "threshold: expected a share above 0.*, got nan"),
        (lambda: near_copies([], bands=0), "bands: expected a whole number above 0, got 0"),
        (lambda: near_copies([], rows=1.5), "rows: expected a whole number above 0, got 1.5"),
        (lambda: text.drop_near_copies({}, -1), "threshold: expected a share above 0"),
        (lambda: text.drop_repeated_lines({}, 0), "least: expected a whole number above 0"),
        (lambda: text.shingles("a", 0), "length: expected a whole number above 0, got 0"),
        (lambda: text.minhash(text.shingles("a"), 0), "n_hashes: expected a whole number above 0"),
        (lambda: text.minhash(text.shingles("a"), seed=-1), "seed: expected a whole number, 0 or "),
        (lambda: text.split({}, ()), r"shares: expected .* that sum to 1, got \(\)"),
        (lambda: text.split({}, (0.5, 0.6)), "shares: expected .* that sum to 1, got"),
        (lambda: text.split({}, (math.nan, 1)), "shares: expected a share from 0 to 1, got nan"),
        (lambda: text.split({}, (-0.5, 1.5)), "shares: expected a share from 0 to 1, got -0.5"),
        (lambda: text.split({}, sentence_words=0), "sentence_words: expected a whole number"),
    ],
)
def test_bad_setting_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Reports


def test_reports_say_what_each_step_changed():
    documents = {"a": "<b>one</b> two", "b": "one two", "c": "x"}
    cleaned, reports = clean(
        documents,
        {"HTML": each(text.strip_html), "copies": drop_copies, "short": keep(lambda t: " " in t)},
    )
    assert cleaned == {"a": "one two"}
    assert documents["a"] == "<b>one</b> two", "the input stays"
    html, copies, short = reports
    assert (html.documents, html.characters, html.changed) == ((3, 3), (22, 15), 1)
    assert html.examples == [("<b>one</b> two", "one two")]
    assert (copies.documents, copies.characters, copies.changed) == ((3, 2), (15, 8), 0)
    assert copies.examples == [("one two", "")]
    assert short.documents == (2, 1)
    lines = table(reports).splitlines()
    assert [line.split()[0] for line in lines] == ["step", "(raw)", "HTML", "copies", "short"]
    assert lines[2].split() == ["HTML", "3", "15", "1"]


def test_report_of_a_long_document_shows_the_place():
    _, (report,) = clean({0: "x" * 500 + "<br>" + "y" * 500}, {"HTML": each(text.strip_html)})
    ((before, after),) = report.examples
    assert "<br>" in before
    assert "\n" in after
    assert len(before) == len(after) == 60


# Splits


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
    seen = {s for sample in train.values() for s in sentences(sample) if len(s) >= 8}
    held_out = [s for part in (validation, test) for t in part.values() for s in sentences(t)]
    assert len(held_out) > 1_500
    assert not seen.intersection(held_out)


@pytest.mark.network
def test_no_validation_sentence_at_all_is_in_train_where_documents_are_sentences():
    found = data.load_film_reviews("rotten_tomatoes")
    documents = dict(enumerate(review.text for review in found[::3]))
    train, validation, _ = split(documents, sentence_words=1)
    seen = {s for sample in train.values() for s in sentences(sample)}
    assert len(validation) > 200
    assert not [s for sample in validation.values() for s in sentences(sample) if s in seen]


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


# Long texts of one kind: what grows with the square takes minutes here


def variants(n, changed, length=60):
    chance = random.Random(0)
    words = [f"w{i}" for i in range(1_000)]
    first = chance.choices(words, k=length)
    made = []
    for _ in range(n):
        copy = list(first)
        for _ in range(changed):
            copy[chance.randrange(length)] = chance.choice(words)
        made.append(" ".join(copy))
    return dict(enumerate(made))


def test_a_copy_is_compared_with_one_of_its_cluster(monkeypatch):
    compared = 0
    comparison = text._comparison

    def counted(sets):
        similar = comparison(sets)

        def count(i, others):
            nonlocal compared
            compared += len(others)
            return similar(i, others)

        return count

    monkeypatch.setattr(text, "_comparison", counted)
    documents = variants(1_000, changed=1)
    assert len(text.drop_near_copies(documents)) < 20
    assert compared < 20_000, "of 499,500 pairs"


def chain(seed, length=40):
    """Texts each of which differs from the one before by a few words, in a random order."""
    chance = random.Random(seed)
    words = [f"w{i}" for i in range(400)]
    text, texts = chance.choices(words, k=length), []
    for _ in range(40):
        for _ in range(chance.choice([1, 1, 2, 3])):
            text[chance.randrange(length)] = chance.choice(words)
        texts.append(" ".join(text))
    chance.shuffle(texts)
    return dict(enumerate(texts))


@pytest.mark.parametrize("threshold", [0.2, 0.4, 0.55, 0.7])
def test_groups_are_those_that_the_pairs_connect(threshold):
    for seed in range(10):
        documents = chain(seed)
        connected = {i: {i} for i in documents}
        for i, j, _ in near_copies(list(documents.values()), threshold):
            joined = connected[i] | connected[j]
            connected |= dict.fromkeys(joined, joined)
        firsts = sorted({min(group) for group in connected.values()})
        assert list(text.drop_near_copies(documents, threshold)) == firsts


LONG = 200_000
STEPS_OF_TEXT = [
    text.nfc,
    text.mend_encoding,
    text.strip_html,
    text.strip_play_markup,
    text.squeeze_whitespace,
    text.mask_personal_data,
    text.looks_english,
    text.shingles,
    lambda document: list(text.sentences(document)),
]
UNITS = ["a", "1", "1 ", "+1 ", "+123456789012345678 ", "a@", "a@a.", "@", "-", "_", "_ ", "**a"]
UNITS += [" ", "\n ", "<", "<br ", "</b", "&#", "&#1", "&amp", "\\", "[", "{", "é", "\u0300\u0327"]


@pytest.mark.parametrize("unit", UNITS)
def test_steps_take_time_in_proportion_to_the_text(unit):
    document = "<b _a" + unit * (LONG // len(unit)) + " x"
    start = time.perf_counter()
    for change in STEPS_OF_TEXT:
        change(document)
    assert time.perf_counter() - start < 60  # minutes where it grows with the square


def test_signature_of_a_long_text_is_the_least_of_its_parts():
    many = text.shingles(" ".join(map(str, range(50_000))))
    parts = [text.minhash(part) for part in np.array_split(many, 9)]
    np.testing.assert_array_equal(text.minhash(many), np.min(parts, axis=0))


def test_masking_finds_each_address():
    masked = text.mask_personal_data("a@b.c+d@e.f, x@y, me.and@you-2.example.org. a@b.c@d.e")
    assert masked == "<email><email>, x@y, <email>. <email>@d.e"


@pytest.mark.parametrize(("digits", "sign"), [("9", "\ufffd"), ("0", "A"), ("0", "\ufffd")])
def test_character_reference_of_any_length_is_read(digits, sign):
    reference = "&#" + digits * 10_000 + ("65" if sign == "A" else "") + ";"
    assert text.strip_html(f"x{reference}y") == f"x{sign}y"


def test_many_marks_on_a_letter_are_put_in_order_by_thirty():
    few = "a" + "\u0300\u0327" * 15
    assert text.nfc(few) == unicodedata.normalize("NFC", few)
    many = text.nfc("a" + "\u0300\u0327" * 40)
    assert many.count("\u034f") == 2
    assert text.nfc(many) == many
