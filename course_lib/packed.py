"""Linear layers packed for generation on a CPU: the same products from fewer or better-laid bytes.

Used in 'Text generation'. A model that writes one token at a time reads all its weights for each:
the fewer bytes they take, the faster it is. Groups of weights that share a scale and an offset are
the format Q4_1 of the GGUF files; their theory is in Dettmers et al. (2023), 'QLoRA', section 2.
These layers are for inference only, and their kernels are torch's own.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.model import GPT

GROUP = 32  # weights that share a scale and an offset


def lay_out_by_columns(weight: Tensor) -> Tensor:
    """Return the same matrix with its columns, not its rows, side by side in memory.

    Torch multiplies it by the vector of a single token faster, in float32 on a CPU.
    """
    return weight.mT.contiguous().mT


def quantize_4bit(weight: Tensor, group: int = GROUP) -> tuple[Tensor, Tensor, Tensor]:
    """Round each weight to one of 16 numbers that are evenly spaced over its group's range.

    Args:
        weight: (out, in), ``in`` a multiple of ``group``.
        group: weights of a row that are rounded together.

    Returns:
        Codes 0 to 15 (out, in), and for each group the scale and the least weight
        (out, in / group): a weight is about code · scale + least.

    Raises:
        ValueError: if the rows don't divide into groups.
    """
    if weight.dim() != 2 or weight.shape[1] % group:
        raise ValueError(
            f"weight: expected shape (out, a multiple of {group}), got {tuple(weight.shape)}"
        )
    groups = weight.float().unflatten(1, (-1, group))  # (out, in / group, group)
    least, most = groups.aminmax(dim=-1, keepdim=True)
    scale = (most - least) / 15
    codes = ((groups - least) / scale.clamp(min=1e-30)).round().clamp(0, 15)
    return codes.int().flatten(1), scale[..., 0], least[..., 0]


class Int4Linear(nn.Module):
    """A linear layer without bias whose weights take 4 bits, and 1 more for their group's share.

    Args:
        weight: (out, in), ``in`` a multiple of 32, ``out`` of 16.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        codes, scale, least = quantize_4bit(weight)
        self.register_buffer("packed", torch._convert_weight_to_int4pack_for_cpu(codes, 1))
        # The kernel computes (code - 8) · scale + zero.
        scale_zero = torch.stack([scale, least + 8 * scale], dim=-1).transpose(0, 1)
        self.register_buffer("scale_zero", scale_zero.bfloat16().contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in), bfloat16, to (..., out)."""
        rows = x.flatten(0, -2)
        out = torch._weight_int4pack_mm_for_cpu(rows, self.packed, GROUP, self.scale_zero)
        return out.unflatten(0, x.shape[:-1])


class PackedLinear(nn.Module):
    """A linear layer without bias, in bfloat16, whose weights lie as oneDNN's kernels want them.

    Torch's own layer has them laid out so at each call, which takes longer than the product.

    Args:
        weight: (out, in).
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        weight = weight.bfloat16().contiguous()
        self.has_kernel = torch.ops.mkldnn._is_mkldnn_bf16_supported()
        if self.has_kernel:
            weight = torch.ops.mkldnn._reorder_linear_weight(weight, 1)
        self.register_buffer("packed", weight, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in), bfloat16, to (..., out)."""
        if self.has_kernel:
            return torch.ops.mkldnn._linear_pointwise(x, self.packed, None, "none", [], "")
        return F.linear(x, self.packed)


class PackedGPT(GPT):
    """A GPT with packed layers; it computes in bfloat16, but its tied embeddings are float16.

    With that dtype torch multiplies by the largest matrix twice as fast, and rounds it less.
    """

    def logits(self, x: Tensor) -> Tensor:
        """Turn states of the last layer (..., d_model) into logits (..., vocab_size)."""
        return super().logits(x.half())

    def _embed(self, *args: object) -> Tensor:
        return super()._embed(*args).bfloat16()
