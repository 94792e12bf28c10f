"""A test of several choices against hand-computed cases, and token by token."""

import math

import pytest
import torch
from torch import nn

from course_lib.evaluation import Question, choice_log_probs, choose
from course_lib.text import CharacterTokenizer

TABLE = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.2, 0.2, 0.6]])  # of a, b, c


class Pairs(nn.Module):
    """The next character depends on the last one alone."""

    def forward(self, tokens):
        return TABLE[tokens].log()


def encode(text):
    return ["abc".index(character) for character in text]


def test_log_probs_by_hand():
    question = Question("ba", ("b", "bc", "aaa"), 0)
    by_hand = [math.log(0.25), math.log(0.25 * 0.8), math.log(0.5**3)]
    assert choice_log_probs(Pairs(), encode, question) == pytest.approx(by_hand)


def test_a_token_across_the_border_counts_with_the_choice():
    def in_pairs(text):  # "ab" is one token, c
        return encode(text.replace("ab", "c"))

    # "cab" is c c, "caa" is c a a, "ca" c a: all share the first c, and what follows counts.
    found = choice_log_probs(Pairs(), in_pairs, Question("ca", ("b", "a"), 0))
    assert found == pytest.approx([math.log(0.6), math.log(0.2 * 0.5)])


def test_a_choice_has_the_same_log_prob_beside_any_others():
    torch.manual_seed(0)
    layer = nn.Embedding(3, 3)

    class Recent(nn.Module):
        def forward(self, tokens):
            return layer(tokens).cumsum(1)

    (alone,) = choice_log_probs(Recent(), encode, Question("ab", ("ca",), 0))
    first, *_ = choice_log_probs(Recent(), encode, Question("ab", ("ca", "cabcab", "b"), 0))
    assert first == pytest.approx(alone)


def test_rules_by_hand():
    question = Question("?", ("yes", "certainly"), 1)
    sums = [[-6.0, -9.0]]  # per byte -2 and -1
    assert choose([question], sums).tolist() == [0]
    assert choose([question], sums, per_byte=True).tolist() == [1]
    # Without the question -5 and -8.5: it helps by -1 and by -0.5.
    assert choose([question], sums, without=[[-5.0, -8.5]]).tolist() == [1]


def test_bytes_are_counted_not_characters():
    question = Question("?", ("éé", "abc"), 0)
    assert choose([question], [[-4.0, -3.3]], per_byte=True).tolist() == [0]


def test_what_is_no_question_is_named():
    with pytest.raises(ValueError, match="question: expected a token before each choice, got ''"):
        choice_log_probs(Pairs(), encode, Question("", ("a", "b"), 0))
    with pytest.raises(ValueError, match="question: expected choices with a token of their own"):
        choice_log_probs(Pairs(), encode, Question("a", ("a", ""), 0))
    two = [Question("?", ("a", "b"), 0)]
    for found, named in (([[0.0]], r"got \[1\]"), ([], r"got \[\]")):
        with pytest.raises(ValueError, match=f"log_probs: expected one for each choice.*{named}"):
            choose(two, found)
    with pytest.raises(ValueError, match="without: expected one for each choice"):
        choose(two, [[0.0, 0.0]], without=[[0.0]])


def test_a_course_tokenizer_fits():
    tokenizer = CharacterTokenizer("abc")
    question = Question("a", ("b", "c"), 0)
    assert choice_log_probs(Pairs(), tokenizer.encode, question) == pytest.approx(
        [math.log(0.25)] * 2
    )
