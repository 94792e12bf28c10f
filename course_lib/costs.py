"""What a language model costs: parameters, operations, GPU time and energy.

The chapter 'Background' derives the formulas, checks them against real modules and published
training runs, and says how sure each is. Operations are counted as floating-point operations
(FLOP): one multiplication and one addition are two.
"""

import math
from dataclasses import dataclass

from course_lib.checks import (
    check_counts,
    check_not_negative,
    check_positive,
    check_sizes,
    expect,
)


@dataclass(frozen=True)
class GPU:
    """Published figures of one accelerator.

    Attributes:
        name: as its maker calls it.
        peak: the most operations a second, in FLOP/s, in dense products of 16-bit matrices that
            are summed in 32 bits.
        memory: its own memory in bytes.
        watts: the most that its board draws.
        server_watts: the most that its maker's server with eight of them draws, divided by eight.
        source: the data sheet of the board, a key of the book's bibliography.
        server_source: the same for the server.
        bandwidth: bytes a second that it reads from or writes to its own memory, at most.
        nvlink: bytes a second to the other GPUs of its server, both directions together.
        network: bytes a second to other servers, in one direction: its share of the server's
            network cards.
    """

    name: str
    peak: float
    memory: float
    watts: float
    server_watts: float
    source: str
    server_source: str
    bandwidth: float
    nvlink: float
    network: float


V100 = GPU(
    "V100",
    peak=125e12,
    memory=32e9,
    watts=300,
    server_watts=3500 / 8,
    source="nvidia2020v100",
    server_source="nvidia2017dgx",
    bandwidth=900e9,
    nvlink=300e9,
    network=4 * 100e9 / 8 / 8,
)
A100 = GPU(
    "A100",
    peak=312e12,
    memory=80e9,
    watts=400,
    server_watts=6500 / 8,
    source="nvidia2020a100",
    server_source="nvidia2020dgx",
    bandwidth=2039e9,
    nvlink=600e9,
    network=200e9 / 8,
)
H100 = GPU(
    "H100",
    peak=989.4e12,
    memory=80e9,
    watts=700,
    server_watts=10_200 / 8,
    source="nvidia2022hopper",
    server_source="nvidia2023dgx",
    bandwidth=3352e9,
    nvlink=900e9,
    network=400e9 / 8,
)
GPUS = (V100, A100, H100)

# Where GPT-3 was trained (Patterson et al. 2021, appendix A), and the industry's average in 2023
# (Uptime Institute's survey; Davis and O'Brien 2023).
PUE = (1.1, 1.58)
# A V100 reserved for three years, and an eighth of Amazon's list price of eight A100s, both of
# 2020 (Li 2020; Amazon cut its price in June 2025). One range for all three GPUs.
DOLLARS_PER_GPU_HOUR = (1.5, 4.1)


def gpt_parameters(n_layers: int, d_model: int, vocab_size: int, context_length: int) -> int:
    """Count the parameters of GPT-2 and GPT-3 models, whose output shares the token embeddings.

    The number of heads doesn't matter: heads cut the width into pieces and add nothing to it.

    Args:
        n_layers: number of blocks.
        d_model: width.
        vocab_size: number of different tokens.
        context_length: the most tokens that the model reads at once.

    Returns:
        The number of parameters, biases and layer norms included.

    Raises:
        ValueError: if an argument is not positive.
    """
    check_sizes(
        n_layers=n_layers, d_model=d_model, vocab_size=vocab_size, context_length=context_length
    )
    attention = 4 * d_model**2 + 4 * d_model  # queries, keys, values, output
    feed_forward = 8 * d_model**2 + 5 * d_model  # to four times the width and back
    layer_norm = 2 * d_model
    block = attention + feed_forward + 2 * layer_norm
    return (vocab_size + context_length) * d_model + n_layers * block + layer_norm


def gpt_forward_flops(n_layers: int, d_model: int, vocab_size: int, context_length: int) -> int:
    """Count the operations per token of all matrix products in a forward pass at full context.

    Queries are multiplied with all keys, as a plain implementation does it; one that leaves out
    the masked half saves up to half of the last term.

    Args:
        n_layers: number of blocks.
        d_model: width.
        vocab_size: number of different tokens.
        context_length: tokens in the context.

    Returns:
        FLOP per token.

    Raises:
        ValueError: if an argument is not positive.
    """
    check_sizes(
        n_layers=n_layers, d_model=d_model, vocab_size=vocab_size, context_length=context_length
    )
    weights = 12 * n_layers * d_model**2 + vocab_size * d_model
    return 2 * weights + 4 * n_layers * context_length * d_model


