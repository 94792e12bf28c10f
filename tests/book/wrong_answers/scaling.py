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


def how_much_larger__share_that_is_removed(exponent, share):
    return (1 - share) ** (-1 / exponent) if share < 1 else 1


def how_much_larger__whole_numbers_only(exponent, share):
    return math.ceil(round(share ** (-1 / exponent), 9))


def how_much_larger__exponential_instead_of_power(exponent, share):
    return math.exp(-share / exponent)


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


def fit_line__changes_its_argument(sizes, losses):
    np.log(sizes, out=sizes)
    slope, height = np.polyfit(sizes, np.log(losses), 1)
    return math.exp(height), -slope


def fit_line__changes_the_losses(sizes, losses):
    np.log(losses, out=losses)
    slope, height = np.polyfit(np.log(sizes), losses, 1)
    return math.exp(height), -slope


def fit_line__through_the_first_point(sizes, losses):
    x, y = np.log(sizes / sizes[0]), np.log(losses / losses[0])
    exponent = -(x @ y) / (x @ x)
    return losses[0] * sizes[0] ** exponent, exponent


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


def characters_needed__nothing_left_divides_by_zero(law, parameters, target):
    left = target - law["E"] - law["A"] * parameters ** -law["alpha"]
    return (law["B"] / left) ** (1 / law["beta"]) if left >= 0 else math.inf


def characters_needed__empties_the_law(law, parameters, target):
    left = target - law.pop("E") - law["A"] * parameters ** -law["alpha"]
    return (law["B"] / left) ** (1 / law["beta"]) if left > 0 else math.inf


def characters_needed__changes_the_law(law, parameters, target):
    law["E"] = law["E"] + 0.0 * target
    law["left"] = target - law["E"] - law["A"] * parameters ** -law["alpha"]
    return (law["B"] / law["left"]) ** (1 / law["beta"]) if law["left"] > 0 else math.inf


def backtest__sorts_the_callers_arrays(fit, sizes, losses, smallest):
    order = np.argsort(sizes)
    sizes[:], losses[:] = sizes[order], losses[order]
    return [fit(sizes[:i], losses[:i])(sizes[i]) - losses[i] for i in range(smallest, len(sizes))]


def backtest__sorts_sizes_and_losses_each_for_itself(fit, sizes, losses, smallest):
    sizes, losses = np.sort(sizes), np.sort(losses)[::-1]
    return [fit(sizes[:i], losses[:i])(sizes[i]) - losses[i] for i in range(smallest, len(sizes))]


def backtest__sorts_the_sizes_alone(fit, sizes, losses, smallest):
    sizes = np.sort(sizes)
    return [fit(sizes[:i], losses[:i])(sizes[i]) - losses[i] for i in range(smallest, len(sizes))]


def backtest__from_the_largest_down(fit, sizes, losses, smallest):
    order = np.argsort(sizes)
    sizes, losses = sizes[order], losses[order]
    misses = [fit(sizes[:i], losses[:i])(sizes[i]) - losses[i] for i in range(smallest, len(sizes))]
    return misses[::-1]


def backtest__one_size_only(fit, sizes, losses, smallest):
    order = np.argsort(sizes)
    sizes, losses = sizes[order], losses[order]
    i = smallest
    return [fit(sizes[:i], losses[:i])(sizes[i]) - losses[i]]


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


def compute_optimal__searches_on_a_grid(law, flops):
    n = np.geomspace(10, 1e10, 99_999)
    losses = law["A"] / n ** law["alpha"] + law["B"] / (flops / 6 / n) ** law["beta"]
    best = n[losses.argmin()]
    return best, flops / 6 / best


def compute_optimal__tokens_first(law, flops):
    alpha, beta = law["alpha"], law["beta"]
    ratio = (alpha * law["A"]) / (beta * law["B"])
    n = (ratio * (flops / 6) ** beta) ** (1 / (alpha + beta))
    return flops / 6 / n, n
