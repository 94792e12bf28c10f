"""n-gram models against counts by hand, nltk's models, and the laws of probability."""

import math
from collections import Counter

import numpy as np
import pytest
from nltk.lm import KneserNeyInterpolated, Lidstone
from nltk.lm.preprocessing import pad_both_ends
from nltk.util import everygrams

from course_lib.data import load_plays
from course_lib.text.ngram import (
    END,
    UNKNOWN,
    AddK,
    Interpolated,
    KneserNey,
    NGram,
    sentences,
    vocabulary,
)

# "a b", "a b", "a c": small enough for a sheet of paper
TOY = [["a", "b"], ["a", "b"], ["a", "c"]]


@pytest.fixture(scope="module")
def hamlet(network):
    return sentences(load_plays()["hamlet"])


@pytest.fixture(scope="module")
def train(hamlet):
    return hamlet[:2000]


@pytest.fixture(scope="module")
def held_out(hamlet):
    return hamlet[2000:2100]


def models(corpus, vocab=None, orders=(1, 2, 3, 4)) -> list[NGram]:
    return [
        make(corpus, order, vocab=vocab)
        for make in (AddK, Interpolated, KneserNey)
        for order in orders
    ]


def test_relative_frequencies_by_hand():
    model = AddK(TOY, 2, k=0)
    assert model.prob("a") == 1
    assert model.prob("b", ["a"]) == pytest.approx(2 / 3)
    assert model.prob(END, ["a", "b"]) == 1
    assert model.log_prob(["a", "c"]) == pytest.approx(math.log(1 / 3))
    assert model.log_prob(["c"]) == -math.inf


def test_add_one_by_hand():
    # five words can be predicted: a, b, c, the end, and the unknown one
    model = AddK(TOY, 2)
    assert model.prob("b", ["a"]) == pytest.approx((2 + 1) / (3 + 5))
    assert model.prob("never seen", ["a"]) == pytest.approx(1 / 8)
    assert model.prob("b", ["never seen"]) == pytest.approx(1 / 5)


def test_interpolation_by_hand():
    model = Interpolated(TOY, 2, weight=0.75)
    unigram = 0.75 * 2 / 9 + 0.25 / 5  # "b" is 2 of 9 words, the ends among them
    assert model.prob("b", ["a"]) == pytest.approx(0.75 * 2 / 3 + 0.25 * unigram)
    assert model.prob("b", ["never seen"]) == pytest.approx(unigram)


def test_kneser_ney_by_hand():
    model = KneserNey(TOY, 2, discounts=[0.5, 0.75])
    # Different words before: a 1 (the start), b 1, c 1, the end 2 (b and c): 5 in all
    unigram = (1 - 0.5) / 5 + 0.5 * 4 / 5 * (1 / 5)
    assert model.prob("b") == pytest.approx(0.75 * 1 / 3 * unigram)
    assert model.prob("b", ["a"]) == pytest.approx((2 - 0.75) / 3 + 0.75 * 2 / 3 * unigram)


@pytest.mark.parametrize("order", [2, 3])
def test_kneser_ney_is_nltk_s(train, held_out, order):
    """nltk doesn't discount single words; with all words known the two are one formula."""
    vocab = vocabulary(train)
    ours = KneserNey(train, order, vocab, discounts=[0.0] + [0.7] * (order - 1))
    theirs = KneserNeyInterpolated(order, discount=0.7)
    padded = [["<s>"] * (order - 1) + s + ["</s>"] for s in train]
    # nltk would count a start sign after a start sign, too, which is no prediction.
    grams = ((g for g in everygrams(s, max_len=order) if g[-1] != "<s>") for s in padded)
    theirs.fit(grams, [word for s in padded for word in s])
    known = set(vocab)
    checked = 0
    for sentence in held_out[:25]:  # nltk counts anew for each
        for i, word in enumerate(sentence):
            context = ["<s>"] * (order - 1) + sentence[:i]
            near = context[len(context) - order + 1 :]
            if {word, *near} <= known | {"<s>"} and theirs.counts[near].N():
                want = theirs.score(word, near)
                assert ours.prob(word, sentence[:i]) == pytest.approx(want, rel=1e-9)
                checked += 1
    assert checked > 100


def test_add_k_is_nltk_s(train, held_out):
    ours = AddK(train, 3, k=0.1)
    theirs = Lidstone(0.1, 3)
    padded = [list(pad_both_ends(s, 3)) for s in train]
    # nltk's vocabulary has the start sign, ours has not: leave one out there
    words = {word for s in padded for word in s} - {"<s>"}
    theirs.fit((everygrams(s, max_len=3) for s in padded), sorted(words))
    for sentence in held_out[:50]:
        for i in range(2, len(sentence)):
            near, word = sentence[i - 2 : i], sentence[i]
            if {word, *near} <= words:
                assert ours.prob(word, sentence[:i]) == pytest.approx(theirs.score(word, near))


