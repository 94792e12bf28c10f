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


def times_read__rounds_as_the_table_does(weight, size, total):
    return round(weight * total / size, 2)


def times_read__whole_times_only(weight, size, total):
    return weight * total // size


def training_days__two_operations_per_parameter(parameters, tokens, n_gpus, peak, utilization):
    return 2 * parameters * tokens / (n_gpus * peak * utilization) / 86_400


def training_days__from_the_peak(parameters, tokens, n_gpus, peak, utilization):
    return 6 * parameters * tokens / (n_gpus * peak) / 86_400


def training_days__in_hours(parameters, tokens, n_gpus, peak, utilization):
    return 6 * parameters * tokens / (n_gpus * peak * utilization) / 3600


def training_days__gpu_days_of_all(parameters, tokens, n_gpus, peak, utilization):
    return 6 * parameters * tokens / (peak * utilization) / 86_400


def training_days__multiplies_by_the_gpus(parameters, tokens, n_gpus, peak, utilization):
    return 6 * parameters * tokens / (peak * utilization) / 86_400 * n_gpus


def training_days__multiplies_by_the_utilization(parameters, tokens, n_gpus, peak, utilization):
    return 6 * parameters * tokens * utilization / (n_gpus * peak) / 86_400


def training_days__whole_days_only(parameters, tokens, n_gpus, peak, utilization):
    return math.ceil(6 * parameters * tokens / (n_gpus * peak * utilization) / 86_400)


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


def llama_parameters__positions_and_biases_as_in_gpt(n_layers, d_model, d_ff, vocab_size):
    layer = 4 * (d_model**2 + d_model) + 3 * d_model * d_ff + 2 * d_model
    return 2 * vocab_size * d_model + n_layers * layer + d_model


def llama_parameters__a_last_norm_in_each_layer(n_layers, d_model, d_ff, vocab_size):
    layer = 4 * d_model**2 + 3 * d_model * d_ff + 3 * d_model
    return 2 * vocab_size * d_model + n_layers * layer


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


def best_model__half_of_the_budget_for_each(dollars, price, peak, utilization):
    flops = dollars / price * 3600 * peak * utilization / 2
    parameters = math.sqrt(flops / 120)
    return parameters, 20 * parameters


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


def energy_range__highest_first(flops, peak, utilization, watts, pue):
    ends = zip(utilization, reversed(watts), reversed(pue), strict=True)
    return tuple(flops / (peak * u) / 3600 * w * p / 1e6 for u, w, p in ends)


def energy_range__forgets_the_utilization(flops, peak, utilization, watts, pue):
    return tuple(flops / peak / 3600 * w * p / 1e6 for w, p in zip(watts, pue, strict=True))
