"""Right answers to the exercises of 'Background', each written in another way."""

import math
from itertools import product

import torch


def times_read__divides_first(weight, size, total):
    return weight / size * total


def times_read__tokens_read_over_size(weight, size, total):
    tokens_read = total * weight
    return tokens_read / size


def training_days__step_by_step(parameters, tokens, n_gpus, peak, utilization):
    flops = 6 * parameters * tokens
    per_second = n_gpus * peak * utilization
    hours = flops / per_second / 3600
    return hours / 24


def training_days__days_of_one_gpu_shared(parameters, tokens, n_gpus, peak, utilization):
    per_day = peak * utilization * 60 * 60 * 24
    return 6 * tokens / per_day * parameters / n_gpus


def llama_parameters__layer_by_layer(n_layers, d_model, d_ff, vocab_size):
    total = vocab_size * d_model
    for _ in range(n_layers):
        total += 4 * d_model * d_model
        total += 3 * d_ff * d_model
        total += d_model + d_model
    total += d_model
    return total + d_model * vocab_size


def llama_parameters__factored(n_layers, d_model, d_ff, vocab_size):
    return d_model * (2 * vocab_size + 1 + n_layers * (4 * d_model + 3 * d_ff + 2))


def llama_parameters__shapes_multiplied(n_layers, d_model, d_ff, vocab_size):
    layer = [(d_model, d_model)] * 4 + [(d_model, d_ff)] * 3 + [(d_model,)] * 2
    shapes = layer * n_layers + [(vocab_size, d_model)] * 2 + [(d_model,)]
    return float(sum(map(math.prod, shapes)))


def best_model__tokens_first(dollars, price, peak, utilization):
    seconds = 60 * 60 * dollars / price
    flops = seconds * peak * utilization
    tokens = (20 * flops / 6) ** 0.5  # N = D / 20 in C = 6 N D
    return [tokens / 20, tokens]


def best_model__by_logarithms(dollars, price, peak, utilization):
    log_flops = math.log(dollars) - math.log(price) + math.log(3600 * peak * utilization)
    parameters = math.exp((log_flops - math.log(120)) / 2)
    return parameters, parameters * 20


def energy_range__all_combinations(flops, peak, utilization, watts, pue):
    energies = [
        flops / (peak * u) / 3600 * w * p / 1e6 for u, w, p in product(utilization, watts, pue)
    ]
    return min(energies), max(energies)


def energy_range__end_by_end(flops, peak, utilization, watts, pue):
    joules_low = flops / peak / utilization[1] * watts[0] * pue[0]
    joules_high = flops / peak / utilization[0] * watts[1] * pue[1]
    return [joules_low / 3.6e9, joules_high / 3.6e9]


def energy_range__with_tensors(flops, peak, utilization, watts, pue):
    share = torch.tensor(utilization, dtype=torch.float64).flip(0)
    hours = flops / (peak * share * 3600)
    return hours * torch.tensor(watts) * torch.tensor(pue, dtype=torch.float64) / 1e6
