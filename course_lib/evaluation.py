"""Evaluation: how good a model is, in numbers that others can repeat.

Taught in 'Evaluation'. A language model: perplexity and bits per byte. A translation: BLEU from
Papineni et al. (2002), as Post (2018) made it repeatable (sacreBLEU), and chrF from Popović (2015).
A classifier: accuracy, precision, recall, F1, calibration (Guo et al. 2017). For all of them: the
interval of a score by the bootstrap (Efron 1979).
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor, nn

from course_lib.checks import check_counts, check_ids, check_shares, check_sizes, expect

# Language models


@torch.inference_mode()
def token_losses(
    model: nn.Module,
    tokens: Sequence[int] | Tensor,
    context: int,
    stride: int | None = None,
    batch_size: int = 8,
) -> Tensor:
    """Return the loss of each token of a document but the first, which has nothing before it.

    A document longer than the context is read through a window that moves by ``stride`` tokens.
    Each token is counted once: in the first window that reaches it. The last window is moved back
    so that it ends where the document ends. So each token sees at least ``context - stride`` tokens
    before it, or all there are. Several documents are scored one by one: none sees another.

    To count the first token, too, put a start token before it.

    Args:
        model: token ids (B, T) to logits (B, T, V); it is put in evaluation mode.
        tokens: the document's token ids, (T,).
        context: the longest window, in tokens.
        stride: from 1 (slow, fair to the model) to ``context`` (fast; the first tokens of each
            window see little). Half of ``context`` by default.
        batch_size: windows computed at once.

    Returns:
        Losses in nats, float64, on the CPU: (len(tokens) - 1,).

    Raises:
        ValueError: if ``context``, ``stride`` or ``batch_size`` is out of its range, or the tokens
            are not one row of whole numbers.
    """
    check_sizes(context=context, batch_size=batch_size)
    stride = max(1, context // 2) if stride is None else stride
    check_sizes(stride=stride)
    expect(stride <= context, "stride", f"1 to context={context}", stride)
    tokens = torch.as_tensor(tokens) if len(tokens) else torch.tensor([], dtype=torch.long)
    expect(tokens.dim() == 1, "tokens", "one row, shape (T,)", f"shape {tuple(tokens.shape)}")
    check_ids("tokens", tokens)
    tokens = tokens.long()
    n_losses = len(tokens) - 1
    if n_losses < 1:
        return torch.empty(0, dtype=torch.float64)
    # A document that is shorter than the context is one window.
    width = min(context, n_losses)
    # Windows by where they end; the last one ends with the document.
    ends = [*range(width, n_losses, stride), n_losses]
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    losses = torch.empty(n_losses, dtype=torch.float64)
    # Of each window only what no earlier one has reached is kept.
    done = 0
    model.eval()
    for first in range(0, len(ends), batch_size):
        batch = ends[first : first + batch_size]
        windows = torch.stack([tokens[end - width : end + 1] for end in batch]).to(device)
        logits = model(windows[:, :-1]).float()  # (B, T, V)
        found = (
            F.cross_entropy(logits.mT, windows[:, 1:], reduction="none").double().cpu()
        )  # (B, T)
        for row, end in zip(found, batch, strict=True):
            losses[done:end] = row[width - (end - done) :]
            done = end
    return losses


def perplexity(losses: Tensor) -> float:
    """Return e to the mean loss: among how many equally likely tokens the model wavers.

    It counts per token, so compare it only between models that share a tokenizer.

    Args:
        losses: in nats, one per token; see :func:`token_losses`.

    Returns:
        Infinity where that is beyond a float.

    Raises:
        ValueError: if there is no loss.
    """
    return _some(losses).mean().exp().item()


def bits_per_byte(losses: Tensor, text: str) -> float:
    """Return the bits that the model needs for each byte (UTF-8) of a text.

    It doesn't depend on how the text was split into tokens.

    Args:
        losses: in nats, of all tokens of the text; see :func:`token_losses`.
        text: what the tokens say.

    Raises:
        ValueError: if there is no loss, or no text.
    """
    losses = _some(losses)
    expect(len(text) > 0, "text", "at least one character", "none")
    return losses.sum().item() / math.log(2) / len(text.encode())


def _some(losses: Tensor) -> Tensor:
    losses = torch.as_tensor(losses, dtype=torch.float64)
    expect(losses.numel() > 0, "losses", "at least one", "none")
    return losses


# Translation

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


# Classification


def _pair(**given: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    (first, other), (a, b) = given, map(np.asarray, given.values())
    fits = a.ndim == 1 and a.shape == b.shape and len(a) > 0
    expected = f"one axis, at least one entry and as many as {first}"
    expect(fits, other, expected, f"shape {b.shape} for {a.shape}")
    return a, b


def accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the share of predictions that equal their label.

    Raises:
        ValueError: here and below, if there are none, or not as many of both.
    """
    labels, predictions = _pair(labels=labels, predictions=predictions)
    return float((labels == predictions).mean())


