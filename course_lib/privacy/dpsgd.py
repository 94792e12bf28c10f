"""DP-SGD, written out: a gradient for each example, clipped, summed, and covered by noise.

Taught in 'Data privacy'. The method is from Abadi et al. (2016), 'Deep Learning with Differential
Privacy', algorithm 1.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks import (
    check_counts,
    check_not_negative,
    check_positive,
    check_shares,
    check_sizes,
    expect,
)

Gradients = dict[str, Tensor]  # a parameter's name to numbers of its shape, or (B, *shape)
Losses = Callable[..., Tensor]  # a model and a batch to a loss for each example, (B,)


# What each kind of layer's parameters have for gradients, by example. ``x`` came into the layer,
# ``back`` is the slope of the loss by what came out; both have the examples along the first axis.


def _linear(layer: nn.Linear, x: Tensor, back: Tensor) -> Gradients:
    found = {"weight": torch.einsum("b...o,b...i->boi", back, x)}
    if layer.bias is not None:
        found["bias"] = back.flatten(1, -2).sum(dim=1)
    return found


def _embedding(layer: nn.Embedding, ids: Tensor, back: Tensor) -> Gradients:
    rows = torch.arange(len(ids))[:, None].expand_as(ids)
    table = back.new_zeros(len(ids), *layer.weight.shape)
    return {"weight": table.index_put((rows, ids), back, accumulate=True)}


def _layer_norm(layer: nn.LayerNorm, x: Tensor, back: Tensor) -> Gradients:
    normed = F.layer_norm(x, layer.normalized_shape, eps=layer.eps)
    found = {"weight": (back * normed).flatten(1, -2).sum(dim=1)}
    if layer.bias is not None:
        found["bias"] = back.flatten(1, -2).sum(dim=1)
    return found


def _rms_norm(layer: nn.RMSNorm, x: Tensor, back: Tensor) -> Gradients:
    normed = F.rms_norm(x, list(layer.normalized_shape), eps=layer.eps)
    return {"weight": (back * normed).flatten(1, -2).sum(dim=1)}


RULES: dict[type, Callable[..., Gradients]] = {
    nn.Linear: _linear,
    nn.Embedding: _embedding,
    nn.LayerNorm: _layer_norm,
    nn.RMSNorm: _rms_norm,
}


def per_example_gradients(model: nn.Module, losses: Losses, *batch: Tensor) -> Gradients:
    """Return for each example of a batch the gradient of its own loss, by parameter: (B, *shape).

    One pass forward and one back for all. A layer would add up what its examples ask for; here what
    came into it and what came back are caught, and the sum over the examples isn't taken.

    Args:
        model: its parameters stand in linear layers, embeddings and norms, each used by its layer
            alone. So a GPT has ``tied=False``, and no learned positions, which see no examples.
        losses: called with the model and the batch, gives a loss for each example.
        batch: tensors with the examples along their first axis.

    Raises:
        ValueError: if a parameter stands elsewhere, or a loss isn't for one example.
    """
    size = len(batch[0])
    # A matrix that is used outside its layer would lose a part of its gradient in silence.
    tied = getattr(getattr(model, "config", None), "tied", False)
    expect(not tied, "model", "an output matrix of its own", "tied=True")
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []
    layers = [layer for layer in model.modules() if type(layer) in RULES]
    hooks = [
        layer.register_forward_hook(lambda *call: calls.append((call[0], call[1][0], call[2])))
        for layer in layers
    ]
    # Forward: each layer's inputs and outputs are noted.
    try:
        found = losses(model, *batch)
    finally:
        for hook in hooks:
            hook.remove()
    expect(found.shape == (size,), "losses", f"one for each of {size} examples", found.shape)
    # Back to each layer's output; from there on the examples are kept apart.
    backs = torch.autograd.grad(found.sum(), [output for *_, output in calls])
    names = {parameter: name for name, parameter in model.named_parameters()}
    gradients: Gradients = {}
    for (layer, x, _), back in zip(calls, backs, strict=True):
        if len(back) != size:
            continue
        for own, gradient in RULES[type(layer)](layer, x.detach(), back).items():
            name = names[layer.get_parameter(own)]
            gradients[name] = gradients.get(name, 0) + gradient
    without = sorted(set(names.values()) - set(gradients))
    kinds = ", ".join(kind.__name__ for kind in RULES)
    expect(not without, "model", f"parameters in layers of one input each ({kinds})", without)
    return {name: gradients[name] for name in names.values()}


def norms(gradients: Mapping[str, Tensor]) -> Tensor:
    """Return the length of each example's gradient, all parameters together: (B,)."""
    squares = [g.flatten(1).square().sum(dim=1) for g in gradients.values()]
    return torch.stack(squares).sum(dim=0).sqrt()


