"""Right answers to the exercises of 'Evaluation', each written in another way."""

import math
import re
from collections import Counter, defaultdict

import numpy as np


def f1_score__precision_and_recall(matrix):
    right = matrix[1][1]
    if right == 0:
        return 0
    precision = right / (matrix[0][1] + right)
    recall = right / (matrix[1][0] + right)
    return 2 * precision * recall / (precision + recall)


def f1_score__numpy(matrix):
    matrix = np.array(matrix, dtype=float)
    called, there = matrix[:, 1].sum(), matrix[1].sum()
    if called == 0 or there == 0 or matrix[1, 1] == 0:
        return 0.0
    precision, recall = matrix[1, 1] / called, matrix[1, 1] / there
    return 2 / (1 / precision + 1 / recall)


def f1_score__catches_the_division(matrix):
    (_, fp), (fn, tp) = matrix
    try:
        p, r = tp / (tp + fp), tp / (tp + fn)
        return 2 * p * r / (p + r)
    except ZeroDivisionError:
        return 0.0


def bleu_2__counts_in_dictionaries(hypothesis, reference):
    h, r = hypothesis.split(" "), reference.split(" ")
    if hypothesis == "" or len(h) < 2:
        return 0
    precisions = []
    for hyp, ref in ((h, r), (list(zip(h, h[1:])), list(zip(r, r[1:])))):  # noqa: B905, RUF007
        left = {}
        for gram in ref:
            left[gram] = left.get(gram, 0) + 1
        found = 0
        for gram in hyp:
            if left.get(gram, 0) > 0:
                left[gram] -= 1
                found += 1
        precisions.append(found / len(hyp))
    penalty = 1 if len(h) >= len(r) else math.exp(1 - len(r) / len(h))
    return penalty * (precisions[0] * precisions[1]) ** 0.5


def bleu_2__logarithms(hypothesis, reference):
    h, r = hypothesis.split(), reference.split()
    if len(h) < 2:
        return 0.0
    logs = []
    for n in (1, 2):
        grams_h = Counter(" ".join(h[i : i + n]) for i in range(len(h) + 1 - n))
        grams_r = Counter(" ".join(r[i : i + n]) for i in range(len(r) + 1 - n))
        matches = sum(min(count, grams_r[gram]) for gram, count in grams_h.items())
        if matches == 0:
            return 0.0
        logs.append(np.log(matches) - np.log(len(h) + 1 - n))
    return float(np.exp(min(0, 1 - len(r) / len(h)) + np.mean(logs)))


def likeliest_per_byte__loop(log_probs, choices):
    best, best_score = 0, -math.inf
    for i in range(len(choices)):
        total = 0
        for log_prob in log_probs[i]:
            total += log_prob
        score = total / len(bytes(choices[i], "utf-8"))
        if score > best_score:
            best, best_score = i, score
    return best


def likeliest_per_byte__numpy(log_probs, choices):
    sums = np.array([np.sum(row) for row in log_probs])
    return np.argmax(sums / np.array([len(choice.encode()) for choice in choices]))


def likeliest_per_byte__key(log_probs, choices):
    return max(
        range(len(choices)), key=lambda i: math.fsum(log_probs[i]) / len(choices[i].encode())
    )


def chance_of_win__loop(right_a, right_b, resamples, seed):
    rng = np.random.default_rng(seed)
    wins = 0
    for _ in range(resamples):
        rows = rng.integers(0, len(right_a), len(right_a))
        if right_a[rows].mean() > right_b[rows].mean():
            wins += 1
    return wins / resamples


def chance_of_win__choice(right_a, right_b, resamples, seed):
    rng, n = np.random.default_rng(seed), len(right_a)
    drawn = rng.choice(n, (resamples, n))
    return np.mean(right_a[drawn].sum(axis=1) > right_b[drawn].sum(axis=1))


def chance_of_win__how_often_each_is_drawn(right_a, right_b, resamples, seed):
    n = len(right_a)
    times = np.random.default_rng(seed).multinomial(n, [1 / n] * n, resamples)
    return sum(times @ right_a > times @ right_b) / resamples


def leaked__loops(training, test):
    def shingles(text):
        words = re.findall(r"\w+", text.lower())
        found = set()
        for i in range(len(words) - 2):
            found.add((words[i], words[i + 1], words[i + 2]))
        return found

    indices = []
    for i, text in enumerate(test):
        own = shingles(text)
        if not own:
            continue
        for other in training:
            if 2 * len(own & shingles(other)) >= len(own):
                indices.append(i)
                break
    return sorted(indices)


def leaked__an_index_of_shingles(training, test):
    def shingles(text):
        words = re.findall(r"\w+", text.casefold())
        return {" ".join(three) for three in zip(words, words[1:], words[2:])}  # noqa: B905

    texts_with = defaultdict(set)
    for number, text in enumerate(training):
        for shingle in shingles(text):
            texts_with[shingle].add(number)
    found = []
    for i, text in enumerate(test):
        own = shingles(text)
        shared = Counter(number for shingle in own for number in texts_with[shingle])
        if own and shared and max(shared.values()) / len(own) >= 1 / 2:
            found.append(i)
    return found
