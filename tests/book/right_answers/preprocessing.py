"""Right answers to the exercises of 'Preprocessing', each written in another way."""

import math
from collections import defaultdict
from itertools import pairwise

import numpy as np
import torch


def similarity__loops_and_lists(a, b, length):
    found = []
    for text in (a, b):
        runs = []
        for start in range(len(text)):
            run = text[start : start + length]
            if len(run) == length and run not in runs:
                runs.append(run)
        found.append(runs)
    both = sum(run in found[1] for run in found[0])
    either = len(found[0]) + len(found[1]) - both
    if either == 0:
        return 0
    return both / either


def similarity__one_minus_the_difference(a, b, length):
    sets = []
    for text in (a, b):
        sets.append({"".join(run) for run in zip(*(text[i:] for i in range(length)), strict=False)})
    union = sets[0].union(sets[1])
    return 1.0 - len(sets[0].symmetric_difference(sets[1])) / len(union) if union else 0.0


def cut__character_by_character(text, limit):
    used, kept = 0, []
    for character in text:
        used += len(character.encode("utf-8"))
        if used > limit:
            break
        kept.append(character)
    return "".join(kept)


def cut__back_to_a_first_byte(text, limit):
    data = text.encode()
    if limit >= len(data):
        return text
    while limit > 0 and 0x80 <= data[limit] < 0xC0:
        limit -= 1
    return data[:limit].decode()


def cut__one_character_less_until_it_fits(text, limit):
    while len(bytes(text, "utf-8")) > limit:
        text = text[:-1]
    return text


def best_pair__sorted_items(words):
    found = defaultdict(int)
    for word, count in words.items():
        for left, right in pairwise(word):
            found[left, right] += count
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return ranked[0][0] if ranked else None


def best_pair__keeps_the_best_so_far(words):
    found = {}
    for word in words:
        for i in range(1, len(word)):
            pair = word[i - 1], word[i]
            found[pair] = found.get(pair, 0) + words[word]
    best = None
    for pair, count in found.items():
        if best is None or count > found[best] or (count == found[best] and pair < best):
            best = pair
    return best


def encode__the_first_learned_of_all_neighbors(word, merges):
    rank = {pair: i for i, pair in enumerate(merges)}
    parts = list(word)
    while True:
        known = [pair for pair in pairwise(parts) if pair in rank]
        if not known:
            return parts
        first = min(known, key=rank.__getitem__)
        joined, i = [], 0
        while i < len(parts):
            if tuple(parts[i : i + 2]) == first:
                joined.append(parts[i] + parts[i + 1])
                i += 2
            else:
                joined.append(parts[i])
                i += 1
        parts = joined


def encode__recursive(word, merges):
    def replay(parts, left):
        if not left:
            return parts
        result = []
        for part in parts:
            if result and (result[-1], part) == left[0]:
                result[-1] = result[-1] + part
            else:
                result.append(part)
        return replay(result, left[1:])

    return replay([*word], list(merges))


def bits_per_byte_of__log2_of_each(log_probs, text):
    bits = 0
    for log_prob in log_probs:
        bits -= log_prob * math.log2(math.e)
    return bits / len(bytes(text, "utf8"))


def bits_per_byte_of__with_numpy(log_probs, text):
    return np.sum(np.array(log_probs) / -np.log(2)) / len(text.encode("utf-8"))


def bits_per_byte_of__with_torch(log_probs, text):
    nats = -torch.tensor(log_probs, dtype=torch.float64).sum()
    return (nats / math.log(2) / len(text.encode())).item()
