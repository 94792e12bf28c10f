"""How near a translation is to a person's: BLEU and chrF, equal to sacreBLEU's.

BLEU is from Papineni et al. (2002), as Post (2018) made it repeatable; chrF from Popović (2015).
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from course_lib.checks import expect

_NGRAM_ORDERS = 4
_CHARACTER_ORDERS = 6
_BETA_SQUARED = 4  # chrF2: recall counts twice as much as precision


def tokenize_13a(text: str) -> list[str]:
    """Split a sentence as the WMT script mteval-v13a does, so that BLEU can be compared."""
    text = text.rstrip().replace("<skipped>", "").replace("-\n", "")
    for name, sign in (("quot", '"'), ("amp", "&"), ("lt", "<"), ("gt", ">")):
        text = text.replace(f"&{name};", sign)
    text = re.sub(r"[!-&(-+/:-@\[-`{-~]", r" \g<0> ", f" {text} ")  # ASCII signs but ' , - .
    text = re.sub(r"([^0-9])([.,])", r"\1 \2 ", text)  # 3.14 stays whole
    text = re.sub(r"([.,])([^0-9])", r" \1 \2", text)
    text = re.sub(r"([0-9])-", r"\1 - ", text)
    return text.split()


def _ngrams(items: Sequence, n: int) -> Counter:
    return Counter(items[i : i + n] for i in range(len(items) - n + 1))


def _references(given: str | Sequence[str]) -> Sequence[str]:
    expect(len(given) > 0 or given == "", "references", "at least one for each text", "none")
    return [given] if isinstance(given, str) else given


def bleu_counts(hypothesis: str, references: str | Sequence[str]) -> np.ndarray:
    """Return what BLEU counts in one sentence; the sum over a corpus gives its BLEU.

    Args:
        hypothesis: the translation to be judged.
        references: one right translation or several.

    Returns:
        Ten numbers: the lengths of the hypothesis and of the reference closest to it in length;
        for n from 1 to 4 how many of its n-grams a reference has; how many n-grams it has.

    Raises:
        ValueError: if there is no reference.
    """
    words = tuple(tokenize_13a(hypothesis))
    wanted = [tuple(tokenize_13a(reference)) for reference in _references(references)]
    closest = min((abs(len(words) - len(w)), len(w)) for w in wanted)[1]
    # An n-gram counts at most as often as a reference has it.
    matches, totals = [], []
    for n in range(1, _NGRAM_ORDERS + 1):
        found = _ngrams(words, n)
        allowed: Counter = Counter()
        for w in wanted:
            allowed |= _ngrams(w, n)  # the most that any one reference has
        matches.append((found & allowed).total())
        totals.append(found.total())
    return np.array([len(words), closest, *matches, *totals])


def bleu_from_counts(counts: np.ndarray) -> float:
    """Return the BLEU of a corpus, 0 to 100, from the sum of :func:`bleu_counts`.

    The geometric mean of the four precisions, times a penalty for a translation that is too short.
    Smoothed as NIST does: the first precision of zero counts as half a match, the next as a
    quarter. Zero if there is no match at all, or no sentence has four words.

    Raises:
        ValueError: if the counts are not ten.
    """
    shape = (2 + 2 * _NGRAM_ORDERS,)
    expect(np.shape(counts) == shape, "counts", f"shape {shape}", np.shape(counts))
    length, reference_length, *rest = (int(count) for count in counts)
    matches, totals = rest[:_NGRAM_ORDERS], rest[_NGRAM_ORDERS:]
    if not any(matches) or not all(totals):
        return 0.0
    # The precisions, those of zero smoothed; then the penalty for what is too short.
    log_precisions, half = 0.0, 1.0
    for match, total in zip(matches, totals, strict=True):
        if match == 0:
            half /= 2
        log_precisions += math.log((match or half) / total)
    brevity = min(0.0, 1 - reference_length / length)
    return 100 * math.exp(brevity + log_precisions / _NGRAM_ORDERS)


def bleu(hypotheses: Sequence[str], references: Sequence[str | Sequence[str]]) -> float:
    """Return the BLEU of a corpus, 0 to 100, equal to sacreBLEU's with its defaults.

    Args:
        hypotheses: the translations.
        references: for each of them one right translation, or several.

    Raises:
        ValueError: if there are none, or not as many of both.
    """
    return bleu_from_counts(_sum_counts(bleu_counts, hypotheses, references))


def chrf_counts(hypothesis: str, references: str | Sequence[str]) -> np.ndarray:
    """Return what chrF counts in one sentence; the sum over a corpus gives its chrF.

    Returns:
        (6, 3): for n from 1 to 6 the character n-grams, spaces left out, of the hypothesis, of the
        best reference, and of both.

    Raises:
        ValueError: if there is no reference.
    """
    # The reference that gives the best score is the one that counts.
    text = "".join(hypothesis.split())
    best, best_score = np.zeros((_CHARACTER_ORDERS, 3), int), -1.0
    for reference in _references(references):
        wanted = "".join(reference.split())
        counts = []
        for n in range(1, _CHARACTER_ORDERS + 1):
            found, allowed = _ngrams(text, n), _ngrams(wanted, n)
            # An order that the reference is too short for isn't held against the hypothesis.
            total = found.total() if allowed else 0
            counts.append((total, allowed.total(), (found & allowed).total()))
        score = chrf_from_counts(np.array(counts))
        if score > best_score:
            best, best_score = np.array(counts), score
    return best


def chrf_from_counts(counts: np.ndarray) -> float:
    """Return the chrF of a corpus, 0 to 100, from the sum of :func:`chrf_counts`.

    The F-score, recall weighted double, of precision and recall averaged over the orders that both
    sides are long enough for.

    Raises:
        ValueError: if the counts are not (6, 3).
    """
    shape = (_CHARACTER_ORDERS, 3)
    expect(np.shape(counts) == shape, "counts", f"shape {shape}", np.shape(counts))
    counts = counts[(counts[:, :2] > 0).all(axis=1)]
    if counts[:, 2].sum() == 0:
        return 0.0
    precision = (counts[:, 2] / counts[:, 0]).mean()
    recall = (counts[:, 2] / counts[:, 1]).mean()
    f_score = (1 + _BETA_SQUARED) * precision * recall / (_BETA_SQUARED * precision + recall)
    return 100 * float(f_score)


def chrf(hypotheses: Sequence[str], references: Sequence[str | Sequence[str]]) -> float:
    """Return the chrF2 of a corpus, 0 to 100, equal to sacreBLEU's with its defaults.

    Args and errors are those of :func:`bleu`.
    """
    return chrf_from_counts(_sum_counts(chrf_counts, hypotheses, references))


def _sum_counts(count: Callable, hypotheses: Sequence, references: Sequence) -> np.ndarray:
    for name, texts in {"hypotheses": hypotheses, "references": references}.items():
        expect(not isinstance(texts, str), name, "a list of texts", "one text")
    n_texts, n_references = len(hypotheses), len(references)
    as_many = "as many as hypotheses, and at least one of both"
    expect(0 < n_texts == n_references, "references", as_many, f"{n_references} and {n_texts}")
    return sum(count(*pair) for pair in zip(hypotheses, references, strict=True))
