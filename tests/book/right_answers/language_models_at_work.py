"""Right answers to the exercises of 'Language models at work', each written in another way."""

import itertools

import numpy as np
import torch


def weigh__softmax_of_torch(log_channel, log_model):
    words = sorted(log_channel)
    sums = torch.tensor([log_channel[w] + log_model[w] for w in words], dtype=torch.float64)
    return dict(zip(words, sums.softmax(0).tolist(), strict=True))


def weigh__how_many_times_as_likely_as_each(log_channel, log_model):
    found = {}
    for word in log_channel:
        mine = log_channel[word] + log_model[word]
        with np.errstate(over="ignore"):
            others = [np.exp(log_channel[w] + log_model[w] - mine) for w in log_channel]
        found[word] = 1 / float(sum(others))
    return found


def one_slip__four_sets(word, letters):
    splits = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    out = {a + b[1:] for a, b in splits if b}
    swapped = {a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1}
    replaced = {a + c + b[1:] for a, b in splits if b for c in letters}
    put_in = {a + c + b for a, b in splits for c in letters}
    return (out | swapped | replaced | put_in) - {word}


def one_slip__lists_of_letters(word, letters):
    found = set()
    for i, letter in itertools.product(range(len(word) + 1), ["", *letters]):
        for gone in (0, 1):
            made = list(word)
            made[i : i + gone] = letter
            found.add("".join(made))
    for i in range(1, len(word)):
        made = list(word)
        made[i - 1], made[i] = made[i], made[i - 1]
        found.add("".join(made))
    found.discard(word)
    return found


def mended_and_spoiled__numpy(meant, typed, out):
    meant, typed, out = map(np.array, (meant, typed, out))
    wrong = typed != meant
    if not len(meant):
        return 0.0, 0.0
    mended = (out == meant)[wrong].mean() if wrong.any() else 0.0
    spoiled = (out != meant)[~wrong].mean() if not wrong.all() else 0.0
    return mended, spoiled


def mended_and_spoiled__four_counters(meant, typed, out):
    mended = kept_wrong = spoiled = kept_right = 0
    for i, word in enumerate(meant):
        good = out[i] == word
        if typed[i] == word:
            kept_right, spoiled = kept_right + good, spoiled + (not good)
        else:
            mended, kept_wrong = mended + good, kept_wrong + (not good)
    wrong, right = mended + kept_wrong, kept_right + spoiled
    return [mended / wrong if wrong else 0, spoiled / right if right else 0]


def best_weight__loop_over_words(p, q, rounds):
    weight = 0.5
    for _ in range(rounds):
        shares = []
        for one, other in zip(p.tolist(), q.tolist(), strict=True):
            mixed = weight * one + (1 - weight) * other
            if one or other:
                shares.append(weight * one / mixed)
        weight = sum(shares) / len(shares)
    return weight


def best_weight__mean_of_those_that_are_numbers(p, q, rounds):
    lam = 0.5
    for _ in range(rounds):
        with np.errstate(invalid="ignore"):
            lam = np.nanmean(lam * p / (lam * p + (1 - lam) * q))
    return lam


def best_weight__odds(p, q, rounds):
    kept = p + q > 0
    p, q = torch.tensor(p[kept]), torch.tensor(q[kept])
    weight = torch.tensor(0.5, dtype=torch.float64)
    for _ in range(rounds):
        weight = (1 / (1 + (1 - weight) * q / (weight * p))).mean()
    return weight.item()
