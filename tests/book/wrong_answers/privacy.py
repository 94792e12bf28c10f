"""Wrong answers to the exercises of 'Data privacy', each a plausible slip."""

import math
import re

import numpy as np
import torch

from course_lib import privacy


def exposure__natural_logarithm(log_probs, true):
    rank = 1 + sum(other > log_probs[true] for other in log_probs)
    return math.log(len(log_probs)) - math.log(rank)


def exposure__counts_those_as_likely(log_probs, true):
    rank = sum(other >= log_probs[true] for other in log_probs)
    return math.log2(len(log_probs)) - math.log2(rank)


def exposure__ranks_from_the_wrong_end(log_probs, true):
    rank = 1 + sum(other < log_probs[true] for other in log_probs)
    return math.log2(len(log_probs)) - math.log2(rank)


def exposure__the_rank_alone(log_probs, true):
    return math.log2(1 + sum(other > log_probs[true] for other in log_probs))


def caught__share_of_all_records(scores, members, share):
    scores, members = np.asarray(scores), np.asarray(members, bool)
    best = 0.0
    for threshold in np.unique(scores):
        called = scores >= threshold
        if (called & ~members).mean() <= share:
            best = max(best, called[members].mean())
    return float(best)


def caught__precision_instead(scores, members, share):
    scores, members = np.asarray(scores), np.asarray(members, bool)
    best = 0.0
    for threshold in np.unique(scores):
        called = scores >= threshold
        if called[~members].mean() <= share:
            best = max(best, members[called].mean())
    return float(best)


def caught__ties_broken_for_the_attack(scores, members, share):
    order = sorted(zip(scores, members, strict=True), key=lambda pair: (-pair[0], not pair[1]))
    outsiders, total = sum(not m for m in members), sum(members)
    best = false = true = 0
    for _, member in order:
        true, false = true + member, false + (not member)
        if false / outsiders <= share:
            best = max(best, true / total)
    return best


def caught__strictly_less(scores, members, share):
    scores, members = np.asarray(scores), np.asarray(members, bool)
    best = 0.0
    for threshold in np.unique(scores):
        called = scores >= threshold
        if called[~members].mean() < share:
            best = max(best, called[members].mean())
    return float(best)


def of_each_person(gradients, owners):
    people = list(dict.fromkeys(owners))
    sums = gradients.new_zeros(len(people), gradients.shape[1])
    for row, owner in zip(gradients, owners, strict=True):
        sums[people.index(owner)] += row
    return sums


def clipped(rows, limit):
    lengths = rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return rows * (limit / lengths).clamp(max=1)


def private_mean__clips_each_record(gradients, owners, limit, noise, draws, expected):
    return (clipped(gradients, limit).sum(dim=0) + noise * limit * draws) / expected


def private_mean__means_of_persons(gradients, owners, limit, noise, draws, expected):
    counts = gradients.new_tensor([owners.count(owner) for owner in dict.fromkeys(owners)])
    means = of_each_person(gradients, owners) / counts[:, None]
    return (clipped(means, limit).sum(dim=0) + noise * limit * draws) / expected


def private_mean__clips_the_sum(gradients, owners, limit, noise, draws, expected):
    total = clipped(gradients.sum(dim=0, keepdim=True), limit)[0]
    return (total + noise * limit * draws) / expected


def private_mean__lengthens_short_ones(gradients, owners, limit, noise, draws, expected):
    sums = of_each_person(gradients, owners)
    lengths = sums.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return ((sums * limit / lengths).sum(dim=0) + noise * limit * draws) / expected


def private_mean__noise_without_the_limit(gradients, owners, limit, noise, draws, expected):
    sums = clipped(of_each_person(gradients, owners), limit)
    return (sums.sum(dim=0) + noise * draws) / expected


def private_mean__divides_by_the_persons(gradients, owners, limit, noise, draws, expected):
    sums = clipped(of_each_person(gradients, owners), limit)
    return (sums.sum(dim=0) + noise * limit * draws) / max(len(sums), 1)


def private_mean__as_a_row(gradients, owners, limit, noise, draws, expected):
    total = noise * limit * draws[None]
    for person in dict.fromkeys(owners):
        hers = torch.tensor([owner == person for owner in owners])
        pull = gradients[hers].sum(dim=0, keepdim=True)
        total = total + pull * (limit / pull.norm().clamp(min=1e-12)).clamp(max=1)
    return total / expected


def mask_more__one_word_before_at(text):
    text = re.sub(r"\b\w+ at \w+(?: dot \w+)+", "<email>", text)
    return re.sub(r"\b\d{4}(?: \d{4}){3}\b", "<card>", text)


def mask_more__any_at(text):
    text = re.sub(r"\b\w+(?: dot \w+)* at \w+(?: dot \w+)*", "<email>", text)
    return re.sub(r"\b\d{4}(?: \d{4}){3}\b", "<card>", text)


def mask_more__any_groups_of_digits(text):
    text = re.sub(r"\b\w+(?: dot \w+)* at \w+(?: dot \w+)+", "<email>", text)
    return re.sub(r"\b\d{4}(?: \d{4})+\b", "<card>", text)


def most_epochs__counts_steps():
    steps = 1
    while privacy.epsilon(1.0, 0.01, steps + 100, 1 / 50_000) <= 3:
        steps += 100
    return steps


def most_epochs__one_too_many():
    epochs = 1
    while privacy.epsilon(1.0, 0.01, 100 * epochs, 1 / 50_000) <= 3:
        epochs += 1
    return epochs


def most_epochs__with_another_delta():
    epochs = 1
    while privacy.epsilon(1.0, 0.01, 100 * (epochs + 1), 1e-9) <= 3:
        epochs += 1
    return epochs


def most_epochs__epsilon_of_an_epoch_times_epochs():
    return int(3 / privacy.epsilon(1.0, 0.01, 100, 1 / 50_000))
