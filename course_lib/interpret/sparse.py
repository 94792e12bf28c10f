"""A sparse autoencoder: states as sums of few features, and names for those features.

From Cunningham et al. (2023), 'Sparse Autoencoders Find Highly Interpretable Features in Language
Models'; that only the k strongest features count, from Gao et al. (2024), 'Scaling and Evaluating
Sparse Autoencoders'.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks import check_positive, check_sizes, expect


class SparseAutoencoder(nn.Module):
    """Writes a state as a sum of at most ``k`` of many features.

    Args:
        d_model: width of the states.
        n_features: how many features there are.
        k: how many may be active at once.

    Raises:
        ValueError: if a size doesn't fit.
    """

    def __init__(self, d_model: int, n_features: int, k: int) -> None:
        super().__init__()
        check_sizes(d_model=d_model, n_features=n_features, k=k)
        expect(k <= n_features, "k", f"at most n_features={n_features}", k)
        self.k = k
        directions = F.normalize(torch.randn(n_features, d_model), dim=-1)
        self.decoder = nn.Parameter(directions)  # a row for each feature
        self.encoder = nn.Parameter(directions.T.clone())
        self.encoder_bias = nn.Parameter(torch.zeros(n_features))
        self.middle = nn.Parameter(torch.zeros(d_model))

    def encode(self, states: Tensor) -> Tensor:
        """Return the strength of each feature (n, n_features); all but k are 0."""
        strengths = F.relu((states - self.middle) @ self.encoder + self.encoder_bias)
        return strongest(strengths, self.k)

    def forward(self, states: Tensor) -> Tensor:
        """Return the states (n, d_model) as far as the features give them."""
        return self.encode(states) @ self.decoder + self.middle


def strongest(strengths: Tensor, k: int) -> Tensor:
    """Return strengths (n, n_features) of which all but the k greatest of each row are 0."""
    values, which = strengths.topk(k, dim=-1)
    return torch.zeros_like(strengths).scatter(-1, which, values)


def fit_autoencoder(
    states: Tensor,
    n_features: int,
    k: int,
    *,
    steps: int = 600,
    batch_size: int = 1024,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> SparseAutoencoder:
    """Train a sparse autoencoder on states (n, d_model), by Adam on the squared error."""
    check_sizes(steps=steps, batch_size=batch_size)
    check_positive(learning_rate=learning_rate)
    # A start of its own; the middle is that of the states.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SparseAutoencoder(states.shape[1], n_features, k).to(states.device)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        model.middle.copy_(states.mean(0))
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    # The rate falls in the last fifth. A feature's size is said by its strength alone.
    for step in range(steps):
        batch = states[torch.randint(len(states), (batch_size,), generator=generator)]
        loss = F.mse_loss(model(batch), batch)
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * min(1, 5 * (1 - step / steps))
        optimizer.step()
        with torch.no_grad():
            model.decoder.copy_(F.normalize(model.decoder, dim=-1))
    return model.requires_grad_(False)


def explained(states: Tensor, rebuilt: Tensor) -> float:
    """Return the share of the states' variance (n, d) that is rebuilt; 1 is all."""
    left = (states - rebuilt).square().sum()
    return 1 - (left / (states - states.mean(0)).square().sum()).item()


def named(
    strengths: tuple[Tensor, Tensor],
    rules: tuple[Tensor, Tensor],
    top: int = 10,
    least: float = 0.8,
) -> tuple[Tensor, Tensor]:
    """Return which rule names each feature, and which features can be judged at all.

    A rule names a feature if it holds at enough of the places where the feature is strongest: in
    the texts by which it is chosen, and again in others.

    Args:
        strengths: of both groups of texts, (n, n_features).
        rules: of both, (n, n_rules), true where a rule holds.
        top: how many of a feature's strongest places count.
        least: at what share of them the rule must hold.

    Returns:
        (n_features,) the rule's place, -1 without a name; and (n_features,) whether the feature is
        active at ``top`` places of both groups.
    """
    check_sizes(top=top)
    found = [x.topk(top, dim=0) for x in strengths]
    live = torch.stack([f.values[-1] > 0 for f in found]).all(0)
    # At what share of its strongest places each rule holds: (n_features, n_rules).
    chosen, again = (r[f.indices].double().mean(0) for r, f in zip(rules, found, strict=True))
    share, which = chosen.max(1)
    fits = live & (share >= least) & (again.gather(1, which[:, None])[:, 0] >= least)
    return torch.where(fits, which, -1), live
