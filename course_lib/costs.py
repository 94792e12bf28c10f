"""What a language model costs: parameters, operations, GPU time and energy.

The chapter 'Background' derives the formulas, checks them against real modules and published
training runs, and says how sure each is. Operations are counted as floating-point operations
(FLOP): one multiplication and one addition are two.
"""

import math
from dataclasses import dataclass


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
    """

    name: str
    peak: float
    memory: float
    watts: float
    server_watts: float
    source: str
    server_source: str


V100 = GPU("V100", 125e12, 32e9, 300, 3500 / 8, "nvidia2020v100", "nvidia2017dgx")
A100 = GPU("A100", 312e12, 80e9, 400, 6500 / 8, "nvidia2020a100", "nvidia2020dgx")
H100 = GPU("H100", 989.4e12, 80e9, 700, 10_200 / 8, "nvidia2022hopper", "nvidia2023dgx")
GPUS = (V100, A100, H100)

# Where GPT-3 was trained (Patterson et al. 2021, appendix A), and the industry's average in 2023
# (Uptime Institute's survey; Davis and O'Brien 2023).
PUE = (1.1, 1.58)
# A V100 reserved for three years (Li 2020), and an eighth of Amazon's list price of eight A100s.
DOLLARS_PER_GPU_HOUR = (1.5, 4.1)


def _check(**values: float) -> None:
    """Raise ValueError, with the argument's name, for a number that is not positive and finite."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name}: expected a positive number, got {value}")


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
    _check(n_layers=n_layers, d_model=d_model, vocab_size=vocab_size, context_length=context_length)
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
    _check(n_layers=n_layers, d_model=d_model, vocab_size=vocab_size, context_length=context_length)
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
    _check(parameters=parameters, tokens=tokens)
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
    _check(flops=flops, peak=peak, utilization=utilization)
    if utilization > 1:
        raise ValueError(f"utilization: expected a share of the peak up to 1, got {utilization}")
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
    _check(flops=flops, hours=hours, peak=peak)
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
    _check(hours=hours, watts=watts, pue=pue)
    if pue < 1:
        raise ValueError(f"pue: expected at least 1, got {pue}")
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
    _check(flops=flops, tokens_per_parameter=tokens_per_parameter)
    parameters = math.sqrt(flops / (6 * tokens_per_parameter))
    return parameters, tokens_per_parameter * parameters
