"""Probes: can a straight cut tell from the states what one asks for?

Control tasks, which tell what the states hold from what the probe learns by heart, are from Hewitt
and Liang (2019), 'Designing and Interpreting Probes with Control Tasks'.
"""

import torch
from torch import Tensor

from course_lib.checks import check_positive, check_sizes, expect


class Probe:
    """A linear map from states to a score for each label, fitted by ridge regression.

    Args:
        states: (n, d).
        labels: (n,), whole numbers from 0.
        penalty: how much large weights cost, in units of the states' mean square.

    Raises:
        ValueError: if there isn't a label for each state, or the penalty isn't above 0.
    """

    def __init__(self, states: Tensor, labels: Tensor, penalty: float = 0.01) -> None:
        check_positive(penalty=penalty)
        expect(len(labels) == len(states), "labels", f"{len(states)}, one a state", len(labels))
        self.mean = states.double().mean(0)
        x = states.double() - self.mean
        y = torch.nn.functional.one_hot(labels).double()
        self.shares = y.mean(0)
        # (X'X + c) W = X'(Y - mean), where c is the penalty.
        c = penalty * x.square().sum() / x.shape[1]
        gram = x.T @ x + c * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        self.weights = torch.linalg.solve(gram, x.T @ (y - self.shares))  # (d, labels)

    def __call__(self, states: Tensor) -> Tensor:
        """Return the scores (n, labels) of states (n, d); the greatest is the answer."""
        return (states.double() - self.mean) @ self.weights + self.shares

    def accuracy(self, states: Tensor, labels: Tensor) -> float:
        """Return the share of states (n, d) whose label (n,) it tells."""
        return (self(states).argmax(-1) == labels).double().mean().item()


def control_labels(types: Tensor, n_labels: int, seed: int = 0) -> Tensor:
    """Return a label (n,) for each token that hangs on nothing but which token it is, by chance.

    Args:
        types: (n,), which word each is, whole numbers from 0.
        n_labels: how many labels there are; each gets as many types, as far as this goes.
        seed: of the draw.
    """
    check_sizes(n_labels=n_labels)
    n_types = int(types.max()) + 1
    order = torch.randperm(n_types, generator=torch.Generator().manual_seed(seed))
    return (order % n_labels).to(types.device)[types]
