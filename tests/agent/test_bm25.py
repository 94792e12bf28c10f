"""BM25 against the library rank_bm25, and the ranks of what was wanted."""

import numpy as np
import pytest
from rank_bm25 import BM25Okapi

from course_lib.agent import BM25, cut_pages, first_ranks, load_pages, load_questions, words

ODD = {
    "an empty one among others": ["", "the plays", "the plays are by Shakespeare", ""],
    "emoji": ["🙂", "plays 🙂 plays", "🎭🎭 a mask"],
    "Chinese": ["注意力机制", "语言模型", "attention 注意力", "模型 模型"],
    "a word in most": ["the a", "the b", "the c", "d"],
    "one alone": ["only one of these"],
    "equal ones": ["same words", "same words", "same words"],
}


@pytest.mark.parametrize("texts", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize(("k1", "b"), [(1.5, 0.75), (0.9, 0.0), (2.0, 0.9)])
def test_odd_texts_get_the_library_s_scores(texts, k1, b):
    documents = [words(text) for text in texts]
    ours, theirs = BM25(documents, k1, b), BM25Okapi(documents, k1=k1, b=b)
    for question in ("the plays of Shakespeare", "注意力模型", "🙂", "", "the the", "a mask, one"):
        asked = words(question)
        np.testing.assert_allclose(ours.scores(asked), theirs.get_scores(asked), atol=1e-12)


def test_all_questions_over_all_pages_get_the_library_s_scores():
    documents = [words(passage.text) for passage in cut_pages(load_pages())]
    ours, theirs = BM25(documents), BM25Okapi(documents)
    assert ours.idf == pytest.approx(theirs.idf)
    for question in load_questions():
        asked = words(question.question)
        np.testing.assert_allclose(ours.scores(asked), theirs.get_scores(asked), atol=1e-9)


def test_a_word_in_more_than_half_of_all_passages_has_the_floor_and_no_less():
    documents = [["the", letter] for letter in "abcde"]
    model = BM25(documents)
    assert model.idf["the"] == pytest.approx(0.25 * BM25Okapi(documents).average_idf)
    assert model.idf["the"] > 0
    assert BM25(documents, floor=0).idf["the"] == 0


def test_a_longer_passage_with_the_same_words_scores_less_unless_b_is_0():
    documents = [["play"], ["play", *"abcdefgh"], ["x"], ["y"], ["z"]]
    short, long, *_ = BM25(documents).scores(["play"])
    assert short > long > 0
    short, long, *_ = BM25(documents, b=0).scores(["play"])
    assert short == long


def test_an_empty_passage_scores_0_where_the_library_divides_0_by_0():
    assert BM25([["a"], []], b=1).scores(["a"])[1] == 0
    once, twice, *_ = BM25([["a"], ["a", "a"], ["b"], ["c"], ["d"]], k1=0).scores(["a"])
    assert once == twice > 0, "with k1 = 0 a second time counts nothing"


def test_words_keep_numbers_whole_cut_chinese_by_sign_and_leave_emoji_out():
    assert words("Over 5,318,730 signs, 2.1 MB.") == ["over", "5,318,730", "signs", "2.1", "mb"]
    assert words("GPT-3 注意力!") == ["gpt", "3", "注", "意", "力"]
    assert words("🙂 🎭") == words("") == []


@pytest.mark.parametrize("documents", [[], [[]], [[], []]])
def test_passages_without_a_word_are_refused(documents):
    with pytest.raises(ValueError, match="documents: expected at least one word, got none"):
        BM25(documents)


@pytest.mark.parametrize("setting", [{"k1": -1}, {"b": 1.5}, {"b": -0.1}, {"floor": -1}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ValueError, match=rf"{next(iter(setting))}: expected"):
        BM25([["a"]], **setting)


def test_the_rank_is_that_of_the_best_wanted_one_and_equals_stand_in_order():
    scores = np.array([[0.1, 0.9, 0.5, 0.9], [0.3, 0.3, 0.3, 0.3]])
    assert first_ranks(scores, [{0, 2}, {2}]).tolist() == [3, 3]
    assert first_ranks(scores, [{3}, {0, 3}]).tolist() == [2, 1]
    with pytest.raises(ValueError, match="wanted: expected a passage for each question"):
        first_ranks(scores, [{0}, set()])