@pytest.mark.parametrize("least", [None, 3], ids=["all words", "frequent"])
def test_probabilities_sum_to_one_after_any_context(train, held_out, least):
    vocab = None if least is None else vocabulary(train, least)
    contexts = [[], ["i"], ["to", "the"], ["never seen"], ["the", "never seen"], held_out[3]]
    for model in models(train, vocab=vocab):
        for context in contexts:
            p = model.distribution(context)
            assert p.min() >= 0
            assert p.sum() == pytest.approx(1, abs=1e-9), (model, context)


def test_distribution_and_single_probabilities_agree(train):
    for model in models(train, orders=(1, 3)):
        for context in ([], ["i", "am"], ["never seen"]):
            p = model.distribution(context)
            for word in (END, UNKNOWN, "the", "never seen"):
                place = model.vocab.index(word if word in model else UNKNOWN)
                assert model.prob(word, context) == pytest.approx(p[place])


def test_only_the_last_words_of_a_context_count(train):
    for model in models(train, orders=(3,)):
        assert np.array_equal(
            model.distribution(["i", "am", "the"]), model.distribution(["you", "am", "the"])
        )


def test_log_probs_multiply_by_the_chain_rule(train, held_out):
    sentence = held_out[0]
    for model in models(train, orders=(1, 3)):
        steps = [model.prob(word, sentence[:i]) for i, word in enumerate([*sentence, END])]
        assert model.log_probs(sentence) == pytest.approx([math.log(p) for p in steps])
        assert model.log_prob(sentence) == pytest.approx(math.log(math.prod(steps)))
        assert model.log_probs(sentence, 2, 5) == model.log_probs(sentence)[2:5]


def test_perplexity_of_equal_chances_is_their_number():
    corpus = [[word] for word in "abcdefgh"]
    vocab = [END, UNKNOWN, *"abcdefgh"]
    assert AddK(corpus, 1, 1e12, vocab).perplexity(corpus) == pytest.approx(10)
    assert AddK(corpus, 2, 0, vocab).perplexity(corpus) == pytest.approx(math.sqrt(8))


def test_perplexity_is_infinite_for_what_was_never_seen_and_finite_with_smoothing(train, held_out):
    assert AddK(train, 3, k=0).perplexity(held_out) == math.inf
    for model in models(train):
        assert 10 < model.perplexity(held_out) < 1e5


def test_kneser_ney_is_the_best_of_the_three_on_new_text(train, held_out):
    vocab = vocabulary(train, 2)
    add_k, mixed, kneser_ney = (
        min(m.perplexity(held_out) for m in models(train, vocab=vocab)[4 * i : 4 * i + 4])
        for i in range(3)
    )
    assert kneser_ney < mixed < add_k


def test_discounts_are_estimated_from_what_was_seen_once_and_twice(train):
    counts = Counter(Counter(w for s in train for w in [*s, END]).values())
    model = KneserNey(train, 1)
    assert model.discounts == [pytest.approx(counts[1] / (counts[1] + 2 * counts[2]))]


def test_samples_have_the_model_s_frequencies():
    model = AddK(TOY, 2, k=0)
    rng = np.random.default_rng(0)
    drawn = Counter(" ".join(model.sample(rng)) for _ in range(3000))
    assert set(drawn) == {"a b", "a c"}
    assert drawn["a b"] / 3000 == pytest.approx(2 / 3, abs=0.03)  # 3.5 standard errors
    with_empty = AddK([["a"], []], 2, k=0)
    assert {tuple(with_empty.sample(rng)) for _ in range(50)} == {("a",), ()}


def test_temperature_sharpens_and_flattens():
    model = AddK(TOY, 2, k=0)
    rng = np.random.default_rng(0)
    share = {}
    for temperature in (0.01, 0.5, 2, 1000):
        drawn = Counter(model.sample(rng, temperature)[1] for _ in range(2000))
        share[temperature] = drawn["b"] / 2000
    assert share[0.01] == 1
    assert share[0.5] == pytest.approx(4 / 5, abs=0.03)
    assert share[2] == pytest.approx(math.sqrt(2) / (1 + math.sqrt(2)), abs=0.04)
    assert share[1000] == pytest.approx(1 / 2, abs=0.04)


def test_sample_repeats_with_its_seed_and_stops(train):
    model = KneserNey(train, 3)
    twice = [model.sample(np.random.default_rng(5), max_words=7) for _ in range(2)]
    assert twice[0] == twice[1]
    assert len(twice[0]) <= 7
    assert END not in twice[0]