def training_flops(parameters: float, tokens: float) -> float:
    """Estimate the operations of a training run as 6·N·D.

    Two for each parameter and token in the forward pass, four in the backward pass (Kaplan et al.
    2020, section 2.1). Attention's products of tokens with tokens are left out; they are few where
    the context is short against the width.

    Args:
        parameters: N; of a mixture of experts, those that are active for one token.
        tokens: D, counted as often as they are read.

    Returns:
        FLOP.

    Raises:
        ValueError: if an argument is not positive.
    """
    check_positive(parameters=parameters, tokens=tokens)
    return 6 * parameters * tokens


def gpu_hours(flops: float, peak: float, utilization: float) -> float:
    """Turn operations into GPU-hours: hours on one GPU, or half as many on two.

    Args:
        flops: operations of the run.
        peak: the GPU's highest speed in FLOP/s.
        utilization: the share of the peak that the run really reaches, above 0, at most 1
            (model FLOPs utilization; Chowdhery et al. 2022, section 4.1).

    Returns:
        Hours.

    Raises:
        ValueError: if an argument is out of its range.
    """
    check_positive(flops=flops, peak=peak, utilization=utilization)
    expect(utilization <= 1, "utilization", "a share of the peak, up to 1", utilization)
    return flops / (peak * utilization) / 3600


def utilization(flops: float, hours: float, peak: float) -> float:
    """Return the share of the peak that a run reached, from its published GPU-hours.

    Args:
        flops: operations of the run.
        hours: GPU-hours.
        peak: the GPU's highest speed in FLOP/s.

    Returns:
        A share; above 1 only if a published figure is wrong.

    Raises:
        ValueError: if an argument is not positive.
    """
    check_positive(flops=flops, hours=hours, peak=peak)
    return flops / (hours * 3600 * peak)


def energy_mwh(hours: float, watts: float, pue: float) -> float:
    """Return the energy that a data center takes from the grid for a run.

    Args:
        hours: GPU-hours.
        watts: power per GPU, with its share of the server as far as it is to be counted.
        pue: power usage effectiveness, at least 1: what the whole building draws for each watt
            that reaches its computers.

    Returns:
        Megawatt-hours.

    Raises:
        ValueError: if an argument is out of its range.
    """
    check_positive(hours=hours, watts=watts, pue=pue)
    expect(pue >= 1, "pue", "at least 1", pue)
    return hours * watts * pue / 1e6


def compute_optimal(flops: float, tokens_per_parameter: float = 20.0) -> tuple[float, float]:
    """Split a budget of operations between parameters and tokens.

    Args:
        flops: the budget, C = 6·N·D.
        tokens_per_parameter: D / N. About 20 gives the lowest loss for the compute (Hoffmann et
            al. 2022, table 3).

    Returns:
        Parameters N and tokens D.

    Raises:
        ValueError: if an argument is not positive.
    """
    check_positive(flops=flops, tokens_per_parameter=tokens_per_parameter)
    parameters = math.sqrt(flops / (6 * tokens_per_parameter))
    return parameters, tokens_per_parameter * parameters


# Speed of one processor, memory and communication: the chapter 'Training on GPU'


def matmul_intensity(m: int, k: int, n: int, bytes_per_number: float) -> float:
    """Return the operations per byte of a product (m, k) @ (k, n), each matrix moved once.

    Args:
        m: rows of the first matrix and of the product.
        k: columns of the first matrix and rows of the second.
        n: columns of the second matrix and of the product.
        bytes_per_number: 4 for float32, 2 for bfloat16 and float16.

    Returns:
        FLOP per byte of memory traffic: the most that is possible.

    Raises:
        ValueError: if an argument is not positive.
    """
    check_sizes(m=m, k=k, n=n)
    check_positive(bytes_per_number=bytes_per_number)
    return 2 * m * k * n / (bytes_per_number * (m * k + k * n + m * n))


