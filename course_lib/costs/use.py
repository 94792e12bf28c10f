"""What a model costs over its life: its memory while it writes, carbon, and the cheapest size.

Taught in 'Compute'. The law of the loss is that of Hoffmann et al. (2022), section 3.3, with the
numbers that Besiroglu et al. (2024) find in the same runs; that the answers are to be counted with
the training is from Sardana et al. (2024).
"""

import math
from typing import Any

from course_lib.checks import check_not_negative, check_positive, check_sizes, expect

# Grams of carbon dioxide, and what equals it, for a kilowatt-hour from the grid: Ember's figures of
# 2023.
GRAMS_PER_KWH = {"Norway": 30, "France": 56, "Germany": 381, "world": 481, "China": 582}
GRAMS_PER_KWH |= {"India": 713}

# loss = floor + a / N^alpha + b / D^beta, in nats per token.
CHINCHILLA = {"floor": 1.8172, "a": 482.01, "alpha": 0.3478, "b": 2085.43, "beta": 0.3658}


def cache_bytes(config: Any, tokens: int, rows: int = 1, bytes_per_number: float = 2) -> float:
    """Count the key-value cache: a key and a value per head of them, layer and token.

    Args:
        config: a model's, such as :class:`course_lib.model.GPTConfig`.
        tokens: that each text holds, prompt included.
        rows: texts that are written at once.
        bytes_per_number: 2 for 16 bits.

    Raises:
        ValueError: if a number is not positive.
    """
    check_sizes(tokens=tokens, rows=rows)
    check_positive(bytes_per_number=bytes_per_number)
    heads = config.n_kv_heads or config.n_heads
    per_token = 2 * config.n_layers * heads * (config.d_model // config.n_heads)
    return rows * tokens * per_token * bytes_per_number


def carbon_tonnes(mwh: float, grams_per_kwh: float) -> float:
    """Return the tonnes of carbon dioxide of an energy in megawatt-hours.

    Raises:
        ValueError: if a number is negative.
    """
    check_not_negative(mwh=mwh, grams_per_kwh=grams_per_kwh)
    return mwh * grams_per_kwh / 1000


def chinchilla_loss(parameters: float, tokens: float) -> float:
    """Return what the law says of a model of N parameters that has read D tokens, in nats.

    Raises:
        ValueError: if a number is not positive.
    """
    check_positive(parameters=parameters, tokens=tokens)
    law = CHINCHILLA
    small, unread = law["a"] / parameters ** law["alpha"], law["b"] / tokens ** law["beta"]
    return law["floor"] + small + unread


def tokens_needed(parameters: float, loss: float) -> float:
    """Return how many tokens N parameters must read to reach a loss; infinite if they can't.

    Raises:
        ValueError: if a number is not positive.
    """
    check_positive(parameters=parameters, loss=loss)
    law = CHINCHILLA
    left = loss - law["floor"] - law["a"] / parameters ** law["alpha"]
    return (law["b"] / left) ** (1 / law["beta"]) if left > 0 else math.inf


def cheapest(loss: float, served: float = 0.0) -> tuple[float, float]:
    """Return the parameters and tokens that reach a loss for the fewest operations in all.

    Training takes 6·N·D; every token that the model later reads or writes takes 2·N.

    Args:
        loss: to be reached, in nats per token, above the law's floor.
        served: tokens that the finished model will read and write.

    Raises:
        ValueError: if the loss is out of reach, or a number is negative.
    """
    check_positive(loss=loss)
    check_not_negative(served=served)
    law = CHINCHILLA
    expect(loss > law["floor"], "loss", f"above the law's floor, {law['floor']}", loss)

    def in_all(log_n: float) -> float:
        n = math.exp(log_n)
        return 6 * n * tokens_needed(n, loss) + 2 * n * served

    # Between the least size that can reach it and one that is surely too large there is one valley:
    # thirds that don't hold it are cut off.
    least = (law["a"] / (loss - law["floor"])) ** (1 / law["alpha"])
    low, high = math.log(least), math.log(least) + 12
    while high - low > 1e-9:
        third = (high - low) / 3
        if in_all(low + third) < in_all(high - third):
            high -= third
        else:
            low += third
    parameters = math.exp((low + high) / 2)
    return parameters, tokens_needed(parameters, loss)
