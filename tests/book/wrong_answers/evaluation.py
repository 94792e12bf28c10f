"""Plausible wrong answers to the exercises of 'Evaluation'."""

import math
import re
from collections import Counter

import numpy as np


def f1_score__of_class_0(matrix):
    (right, missed), (false_alarms, _) = matrix
    total = 2 * right + false_alarms + missed
    return 2 * right / total if total else 0.0


def f1_score__is_accuracy(matrix):
    (a, b), (c, d) = matrix
    return (a + d) / (a + b + c + d)


def f1_score__is_the_arithmetic_mean(matrix):
    (_, false_alarms), (missed, right) = matrix
    if not right:
        return 0.0
    return (right / (right + false_alarms) + right / (right + missed)) / 2


def f1_score__is_the_geometric_mean(matrix):
    (_, false_alarms), (missed, right) = matrix
    if not right:
        return 0.0
    return math.sqrt(right / (right + false_alarms) * right / (right + missed))


def f1_score__divides_by_zero(matrix):
    (_, false_alarms), (missed, right) = matrix
    precision, recall = right / (right + false_alarms), right / (right + missed)
    return 2 * precision * recall / (precision + recall)


def _ngrams(sentence, n):
    words = sentence.split()
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def _bleu_2(hypothesis, reference, *, clip=True, brevity=True, bonus=False, mean=math.sqrt):
    h, r = len(hypothesis.split()), len(reference.split())
    if h < 2:
        return 0.0
    product = 1.0
    for n in (1, 2):
        found, allowed = _ngrams(hypothesis, n), _ngrams(reference, n)
        if clip:
            matches = (Counter(found) & Counter(allowed)).total()
        else:
            matches = sum(gram in allowed for gram in found)
        product *= matches / len(found)
    penalty = math.exp(1 - r / h)
    if not bonus:
        penalty = min(1.0, penalty)
    return (penalty if brevity else 1.0) * mean(product)


def bleu_2__does_not_clip(hypothesis, reference):
    return _bleu_2(hypothesis, reference, clip=False)


def bleu_2__no_brevity_penalty(hypothesis, reference):
    return _bleu_2(hypothesis, reference, brevity=False)


def bleu_2__rewards_length(hypothesis, reference):
    return _bleu_2(hypothesis, reference, bonus=True)


def bleu_2__no_root(hypothesis, reference):
    return _bleu_2(hypothesis, reference, mean=float)


def bleu_2__linear_penalty(hypothesis, reference):
    h, r = len(hypothesis.split()), len(reference.split())
    return min(1, h / r) * _bleu_2(hypothesis, reference, brevity=False)


def bleu_2__divides_by_zero(hypothesis, reference):
    words = hypothesis.split()
    pairs = Counter(_ngrams(hypothesis, 2)) & Counter(_ngrams(reference, 2))
    singles = Counter(words) & Counter(reference.split())
    penalty = min(1, math.exp(1 - len(reference.split()) / len(words)))
    return penalty * math.sqrt(singles.total() / len(words) * pairs.total() / (len(words) - 1))


def likeliest_per_byte__sum(log_probs, choices):
    scores = [sum(row) for row in log_probs]
    return scores.index(max(scores))


def likeliest_per_byte__per_token(log_probs, choices):
    scores = [sum(row) / len(row) for row in log_probs]
    return scores.index(max(scores))


def likeliest_per_byte__per_character(log_probs, choices):
    scores = [sum(row) / len(text) for row, text in zip(log_probs, choices, strict=True)]
    return scores.index(max(scores))


def likeliest_per_byte__least(log_probs, choices):
    scores = [sum(row) / len(text.encode()) for row, text in zip(log_probs, choices, strict=True)]
    return scores.index(min(scores))


def likeliest_per_byte__last_of_equals(log_probs, choices):
    best, best_score = 0, -math.inf
    for i, (row, text) in enumerate(zip(log_probs, choices, strict=True)):
        if sum(row) / len(text.encode()) >= best_score:
            best, best_score = i, sum(row) / len(text.encode())
    return best


def likeliest_per_byte__the_score(log_probs, choices):
    return max(sum(row) / len(text.encode()) for row, text in zip(log_probs, choices, strict=True))


def chance_of_win__different_draws(right_a, right_b, resamples, seed):
    rng = np.random.default_rng(seed)
    n, wins = len(right_a), 0
    for _ in range(resamples):
        wins += right_a[rng.integers(n, size=n)].mean() > right_b[rng.integers(n, size=n)].mean()
    return wins / resamples


def chance_of_win__ties_are_wins(right_a, right_b, resamples, seed):
    rng = np.random.default_rng(seed)
    lead = right_a.astype(int) - right_b.astype(int)
    draws = rng.integers(len(lead), size=(resamples, len(lead)))
    return (lead[draws].sum(1) >= 0).mean()


def chance_of_win__without_replacement(right_a, right_b, resamples, seed):
    rng = np.random.default_rng(seed)
    lead = right_a.astype(int) - right_b.astype(int)
    return np.mean([rng.permutation(lead).sum() > 0 for _ in range(resamples)])


def chance_of_win__same_draw_each_time(right_a, right_b, resamples, seed):
    n, wins = len(right_a), 0
    for _ in range(resamples):
        rows = np.random.default_rng(seed).integers(n, size=n)
        wins += right_a[rows].mean() > right_b[rows].mean()
    return wins / resamples


