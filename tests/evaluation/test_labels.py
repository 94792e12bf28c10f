"""Scores of classifiers against scikit-learn and hand-computed cases."""

import math

import numpy as np
import pytest
import sklearn.calibration
import sklearn.metrics

from course_lib.evaluation import (
    accuracy,
    confusion_matrix,
    expected_calibration_error,
    precision_recall_f1,
    reliability,
)


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
    ],
)
def test_what_is_out_of_range_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
