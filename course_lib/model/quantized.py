"""Linear layers packed for generation on a CPU: the same products from fewer or better-laid bytes.

Used in 'Text generation'. A model that writes one token at a time reads all its weights for each:
the fewer bytes they take, the faster it is. Groups of weights that share a scale and an offset are
the format Q4_1 of the GGUF files; their theory is in Dettmers et al. (2023), 'QLoRA', section 2.
The kernels are torch's own. Which is fast depends on the processor, so :func:`fastest` tries them.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.attention import KeyValueCache, Rope, rotate
from course_lib.model.gpt import GPT, GPTConfig
from course_lib.model.parts import MLP, use_fast_norms

GROUP = 32  # weights that share a scale and an offset


class Kernel(NamedTuple):
    """A way to multiply by a matrix (out, in): how it lies in memory, and what multiplies."""

    lay_out: Callable[[Tensor], Tensor]
    multiply: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, x: Tensor, weight: Tensor) -> Tensor:
        """Map (..., in) to (..., out); in training, or elsewhere than on a CPU, as torch does."""
        right = x.dtype == weight.dtype == torch.float32 and x.is_cpu
        if torch.is_grad_enabled() or not right:
            return F.linear(x, weight)
        return self.multiply(x, weight)


def lay_out_by_columns(weight: Tensor) -> Tensor:
    """Return the same matrix with its columns, not its rows, side by side in memory."""
    return weight.mT.contiguous().mT


def _by_threads(x: Tensor, weight: Tensor) -> Tensor:
    """Multiply one vector by a matrix laid out by columns: each thread its share of the rows."""
    rows, columns = weight.shape
    threads = torch.get_num_threads()
    if x.numel() != columns or rows % threads:
        return F.linear(x, weight)
    shares = weight.mT.view(columns, threads, -1).transpose(0, 1)  # (threads, in, out / threads)
    return torch.bmm(x.view(1, 1, -1).expand(threads, 1, -1), shares).view(*x.shape[:-1], rows)


def _by_onednn(x: Tensor, weight: Tensor) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")


def _onednn_layout(weight: Tensor) -> Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), 1)


# What torch does by itself is last; the others may be missing.
KERNELS = {
    torch.float32: {
        "oneDNN": Kernel(lay_out_by_columns, _by_onednn),
        "columns": Kernel(lay_out_by_columns, _by_threads),
        "rows": Kernel(Tensor.contiguous, F.linear),
    },
    torch.bfloat16: {
        "oneDNN": Kernel(_onednn_layout, _by_onednn),
        "rows": Kernel(Tensor.contiguous, F.linear),
    },
    torch.float16: {"rows": Kernel(Tensor.contiguous, F.linear)},
}


@torch.inference_mode()
def fastest(dtype: torch.dtype, shapes: Sequence[tuple[int, int]], megabytes: int = 64) -> str:
    """Return the name of the kernel that takes the least time for tokens that come one by one.

    One in eight products is by 16 tokens at once, as those of a prompt are.

    Args:
        dtype: float32 or bfloat16.
        shapes: of the matrices (out, in). There are so many of each that no cache holds them all,
            as in a model.
        megabytes: what they take together.
    """
    # So many matrices, and for each an input: one token, or now and then sixteen.
    size = sum(rows * columns for rows, columns in shapes) * dtype.itemsize
    weights = [torch.ones(s, dtype=dtype) for s in [*shapes] * -(-megabytes * 2**20 // size)]
    inputs = [
        torch.ones(1, 1 if i % 8 else 16, weight.shape[1], dtype=dtype)
        for i, weight in enumerate(weights)
    ]

    # Each kernel's best of four rounds over all of them.
    taken = {}
    for name, kernel in KERNELS[dtype].items():
        try:
            laid_out = [kernel.lay_out(weight) for weight in weights]
            rounds = []
            for _ in range(4):
                start = time.perf_counter()
                for x, weight in zip(inputs, laid_out, strict=True):
                    kernel.multiply(x, weight)
                rounds.append(time.perf_counter() - start)
            taken[name] = min(rounds)
        except (AttributeError, RuntimeError):  # not in this torch, or not on this processor
            continue
    return min(taken, key=taken.__getitem__)


class FastLinear(nn.Linear):
    """A linear layer without bias that can be trained; for inference it has a kernel.

    Args:
        weight: (out, in).
        kernel: for the weight's dtype.
    """

    def __init__(self, weight: Tensor, kernel: Kernel) -> None:
        rows, columns = weight.shape
        super().__init__(columns, rows, bias=False, device="meta")
        self.weight, self.kernel = nn.Parameter(kernel.lay_out(weight)), kernel

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        return self.kernel(x, self.weight)


class PackedLinear(nn.Module):
    """The same for inference only: its weights lie as the kernel wants them, and nothing else."""

    packed: Tensor

    def __init__(self, weight: Tensor, kernel: Kernel) -> None:
        super().__init__()
        self.register_buffer("packed", kernel.lay_out(weight), persistent=False)
        self.multiply = kernel.multiply

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out), both in the weight's dtype."""
        return self.multiply(x, self.packed)


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

    packed: Tensor
    scale_zero: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        codes, scale, least = quantize_4bit(weight)
        self.has_kernel = hasattr(torch, "_weight_int4pack_mm_for_cpu")
        if self.has_kernel:  # it computes (code - 8) · scale + zero
            scale_zero = torch.stack([scale, least + 8 * scale], dim=-1).transpose(0, 1)
            self.register_buffer("scale_zero", scale_zero.bfloat16().contiguous())
            self.register_buffer("packed", torch._convert_weight_to_int4pack_for_cpu(codes, 1))
        else:  # the same numbers in 16 bits
            groups = codes.unflatten(1, (-1, GROUP)) * scale[..., None] + least[..., None]
            self.register_buffer("packed", groups.flatten(1).bfloat16())

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in), bfloat16, to (..., out)."""
        if not self.has_kernel:
            return F.linear(x, self.packed)
        rows = x.reshape(-1, x.shape[-1])
        out = torch._weight_int4pack_mm_for_cpu(rows, self.packed, GROUP, self.scale_zero)
        return out.view(*x.shape[:-1], -1)


class TiedEmbedding(nn.Embedding):
    """Vectors of tokens that are also the output matrix, with a kernel for its products.

    Args:
        weight: (vocab_size, d_model).
        kernel: for the weight's dtype.
        dtype: of the vectors; the weight's by default.
    """

    def __init__(self, weight: Tensor, kernel: Kernel, dtype: torch.dtype | None = None) -> None:
        rows, columns = weight.shape
        super().__init__(rows, columns, _weight=kernel.lay_out(weight))
        self.kernel, self.dtype = kernel, dtype

    def forward(self, ids: Tensor) -> Tensor:
        """Return the vectors (..., d_model) of tokens."""
        return super().forward(ids).to(self.dtype or self.weight.dtype)

    def logits(self, x: Tensor) -> Tensor:
        """Map (..., d_model) to (..., vocab_size)."""
        return self.kernel(x.to(self.weight.dtype), self.weight)


class Int8Embedding(nn.Module):
    """The same in 8 bits and a scale for each token."""

    codes: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.num_embeddings = len(weight)
        self.register_buffer("codes", torch.empty(weight.shape, dtype=torch.int8))
        self.register_buffer("scale", torch.empty(len(weight), dtype=torch.bfloat16))
        for i in range(0, len(weight), 1024):  # few rows at once take little memory
            rows = weight[i : i + 1024].float()
            scale = (rows.abs().amax(dim=1) / 127).clamp(min=1e-30).bfloat16()
            self.scale[i : i + 1024] = scale
            self.codes[i : i + 1024] = (rows / scale.float()[:, None]).round()

    def forward(self, ids: Tensor) -> Tensor:
        """Return the vectors (..., d_model) of tokens."""
        return F.embedding(ids, self.codes) * F.embedding(ids, self.scale[:, None])

    def logits(self, x: Tensor) -> Tensor:
        """Map (..., d_model) to (..., vocab_size)."""
        rows = x.reshape(-1, x.shape[-1])
        return torch._weight_int8pack_mm(rows, self.codes, self.scale).view(*x.shape[:-1], -1)


class PackedAttention(nn.Module):
    """Attention for inference that makes queries, keys and values in one product."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_heads, self.n_kv_heads = config.n_heads, config.n_kv_heads or config.n_heads
        self.head_dim = config.d_model // config.n_heads
        width = (self.n_heads + 2 * self.n_kv_heads) * self.head_dim
        self.qkv_proj = nn.Linear(config.d_model, width, bias=False)
        self.out_proj = nn.Linear(config.d_model, config.d_model, bias=False)

    def forward(
        self,
        x: Tensor,
        *,
        rope: Rope | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Attend from (B, T, d_model) to itself and the cache; see :class:`MultiHeadAttention`."""
        # Queries and keys are rotated together.
        heads = self.qkv_proj(x).view(*x.shape[:2], -1, self.head_dim).transpose(1, 2)
        turned, v = heads.split((self.n_heads + self.n_kv_heads, self.n_kv_heads), dim=1)
        turned = turned if rope is None else rotate(turned, *rope)
        q, k = turned[:, : self.n_heads], turned[:, self.n_heads :]
        if cache is not None:
            k, v = cache.append(k, v)

        shared = self.n_heads // self.n_kv_heads
        if q.shape[2] == 1 and mask is None:
            # One query: those of a group are as good as so many positions, and nothing is copied.
            grouped = q.view(len(q), self.n_kv_heads, shared, self.head_dim)
            out = F.scaled_dot_product_attention(grouped, k, v).view_as(q)
        else:
            k, v = k.repeat_interleave(shared, dim=1), v.repeat_interleave(shared, dim=1)
            out = F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)
        return self.out_proj(out.transpose(1, 2).flatten(2))  # (B, T, d_model)


class PackedMLP(MLP):
    """A gated MLP that makes gate and hidden numbers in one product."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__(config)
        del self.gate, self.up
        self.gate_up = nn.Linear(config.d_model, 2 * config.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Act on each token by itself: (..., d_model) to the same shape."""
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(self.activation(gate) * up)


class PackedGPT(GPT):
    """A GPT with the layers above: for training and inference, or joined for inference only."""

    def __init__(self, config: GPTConfig, joined: bool = True) -> None:
        super().__init__(config)
        for block in self.blocks if joined else ():
            block.attention, block.mlp = PackedAttention(config), PackedMLP(config)
        use_fast_norms(self)

    def logits(self, x: Tensor) -> Tensor:
        """Turn states of the last layer (..., d_model) into logits (..., vocab_size)."""
        return cast("TiedEmbedding | Int8Embedding", self.token_embedding).logits(x)
