"""Scores against sacrebleu, scikit-learn, scipy, Transformers and hand-computed cases."""

import math
import random

import numpy as np
import pytest
import sacrebleu
import scipy.stats
import sklearn.calibration
import sklearn.metrics
import torch
import transformers
from torch import nn

from course_lib.data import load_messages
from course_lib.evaluation import (
    accuracy,
    bits_per_byte,
    bleu,
    bleu_counts,
    bleu_from_counts,
    bootstrap_interval,
    chrf,
    chrf_from_counts,
    confusion_matrix,
    expected_calibration_error,
    perplexity,
    precision_recall_f1,
    reliability,
    token_losses,
    tokenize_13a,
)

# Language models


class Recent(nn.Module):
    """A model whose logits depend on every token that it is shown, and on the last one most."""

    def __init__(self, vocab_size):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens):
        return self.embedding(tokens).cumsum(1) + self.embedding(tokens)


@pytest.mark.parametrize("length", [2, 3, 7, 8, 9, 10, 15, 16, 17, 30])
@pytest.mark.parametrize("stride", [1, 3, 8])
def test_each_token_is_scored_once_with_the_context_that_its_window_gives(length, stride):
    model, context = Recent(11), 8
    tokens = torch.randint(11, (length,), generator=torch.Generator().manual_seed(length))
    losses = token_losses(model, tokens, context, stride, batch_size=2)
    end, ends = min(context, length - 1), []
    while True:  # the windows, one by one
        ends.append(end)
        if end == length - 1:
            break
        end = min(end + stride, length - 1)
    for i in range(1, length):
        end = next(e for e in ends if e >= i)
        seen = tokens[max(0, end - context) : i]
        if end != length - 1:
            assert i < context or len(seen) >= context - stride
        loss = nn.functional.cross_entropy(model(seen[None])[0, -1], tokens[i])
        assert losses[i - 1].item() == pytest.approx(loss.item(), abs=1e-5)
    assert len(losses) == length - 1


def test_short_document_has_the_loss_that_transformers_computes():
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=50, n_positions=32, n_embd=16, n_layer=2, n_head=2)
    theirs = transformers.GPT2LMHeadModel(config).eval()
    tokens = torch.randint(50, (1, 20))
    losses = token_losses(as_model(lambda t: theirs(t).logits), tokens[0], context=32)
    assert losses.mean().item() == pytest.approx(
        theirs(tokens, labels=tokens).loss.item(), abs=1e-6
    )


def as_model(function):
    module = nn.Module()
    module.forward = function
    return module


def test_uniform_model_wavers_among_all_tokens():
    model = as_model(lambda tokens: torch.zeros(*tokens.shape, 256))
    text = "né 中🙂" * 20
    losses = token_losses(model, [0, *text.encode()], context=16)
    assert perplexity(losses) == pytest.approx(256)
    assert bits_per_byte(losses, text) == pytest.approx(8)


def test_document_of_one_token_or_none_has_no_loss():
    assert token_losses(Recent(5), [3], context=4).shape == (0,)
    assert token_losses(Recent(5), [], context=4).shape == (0,)


def test_bad_windows_are_named():
    for arguments, message in (
        ({"context": 0}, "context: expected a whole number above 0, got 0"),
        ({"context": 2.0}, "context: expected a whole number above 0, got 2.0"),
        ({"context": 4, "stride": 0}, "stride: expected a whole number above 0, got 0"),
        ({"context": 4, "stride": 5}, "stride: expected 1 to context=4, got 5"),
        ({"context": 4, "batch_size": 0}, "batch_size: expected a whole number above 0, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            token_losses(Recent(5), [1, 2, 3], **arguments)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (torch.tensor([[1, 2, 3]]), r"tokens: expected one row, shape \(T,\), got shape \(1, 3\)"),
        ([[1, 2], [3, 4]], r"tokens: expected one row, .* got shape \(2, 2\)"),
        ([1.0, 2.0], "tokens: expected whole numbers from 0 up, got dtype torch.float32"),
        ([1, -1], "tokens: expected whole numbers from 0 up, got -1 to 1"),
    ],
)
def test_tokens_that_are_no_document_are_named(tokens, message):
    with pytest.raises(ValueError, match=message):
        token_losses(Recent(5), tokens, 4)


