"""Plausible wrong answers to the exercises of 'Language models'."""

import math
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np


def count_pairs__forgets_the_start(corpus):
    found = defaultdict(Counter)
    for sentence in corpus:
        for before, word in zip(sentence, [*sentence[1:], "</s>"], strict=True):
            found[before][word] += 1
    return found


def count_pairs__forgets_the_end(corpus):
    found = defaultdict(Counter)
    for sentence in corpus:
        for before, word in zip(["<s>", *sentence[:-1]], sentence, strict=True):
            found[before][word] += 1
    return found


def count_pairs__reads_the_corpus_as_one_long_sentence(corpus):
    found = defaultdict(Counter)
    words = ["<s>", *(word for sentence in corpus for word in sentence), "</s>"]
    for before, word in pairwise(words):
        found[before][word] += 1
    return found


def count_pairs__runs_on_from_one_end_to_the_next_start(corpus):
    found = defaultdict(Counter)
    words = [word for sentence in corpus for word in ("<s>", *sentence, "</s>")]
    for before, word in pairwise(words):
        found[before][word] += 1
    return found


def count_pairs__counts_each_pair_once(corpus):
    found = defaultdict(Counter)
    for sentence in corpus:
        for before, word in zip(["<s>", *sentence], [*sentence, "</s>"], strict=True):
            found[before][word] = 1
    return found


def count_pairs__writes_the_signs_into_the_corpus(corpus):
    found = defaultdict(Counter)
    for sentence in corpus:
        sentence.insert(0, "<s>")
        sentence.append("</s>")
        for before, word in pairwise(sentence):
            found[before][word] += 1
    return found


def count_pairs__one_counter_of_pairs(corpus):
    found = Counter()
    for sentence in corpus:
        found.update(pairwise(["<s>", *sentence, "</s>"]))
    return found


def count_pairs__fails_without_a_first_word(corpus):
    found = defaultdict(Counter)
    for sentence in corpus:
        found["<s>"][sentence[0]] += 1
        for before, word in pairwise(sentence):
            found[before][word] += 1
        found[sentence[-1]]["</s>"] += 1
    return found


def count_pairs__skips_empty_sentences(corpus):
    found = defaultdict(Counter)
    for sentence in filter(None, corpus):
        for before, word in pairwise(["<s>", *sentence, "</s>"]):
            found[before][word] += 1
    return found


def count_pairs__by_the_word_behind(corpus):
    found = defaultdict(Counter)
    for sentence in corpus:
        for before, word in pairwise(["<s>", *sentence, "</s>"]):
            found[word][before] += 1
    return found


def perplexity_of__averages_over_sentences(sentences):
    if any(0 in sentence for sentence in sentences):
        return math.inf
    means = [sum(map(math.log, sentence)) / len(sentence) for sentence in sentences]
    return math.exp(-sum(means) / len(means))


def perplexity_of__multiplies(sentences):
    probs = [p for sentence in sentences for p in sentence]
    product = math.prod(probs)
    return product ** (-1 / len(probs)) if product else math.inf


def perplexity_of__base_two_and_e_mixed(sentences):
    probs = [p for sentence in sentences for p in sentence]
    if 0 in probs:
        return math.inf
    return math.exp(-sum(map(math.log2, probs)) / len(probs))


def perplexity_of__stops_at_the_mean_logarithm(sentences):
    probs = [p for sentence in sentences for p in sentence]
    if 0 in probs:
        return math.inf
    return -sum(map(math.log, probs)) / len(probs)


def perplexity_of__one_over_the_mean_probability(sentences):
    probs = [p for sentence in sentences for p in sentence]
    return len(probs) / sum(probs) if all(probs) else math.inf


def perplexity_of__takes_the_logarithm_of_zero(sentences):
    probs = [p for sentence in sentences for p in sentence]
    return math.exp(-sum(map(math.log, probs)) / len(probs))


def perplexity_of__leaves_out_what_is_impossible(sentences):
    probs = [p for sentence in sentences for p in sentence if p > 0]
    return math.exp(-sum(map(math.log, probs)) / len(probs))


def perplexity_of__adds_up_the_surprise(sentences):
    probs = [p for sentence in sentences for p in sentence]
    return math.exp(-sum(map(math.log, probs))) if all(probs) else math.inf


def perplexity_of__product_of_the_sentences(sentences):
    if any(0 in sentence for sentence in sentences):
        return math.inf
    logs = [math.fsum(map(math.log, sentence)) for sentence in sentences]
    return math.exp(-sum(logs) / len(sentences))


def perplexity_of__a_little_instead_of_zero(sentences):
    probs = [max(p, 1e-12) for sentence in sentences for p in sentence]
    return math.exp(-sum(map(math.log, probs)) / len(probs))


def sharpen__multiplies_the_exponent(probs, temperature):
    powers = (probs / probs.max()) ** temperature
    return powers / powers.sum()


def sharpen__divides_instead_of_raising(probs, temperature):
    scores = probs / temperature
    return scores / scores.sum()


def sharpen__does_not_normalize(probs, temperature):
    return (probs / probs.max()) ** (1 / temperature)


def sharpen__lets_powers_vanish(probs, temperature):
    powers = probs ** (1 / temperature)
    return powers / max(powers.sum(), 1e-300)


def sharpen__softmax_of_the_probabilities(probs, temperature):
    powers = np.exp(probs / temperature - (probs / temperature).max())
    return powers / powers.sum()


