"""How often a classifier is right, in which way it errs, and whether it knows.

Accuracy, precision, recall, F1, and calibration from Guo et al. (2017).
"""

import numpy as np
from numpy.typing import ArrayLike

from course_lib.checks import check_ids, check_sizes, expect


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
