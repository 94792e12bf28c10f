"""LoRA: fine-tune a large model by training a small change to some of its matrices.

Taught in 'Dialogue'. From Hu et al. (2022), 'LoRA: Low-Rank Adaptation of Large Language Models',
section 4.1.
"""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from course_lib.checks import check_below_one, check_positive, check_sizes, expect
from course_lib.files import written_whole


class LoRALinear(nn.Module):
    """A frozen linear layer W and a change to it: x W^T + (alpha / rank) · x A^T B^T.

    B begins at zero, so that at first nothing is changed. A and B are float32 or wider, whatever W
    is: small steps would be lost in half precision.

    Args:
        base: the layer; its weights are not trained.
        rank: rows of A and columns of B.
        alpha: the change is multiplied by alpha / rank.
        dropout: share of the change's inputs that are dropped during training.

    Raises:
        ValueError: if a number is out of its range; the message names the argument.
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float, dropout: float = 0.0) -> None:
        super().__init__()
        _check_numbers(rank, alpha, dropout)
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


def _check_numbers(rank: int, alpha: float, dropout: float = 0.0) -> None:
    check_sizes(rank=rank)
    check_positive(alpha=alpha)
    check_below_one(dropout=dropout)


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
        ValueError: if a number is out of its range, a target is found nowhere or is no linear
            layer, or the model has LoRA already.
    """
    _check_numbers(rank, alpha, dropout)
    _check_without(model)
    found = {
        name: module for name, module in model.named_modules() if name.rpartition(".")[2] in targets
    }
    missing = set(targets) - {name.rpartition(".")[2] for name in found}
    others = [name for name, module in found.items() if not isinstance(module, nn.Linear)]
    if missing or others or not found:
        wrong = sorted(missing) or others or ["none"]
        raise ValueError(f"targets: expected names of linear layers, got {', '.join(wrong)}")
    _wrap(model, {name: LoRALinear(layer, rank, alpha, dropout) for name, layer in found.items()})


def _check_without(model: nn.Module) -> None:
    got = "one with it; merge_lora first"
    expect(not _layers(model), "model", "one without LoRA", got)


def _wrap(model: nn.Module, layers: dict[str, LoRALinear]) -> None:
    """Put the layers in the places of those that they wrap, and freeze all else."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for name, layer in layers.items():
        model.set_submodule(name, layer)


def merge_lora(model: nn.Module) -> None:
    """Add all changes to the weights, and take the LoRA layers out again."""
    for name, layer in _layers(model).items():
        model.set_submodule(name, layer.merge())


def save_lora(model: nn.Module, path: str | Path) -> None:
    """Write the change, and only it, as a safetensors file, whole or not at all.

    Layers may differ in rank and alpha. Dropout is not written: it belongs to the training.

    Raises:
        ValueError: if the model has no LoRA, or an alpha is no number above 0.
        OSError: if the file can't be written; nothing is left of it then.
    """
    # The layers, and what else has their last name: a file for another model is to be refused.
    layers = _layers(model)
    expect(len(layers) > 0, "model", "one with LoRA", "one without")
    for layer in layers.values():
        _check_numbers(layer.rank, layer.alpha)
    alphas = {name: layer.alpha for name, layer in layers.items()}
    shape = {"alphas": alphas, "without": sorted(_linears_called(model, alphas))}
    # Only the two small matrices of each.
    weights = {
        f"{name}.{part}": tensor
        for name, layer in layers.items()
        for part, tensor in layer.state_dict().items()
        if part.startswith("lora_")
    }
    with written_whole(path) as part:
        save_file(weights, part, {"lora": json.dumps(shape)})


def load_lora(model: nn.Module, path: str | Path) -> None:
    """Add the change that :func:`save_lora` wrote to a model without LoRA.

    Raises:
        ValueError: if the file holds something else, is cut off, or doesn't fit the model, which
            then is as it was.
        FileNotFoundError: if there is no such file.
    """
    _check_without(model)

    # Read all of the file, before the model is touched.
    try:
        with safe_open(path, "pt") as file:
            shape = json.loads((file.metadata() or {})["lora"])
            alphas, without = dict(shape["alphas"]), set(shape["without"])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        for alpha in alphas.values():
            check_positive(alpha=alpha)
    except FileNotFoundError:
        raise
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: expected a file that save_lora() wrote ({error})") from error

    # What its layers should hold in this model, and what they do.
    got = {name: tuple(t.shape) for name, t in weights.items() if t.is_floating_point()}
    modules, layers = dict(model.named_modules()), {}
    expected: dict[str, tuple[int, ...]] = {}
    for name, alpha in alphas.items():
        down, up = (f"{name}.lora_{part}.weight" for part in "AB")
        base, rank = modules.get(name), (*got.get(down, ()), 0)[0]
        if isinstance(base, nn.Linear) and rank:
            layers[name] = base, rank, alpha
            expected |= {down: (rank, base.in_features), up: (base.out_features, rank)}

    # The same layers of the same shapes, and none left over: then put them in.
    same = _linears_called(model, alphas) == alphas.keys() | without
    if not same or not layers or expected != got or len(got) < len(weights):
        raise ValueError(f"{path}: expected layers of this model's names and shapes, got others")
    _wrap(model, {name: LoRALinear(*numbers) for name, numbers in layers.items()})
    model.load_state_dict(weights, strict=False)


def _linears_called(model: nn.Module, names: Iterable[str]) -> set[str]:
    """Return the linear layers whose last name is the last of one of these; LoRA's are none."""
    last = {name.rpartition(".")[2] for name in names}
    return {
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.rpartition(".")[2] in last
    }


def _layers(model: nn.Module) -> dict[str, LoRALinear]:
    return {name: m for name, m in model.named_modules() if isinstance(m, LoRALinear)}
