"""Right answers to the exercises of 'What scale buys', each written in another way."""

import math

import numpy as np


def how_much_larger__a_root_of_the_inverse(exponent, share):
    return (1 / share) ** (1 / exponent)


def how_much_larger__by_logarithms(exponent, share):
    return math.exp(-math.log(share) / exponent)


def fit_line__covariance_over_variance(sizes, losses):
    x, y = np.log(sizes), np.log(losses)
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    return np.exp(y.mean() - slope * x.mean()), -slope


def fit_line__in_base_ten(sizes, losses):
    slope, height = np.polyfit(np.log10(sizes), np.log10(losses), 1)
    return 10**height, -slope


def fit_line__least_squares_of_a_matrix(sizes, losses):
    columns = np.stack([-np.log(sizes), np.ones(len(sizes))], axis=1)
    (exponent, height), *_ = np.linalg.lstsq(columns, np.log(losses), rcond=None)
    return math.e**height, exponent


def characters_needed__checks_before(law, parameters, target):
    reached_by_size = law["E"] + law["A"] / parameters ** law["alpha"]
    if reached_by_size >= target:
        return float("inf")
    return ((target - reached_by_size) / law["B"]) ** (-1 / law["beta"])


def characters_needed__by_logarithms(law, parameters, target):
    e, a, alpha, b, beta = (law[key] for key in ("E", "A", "alpha", "B", "beta"))
    left = (target - e) - a * math.exp(-alpha * math.log(parameters))
    if left < 1e-12:
        return math.inf
    return math.exp((math.log(b) - math.log(left)) / beta)


def characters_needed__numpy_divides_by_zero(law, parameters, target):
    left = np.maximum(target - law["E"] - law["A"] / parameters ** law["alpha"], 0)
    with np.errstate(divide="ignore"):
        return np.divide(law["B"], left) ** (1 / law["beta"])


def backtest__sorted_pairs(fit, sizes, losses, smallest):
    runs = sorted(zip(sizes, losses, strict=True))
    misses = []
    for i in range(smallest, len(runs)):
        known_sizes = np.array([size for size, _ in runs[:i]])
        known_losses = np.array([loss for _, loss in runs[:i]])
        size, loss = runs[i]
        misses.append(float(fit(known_sizes, known_losses)(size)) - float(loss))
    return misses


def backtest__masks_what_is_larger(fit, sizes, losses, smallest):
    misses = []
    for size in np.sort(sizes)[smallest:]:
        below = sizes < size
        law = fit(sizes[below], losses[below])
        misses.append(law(size) - losses[sizes == size][0])
    return misses


def backtest__returns_an_array(fit, sizes, losses, smallest):
    order = np.argsort(sizes)
    predicted = [
        fit(sizes[order[:i]], losses[order[:i]])(sizes[order[i]])
        for i in range(smallest, len(order))
    ]
    return np.array(predicted) - losses[order][smallest:]


def compute_optimal__chinchilla_s_formula(law, flops):
    a, b = law["alpha"], law["beta"]
    g = (a * law["A"] / (b * law["B"])) ** (1 / (a + b))
    return g * (flops / 6) ** (b / (a + b)), (flops / 6) ** (a / (a + b)) / g


def compute_optimal__tokens_by_logarithms(law, flops):
    a, b, product = law["alpha"], law["beta"], math.log(flops / 6)
    gap = math.log(b) + math.log(law["B"]) - math.log(a) - math.log(law["A"])
    log_d = (gap + a * product) / (a + b)
    return math.exp(product - log_d), math.exp(log_d)
