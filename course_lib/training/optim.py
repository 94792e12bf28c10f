"""Optimizers and learning-rate schedules: SGD, Adam, AdamW and Muon, each in a few lines.

Taught in 'Training'. Each update is written out, to be read, and what is written is what runs; step
by step it gives what torch's own optimizer of that name gives. Where speed counts, take torch's,
which does all parameters in one pass: ``torch.optim.AdamW(..., fused=True)``. Adam is from Kingma
and Ba (2015), algorithm 1; AdamW from Loshchilov and Hutter (2019), algorithm 2; Muon from Jordan
et al. (2024).
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from course_lib.checks import (
    check_below_one,
    check_counts,
    check_not_negative,
    check_sizes,
    expect,
)

# The quintic a·x + b·x³ + c·x⁵ lifts small singular values fast: Jordan et al. (2024).
NEWTON_SCHULZ = 3.4445, -4.7750, 2.0315

Schedule = Callable[[int], float]


class _Optimizer(Optimizer):
    """What the optimizers share: checks, and the walk over the parameters."""

    def __init__(self, params: Iterable, **defaults: object) -> None:
        self._check(defaults)  # also if no group leaves a default as it is
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict) -> None:
        """Add parameters with settings of their own; torch calls this for every group."""
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        self._check({**self.defaults, **param_group, "params": params})
        super().add_param_group({**param_group, "params": params})

    def _check(self, settings: dict) -> None:
        check_not_negative(
            **{k: settings[k] for k in ("lr", "eps", "weight_decay") if k in settings}
        )
        if "momentum" in settings:
            check_below_one(momentum=settings["momentum"])
        if "betas" in settings:
            betas = settings["betas"]
            two = isinstance(betas, tuple | list) and len(betas) == 2
            expect(two, "betas", "two shares below 1", repr(betas))
            for beta in betas:
                check_below_one(betas=beta)

    # torch's stubs say that a closure gives a float; torch's own optimizers hand on what it gives.
    @torch.no_grad()
    def step(  # type: ignore[override]
        self, closure: Callable[[], Tensor] | None = None
    ) -> Tensor | None:
        """Change every parameter that has a gradient.

        Args:
            closure: computes the loss and its gradients anew, if given.

        Returns:
            The closure's loss.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            moved = [(p, p.grad) for p in group["params"] if p.grad is not None]
            self._update_all(moved, group)
        return loss

    def _update_all(self, moved: list[tuple[Tensor, Tensor]], group: dict) -> None:
        for p, grad in moved:
            self._update(p, grad, self.state[p], group)

    def _update(self, p: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        raise NotImplementedError


class SGD(_Optimizer):
    """Stochastic gradient descent, with momentum if wanted (Polyak 1964).

    Args:
        params: parameters, or groups of them.
        lr: learning rate.
        momentum: share of the last step's velocity that is kept.
        weight_decay: times the parameter, added to its gradient.

    Raises:
        ValueError: if a number is out of its range.
    """

    def __init__(
        self, params: Iterable, lr: float = 1e-3, momentum: float = 0.0, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=weight_decay)

    def _update(self, p: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        grad = grad + group["weight_decay"] * p
        if group["momentum"]:
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(p)
            grad = state["momentum_buffer"].mul_(group["momentum"]).add_(grad)
        p -= group["lr"] * grad


class Adam(_Optimizer):
    """Adam: each number gets a step of its own size (Kingma and Ba 2015).

    Args:
        params: parameters, or groups of them.
        lr: learning rate.
        betas: share of the old kept in the running means of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: times the parameter, added to its gradient; see :class:`AdamW`.

    Raises:
        ValueError: if a number is out of its range.
    """

    decoupled = False

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def _update(self, p: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        (beta1, beta2), lr, decay = group["betas"], group["lr"], group["weight_decay"]
        if not state:
            state["step"] = 0
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(p), torch.zeros_like(p)
        # The decay: of the parameter itself (AdamW), or as a part of the gradient (Adam).
        if self.decoupled:
            p *= 1 - lr * decay
        else:
            grad = grad + decay * p
        # Running means of the gradient and of its square.
        state["step"] += 1
        t, mean, square = state["step"], state["exp_avg"], state["exp_avg_sq"]
        mean.mul_(beta1).add_((1 - beta1) * grad)
        square.mul_(beta2).add_((1 - beta2) * grad**2)
        # Both means start at zero; the divisions undo that.
        mean_hat, square_hat = mean / (1 - beta1**t), square / (1 - beta2**t)
        p -= lr * mean_hat / (square_hat.sqrt() + group["eps"])


class AdamW(Adam):
    """Adam with decoupled weight decay: the parameter shrinks by lr · weight_decay per step.

    The arguments are Adam's (Loshchilov and Hutter 2019).
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)


def orthogonalize(matrices: Tensor, steps: int = 5) -> Tensor:
    """Bring all singular values near 1 and keep the singular vectors (Jordan et al. 2024).

    With the matrix X = U S Vᵀ each step makes U p(S) Vᵀ, where p(x) = a·x + b·x³ + c·x⁵. So no
    singular value decomposition is needed, only products of matrices.

    Args:
        matrices: (M, N), or a stack of them (..., M, N).
        steps: number of Newton-Schulz steps.

    Returns:
        The same shape; singular values between about 0.7 and 1.2 after 5 steps, unless they were
        tiny beside the largest.

    Raises:
        ValueError: if there is no matrix, or ``steps`` is not a whole number, 0 or above.
    """
    check_counts(steps=steps)
    expect(matrices.dim() > 1, "matrices", "shape (..., M, N)", tuple(matrices.shape))
    a, b, c = NEWTON_SCHULZ
    # Wide, and with singular values of at most 1, which the polynomial lifts.
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices  # the products are cheaper on the short side
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    x = x.reshape(-1, *x.shape[-2:])
    for _ in range(steps):
        gram = x @ x.mT
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)  # b·gram + c·gram²
        x = torch.baddbmm(x, factor, x, beta=a)  # a·x + factor·x
    return (x.mT if tall else x).reshape(matrices.shape)


class Muon(_Optimizer):
    """Momentum whose step is orthogonalized: every direction of a matrix moves equally far.

    It is meant for the matrices inside the blocks; see :func:`split_parameters`.

    Args:
        params: matrices, or groups of them.
        lr: learning rate; multiplied by sqrt(rows / columns) for a tall matrix.
        momentum: share of the old kept in the running mean of the gradient.
        weight_decay: the parameter shrinks by lr · weight_decay per step.
        steps: number of Newton-Schulz steps.

    Raises:
        ValueError: if a number is out of its range, or a parameter is no matrix.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        steps: int = 5,
    ) -> None:
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=weight_decay, steps=steps)

    def _check(self, settings: dict) -> None:
        super()._check(settings)
        check_counts(steps=settings["steps"])
        for p in settings.get("params", []):
            p = p[1] if isinstance(p, tuple) else p  # torch takes names with them
            expect(p.dim() == 2, "params", "matrices", f"a parameter of shape {tuple(p.shape)}")

    def _update_all(self, moved: list[tuple[Tensor, Tensor]], group: dict) -> None:
        by_shape = defaultdict(list)  # one batched product for all matrices of a shape
        for p, grad in moved:
            by_shape[p.shape].append((p, grad))
        for (rows, columns), same in by_shape.items():
            updates = torch.stack([self._velocity(p, grad, group["momentum"]) for p, grad in same])
            updates = orthogonalize(updates, group["steps"])  # (n, rows, columns)
            # The decay as AdamW's; then the step, longer for a tall matrix.
            lr = group["lr"] * max(1, rows / columns) ** 0.5
            for (p, _), update in zip(same, updates, strict=True):
                p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(update, alpha=lr)

    def _velocity(self, p: Tensor, grad: Tensor, momentum: float) -> Tensor:
        state = self.state[p]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(p)
        mean = state["momentum_buffer"].lerp_(grad, 1 - momentum)
        return grad.lerp(mean, momentum)  # Nesterov: a look ahead


def split_parameters(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Return Muon's parameters and AdamW's: the matrices inside the blocks, and the rest.

    The blocks are what the model holds in a ``ModuleList``. Embeddings and the output matrix are
    in the rest: their rows stand for single tokens, and most get no gradient in a step.
    """
    inside = [
        block for part in model.modules() if isinstance(part, nn.ModuleList) for block in part
    ]
    linears = [m for block in inside for m in block.modules() if isinstance(m, nn.Linear)]
    chosen = {id(linear.weight) for linear in linears}
    params = [p for p in model.parameters() if p.requires_grad]
    return (
        [p for p in params if id(p) in chosen],
        [p for p in params if id(p) not in chosen],
    )


def warmup_cosine(steps: int, warmup: int, final: float = 0.1) -> Schedule:
    """Return a schedule: linear warm-up, then half a cosine (Loshchilov and Hutter 2017).

    Args:
        steps: length of the training.
        warmup: number of steps before the full learning rate.
        final: factor at the end.

    Returns:
        A function from the step (0, 1, …) to the factor of the learning rate.

    Raises:
        ValueError: if the warm-up doesn't fit into the training, or ``final`` is below 0.
    """
    _check_schedule(steps, warmup, final)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        done = min((step - warmup) / (steps - warmup), 1)
        return final + (1 - final) * (1 + math.cos(math.pi * done)) / 2

    return factor


def _check_schedule(steps: int, warmup: int, final: float) -> None:
    check_sizes(steps=steps)
    check_counts(warmup=warmup)
    check_not_negative(final=final)
    expect(warmup < steps, "warmup", f"from 0 to {steps - 1}", warmup)


def warmup_stable_decay(steps: int, warmup: int, decay: int, final: float = 0.0) -> Schedule:
    """Return a schedule: linear warm-up, a constant part, linear warm-down (Hu et al. 2024).

    The arguments are those of :func:`warmup_cosine`, and ``decay``, the number of last steps in
    which the factor falls to ``final``.
    """
    _check_schedule(steps, warmup, final)
    check_counts(decay=decay)
    expect(decay <= steps - warmup, "decay", f"from 0 to {steps - warmup}", decay)

    def factor(step: int) -> float:
        left = min(max(steps - step, 0) / max(decay, 1), 1)
        return min((step + 1) / (warmup + 1), final + (1 - final) * left)

    return factor
