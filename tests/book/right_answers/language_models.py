"""Right answers to the exercises of 'Language models', each written in another way."""

import math
import statistics
from collections import Counter
from fractions import Fraction

import numpy as np
import torch


def count_pairs__plain_dictionary(corpus):
    found = {}
    for sentence in corpus:
        before = "<s>"
        for word in sentence:
            found.setdefault(before, Counter())[word] += 1
            before = word
        found.setdefault(before, Counter())["</s>"] += 1
    return found


def count_pairs__from_a_counter_of_pairs(corpus):
    pairs = Counter()
    for sentence in corpus:
        words = ["<s>", *sentence, "</s>"]
        for i in range(len(words) - 1):
            pairs[words[i], words[i + 1]] += 1
    found = {word: Counter() for pair in pairs for word in pair}
    for (before, word), count in pairs.items():
        found[before][word] = count
    return {word: after for word, after in found.items() if after}


def perplexity_of__numpy(sentences):
    with np.errstate(divide="ignore"):
        return np.exp(-np.mean(np.log(np.concatenate(sentences))))


def perplexity_of__bits(sentences):
    bits, words = 0.0, 0
    for sentence in sentences:
        for p in sentence:
            if p == 0:
                return float("inf")
            bits -= math.log2(p)
            words += 1
    return 2 ** (bits / words)


def perplexity_of__geometric_mean(sentences):
    probs = [p for sentence in sentences for p in sentence]
    return 1 / statistics.geometric_mean(probs) if min(probs) > 0 else math.inf


def perplexity_of__torch_in_single_precision(sentences):
    return (
        torch.tensor([p for sentence in sentences for p in sentence])
        .log()
        .mean()
        .neg()
        .exp()
        .item()
    )


def sharpen__logarithms(probs, temperature):
    with np.errstate(divide="ignore"):
        scores = np.log(probs) / temperature
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def sharpen__torch_softmax(probs, temperature):
    scores = torch.from_numpy(probs).log() / temperature
    return scores.softmax(dim=0).numpy()


def sharpen__a_list(probs, temperature):
    largest = max(probs)
    powers = [(p / largest) ** (1 / temperature) for p in probs]
    total = sum(powers)
    return [power / total for power in powers]


def continuation__set_of_pairs(corpus):
    pairs = set()
    for sentence in corpus:
        pairs |= set(zip(["<s>", *sentence], [*sentence, "</s>"], strict=True))
    counts = Counter(word for _, word in pairs)
    return {word: count * (1 / len(pairs)) for word, count in counts.items()}


def continuation__fractions(corpus):
    before = {}
    for sentence in corpus:
        left = "<s>"
        for word in [*sentence, "</s>"]:
            before.setdefault(word, set()).add(left)
            left = word
    share = Fraction(1, sum(len(lefts) for lefts in before.values()))
    return {word: len(lefts) * share for word, lefts in before.items()}


def contexts__a_sliding_list(words, n, start, end):
    before, found = [start] * n, []
    for word in [*words, end]:
        found.append((list(before), word))
        before = [*before[1:], word]
    return found


def contexts__tuples_of_zip(words, n, start, end):
    row = [*[start] * n, *words, end]
    return [
        (list(before), word)
        for *before, word in zip(*(row[i:] for i in range(n + 1)), strict=False)
    ]


def nearest__cosine_similarity(vectors, i, k):
    cosines = torch.nn.functional.cosine_similarity(vectors, vectors[i][None])
    order = sorted(range(len(vectors)), key=lambda j: -cosines[j].item())
    return [j for j in order if j != i][:k]


def nearest__numpy_tensor_out(vectors, i, k):
    rows = vectors.numpy()
    cosines = rows @ rows[i] / np.linalg.norm(rows, axis=1)
    cosines[i] = -np.inf
    return torch.tensor(np.argsort(-cosines)[:k].copy())
