"""The spelling corrector and the homophone chooser, by hand and on real sentences."""

import math
import random

import pytest

from course_lib.data import load_film_reviews, load_misspellings, load_pronunciations
from course_lib.text.ngram import KneserNey, sentences, vocabulary
from course_lib.text.noisy_channel import HomophoneChooser, SpellingCorrector, edits, fit


@pytest.fixture(scope="module")
def reviews(network):
    return [sentences(review.text) for review in load_film_reviews()[9000:12000]]


@pytest.fixture(scope="module")
def model(reviews):
    train = [sentence for review in reviews[:2700] for sentence in review]
    return KneserNey(train, 3, vocabulary(train, 3))


@pytest.fixture(scope="module")
def held_out(reviews):
    return [s for review in reviews[2700:] for s in review if 5 <= len(s) <= 30]


@pytest.fixture(scope="module")
def pairs(network):
    return [
        (typed, meant[0])
        for typed, meant in load_misspellings().items()
        if len(meant) == 1 and typed.isalpha() and meant[0].isalpha()
    ]


@pytest.fixture(scope="module")
def corrector(model, pairs):
    return SpellingCorrector(model, pairs[::2], typo_rate=0.05)


@pytest.fixture(scope="module")
def chooser(model):
    return HomophoneChooser(model, load_pronunciations())


@pytest.mark.parametrize(
    ("typed", "meant", "expected"),
    [
        ("the", "the", []),
        ("teh", "the", [("he", "eh")]),
        ("speling", "spelling", [("ll", "l")]),
        ("untill", "until", [("l", "ll")]),
        ("seperate", "separate", [("a", "e")]),
        ("nd", "and", [("a", "")]),
        ("aand", "and", [("a", "aa")]),
        ("xand", "and", [("", "x")]),
        ("te", "the", [("th", "t")]),
        ("th", "the", [("he", "h")]),
        ("thxe", "the", [("h", "hx")]),
        ("", "a", [("a", "")]),
        ("", "", []),
    ],
)
def test_edits_by_hand(typed, meant, expected):
    found = edits(typed, meant)
    assert len(found) == len(expected)
    if typed not in ("aand", "speling", "untill"):  # either of two equal letters may be the slip
        assert found == expected


def test_number_of_edits_is_a_distance():
    rng = random.Random(0)
    for _ in range(300):
        a, b = ("".join(rng.choices("abc", k=rng.randint(0, 6))) for _ in range(2))
        assert len(edits(a, b)) == len(edits(b, a))
        assert (len(edits(a, b)) == 0) == (a == b)
        assert len(edits(a, b)) <= max(len(a), len(b))


def test_candidates_are_all_known_words_within_one_slip(model, corrector):
    known = [word for word in model.vocab if word.isalpha()]
    for typed in ("moive", "actr", "bood", "filmm", "teh"):
        near = {word for word in known if len(edits(typed, word)) <= 1}
        assert near | {typed} <= corrector.candidates(typed)
        assert all(len(edits(typed, word)) <= 2 for word in corrector.candidates(typed))


def test_channel_by_hand():
    # Four slips, each seen once: he -> eh, nd -> dn, ei -> ie, l -> ll
    pairs = [("teh", "the"), ("adn", "and"), ("recieve", "receive"), ("untill", "until")]
    log = SpellingCorrector(KneserNey([["the", "and"]], 2), pairs, typo_rate=0.1).log_channel
    seen, unseen = 1.5 / (4 + 4 / 2), 0.5 / (4 + 4 / 2)
    assert math.exp(log("the", "the")) == pytest.approx(0.9)
    assert math.exp(log("teh", "the")) == pytest.approx(0.1 * seen)
    assert math.exp(log("xhe", "the")) == pytest.approx(0.1 * unseen)
    assert math.exp(log("recievex", "receive")) == pytest.approx(0.1 * seen * unseen)


def test_channel_prefers_frequent_slips(corrector):
    log = corrector.log_channel
    assert log("receive", "receive") > log("recieve", "receive")
    assert log("recieve", "receive") > log("rexeive", "receive")
    assert log("rexeive", "receive") > log("rxexive", "receive")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("it is better thn the first one .", "than"),
        ("and thn the killer comes back .", "then"),
        ("i didn't see thos film .", "this"),
        ("thos people are great .", "those"),
        ("it was fun fo me .", "for"),
        ("one fo the best films .", "of"),
        # typed as another word that is known
        ("it comes form the director of alien .", "from"),
        ("more then one .", "than"),
    ],
)
def test_context_decides_between_words_that_are_near(corrector, typed, meant):
    words = typed.split()
    slips = ("thn", "thos", "fo", "form", "then")
    place = next(i for i, word in enumerate(words) if word in slips)
    assert corrector.correct(words) == [*words[:place], meant, *words[place + 1 :]]


def test_what_is_no_word_stays(corrector):
    sentence = ["1999", ",", "😀", "don't"]
    assert corrector.correct(sentence) == sentence
    assert corrector.correct([]) == []


