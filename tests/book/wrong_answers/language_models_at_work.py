"""Plausible wrong answers to the exercises of 'Language models at work'."""

import math

import numpy as np


def weigh__multiplies_the_logarithms(log_channel, log_model):
    products = {w: log_channel[w] * log_model[w] for w in log_channel}
    total = sum(products.values())
    return {w: p / total for w, p in products.items()}


def weigh__powers_vanish(log_channel, log_model):
    powers = {w: math.exp(log_channel[w] + log_model[w]) for w in log_channel}
    total = sum(powers.values())
    return {w: p / total for w, p in powers.items()}


def weigh__does_not_divide(log_channel, log_model):
    return {w: math.exp(log_channel[w] + log_model[w]) for w in log_channel}


def weigh__the_model_alone(log_channel, log_model):
    largest = max(log_model.values())
    powers = {w: math.exp(log_model[w] - largest) for w in log_channel}
    total = sum(powers.values())
    return {w: p / total for w, p in powers.items()}


def weigh__adds_probabilities(log_channel, log_model):
    sums = {w: math.exp(log_channel[w]) + math.exp(log_model[w]) for w in log_channel}
    total = sum(sums.values())
    return {w: s / total for w, s in sums.items()} if total else dict.fromkeys(sums, 0.5)


def weigh__pairs_them_by_their_order(log_channel, log_model):
    sums = [a + b for a, b in zip(log_channel.values(), log_model.values(), strict=True)]
    powers = [math.exp(s - max(sums)) for s in sums]
    return {w: p / sum(powers) for w, p in zip(log_channel, powers, strict=True)}


def weigh__all_for_the_winner(log_channel, log_model):
    best = max(log_channel, key=lambda w: log_channel[w] + log_model[w])
    return {w: float(w == best) for w in log_channel}


def one_slip__forgets_swaps(word, letters):
    splits = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    found = {a + b[1:] for a, b in splits if b}
    found |= {a + c + b[1:] for a, b in splits if b for c in letters}
    found |= {a + c + b for a, b in splits for c in letters}
    return found - {word}


def one_slip__puts_nothing_behind(word, letters):
    splits = [(word[:i], word[i:]) for i in range(len(word))]
    found = {a + b[1:] for a, b in splits}
    found |= {a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1}
    found |= {a + c + b[1:] for a, b in splits for c in letters}
    found |= {a + c + b for a, b in splits for c in letters}
    return found - {word}


def one_slip__with_the_word_itself(word, letters):
    splits = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    found = {a + b[1:] for a, b in splits if b} | {word}
    found |= {a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1}
    found |= {a + c + b[1:] for a, b in splits if b for c in letters}
    return found | {a + c + b for a, b in splits for c in letters}


def one_slip__replaces_every_such_letter(word, letters):
    splits = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    found = {word.replace(a, "") for a in word}
    found |= {a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1}
    found |= {word.replace(a, c) for a in word for c in letters}
    found |= {a + c + b for a, b in splits for c in letters}
    return found - {word}


def one_slip__a_list(word, letters):
    splits = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    found = {a + b[1:] for a, b in splits if b}
    found |= {a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1}
    found |= {a + c + b[1:] for a, b in splits if b for c in letters}
    found |= {a + c + b for a, b in splits for c in letters}
    return sorted(found - {word})


def one_slip__leaves_nothing_out(word, letters):
    splits = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    found = {a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1}
    found |= {a + c + b[1:] for a, b in splits if b for c in letters}
    found |= {a + c + b for a, b in splits for c in letters}
    return found - {word}


def mended_and_spoiled__of_all_words(meant, typed, out):
    rows = list(zip(meant, typed, out, strict=True))
    mended = sum(t != m == o for m, t, o in rows)
    spoiled = sum(t == m != o for m, t, o in rows)
    return mended / max(len(rows), 1), spoiled / max(len(rows), 1)


def mended_and_spoiled__any_change_mends(meant, typed, out):
    rows = list(zip(meant, typed, out, strict=True))
    wrong = [t != o for m, t, o in rows if t != m]
    right = [m != o for m, t, o in rows if t == m]
    return sum(wrong) / max(len(wrong), 1), sum(right) / max(len(right), 1)


