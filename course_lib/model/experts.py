"""A mixture of experts: many feed-forward parts side by side, of which each token takes a few.

Taught in 'Compute'. The layer is from Shazeer et al. (2017), 'Outrageously Large Neural Networks';
its balancing loss in this form from Fedus et al. (2022), 'Switch Transformers', section 2.2.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.checks import check_positive, check_sizes, expect
from course_lib.model.gpt import GPT, GPTConfig
from course_lib.model.parts import MLP, Block, Shape


@dataclass(frozen=True)
class ExpertsConfig(GPTConfig):
    """The shape of a :class:`MixtureGPT`; ``d_ff`` is the hidden width of one expert.

    Args:
        vocab_size: number of different tokens.
        n_experts: feed-forward parts of a block.
        top_k: how many of them a token takes.
        scale: what the weights of a token's experts sum to: 1 for a mean of their outputs, up to
            ``top_k`` for as much as one feed-forward part of their joint width would give.

    Raises:
        ValueError: if a value doesn't fit; the message names the argument.
    """

    n_experts: int = 8
    top_k: int = 2
    scale: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(n_experts=self.n_experts, top_k=self.top_k)
        most = f"at most n_experts={self.n_experts}"
        expect(self.top_k <= self.n_experts, "top_k", most, self.top_k)
        check_positive(scale=self.scale)


class Experts(nn.Module):
    """A router and its experts: a token's output is the weighted sum of its best experts' outputs.

    Attributes:
        balance: of the last forward pass, the loss that is least, 1, where all experts are used
            alike; see :func:`balance_loss`.
        used: of the last forward pass, the share of the choices that fell on each expert.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.top_k, self.scale = config.top_k, config.scale
        self.router = nn.Linear(config.d_model, config.n_experts, bias=False)
        self.experts = nn.ModuleList(MLP(config) for _ in range(config.n_experts))
        self.balance = self.used = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        """Act on each token by itself: (..., d_model) to the same shape."""
        tokens = x.flatten(0, -2)  # (N, d_model)

        # Each token's best experts, and their weights.
        probabilities = self.router(tokens).softmax(-1)  # (N, n_experts)
        weights, chosen = probabilities.topk(self.top_k)  # (N, top_k)
        weights = self.scale * weights / weights.sum(-1, keepdim=True)

        # Each expert works on the tokens that chose it, and on no other.
        out = torch.zeros_like(tokens)
        for i, expert in enumerate(self.experts):
            rows, place = (chosen == i).nonzero(as_tuple=True)
            answers = expert(tokens[rows]) * weights[rows, place, None]
            out.index_add_(0, rows, answers.to(out.dtype))

        # How evenly they are used: shares of the choices times mean probabilities.
        n_experts = len(self.experts)
        self.used = chosen.flatten().bincount(minlength=n_experts) / chosen.numel()
        self.balance = n_experts * (self.used * probabilities.mean(0)).sum()
        return out.view_as(x)


class ExpertsBlock(Block):
    """A block whose feed-forward part is a mixture of experts."""

    def __init__(self, config: Shape) -> None:
        super().__init__(config)
        self.mlp = Experts(config)


class MixtureGPT(GPT):
    """A GPT with a mixture of experts in each block.

    Args:
        config: shape and recipe.
    """

    config_class = ExpertsConfig

    def __init__(self, config: ExpertsConfig) -> None:
        super().__init__(config, ExpertsBlock)


def balance_loss(model: nn.Module) -> Tensor:
    """Return the balancing loss of a model's last forward pass, the mean over its layers.

    With f the share of the choices that fell on an expert and P the mean probability that the
    router gave it, it is the number of experts times the sum of f · P: 1 where all are used alike,
    the number of experts where one has everything. Added to the loss with a small factor it keeps
    experts from starving; f has no slope, P has.

    Raises:
        ValueError: if the model has no mixture of experts.
    """
    layers = [layer.balance for layer in model.modules() if isinstance(layer, Experts)]
    expect(len(layers) > 0, "model", "one with a mixture of experts", type(model).__name__)
    return torch.stack(layers).mean()
