"""Plausible wrong answers to the exercises of 'What scale buys'."""

import math

import numpy as np


def how_much_larger__the_other_way_round(exponent, share):
    return share ** (1 / exponent)


def how_much_larger__as_if_proportional(exponent, share):
    return 1 / share / exponent


def how_much_larger__power_instead_of_root(exponent, share):
    return share**-exponent


def how_much_larger__as_if_the_exponent_were_one_half(exponent, share):
    return share**-2


def fit_line__the_slope_itself(sizes, losses):
    slope, height = np.polyfit(np.log(sizes), np.log(losses), 1)
    return math.exp(height), slope


def fit_line__the_logarithm_of_the_scale(sizes, losses):
    slope, height = np.polyfit(np.log(sizes), np.log(losses), 1)
    return height, -slope


def fit_line__on_linear_axes(sizes, losses):
    slope, height = np.polyfit(sizes, losses, 1)
    return height, -slope


def fit_line__mixes_two_logarithms(sizes, losses):
    slope, height = np.polyfit(np.log10(sizes), np.log10(losses), 1)
    return math.exp(height), -slope


def fit_line__first_and_last_point_only(sizes, losses):
    exponent = math.log(losses[0] / losses[-1]) / math.log(sizes[-1] / sizes[0])
    return losses[0] * sizes[0] ** exponent, exponent


def fit_line__the_wrong_order(sizes, losses):
    slope, height = np.polyfit(np.log(sizes), np.log(losses), 1)
    return -slope, math.exp(height)


def characters_needed__forgets_the_floor(law, parameters, target):
    left = target - law["A"] * parameters ** -law["alpha"]
    return (law["B"] / left) ** (1 / law["beta"]) if left > 0 else math.inf


def characters_needed__any_model_reaches_it(law, parameters, target):
    left = target - law["E"] - law["A"] * parameters ** -law["alpha"]
    return (law["B"] / abs(left)) ** (1 / law["beta"])


def characters_needed__forgets_the_size(law, parameters, target):
    left = target - law["E"]
    return (law["B"] / left) ** (1 / law["beta"]) if left > 0 else math.inf


def characters_needed__uses_the_exponent_of_size(law, parameters, target):
    left = target - law["E"] - law["A"] * parameters ** -law["alpha"]
    return (law["B"] / left) ** (1 / law["alpha"]) if left > 0 else math.inf


def characters_needed__power_instead_of_root(law, parameters, target):
    left = target - law["E"] - law["A"] * parameters ** -law["alpha"]
    return (law["B"] / left) ** law["beta"] if left > 0 else math.inf


def backtest__sees_what_it_predicts(fit, sizes, losses, smallest):
    order = np.argsort(sizes)
    sizes, losses = sizes[order], losses[order]
    law = fit(sizes, losses)
    return [law(sizes[i]) - losses[i] for i in range(smallest, len(sizes))]


def backtest__sees_the_next_one(fit, sizes, losses, smallest):
    order = np.argsort(sizes)
    sizes, losses = sizes[order], losses[order]
    return [
        fit(sizes[: i + 1], losses[: i + 1])(sizes[i]) - losses[i]
        for i in range(smallest, len(sizes))
    ]


def backtest__never_learns_more(fit, sizes, losses, smallest):
    order = np.argsort(sizes)
    sizes, losses = sizes[order], losses[order]
    law = fit(sizes[:smallest], losses[:smallest])
    return [law(sizes[i]) - losses[i] for i in range(smallest, len(sizes))]


def backtest__takes_the_order_as_it_comes(fit, sizes, losses, smallest):
    return [fit(sizes[:i], losses[:i])(sizes[i]) - losses[i] for i in range(smallest, len(sizes))]


def backtest__measured_minus_predicted(fit, sizes, losses, smallest):
    order = np.argsort(sizes)
    sizes, losses = sizes[order], losses[order]
    return [losses[i] - fit(sizes[:i], losses[:i])(sizes[i]) for i in range(smallest, len(sizes))]


def backtest__asks_for_the_largest_it_has_seen(fit, sizes, losses, smallest):
    order = np.argsort(sizes)
    sizes, losses = sizes[order], losses[order]
    return [
        fit(sizes[:i], losses[:i])(sizes[i - 1]) - losses[i] for i in range(smallest, len(sizes))
    ]


def compute_optimal__forgets_the_six(law, flops):
    alpha, beta = law["alpha"], law["beta"]
    ratio = (alpha * law["A"]) / (beta * law["B"])
    n = (ratio * flops**beta) ** (1 / (alpha + beta))
    return n, flops / n


def compute_optimal__makes_both_terms_equal(law, flops):
    alpha, beta = law["alpha"], law["beta"]
    n = (law["A"] / law["B"] * (flops / 6) ** beta) ** (1 / (alpha + beta))
    return n, flops / 6 / n


def compute_optimal__half_to_each(law, flops):
    n = math.sqrt(flops / 6)
    return n, n


def compute_optimal__exponents_swapped(law, flops):
    alpha, beta = law["alpha"], law["beta"]
    ratio = (alpha * law["A"]) / (beta * law["B"])
    n = (ratio * (flops / 6) ** alpha) ** (1 / (alpha + beta))
    return n, flops / 6 / n


def compute_optimal__ratio_upside_down(law, flops):
    alpha, beta = law["alpha"], law["beta"]
    ratio = (beta * law["B"]) / (alpha * law["A"])
    n = (ratio * (flops / 6) ** beta) ** (1 / (alpha + beta))
    return n, flops / 6 / n