def test_ids_of_any_whole_type_have_the_same_losses():
    ids = torch.tensor([1, 2, 3, 1])
    for dtype in (torch.uint8, torch.int32):
        torch.testing.assert_close(
            token_losses(Recent(5), ids.to(dtype), 3), token_losses(Recent(5), ids, 3)
        )


@pytest.mark.parametrize(
    ("losses", "expected"), [([710.0], math.inf), ([-1e4], 0.0), ([1.0, 3.0], math.exp(2))]
)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_perplexity_has_no_extremes(losses, expected, dtype):
    assert perplexity(torch.tensor(losses, dtype=dtype)) == pytest.approx(expected)
    assert perplexity(losses) == perplexity(np.array(losses)) == pytest.approx(expected)


def test_figures_of_nothing_are_refused():
    nothing = torch.empty(0)
    for call, message in (
        (lambda: perplexity(nothing), "losses: expected at least one, got none"),
        (lambda: bits_per_byte(nothing, "a"), "losses: expected at least one, got none"),
        (lambda: bits_per_byte(torch.ones(1), ""), "text: expected at least one character"),
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


def test_an_empty_translation_scores_0():
    for score in (bleu, chrf):
        assert score([""], ["a cat sat there"]) == score(["a cat"], [""]) == score([""], [""]) == 0


# Translation

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


# Classification


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("n", [1, 7, 500])
def test_classification_scores_equal_scikit_learn_s(n_classes, n):
    chance = np.random.default_rng(n)
    labels = chance.integers(n_classes, size=n)
    predictions = np.where(chance.random(n) < 0.6, labels, chance.integers(n_classes, size=n))
    classes = list(range(max(labels.max(), predictions.max()) + 1))
    assert accuracy(labels, predictions) == sklearn.metrics.accuracy_score(labels, predictions)
    np.testing.assert_array_equal(
        confusion_matrix(labels, predictions),
        sklearn.metrics.confusion_matrix(labels, predictions, labels=classes),
    )
    theirs = sklearn.metrics.precision_recall_fscore_support(
        labels, predictions, labels=classes, zero_division=0
    )
    for ours, wanted in zip(precision_recall_f1(labels, predictions), theirs, strict=False):
        np.testing.assert_allclose(ours, wanted, atol=1e-12)


def test_confusion_matrix_has_labels_down_and_room_for_classes_not_seen():
    assert confusion_matrix([0, 0, 1], [0, 1, 1], 3).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_reliability_equals_scikit_learn_s_curve():
    chance = np.random.default_rng(0)
    confidences = chance.integers(65, size=300) / 100  # some bins are empty, some are on a border
    correct = chance.random(300) < confidences**2
    counts, mean_confidence, share_right = reliability(confidences, correct)
    assert counts.sum() == 300
    assert np.isnan(mean_confidence[counts == 0]).all()
    wanted = sklearn.calibration.calibration_curve(correct, confidences, n_bins=10)
    np.testing.assert_allclose(share_right[counts > 0], wanted[0])
    np.testing.assert_allclose(mean_confidence[counts > 0], wanted[1])


def test_calibration_error_by_hand():
    # Two of four at 0.9 are right (gap 0.4), one of one at 0.3 is (gap 0.7).
    got = expected_calibration_error([0.9, 0.9, 0.9, 0.9, 0.3], [1, 1, 0, 0, 1])
    assert got == pytest.approx(0.8 * 0.4 + 0.2 * 0.7)
    assert expected_calibration_error([1.0, 0.0], [1, 0]) == 0


def test_well_calibrated_predictions_have_little_error():
    chance = np.random.default_rng(0)
    confidences = chance.random(100_000)
    correct = chance.random(100_000) < confidences
    assert expected_calibration_error(confidences, correct) < 0.01
    assert expected_calibration_error(confidences**0.5, correct) > 0.1


def test_bad_classification_input_is_named():
    with pytest.raises(ValueError, match="as many as labels, got shape"):
        accuracy([1, 0], [1])
    with pytest.raises(ValueError, match="at least one entry"):
        accuracy([], [])
    with pytest.raises(ValueError, match=r"confidences: expected 0 to 1, got 0.5 to 1.5"):
        reliability([0.5, 1.5], [1, 0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: confusion_matrix([0, -1], [0, 1]), "labels: expected whole numbers from 0 up"),
        (lambda: confusion_matrix([0, 1], [0, -1]), "predictions: expected whole numbers from 0 "),
        (lambda: confusion_matrix([0.0, 1.0], [0, 1]), "labels: .* got dtype float64"),
        (lambda: confusion_matrix([0, 1], [False, True]), "predictions: .* got dtype bool"),
        (lambda: confusion_matrix([0, 2], [0, 1], 2), "labels: .* from 0 to 1, got 0 to 2"),
        (lambda: confusion_matrix([0], [0], 0), "n_classes: expected a whole number above 0"),
        (lambda: precision_recall_f1([0, -1], [0, 1]), "labels: expected whole numbers from 0 up"),
        (lambda: reliability([math.nan], [1]), "confidences: expected 0 to 1, got nan"),
        (lambda: reliability([0.5], [2]), r"correct: expected true or false, 1 or 0, got \[2\]"),
        (lambda: reliability([0.5], [1], 0), "n_bins: expected a whole number above 0, got 0"),
        (lambda: reliability([0.5], [1, 0]), "correct: expected .* as many as confidences"),
        (lambda: expected_calibration_error([], []), "correct: expected .* at least one entry"),
        (lambda: bootstrap_interval(np.mean, [1, 2], level=1.5), "level: expected a share from 0"),
        (lambda: bootstrap_interval(np.mean, [1], level=math.nan), "level: expected a share from"),
        (lambda: bootstrap_interval(np.mean, [1], resamples=0), "resamples: expected a whole num"),
        (lambda: bootstrap_interval(np.mean, [1], seed=-1), "seed: expected a whole number, 0 or"),
        (lambda: bootstrap_interval(np.mean, 3), r"data: expected the same number .* got \[0\]"),
    ],
)
def test_what_is_out_of_range_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# How sure is it?


