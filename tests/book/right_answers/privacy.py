"""Right answers to the exercises of 'Data privacy', each written in another way."""

import math
import re

import numpy as np
import torch

from course_lib import privacy


def exposure__by_sorting(log_probs, true):
    rank = 1 + sorted(log_probs, reverse=True).index(log_probs[true])
    return math.log2(len(log_probs) / rank)


def exposure__with_numpy(log_probs, true):
    values = np.asarray(log_probs)
    return float(-np.log2((1 + (values > values[true]).sum()) / len(values)))


def caught__walking_down_the_scores(scores, members, share):
    groups = {}
    for score, member in zip(scores, members, strict=True):
        groups.setdefault(score, []).append(bool(member))
    total = sum(map(bool, members))
    outsiders = len(members) - total
    best = true = false = 0
    for score in sorted(groups, reverse=True):
        true += sum(groups[score])
        false += len(groups[score]) - sum(groups[score])
        if false / outsiders <= share:
            best = true / total
    return best


def caught__in_one_expression(scores, members, share):
    inside = [s for s, m in zip(scores, members, strict=True) if m]
    outside = [s for s, m in zip(scores, members, strict=True) if not m]
    rates = [
        sum(s >= t for s in inside) / len(inside)
        for t in set(scores)
        if sum(s >= t for s in outside) / len(outside) <= share
    ]
    return max(rates, default=0.0)


def private_mean__person_by_person(gradients, owners, limit, noise, draws, expected):
    sums = {}
    for row, owner in zip(gradients, owners, strict=True):
        sums[owner] = sums.get(owner, 0) + row
    total = noise * limit * draws
    for row in sums.values():
        length = row.norm().item()
        total = total + (row * (limit / length) if length > limit else row)
    return total / expected


def private_mean__by_a_product(gradients, owners, limit, noise, draws, expected):
    people = sorted(set(owners))
    whose = torch.zeros(len(people), len(gradients))
    for i, owner in enumerate(owners):
        whose[people.index(owner), i] = 1
    sums = whose @ gradients
    lengths = sums.square().sum(dim=1).sqrt()
    factors = limit / torch.maximum(lengths, torch.tensor(float(limit)))
    return (factors @ sums + noise * limit * draws) / expected


def mask_more__spelled_out(text):
    text = re.sub(
        r"(?<!\w)[a-zA-Z0-9_]+( dot [a-zA-Z0-9_]+)* at [a-zA-Z0-9_]+( dot [a-zA-Z0-9_]+)+",
        "<email>",
        text,
    )
    return re.sub(r"(?<!\w)\d\d\d\d \d\d\d\d \d\d\d\d \d\d\d\d(?!\w)", "<card>", text)


def mask_more__cards_first(text):
    text = re.sub(r"\b(?:\d{4} ){3}\d{4}\b", "<card>", text)
    return re.sub(r"\b(?:\w+ dot )*\w+ at (?:\w+ dot )+\w+", "<email>", text)


def most_epochs__by_halving():
    low, high = 1, 1000
    while high - low > 1:
        middle = (low + high) // 2
        if privacy.epsilon(1.0, 0.01, 100 * middle, 1 / 50_000) <= 3:
            low = middle
        else:
            high = middle
    return low


def most_epochs__by_a_list():
    spent = [privacy.epsilon(1.0, 0.01, 100 * n, 1 / 50_000) for n in range(1, 200)]
    return sum(one <= 3 for one in spent)