def confusion_matrix(
    labels: ArrayLike, predictions: ArrayLike, n_classes: int | None = None
) -> np.ndarray:
    """Return how often label i was predicted as j, for classes 0, 1, ...

    Args:
        labels: whole numbers from 0 up.
        predictions: whole numbers from 0 up.
        n_classes: one more than the greatest of them by default.

    Returns:
        (n_classes, n_classes): labels down, predictions across.

    Raises:
        ValueError: if one of them is no class.
    """
    labels, predictions = _pair(labels=labels, predictions=predictions)
    if n_classes is not None:
        check_sizes(n_classes=n_classes)
    check_ids("labels", labels, n_classes)
    check_ids("predictions", predictions, n_classes)
    n_classes = n_classes or int(max(labels.max(), predictions.max())) + 1
    matrix = np.zeros((n_classes, n_classes), int)
    np.add.at(matrix, (labels, predictions), 1)
    return matrix


def precision_recall_f1(
    labels: ArrayLike, predictions: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return precision, recall and F1 of each class; 0 where nothing was there to divide by.

    The mean of F1 over the classes is called macro-F1.

    Returns:
        Of what was predicted as the class, the share that is; of what is, the share that was
        predicted; their harmonic mean. Each (n_classes,).
    """
    matrix = confusion_matrix(labels, predictions)
    right = matrix.diagonal()
    precision = right / np.maximum(matrix.sum(axis=0), 1)
    recall = right / np.maximum(matrix.sum(axis=1), 1)
    f1 = 2 * right / np.maximum(matrix.sum(axis=0) + matrix.sum(axis=1), 1)
    return precision, recall, f1


def reliability(
    confidences: ArrayLike, correct: ArrayLike, n_bins: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort predictions into bins by confidence, to see if 0.8 is right in 8 of 10 cases.

    Args:
        confidences: probability of what was predicted, 0 to 1.
        correct: whether it was right (or, for one class, whether the label is that class).
        n_bins: bins of equal width; a border belongs to the lower bin.

    Returns:
        For each bin the number of predictions, their mean confidence and the share that is right
        (both NaN in an empty bin). Each (n_bins,).

    Raises:
        ValueError: if a confidence is out of 0 to 1, or ``correct`` is anything but yes and no.
    """
    check_sizes(n_bins=n_bins)
    confidences, correct = _pair(confidences=confidences, correct=correct)
    shares = bool(((confidences >= 0) & (confidences <= 1)).all())
    expect(shares, "confidences", "0 to 1", f"{confidences.min()} to {confidences.max()}")
    expect(bool(np.isin(correct, (0, 1)).all()), "correct", "true or false, 1 or 0", correct)
    # Each prediction's bin, then the means of each bin.
    borders = np.linspace(0, 1, n_bins + 1)[1:-1]
    bins = np.searchsorted(borders, confidences)
    counts = np.bincount(bins, minlength=n_bins)
    with np.errstate(invalid="ignore"):
        mean_confidence = np.bincount(bins, confidences, n_bins) / counts
        share_right = np.bincount(bins, correct, n_bins) / counts
    return counts, mean_confidence, share_right


def expected_calibration_error(
    confidences: ArrayLike, correct: ArrayLike, n_bins: int = 10
) -> float:
    """Return by how much confidence and accuracy differ, averaged over the predictions.

    Guo et al. (2017), 'On Calibration of Modern Neural Networks', equation 3. Args and errors are
    those of :func:`reliability`.
    """
    counts, mean_confidence, share_right = reliability(confidences, correct, n_bins)
    gaps = np.abs(mean_confidence - share_right)
    return float(np.average(gaps[counts > 0], weights=counts[counts > 0]))


# How sure is it?


def bootstrap_interval(
    score: Callable[..., float],
    *data: ArrayLike,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return between which values a score lies, by the percentile bootstrap.

    Draw as many rows as there are, with replacement; score them; do so again and again; keep the
    middle ``level`` of the scores. To compare two models on the same rows, score the difference:
    ``bootstrap_interval(lambda a, b: a.mean() - b.mean(), right_a, right_b)``.

    Args:
        score: takes arrays like ``data``, returns a number.
        data: arrays with the same number of rows, drawn together.
        level: share of the scores inside.
        resamples: how often to draw.
        seed: of the draws.

    Returns:
        The lower and the upper end.

    Raises:
        ValueError: if there are no rows, or not as many in each, or a setting is out of its range.
    """
    check_shares(level=level)
    check_sizes(resamples=resamples)
    check_counts(seed=seed)
    arrays = [np.asarray(column) for column in data]
    sizes = {len(array) if array.ndim else 0 for array in arrays}
    same = len(sizes) == 1 and 0 not in sizes
    expect(same, "data", "the same number of rows, not 0", sorted(sizes))
    # Rows are drawn by number, the same in all arrays.
    (n,) = sizes
    chance = np.random.default_rng(seed)
    draws = (chance.integers(n, size=n) for _ in range(resamples))
    scores = [score(*(array[rows] for array in arrays)) for rows in draws]
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