def test_sentences_are_cut_at_their_ends():
    text = "To be, or not to be: that’s it.  Who's there?\nNay!\n\nNo end here\n\n  \n"
    assert sentences(text) == [
        ["to", "be", ",", "or", "not", "to", "be", ":", "that's", "it", "."],
        ["who's", "there", "?"],
        ["nay", "!"],
        ["no", "end", "here"],
    ]
    assert sentences("") == sentences(" \n\n ") == []
    assert sentences("我爱你。 😀 ok") == [["我爱你", "。", "😀", "ok"]]


def test_vocabulary_is_sorted_by_frequency():
    assert vocabulary(TOY) == [END, UNKNOWN, "a", "b", "c"]
    assert vocabulary(TOY, min_count=2) == [END, UNKNOWN, "a", "b"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AddK(TOY, 0), "order: expected a whole number above 0, got 0"),
        (lambda: AddK([], 2), "corpus: expected at least one sentence with a word"),
        (lambda: AddK([[]], 2), "corpus: expected at least one sentence with a word"),
        (lambda: AddK(TOY, 2.0), "order: expected a whole number above 0, got 2.0"),
        (lambda: AddK(TOY, 2, k=-1), "k: expected a number, 0 or above, got -1"),
        (lambda: AddK(TOY, 2, k=math.nan), "k: expected a number, 0 or above, got nan"),
        (lambda: AddK(TOY, 2, k=1e308), "k: expected a number that stays finite"),
        (lambda: AddK(TOY, 2, vocab=["a"]), "vocab: expected </s> and <unk>"),
        (lambda: Interpolated(TOY, 2, weight=2), "weight: expected a share from 0 to 1, got 2"),
        (lambda: Interpolated(TOY, 2, weight=math.nan), "weight: expected a share .*, got nan"),
        (lambda: KneserNey(TOY, 2, discounts=[0.5]), "discounts: expected 2 numbers"),
        (lambda: KneserNey(TOY, 2, discounts=[0.5, math.nan]), "discounts: expected 2 numbers"),
        (lambda: vocabulary(TOY, 0), "min_count: expected a whole number above 0, got 0"),
        (lambda: AddK(TOY, 2, vocab=[END, UNKNOWN, "a", "a"]), "vocab: .* once, got 'a' twice"),
        (lambda: AddK(TOY, 2).perplexity([]), "corpus: expected at least one sentence, got none"),
        (
            lambda: AddK(TOY, 2).sample(np.random.default_rng(0), temperature=0),
            "temperature: expected a number above 0, got 0",
        ),
        (
            lambda: AddK(TOY, 2).sample(np.random.default_rng(0), temperature=math.inf),
            "temperature: expected a number above 0, got inf",
        ),
        (
            lambda: AddK(TOY, 2).sample(np.random.default_rng(0), max_words=-1),
            "max_words: expected a whole number, 0 or above, got -1",
        ),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_words_that_look_like_signs_are_in_the_vocabulary_once():
    corpus = [["a", UNKNOWN, "b", END], ["a"]]
    assert vocabulary(corpus) == [END, UNKNOWN, "a", "b"]
    for model in (AddK(corpus, 2), KneserNey(corpus, 2)):
        assert model.distribution(["a"]).sum() == pytest.approx(1)


def test_perplexity_beyond_a_float_is_infinite():
    class Hopeless(AddK):
        def log_probs(self, sentence):
            return [-745.0] * (len(sentence) + 1)

    assert Hopeless(TOY, 2).perplexity(TOY) == math.inf


@pytest.mark.parametrize("temperature", [1e-320, 1e-38, 1e308])
def test_extreme_temperatures_draw_words(temperature):
    rng = np.random.default_rng(0)
    words = AddK(TOY, 2, k=0).sample(rng, temperature, max_words=5)
    assert set(words) <= {"a", "b", "c"}


class Counted(dict):
    """Counts how often it is asked."""

    asked = 0

    def get(self, *args):
        self.asked += 1
        return super().get(*args)


def test_a_word_s_context_is_all_that_is_read_of_a_long_sentence():
    model, sentence = AddK(TOY, 3), ["a", "b"] * 5_000
    whole = model.log_probs(sentence)
    model._ids = Counted(model._ids)
    for place in (0, 1, 2, 5_000, 9_999, 10_000):
        assert model.log_probs(sentence, place, place + 3) == whole[place : place + 3]
    assert model.prob("a", sentence) == math.exp(model.log_probs([*sentence, "a"])[-2])
    model.sample(np.random.default_rng(0), max_words=1_000)
    assert model._ids.asked < 15_000
