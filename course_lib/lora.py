"""LoRA: fine-tune a large model by training a small change to some of its matrices.

Taught in 'Dialogue'. From Hu et al. (2022), 'LoRA: Low-Rank Adaptation of Large Language Models',
section 4.1.
"""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


class LoRALinear(nn.Module):
    """A frozen linear layer W and a change to it: x W^T + (alpha / rank) · x A^T B^T.

    B begins at zero, so that at first nothing is changed. A and B are float32 or wider, whatever W
    is: small steps would be lost in half precision.

    Args:
        base: the layer; its weights are not trained.
        rank: rows of A and columns of B.
        alpha: the change is multiplied by alpha / rank.
        dropout: share of the change's inputs that are dropped during training.
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float, dropout: float = 0.0) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.rank, self.alpha, self.dropout = rank, alpha, dropout
        weight = base.weight
        wide = torch.promote_types(weight.dtype, torch.float32)
        self.lora_A = nn.Linear(base.in_features, rank, bias=False)
        self.lora_B = nn.Linear(rank, base.out_features, bias=False)
        nn.init.kaiming_uniform_(self.lora_A.weight, a=math.sqrt(5))
        nn.init.zeros_(self.lora_B.weight)
        for adapter in (self.lora_A, self.lora_B):
            adapter.to(weight.device, wide)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        out = self.base(x)
        dropped = F.dropout(x.to(self.lora_A.weight.dtype), self.dropout, self.training)
        change = self.lora_B(self.lora_A(dropped))
        return (out + change * (self.alpha / self.rank)).to(out.dtype)

    @torch.no_grad()
    def merge(self) -> nn.Linear:
        """Add the change to the layer's weights and return the layer: as fast as it was before."""
        change = self.lora_B.weight @ self.lora_A.weight * (self.alpha / self.rank)
        self.base.weight += change.to(self.base.weight.dtype)
        return self.base


def add_lora(
    model: nn.Module,
    rank: int = 8,
    alpha: float = 16.0,
    targets: Sequence[str] = ("q_proj", "v_proj"),
    dropout: float = 0.0,
) -> None:
    """Put :class:`LoRALinear` around layers of a model; nothing else is trained from then on.

    Args:
        model: changed in place.
        rank: see :class:`LoRALinear`.
        alpha: see :class:`LoRALinear`.
        targets: the last parts of the layers' names.
        dropout: see :class:`LoRALinear`.

    Raises:
        ValueError: if the rank is below 1, a target is found nowhere or is no linear layer, or the
            model has LoRA already.
    """
    if rank < 1:
        raise ValueError(f"rank: expected at least 1, got {rank}")
    if _layers(model):
        raise ValueError("model: expected one without LoRA, got one with it; merge_lora first")
    found = {
        name: module for name, module in model.named_modules() if name.rpartition(".")[2] in targets
    }
    missing = set(targets) - {name.rpartition(".")[2] for name in found}
    others = [name for name, module in found.items() if not isinstance(module, nn.Linear)]
    if missing or others:
        wrong = sorted(missing) or others
        raise ValueError(f"targets: expected names of linear layers, got {', '.join(wrong)}")
    model.requires_grad_(False)
    for name, layer in found.items():
        model.set_submodule(name, LoRALinear(layer, rank, alpha, dropout))


def merge_lora(model: nn.Module) -> None:
    """Add all changes to the weights, and take the LoRA layers out again."""
    for name, layer in _layers(model).items():
        model.set_submodule(name, layer.merge())


def save_lora(model: nn.Module, path: str | Path) -> None:
    """Write the change, and only it, as a safetensors file, whole or not at all.

    Raises:
        ValueError: if the model has no LoRA.
    """
    layers = _layers(model)
    if not layers:
        raise ValueError("model: expected one with LoRA, got one without")
    first = next(iter(layers.values()))
    shape = {
        "rank": first.rank,
        "alpha": first.alpha,
        "targets": sorted({name.rpartition(".")[2] for name in layers}),
    }
    weights = {name: tensor for name, tensor in model.state_dict().items() if ".lora_" in name}
    part = Path(f"{path}.part")
    save_file(weights, part, {"lora": json.dumps(shape)})
    os.replace(part, path)


def load_lora(model: nn.Module, path: str | Path) -> None:
    """Add the change that :func:`save_lora` wrote to a model without LoRA.

    Raises:
        ValueError: if the file holds something else, or doesn't fit the model.
    """
    with safe_open(path, "pt") as file:
        shape = (file.metadata() or {}).get("lora")
    if shape is None:
        raise ValueError(f"{path}: expected a file that save_lora() wrote")
    weights = load_file(path)
    add_lora(model, **json.loads(shape))
    wanted = {name: t.shape for name, t in model.state_dict().items() if ".lora_" in name}
    if wanted != {name: t.shape for name, t in weights.items()}:
        merge_lora(model)  # as it was: the change is still zero
        raise ValueError(f"{path}: expected layers of this model's names and shapes, got others")
    model.load_state_dict(weights, strict=False)


def _layers(model: nn.Module) -> dict[str, LoRALinear]:
    return {name: m for name, m in model.named_modules() if isinstance(m, LoRALinear)}
