"""Plausible wrong answers to the exercises of 'Background'."""

import math


def times_read__forgets_the_weight(weight, size, total):
    return total / size


def times_read__upside_down(weight, size, total):
    return size / (weight * total)


def times_read__share_of_the_reading(weight, size, total):
    return size / total


def times_read__tokens_instead_of_times(weight, size, total):
    return weight * total


def training_days__two_operations_per_parameter(parameters, tokens, n_gpus, peak, utilization):
    return 2 * parameters * tokens / (n_gpus * peak * utilization) / 86_400


def training_days__from_the_peak(parameters, tokens, n_gpus, peak, utilization):
    return 6 * parameters * tokens / (n_gpus * peak) / 86_400


def training_days__in_hours(parameters, tokens, n_gpus, peak, utilization):
    return 6 * parameters * tokens / (n_gpus * peak * utilization) / 3600


def training_days__gpu_days_of_all(parameters, tokens, n_gpus, peak, utilization):
    return 6 * parameters * tokens / (peak * utilization) / 86_400


def llama_parameters__two_feed_forward_matrices(n_layers, d_model, d_ff, vocab_size):
    layer = 4 * d_model**2 + 2 * d_model * d_ff + 2 * d_model
    return 2 * vocab_size * d_model + n_layers * layer + d_model


def llama_parameters__shares_the_embeddings(n_layers, d_model, d_ff, vocab_size):
    layer = 4 * d_model**2 + 3 * d_model * d_ff + 2 * d_model
    return vocab_size * d_model + n_layers * layer + d_model


def llama_parameters__gpt_s_layer_norms(n_layers, d_model, d_ff, vocab_size):
    layer = 4 * d_model**2 + 3 * d_model * d_ff + 4 * d_model
    return 2 * vocab_size * d_model + n_layers * layer + 2 * d_model


def llama_parameters__forgets_the_last_norm(n_layers, d_model, d_ff, vocab_size):
    layer = 4 * d_model**2 + 3 * d_model * d_ff + 2 * d_model
    return 2 * vocab_size * d_model + n_layers * layer


def llama_parameters__inner_width_is_four_widths(n_layers, d_model, d_ff, vocab_size):
    layer = 4 * d_model**2 + 3 * d_model * 4 * d_model + 2 * d_model
    return 2 * vocab_size * d_model + n_layers * layer + d_model


def best_model__forgets_the_six(dollars, price, peak, utilization):
    flops = dollars / price * 3600 * peak * utilization
    parameters = math.sqrt(flops / 20)
    return parameters, 20 * parameters


def best_model__no_root(dollars, price, peak, utilization):
    flops = dollars / price * 3600 * peak * utilization
    return flops / 120, flops / 6


def best_model__multiplies_by_the_price(dollars, price, peak, utilization):
    parameters = math.sqrt(dollars * price * 3600 * peak * utilization / 120)
    return parameters, 20 * parameters


def best_model__hours_as_seconds(dollars, price, peak, utilization):
    parameters = math.sqrt(dollars / price * peak * utilization / 120)
    return parameters, 20 * parameters


def best_model__tokens_first(dollars, price, peak, utilization):
    parameters = math.sqrt(dollars / price * 3600 * peak * utilization / 120)
    return 20 * parameters, parameters


def energy_range__low_with_low(flops, peak, utilization, watts, pue):
    ends = zip(utilization, watts, pue, strict=True)
    return tuple(flops / (peak * u) / 3600 * w * p / 1e6 for u, w, p in ends)


def energy_range__in_kilowatt_hours(flops, peak, utilization, watts, pue):
    ends = zip(reversed(utilization), watts, pue, strict=True)
    return tuple(flops / (peak * u) / 3600 * w * p / 1e3 for u, w, p in ends)


def energy_range__divides_by_pue(flops, peak, utilization, watts, pue):
    ends = zip(reversed(utilization), watts, pue, strict=True)
    return tuple(flops / (peak * u) / 3600 * w / p / 1e6 for u, w, p in ends)


def energy_range__forgets_the_building(flops, peak, utilization, watts, pue):
    ends = zip(reversed(utilization), watts, strict=True)
    return tuple(flops / (peak * u) / 3600 * w / 1e6 for u, w in ends)
