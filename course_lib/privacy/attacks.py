"""Membership inference: was this record in the training data?

Taught in 'Data privacy'. Calling members what has a low loss is from Yeom et al. (2018), 'Privacy
Risk in Machine Learning'; the likelihood ratio with shadow models, and the rate of true positives
at few false ones, from Carlini et al. (2022), 'Membership Inference Attacks From First Principles'.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from course_lib.checks import check_shares, expect


class ROC(NamedTuple):
    """What an attack catches, for every threshold from the strictest on.

    Attributes:
        false_positives: share of outsiders who are called members, (n,), rising from 0 to 1.
        true_positives: share of members who are called members, (n,).
    """

    false_positives: np.ndarray
    true_positives: np.ndarray

    @property
    def area(self) -> float:
        """The area under the curve: the chance to tell a member from an outsider; 0.5 is none."""
        return float(np.trapezoid(self.true_positives, self.false_positives))

    def caught(self, false_positives: float) -> float:
        """Return the highest rate of true positives with at most so many false ones."""
        check_shares(false_positives=false_positives)
        return float(self.true_positives[self.false_positives <= false_positives].max())


def roc(scores: ArrayLike, members: ArrayLike) -> ROC:
    """Return the curve of an attack.

    Args:
        scores: (n,); the higher, the more the attack believes that the record is a member.
        members: (n,), true for members.

    Raises:
        ValueError: if both don't fit each other, or members or outsiders are missing.
    """
    values, inside = np.asarray(scores, float), np.asarray(members, bool)
    fit = values.ndim == 1 and values.shape == inside.shape and 0 < inside.sum() < len(inside)
    got = f"shapes {values.shape} and {inside.shape}, {inside.sum()} members"
    expect(fit, "scores, members", "as many of both, and members and outsiders among them", got)
    expect(bool(np.isfinite(values).all()), "scores", "finite numbers", "others")
    order = np.argsort(-values, kind="stable")
    ranked = inside[order]
    # Records with one score are called together.
    last = np.append(np.diff(values[order]) != 0, True)
    true, false = (np.append(0, kind.cumsum()[last] / kind.sum()) for kind in (ranked, ~ranked))
    return ROC(false, true)


def likelihood_ratio(losses: ArrayLike, members: ArrayLike, target: int) -> np.ndarray:
    """Return for each record how much its loss speaks for membership in one model's data.

    All other models are shadow models: of each record's losses, those in models that were trained
    on it and those in models that weren't are taken as two Gaussians. They have means of their own,
    and one spread for all records, since a record has few losses to tell a spread from.

    Args:
        losses: (M, n) of M models for n records.
        members: (M, n), true where the model was trained on the record.
        target: which model is attacked.

    Returns:
        (n,): the logarithm of the likelihood as a member over that as an outsider.

    Raises:
        ValueError: if the shapes don't fit, there is no such model, or a record is not in the data
            of at least two other models and out of that of two more.
    """
    loss, inside = np.asarray(losses, float), np.asarray(members, bool)
    fit = loss.ndim == 2 and loss.shape == inside.shape
    expect(fit, "losses, members", "one shape (M, n)", f"{loss.shape} and {inside.shape}")
    expect(target in range(len(loss)), "target", f"from 0 to {len(loss) - 1}", target)
    others, seen = np.delete(loss, target, axis=0), np.delete(inside, target, axis=0)
    least = min(seen.sum(axis=0).min(), (~seen).sum(axis=0).min())
    expect(bool(least >= 2), "members", "each record in and out of two other models", least)
    # Two means for each record, one spread for members and one for outsiders.
    terms = []
    for kind in (seen, ~seen):
        mean = np.where(kind, others, 0).sum(axis=0) / kind.sum(axis=0)  # (n,)
        squares = np.where(kind, (others - mean) ** 2, 0).sum()
        variance = squares / (kind.sum() - kind.shape[1])
        terms.append(-((loss[target] - mean) ** 2) / (2 * variance) - np.log(variance) / 2)
    return terms[0] - terms[1]