def chance_of_win__mean_lead(right_a, right_b, resamples, seed):
    return float(right_a.mean() - right_b.mean())


def _shingles(text, length=3):
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}


def leaked__exact_copies_only(training, test):
    return [i for i, text in enumerate(test) if text in training]


def leaked__all_training_texts_together(training, test):
    known = set().union(*map(_shingles, training))
    own = map(_shingles, test)
    return [i for i, o in enumerate(own) if o and len(o & known) / len(o) >= 0.5]


def leaked__more_than_half(training, test):
    known = [_shingles(text) for text in training]
    own = map(_shingles, test)
    return [i for i, o in enumerate(own) if o and any(len(o & k) / len(o) > 0.5 for k in known)]


def leaked__single_words(training, test):
    known = [_shingles(text, 1) for text in training]
    own = [_shingles(text, 1) for text in test]
    return [i for i, o in enumerate(own) if o and any(len(o & k) / len(o) >= 0.5 for k in known)]


def leaked__jaccard(training, test):
    known = [_shingles(text) for text in training]
    own = map(_shingles, test)
    return [
        i for i, o in enumerate(own) if o and any(len(o & k) / len(o | k) >= 0.5 for k in known)
    ]


def leaked__cares_about_case(training, test):
    def shingles(text):
        words = re.findall(r"\w+", text)
        return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}

    known = [shingles(text) for text in training]
    own = map(shingles, test)
    return [i for i, o in enumerate(own) if o and any(len(o & k) / len(o) >= 0.5 for k in known)]


def bleu_2__each_different_word_once(hypothesis, reference):
    product = 1.0
    for n in (1, 2):
        found, allowed = _ngrams(hypothesis, n), set(_ngrams(reference, n))
        if not found:
            return 0.0
        product *= len(set(found) & allowed) / len(found)
    h, r = len(hypothesis.split()), len(reference.split())
    return min(1.0, math.exp(1 - r / h)) * math.sqrt(product)


def bleu_2__sets(hypothesis, reference):
    product = 1.0
    for n in (1, 2):
        found, allowed = set(_ngrams(hypothesis, n)), set(_ngrams(reference, n))
        if not found:
            return 0.0
        product *= len(found & allowed) / len(found)
    h, r = len(hypothesis.split()), len(reference.split())
    return min(1.0, math.exp(1 - r / h)) * math.sqrt(product)


def chance_of_win__no_seed(right_a, right_b, resamples, seed):
    rng = np.random.default_rng()
    lead = right_a.astype(int) - right_b.astype(int)
    draws = rng.integers(len(lead), size=(resamples, len(lead)))
    return (lead[draws].sum(1) > 0).mean()


def chance_of_win__one_seed_for_all(right_a, right_b, resamples, seed):
    rng = np.random.default_rng(0)
    lead = right_a.astype(int) - right_b.astype(int)
    draws = rng.integers(len(lead), size=(resamples, len(lead)))
    return (lead[draws].sum(1) > 0).mean()


def chance_of_win__ties_are_half_wins(right_a, right_b, resamples, seed):
    rng = np.random.default_rng(seed)
    lead = right_a.astype(int) - right_b.astype(int)
    drawn = lead[rng.integers(len(lead), size=(resamples, len(lead)))].sum(1)
    return (np.sign(drawn) + 1).mean() / 2


def _shingle_list(text):
    words = re.findall(r"\w+", text.lower())
    return [tuple(words[i : i + 3]) for i in range(len(words) - 2)]


def leaked__a_repeated_shingle_counts_twice(training, test):
    known = [set(_shingle_list(text)) for text in training]
    own = map(_shingle_list, test)
    return [
        i
        for i, o in enumerate(own)
        if o and any(sum(s in k for s in o) / len(o) >= 0.5 for k in known)
    ]


def leaked__divided_by_all_shingles(training, test):
    known = [_shingles(text) for text in training]
    return [
        i
        for i, text in enumerate(test)
        if (o := _shingle_list(text)) and any(len(set(o) & k) / len(o) >= 0.5 for k in known)
    ]


def leaked__repeats_over_different_ones(training, test):
    known = [_shingles(text) for text in training]
    return [
        i
        for i, text in enumerate(test)
        if (o := _shingle_list(text))
        and any(sum(s in k for s in o) / len(set(o)) >= 0.5 for k in known)
    ]


def leaked__an_index_for_each_training_text(training, test):
    own = [_shingles(text) for text in test]
    return sorted(
        i
        for i, o in enumerate(own)
        for k in map(_shingles, training)
        if o and len(o & k) / len(o) >= 0.5
    )


def leaked__last_shingle_forgotten(training, test):
    def shingles(text):
        words = re.findall(r"\w+", text.lower())
        return {tuple(words[i : i + 3]) for i in range(len(words) - 3)}

    known = [shingles(text) for text in training]
    own = map(shingles, test)
    return [i for i, o in enumerate(own) if o and any(len(o & k) / len(o) >= 0.5 for k in known)]


def leaked__words_between_spaces(training, test):
    def shingles(text):
        words = text.lower().split()
        return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}

    known = [shingles(text) for text in training]
    own = map(shingles, test)
    return [i for i, o in enumerate(own) if o and any(len(o & k) / len(o) >= 0.5 for k in known)]