def clipped_sum(gradients: Mapping[str, Tensor], limit: float) -> Gradients:
    """Return the sum of the gradients, each shortened to ``limit`` where it is longer.

    Args:
        gradients: from :func:`per_example_gradients`.
        limit: the greatest length; so one example can't move the sum by more.

    Raises:
        ValueError: if the limit isn't above 0.
    """
    check_positive(limit=limit)
    factors = (limit / norms(gradients).clamp(min=1e-12)).clamp(max=1)  # (B,)
    return {name: torch.einsum("b,b...->...", factors, g) for name, g in gradients.items()}


def private_gradient(
    gradients: Mapping[str, Tensor],
    limit: float,
    noise: float,
    batch_size: float,
    generator: torch.Generator,
) -> Gradients:
    """Return the noisy mean gradient by which DP-SGD takes its step.

    Args:
        gradients: from :func:`per_example_gradients`.
        limit: as for :func:`clipped_sum`.
        noise: standard deviation of the noise, in units of ``limit``.
        batch_size: examples that a step draws on average. The number that it did draw would tell
            something of the records.
        generator: draws the noise, one parameter after the other.

    Raises:
        ValueError: if a number is out of its range.
    """
    check_not_negative(noise=noise)
    check_positive(batch_size=batch_size)
    total = clipped_sum(gradients, limit)
    spread = noise * limit
    return {
        name: (g + spread * torch.randn(g.shape, generator=generator)) / batch_size
        for name, g in total.items()
    }


def poisson_sample(n_records: int, rate: float, generator: torch.Generator) -> Tensor:
    """Return the places of a step's records: each is drawn by itself, with the same probability."""
    check_sizes(n_records=n_records)
    check_shares(rate=rate)
    return (torch.rand(n_records, generator=generator) < rate).nonzero()[:, 0]


def train_privately(
    model: nn.Module,
    losses: Losses,
    records: Sequence[Tensor],
    optimizer: torch.optim.Optimizer,
    *,
    steps: int,
    rate: float,
    limit: float,
    noise: float,
    seed: int = 0,
) -> list[int]:
    """Train a model with DP-SGD, and return how many records each step drew.

    Args:
        model: trained in place.
        losses: as for :func:`per_example_gradients`.
        records: tensors with the records along their first axis.
        optimizer: of the model's parameters; takes the noisy gradients as it would take others.
        steps: number of steps.
        rate: probability with which a step draws a record.
        limit: greatest length of a record's gradient.
        noise: standard deviation of the noise, in units of ``limit``.
        seed: of samples and noise. A real training needs one that nobody knows.

    Raises:
        ValueError: if a number is out of its range.
    """
    check_sizes(steps=steps)
    check_counts(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    n_records, drawn = len(records[0]), []
    nothing = {name: torch.zeros(0, *p.shape) for name, p in model.named_parameters()}
    for _ in range(steps):
        # A sample, its gradients one by one, and their noisy mean.
        places = poisson_sample(n_records, rate, generator)
        drawn.append(len(places))
        batch = [tensor[places] for tensor in records]
        gradients = per_example_gradients(model, losses, *batch) if len(places) else nothing
        noisy = private_gradient(gradients, limit, noise, rate * n_records, generator)
        # The optimizer sees nothing else of the records.
        for name, parameter in model.named_parameters():
            parameter.grad = noisy[name]
        optimizer.step()
    return drawn