def test_interval_is_scipy_s():
    chance = np.random.default_rng(1)
    sample = chance.exponential(size=80)
    ours = bootstrap_interval(np.mean, sample, resamples=20_000)
    theirs = scipy.stats.bootstrap(
        (sample,), np.mean, method="percentile", n_resamples=20_000, rng=chance
    ).confidence_interval
    assert ours == pytest.approx(tuple(theirs), abs=0.01)


@pytest.mark.long
def test_interval_holds_the_truth_about_as_often_as_it_says():
    chance = np.random.default_rng(0)
    held = 0
    for i in range(300):
        low, high = bootstrap_interval(np.mean, chance.normal(size=60), level=0.8, seed=i)
        held += low < 0 < high
    assert held / 300 == pytest.approx(0.8, abs=0.07)


def test_columns_are_drawn_together():
    labels = np.arange(50)
    assert bootstrap_interval(lambda a, b: (a == b).mean(), labels, labels) == (1.0, 1.0)
    assert bootstrap_interval(accuracy, [0, 1] * 20, [0, 0] * 20)[0] > 0.3


def test_interval_repeats_with_its_seed_and_refuses_unequal_columns():
    data = np.random.default_rng(0).random(30)
    assert bootstrap_interval(np.mean, data) == bootstrap_interval(np.mean, data)
    assert bootstrap_interval(np.mean, data) != bootstrap_interval(np.mean, data, seed=1)
    with pytest.raises(ValueError, match=r"same number of rows, not 0, got \[2, 3\]"):
        bootstrap_interval(accuracy, [1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match=r"got \[0\]"):
        bootstrap_interval(np.mean, [])
