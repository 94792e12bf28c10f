"""Near copies are those that comparing all with all would find."""

import math
import random

import numpy as np
import pytest

from course_lib.text import copies
from course_lib.text.copies import minhash, near_copies, near_groups, shingles


def jaccard(a, b):
    a, b = set(a.tolist()), set(b.tolist())
    return len(a & b) / len(a | b)


def test_shingles_are_runs_of_words():
    assert len(shingles("a b c d e f g")) == 3
    assert len(shingles("a b c d e a b c d e f")) == 6  # one run of five comes twice
    assert len(shingles("too short")) == 1
    assert len(shingles("?!")) == 0
    assert len(shingles("中文没有空格")) == 2
    assert list(shingles("One, two; three four five!")) == list(shingles("one two three four five"))
    assert list(shingles("a b c d e")) != list(shingles("b a c d e")), "order counts"


def test_similarity_by_hand():
    a, b, c = "a b c d e f g", "b c d e f g h i", "other words that are not there"  # 3, 4, 2 runs
    assert near_copies([a, b, c], 0.2, rows=1) == [(0, 1, 2 / 5)]
    assert near_copies([a, a], 1) == [(0, 1, 1)]


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


def test_first_of_near_copies_stands_for_them():
    with_case = ["One two three four five six", "one, TWO three four five six!", "Other"]
    assert near_groups(with_case, 0.8).firsts() == [0, 0, 2]


def test_near_copies_of_the_reviews_are_found(reviews):
    texts = list(reviews.values())
    first, second = (i for i, sample in enumerate(texts) if "Slavic Village-B" in sample)
    assert texts[first] != texts[second]
    firsts = near_groups(texts, 0.8).firsts()
    assert firsts[first] == firsts[second] == first


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: near_copies([], 0), "threshold: expected a share above 0, at most 1, got 0"),
        (lambda: near_copies([], math.nan), "threshold: expected a share above 0.*, got nan"),
        (lambda: near_copies([], bands=0), "bands: expected a whole number above 0, got 0"),
        (lambda: near_copies([], rows=1.5), "rows: expected a whole number above 0, got 1.5"),
        (lambda: near_groups([], -1), "threshold: expected a share above 0"),
        (lambda: shingles("a", 0), "length: expected a whole number above 0, got 0"),
        (lambda: minhash(shingles("a"), 0), "n_hashes: expected a whole number above 0"),
        (lambda: minhash(shingles("a"), seed=-1), "seed: expected a whole number, 0 or "),
    ],
)
def test_bad_setting_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_signature_of_a_long_text_is_the_least_of_its_parts():
    many = shingles(" ".join(map(str, range(50_000))))
    parts = [minhash(part) for part in np.array_split(many, 9)]
    np.testing.assert_array_equal(minhash(many), np.min(parts, axis=0))


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
    return made


def test_a_copy_is_compared_with_one_of_its_cluster(monkeypatch):
    compared = 0
    comparison = copies._comparison

    def counted(sets):
        similar = comparison(sets)

        def count(i, others):
            nonlocal compared
            compared += len(others)
            return similar(i, others)

        return count

    monkeypatch.setattr(copies, "_comparison", counted)
    texts = variants(1_000, changed=1)
    assert len(set(near_groups(texts, 0.8).firsts())) < 20
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
    return texts


@pytest.mark.parametrize("threshold", [0.2, 0.4, 0.55, 0.7])
def test_groups_are_those_that_the_pairs_connect(threshold):
    for seed in range(10):
        texts = chain(seed)
        connected = {i: {i} for i in range(len(texts))}
        for i, j, _ in near_copies(texts, threshold):
            joined = connected[i] | connected[j]
            connected |= dict.fromkeys(joined, joined)
        firsts = sorted({min(group) for group in connected.values()})
        assert sorted(set(near_groups(texts, threshold).firsts())) == firsts