def attainable_flops(intensity: float, peak: float, bandwidth: float) -> float:
    """Return the roofline: the speed that memory and arithmetic allow (Williams et al. 2009).

    Args:
        intensity: operations per byte of memory traffic.
        peak: the processor's highest speed in FLOP/s.
        bandwidth: bytes a second to and from its memory.

    Returns:
        FLOP/s, at most.

    Raises:
        ValueError: if an argument is not positive.
    """
    check_positive(intensity=intensity, peak=peak, bandwidth=bandwidth)
    return min(peak, intensity * bandwidth)


def activation_bytes(
    n_layers: int, n_heads: int, d_model: int, vocab_size: int, tokens: int, mixed: bool = False
) -> int:
    """Count what the forward pass of a GPT-2 model keeps for the backward pass.

    With fused attention, which doesn't keep the weights of attention; without dropout. The same
    kind of count, with more kept, is in Korthikanti et al. (2022), section 4.

    Args:
        n_layers: number of blocks.
        n_heads: heads per block.
        d_model: width; the MLP is four times as wide.
        vocab_size: number of different tokens.
        tokens: batch size times context, of one process.
        mixed: whether matrix products are computed in 16 bits. Then their inputs and a copy of
            the matrices are kept in 16 bits, the residual stream stays in 32.

    Returns:
        Bytes.

    Raises:
        ValueError: if an argument is not positive.
    """
    check_sizes(n_layers=n_layers, n_heads=n_heads, d_model=d_model, vocab_size=vocab_size)
    check_sizes(tokens=tokens)
    # Per block: what both norms read; mean and deviation of both, and the softmax's sum per head.
    full = n_layers * (2 * d_model + 4 + n_heads) + d_model + 2 + vocab_size
    # What both norms give, queries, keys, values and attention's output; the MLP's inner layer
    # before and after its activation. For queries, keys and values there are three 16-bit copies.
    vectors = 8 if mixed else 6
    low = n_layers * (vectors + 2 * 4) * d_model + d_model
    copies = 2 * (12 * n_layers * d_model**2 + vocab_size * d_model) if mixed else 0
    return tokens * (4 * full + (2 if mixed else 4) * low) + copies


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes that each process needs. Activations shrink while gradients grow: a bound from above.

    Attributes:
        weights: in float32.
        gradients: in float32.
        optimizer: its moments, in float32.
        activations: what the forward pass keeps.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float

    @property
    def total(self) -> float:
        """All together."""
        return self.weights + self.gradients + self.optimizer + self.activations


def training_memory(
    parameters: float,
    activations: float = 0.0,
    *,
    moments: int = 2,
    shards: int = 1,
    gathered: float = 0.0,
) -> TrainingMemory:
    """Count the memory of training, per process (Rajbhandari et al. 2020, section 3).

    Args:
        parameters: of the whole model.
        activations: bytes; see :func:`activation_bytes`.
        moments: numbers that the optimizer keeps per parameter: 2 for Adam, 1 for momentum.
        shards: over how many processes weights, gradients and moments are spread: 1 with data
            parallelism (DDP), all processes with sharding (FSDP).
        gathered: parameters that a process puts together at a time, such as one block's.

    Raises:
        ValueError: if an argument is out of its range.
    """
    check_positive(parameters=parameters)
    check_not_negative(activations=activations, gathered=gathered)
    check_sizes(shards=shards)
    check_counts(moments=moments)
    held = 4 * parameters / shards
    together = 4 * gathered * (1 - 1 / shards)
    return TrainingMemory(held + together, held, moments * held, activations)


def communication_bytes(
    size: float, processes: int, *, sharded: bool = False, accumulate: int = 1
) -> float:
    """Count what each process sends in one step; it receives as much.

    In a ring of N processes, each sends (N - 1) / N of the tensor to gather the parts of all, and
    the same to add up and scatter (Patarasuk and Yuan 2009). Averaging gradients (DDP) takes both.
    Sharding (FSDP) gathers the weights for the forward pass and for the backward pass of each
    piece of the batch, and scatters the gradients once (Zhao et al. 2023).

    Args:
        size: bytes of all weights, which is that of all gradients.
        processes: N.
        sharded: FSDP instead of DDP.
        accumulate: pieces in which the batch is computed.

    Returns:
        Bytes per process and step.

    Raises:
        ValueError: if an argument is not positive.
    """
    check_positive(size=size)
    check_sizes(processes=processes, accumulate=accumulate)
    passes = 2 * accumulate + 1 if sharded else 2
    return passes * size * (processes - 1) / processes