def mended_and_spoiled__divides_by_nothing(meant, typed, out):
    rows = list(zip(meant, typed, out, strict=True))
    wrong = [m == o for m, t, o in rows if t != m]
    right = [m != o for m, t, o in rows if t == m]
    return sum(wrong) / len(wrong), sum(right) / len(right)


def mended_and_spoiled__counts(meant, typed, out):
    rows = list(zip(meant, typed, out, strict=True))
    return sum(t != m == o for m, t, o in rows), sum(t == m != o for m, t, o in rows)


def mended_and_spoiled__the_other_way_round(meant, typed, out):
    rows = list(zip(meant, typed, out, strict=True))
    wrong = [m == o for m, t, o in rows if t != m]
    right = [m != o for m, t, o in rows if t == m]
    return sum(right) / max(len(right), 1), sum(wrong) / max(len(wrong), 1)


def mended_and_spoiled__stays_wrong(meant, typed, out):
    rows = list(zip(meant, typed, out, strict=True))
    wrong = [m != o for m, t, o in rows if t != m]
    right = [m != o for m, t, o in rows if t == m]
    return sum(wrong) / max(len(wrong), 1), sum(right) / max(len(right), 1)


def _possible(p, q):
    return (p > 0) | (q > 0)


def best_weight__always_starts_from_a_half(p, q, rounds):
    p, q = p[_possible(p, q)], q[_possible(p, q)]
    return float((p / (p + q)).mean()) if rounds else 0.5


def best_weight__counts_the_impossible_as_a_half(p, q, rounds):
    weight = 0.5
    for _ in range(rounds):
        mixed = weight * p + (1 - weight) * q
        shares = np.where(mixed > 0, weight * p / np.where(mixed > 0, mixed, 1), 0.5)
        weight = shares.mean()
    return weight


def best_weight__counts_the_impossible_as_nothing(p, q, rounds):
    weight = 0.5
    for _ in range(rounds):
        mixed = weight * p + (1 - weight) * q
        weight = (weight * p / np.where(mixed > 0, mixed, 1)).mean()
    return weight


def best_weight__weight_of_the_other_model(p, q, rounds):
    p, q = p[_possible(p, q)], q[_possible(p, q)]
    weight = 0.5
    for _ in range(rounds):
        weight = ((1 - weight) * q / (weight * p + (1 - weight) * q)).mean()
    return weight


def best_weight__one_round_too_many(p, q, rounds):
    p, q = p[_possible(p, q)], q[_possible(p, q)]
    weight = 0.5
    for _ in range(rounds + 1):
        weight = (weight * p / (weight * p + (1 - weight) * q)).mean()
    return weight


def best_weight__share_of_the_sums(p, q, rounds):
    weight = 0.5
    for _ in range(rounds):
        weight = weight * p.sum() / (weight * p.sum() + (1 - weight) * q.sum())
    return weight


def best_weight__drops_words_that_one_model_calls_impossible(p, q, rounds):
    both = (p > 0) & (q > 0)
    p, q = p[both], q[both]
    weight = 0.5
    for _ in range(rounds):
        weight = (weight * p / (weight * p + (1 - weight) * q)).mean()
    return weight


def best_weight__divides_its_arguments(p, q, rounds):
    total = p + q
    total[total == 0] = 1
    p /= total
    q /= total
    possible = (p > 0) | (q > 0)
    weight = 0.5
    for _ in range(rounds):
        a, b = p[possible], q[possible]
        weight = (weight * a / (weight * a + (1 - weight) * b)).mean()
    return weight


def best_weight__counts_who_wins(p, q, rounds):
    p, q = p[_possible(p, q)], q[_possible(p, q)]
    weight = 0.5
    for _ in range(rounds):
        weight = (weight * p > (1 - weight) * q).mean()
    return weight


def best_weight__impossible_words_make_it_nan(p, q, rounds):
    weight = 0.5
    for _ in range(rounds):
        with np.errstate(invalid="ignore"):
            weight = (weight * p / (weight * p + (1 - weight) * q)).mean()
    return weight
