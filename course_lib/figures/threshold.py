"""A classifier's threshold, and what becomes of its predictions."""

import math
from collections.abc import Sequence

import numpy as np
from IPython.display import HTML
from numpy.typing import ArrayLike

from course_lib.checks import check_shares, expect
from course_lib.figures import page
from course_lib.figures.page import decimals, say

_X = page.Axis(0, 1, 30, 280)
_Y = page.Axis(0, 1, 190, 10)


def threshold_explorer(
    labels: ArrayLike,
    scores: ArrayLike,
    names: tuple[str, str] = ("negative", "positive"),
    *,
    threshold: float = 0.5,
) -> HTML:
    """Let the reader move a classifier's threshold and see what becomes of its predictions.

    Args:
        labels: (n,), 0 or 1.
        scores: (n,), from 0 to 1; from the threshold on an example is called 1.
        names: of the classes 0 and 1.
        threshold: shown first; 0.01 to 0.99 in steps of 0.01.

    Returns:
        A self-contained figure: confusion matrix, precision, recall, F1, accuracy, the scores of
        both classes and the curve of precision against recall. Its first state is written here, so
        that it is there where no script runs.

    Raises:
        ValueError: if labels and scores don't fit each other or are out of range, a class is
            missing or called like the other, or the threshold is none that the slider has.
    """
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    kinds = sorted(set(labels.ravel().tolist()))
    fit = labels.ndim == 1 and labels.shape == scores.shape and kinds == [0, 1]
    both = "0 and 1, at least one of both and as many as scores"
    expect(fit, "labels", both, f"{kinds}, shape {labels.shape} for {scores.shape}")
    inside = bool(((scores >= 0) & (scores <= 1)).all())
    expect(inside, "scores", "0 to 1", f"{scores.min()} to {scores.max()}")
    expect(len(set(names)) == len(names) == 2, "names", "two different ones", names)
    check_shares(threshold=threshold)
    percent = round(100 * threshold)
    step = percent in range(1, 100) and math.isclose(percent, 100 * threshold)
    expect(step, "threshold", "one of 0.01, 0.02, ..., 0.99", threshold)
    by_class = [scores[labels == kind] for kind in (0, 1)]
    # called[k][p]: how many of class k have a score from p / 100 on; at 0 that is all of them.
    called = [[int((s >= p / 100).sum()) for p in range(100)] for s in by_class]
    (negatives, wrong), (positives, right) = ((c[0], c[percent]) for c in called)
    precision, recall = right / max(wrong + right, 1), right / positives
    f1 = 2 * right / (wrong + right + positives)
    accuracy = (right + negatives - wrong) / len(labels)
    # Two pictures, two tables, a sentence.
    words = page.words("threshold")
    negative, positive = names
    ends = {0.0: "0", 1.0: "1"}
    frame = page.axes(_X, _Y, (ends, ends), (words["recall"], words["precision"]))
    shares = (decimals(share, 3) for share in (precision, recall, f1, accuracy))
    said = say(
        words["says"],
        threshold=f"{threshold:.2f}",
        positive=positive,
        called=f"{wrong + right:,}",
        right=f"{right:,}",
        missed=f"{positives - right:,}",
    )
    counts = [
        [say(words["is"], name=negative), f"{negatives - wrong:,}", f"{wrong:,}"],
        [say(words["is"], name=positive), f"{positives - right:,}", f"{right:,}"],
    ]
    heads = ["", *(page.text(say(words["called"], name=name)) for name in names)]
    return page.figure(
        "threshold",
        {"called": called, "names": names, "threshold": percent},
        page.controls(),
        '<div class="pictures">'
        + _picture(
            say(words["histogram"], negative=negative, positive=positive),
            f'{_score_bars(by_class)}<path d="M30 100H280"/>'
            f'<path class="now line" d="M{_X.place(threshold)} 10V190"/>'
            f'<text class="positive" x="30" y="-2">{page.text(positive)}</text>'
            f'<text class="negative" x="30" y="210">{page.text(negative)}</text>'
            '<text x="280" y="210" text-anchor="end">1</text>'
            f'<text x="280" y="226" text-anchor="end">{page.text(words["score"])}</text>',
        )
        + _picture(
            words["curve"],
            f'{frame}<path class="curve" d="{_precision_recall_curve(labels, scores)}"/>'
            f'<circle r="6" cx="{_X.place(recall)}" cy="{_Y.place(precision)}"/>',
        )
        + "</div>",
        page.table(counts, heads=heads, kind="matrix"),
        page.table(zip(words["scores"], shares, strict=True), kind="lm-facts scores"),
        page.says(said),
        caption={"positive": page.text(positive)},
    )


def _picture(label: str, drawn: str) -> str:
    return (
        f'<svg class="lm-axes" viewBox="0 -16 300 250" role="img" aria-label="{page.text(label)}">'
        f"{drawn}</svg>"
    )


def _score_bars(by_class: Sequence[np.ndarray], n_bins: int = 25) -> str:
    """Return bars of the scores' histogram: class 1 upward, class 0 downward.

    Each class is drawn to its own largest bar: a rare one would be invisible beside the other.
    """
    counts = [np.histogram(scores, n_bins, (0, 1))[0] for scores in by_class]
    width, bars = 250 / n_bins, []
    for kind, name in enumerate(("negative", "positive")):
        for i, count in enumerate(counts[kind]):
            height = 80 * count / counts[kind].max()
            top = 100 - height if kind else 100
            bars.append(
                f'<rect class="{name}" x="{30 + i * width:.1f}" y="{top:.1f}" '
                f'width="{width - 1:.1f}" height="{height:.1f}"/>'
            )
    return "".join(bars)


def _precision_recall_curve(labels: np.ndarray, scores: np.ndarray, n_points: int = 200) -> str:
    """Return the path of precision against recall over all thresholds."""
    order = np.argsort(-scores, kind="stable")
    right = labels[order].cumsum()
    # Examples with one score are called together.
    last = np.append(np.diff(scores[order]) != 0, True)
    recall, precision = right[last] / right[-1], (right / np.arange(1, len(right) + 1))[last]
    picked = np.unique(np.linspace(0, len(recall) - 1, n_points).round().astype(int))
    return "M" + "L".join(
        f"{30 + 250 * recall[i]:.1f} {190 - 180 * precision[i]:.1f}" for i in picked
    )