def garbled(held_out, pairs, n: int) -> list[tuple[list[str], int, str]]:
    rng = random.Random(0)
    by_word: dict[str, list[str]] = {}
    for typed, meant in pairs[1::2]:
        by_word.setdefault(meant, []).append(typed)
    found = []
    for sentence in held_out:
        places = [i for i, word in enumerate(sentence) if word in by_word]
        if places:
            place = rng.choice(places)
            typed = rng.choice(by_word[sentence[place]])
            found.append((sentence, place, typed))
    return rng.sample(found, n)


def test_corrector_beats_leaving_it_and_the_most_frequent_word(model, held_out, pairs, corrector):
    rank = {word: -i for i, word in enumerate(model.vocab)}

    def most_frequent(words):
        near = [sorted(corrector.candidates(word) - {word}) for word in words]
        return [
            max(close, key=rank.__getitem__) if word not in model and close else word
            for word, close in zip(words, near, strict=True)
        ]

    right = {"ours": 0, "most frequent": 0}
    items = garbled(held_out, pairs, 200)
    for sentence, place, typed in items:
        came = [*sentence[:place], typed, *sentence[place + 1 :]]
        right["ours"] += corrector.correct(came) == list(sentence)
        right["most frequent"] += most_frequent(came) == list(sentence)
        assert came != sentence, "left as it is, none is right"
    assert right["ours"] > right["most frequent"] + 10 > 10
    assert right["ours"] > 0.75 * len(items)


def test_homophones_are_found_by_sound(chooser):
    assert {"their", "there", "they're"} <= chooser.candidates("there")
    assert chooser.candidates("film") == {"film"}
    assert chooser.candidates("never seen") == {"never seen"}


def test_homophones_share_any_of_their_pronunciations():
    sounds = {"read": [("R", "IY", "D"), ("R", "EH", "D")], "red": [("R", "EH", "D")]}
    sounds |= {"reed": [("R", "IY", "D")], "bred": [("B", "R", "EH", "D")]}
    chooser = HomophoneChooser(KneserNey([["read", "red", "reed", "bred"]], 2), sounds)
    assert chooser.candidates("read") == {"read", "red", "reed"}
    assert chooser.candidates("red") == {"red", "read"}
    assert chooser.candidates("bred") == {"bred"}


def test_homophones_are_chosen_by_context(chooser):
    heard = sentences("There is to much of it, and they lost there weigh.")[0]
    meant = [
        "there",
        "is",
        "too",
        "much",
        "of",
        "it",
        ",",
        "and",
        "they",
        "lost",
        "their",
        "way",
        ".",
    ]
    assert chooser.choose(heard) == meant


def test_only_the_words_around_change_the_fit(model, held_out):
    sentence = held_out[0]
    for place in range(len(sentence)):
        other = [*sentence[:place], "the", *sentence[place + 1 :]]
        whole = model.log_prob(other) - model.log_prob(sentence)
        near = fit(model, other, place) - fit(model, sentence, place)
        assert near == pytest.approx(whole)


def test_bad_input_is_named():
    model, pairs = KneserNey([["a", "good", "film"]], 3), [("flim", "film")]
    with pytest.raises(ValueError, match="typo_rate: expected a share between 0 and 1, got 0"):
        SpellingCorrector(model, pairs, typo_rate=0)
    with pytest.raises(ValueError, match="pairs: expected at least one misspelling, got none"):
        SpellingCorrector(model, [])
    with pytest.raises(ValueError, match=r"typo_rate: expected a share .*, got nan"):
        SpellingCorrector(model, pairs, typo_rate=math.nan)
    with pytest.raises(ValueError, match="model: expected words of letters"):
        SpellingCorrector(KneserNey([["1", "2"]], 2), pairs)
    for place in (-1, 3):
        with pytest.raises(ValueError, match=f"place: expected a place from 0 to 2, got {place}"):
            fit(model, ["a", "good", "film"], place)
    for words, name in ((("a" * 101, "a"), "typed"), (("a", "a" * 101), "meant")):
        with pytest.raises(ValueError, match=f"{name}: expected at most 100 letters, got 101"):
            edits(*words)


def test_a_word_of_200000_letters_is_left_as_it_is():
    """One form for each letter left out would be 40 GB."""
    long = "a" * 200_000
    model = KneserNey([["good", "film"], [long, "film"]], 2)
    corrector = SpellingCorrector(model, [("flim", "film")])
    assert corrector.correct([long, "b" * 200_000, "flim"]) == [long, "b" * 200_000, "film"]


def test_a_word_without_a_pronunciation_is_kept():
    chooser = HomophoneChooser(KneserNey([["hm", "film"]], 2), {"hm": [], "film": iter([("F",)])})
    assert chooser.choose(["hm", "film"]) == ["hm", "film"]


def test_many_words_of_one_sound_take_room_for_each_once():
    words = [f"w{i}" for i in range(3_000)]
    sounds = [("W",)]
    chooser = HomophoneChooser(KneserNey([words], 1), dict.fromkeys(words, sounds))
    assert chooser.candidates("w7") == set(words)
    assert sum(map(len, chooser._by_sound.values())) == len(words)
