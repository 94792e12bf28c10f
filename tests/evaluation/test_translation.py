"""BLEU and chrF against sacrebleu and hand-computed cases."""

import math
import random

import numpy as np
import pytest
import sacrebleu

from course_lib.data import load_messages
from course_lib.evaluation import (
    bleu,
    bleu_counts,
    bleu_from_counts,
    chrf,
    chrf_from_counts,
    tokenize_13a,
)

TEXT = """
the cat sat on a mat le chat est sur une table don't l'homme U.S. 3.14 1,000 5-3 -5
. , ! ? ; : - ( ) [ ] { } / \\ @ # & * + = < > | ~ ` ^ _ ' " % $ … « » 中文 猫 🙂 ½ ٣.٣ e\u0301
&quot; &amp; &lt; &gt; &amp;lt; <skipped> x. .5 5. ,a a,b
"""
WORDS = [*TEXT.split(), "-\n", "\n", "\t", "\u00a0"]


def sentence(chance, longest):
    separators = chance.choice([[" "], ["", " "]])
    words = chance.choices(WORDS, k=chance.randrange(longest + 1))
    return "".join(word + chance.choice(separators) for word in words)


def altered(chance, text):
    words = text.split(" ")
    for _ in range(chance.randrange(4)):
        words[chance.randrange(len(words))] = chance.choice([*WORDS, ""])
    return " ".join(words)


def sentence_sets(count):
    """Make sets of 1 to 8 sentences with 1 to 3 references; many are short, some are empty."""
    chance = random.Random(0)
    for i in range(count):
        longest = chance.choice([0, 1, 2, 4, 8, 25])
        n_references = 1 + i % 3
        references = [
            [sentence(chance, longest) for _ in range(n_references)]
            for _ in range(chance.randrange(1, 9))
        ]
        hypotheses = [
            altered(chance, chance.choice([*several, sentence(chance, longest)]))
            for several in references
        ]
        yield hypotheses, references


def transposed(references):
    return [list(column) for column in zip(*references, strict=True)]


@pytest.mark.long
def test_bleu_and_chrf_equal_sacrebleu_s_on_a_thousand_sets():
    scores = []
    for hypotheses, references in sentence_sets(1000):
        ours = bleu(hypotheses, references), chrf(hypotheses, references)
        theirs = (
            sacrebleu.corpus_bleu(hypotheses, transposed(references), force=True).score,
            sacrebleu.corpus_chrf(hypotheses, transposed(references)).score,
        )
        assert ours == pytest.approx(theirs, abs=1e-9), (hypotheses, references)
        scores.append(ours)
    scores = np.array(scores)
    assert ((scores > 5) & (scores < 95)).mean(axis=0).min() > 0.3, "most sets say something"
    assert ((scores == 0).mean(axis=0) > 0.02).all(), "some sets have no match"


@pytest.mark.network
def test_bleu_and_chrf_equal_sacrebleu_s_on_real_translations():
    texts = [pair.target for pair in load_messages("fr")]
    hypotheses, references = (
        texts[:-1],
        texts[1:],
    )  # wrong ones, with a word in common here and there
    assert bleu(hypotheses, references) == pytest.approx(
        sacrebleu.corpus_bleu(hypotheses, [references], force=True).score, abs=1e-9
    )
    assert chrf(hypotheses, references) == pytest.approx(
        sacrebleu.corpus_chrf(hypotheses, [references]).score, abs=1e-9
    )


def test_bleu_by_hand():
    # Matches: 5 of 6 words, 3 of 5 pairs, 2 of 4 triples, 1 of 3 of four words; no penalty.
    words, reference = "the cat sat on the mat", "the dog sat on the mat today"
    assert bleu_counts(words, reference).tolist() == [6, 7, 5, 3, 2, 1, 6, 5, 4, 3]
    by_hand = 100 * math.exp(1 - 7 / 6) * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25
    assert bleu([words], [reference]) == pytest.approx(by_hand)
    assert bleu([words], [words]) == pytest.approx(100)


def test_repeated_word_matches_no_more_often_than_the_reference_has_it():
    counts = bleu_counts("the the the the", ["the cat is on the mat", "a cat"])
    assert counts[2] == 2


def test_counts_of_sentences_sum_to_those_of_the_corpus():
    hypotheses, references = next(s for s in sentence_sets(50) if len(s[0]) > 4)
    counts = np.array([bleu_counts(*pair) for pair in zip(hypotheses, references, strict=True)])
    assert bleu_from_counts(counts.sum(axis=0)) == bleu(hypotheses, references)


def test_tokens_of_13a_equal_sacrebleu_s():
    reference = sacrebleu.metrics.BLEU(tokenize="13a").tokenizer
    ascii_text = "".join(f"a{chr(i)}1{chr(i)} " for i in range(32, 127))
    for text in [ascii_text, *WORDS, "1,2.3", "..,,5.,", "a-b 5-b 5--b", "end.\n"]:
        assert tokenize_13a(text) == reference(text.rstrip()).split()


def test_unequal_numbers_of_sentences_are_refused():
    for score in (bleu, chrf):
        with pytest.raises(ValueError, match=r"as many as hypotheses, .* got 1 and 2"):
            score(["a", "b"], ["a"])
        with pytest.raises(ValueError, match="got 0 and 0"):
            score([], [])


def test_an_empty_translation_scores_0():
    for score in (bleu, chrf):
        assert score([""], ["a cat sat there"]) == score(["a cat"], [""]) == score([""], [""]) == 0


def test_translations_of_nothing_are_refused():
    for call, message in (
        (lambda: bleu([], []), "references: .* at least one of both, got 0 and 0"),
        (lambda: chrf([], []), "references: .* at least one of both, got 0 and 0"),
        (lambda: bleu(["a"], [[]]), "references: expected at least one for each text, got none"),
        (lambda: chrf(["a"], [[]]), "references: expected at least one for each text, got none"),
        (lambda: bleu("the cat", "the cat"), "hypotheses: expected a list of texts, got one text"),
        (lambda: chrf(["a"], "a"), "references: expected a list of texts, got one text"),
        (lambda: bleu_from_counts([0, 0]), r"counts: expected shape \(10,\)"),
        (lambda: chrf_from_counts([0, 0]), r"counts: expected shape \(6, 3\)"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