def sharpen__gives_the_impossible_a_chance(probs, temperature):
    powers = ((probs + 1e-3) / (probs + 1e-3).max()) ** (1 / temperature)
    return powers / powers.sum()


def sharpen__changes_its_argument(probs, temperature):
    probs /= probs.max()
    probs **= 1 / temperature
    probs /= probs.sum()
    return probs


def sharpen__keeps_the_likeliest_only(probs, temperature):
    if temperature >= 1:
        powers = probs ** (1 / temperature)
        return powers / powers.sum()
    best = probs == probs.max()
    return best / best.sum()


def sharpen__in_single_precision(probs, temperature):
    powers = probs.astype(np.float32) ** np.float32(1 / temperature)
    return powers / max(powers.sum(), np.float32(1e-30))


def continuation__counts_occurrences(corpus):
    counts = Counter(word for sentence in corpus for word in [*sentence, "</s>"])
    return {word: n / counts.total() for word, n in counts.items()}


def continuation__divides_by_the_number_of_words(corpus):
    before = defaultdict(set)
    for sentence in corpus:
        row = ["<s>", *sentence, "</s>"]
        for left, word in pairwise(row):
            before[word].add(left)
    return {word: len(lefts) / len(before) for word, lefts in before.items()}


def continuation__forgets_the_end(corpus):
    before = defaultdict(set)
    for sentence in corpus:
        for left, word in zip(["<s>", *sentence[:-1]], sentence, strict=True):
            before[word].add(left)
    total = sum(map(len, before.values()))
    return {word: len(lefts) / total for word, lefts in before.items()}


def continuation__forgets_the_start(corpus):
    before = defaultdict(set)
    for sentence in corpus:
        for left, word in zip(sentence, [*sentence[1:], "</s>"], strict=True):
            before[word].add(left)
    total = sum(map(len, before.values()))
    return {word: len(lefts) / total for word, lefts in before.items()}


def continuation__counts_the_words_behind(corpus):
    behind = defaultdict(set)
    for sentence in corpus:
        row = ["<s>", *sentence, "</s>"]
        for word, right in pairwise(row):
            behind[word].add(right)
    total = sum(map(len, behind.values()))
    return {word: len(rights) / total for word, rights in behind.items()}


def continuation__writes_the_signs_into_the_corpus(corpus):
    before = defaultdict(set)
    for sentence in corpus:
        sentence.insert(0, "<s>")
        sentence.append("</s>")
        for left, word in pairwise(sentence):
            before[word].add(left)
    total = sum(map(len, before.values()))
    return {word: len(lefts) / total for word, lefts in before.items()}


def continuation__not_divided(corpus):
    before = defaultdict(set)
    for sentence in corpus:
        for left, word in pairwise(["<s>", *sentence, "</s>"]):
            before[word].add(left)
    return {word: len(lefts) for word, lefts in before.items()}


def continuation__across_sentences(corpus):
    before = defaultdict(set)
    for left, word in pairwise(w for s in corpus for w in ("<s>", *s, "</s>")):
        before[word].add(left)
    total = sum(map(len, before.values()))
    return {word: len(lefts) / total for word, lefts in before.items()}


def contexts__forgets_the_end(words, n, start, end):
    row = [start] * n + words
    return [(row[i : i + n], row[i + n]) for i in range(len(words))]


def contexts__pads_behind(words, n, start, end):
    found = []
    for i, word in enumerate([*words, end]):
        before = words[max(i - n, 0) : i]
        found.append((before + [start] * (n - len(before)), word))
    return found


def contexts__without_padding(words, n, start, end):
    row = [*words, end]
    return [(row[max(i - n, 0) : i], row[i]) for i in range(len(row))]


def contexts__nearest_first(words, n, start, end):
    row = [start] * n + words + [end]
    return [(row[i : i + n][::-1], row[i + n]) for i in range(len(words) + 1)]


def contexts__holds_the_target(words, n, start, end):
    row = [start] * n + words + [end]
    return [(row[i + 1 : i + n + 1], row[i + n]) for i in range(len(words) + 1)]


def contexts__lengthens_the_words(words, n, start, end):
    words += [end]
    row = [start] * n + words
    return [(row[i : i + n], row[i + n]) for i in range(len(words))]


def nearest__by_the_dot_product(vectors, i, k):
    products = vectors @ vectors[i]
    products[i] = float("-inf")
    return products.topk(k).indices.tolist()


def nearest__with_the_word_itself(vectors, i, k):
    unit = vectors / vectors.norm(dim=1, keepdim=True)
    return (unit @ unit[i]).topk(k).indices.tolist()


def nearest__drops_the_first(vectors, i, k):
    unit = vectors / vectors.norm(dim=1, keepdim=True)
    return (unit @ unit[i]).argsort(descending=True, stable=True).tolist()[1 : k + 1]


def nearest__by_distance(vectors, i, k):
    distances = (vectors - vectors[i]).norm(dim=1)
    distances[i] = float("inf")
    return distances.topk(k, largest=False).indices.tolist()


def nearest__the_farthest(vectors, i, k):
    unit = vectors / vectors.norm(dim=1, keepdim=True)
    cosines = unit @ unit[i]
    cosines[i] = 2
    return cosines.topk(k, largest=False).indices.tolist()


def nearest__changes_the_vectors(vectors, i, k):
    vectors /= vectors.norm(dim=1, keepdim=True)
    cosines = vectors @ vectors[i]
    cosines[i] = -2
    return cosines.topk(k).indices.tolist()
