"""What a training run costs: parameters, operations, GPU time and energy.

Taught in 'Background', which derives the formulas, checks them against real modules and published
training runs, and says how sure each is. Operations are counted as floating-point operations
(FLOP): one multiplication and one addition are two.
"""

import math

from course_lib.checks import check_positive, check_sizes, expect

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
