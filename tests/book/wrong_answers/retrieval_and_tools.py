"""Plausible wrong answers to the exercises of 'Retrieval and tools'."""

import numpy as np


def pieces__without_overlap(items, size, overlap):
    return [items[i : i + size] for i in range(0, len(items), size)]


def pieces__a_needless_last_one(items, size, overlap):
    return [items[i : i + size] for i in range(0, len(items), size - overlap)]


def pieces__whole_ones_only(items, size, overlap):
    step = size - overlap
    return [items[i : i + size] for i in range(0, len(items) - size + 1, step)]


def pieces__overlap_added_to_the_size(items, size, overlap):
    last = max(len(items) - overlap, 1)
    starts = range(0, last, size - overlap)
    return [items[i : i + size + overlap] for i in starts] if items else []


def pieces__one_empty_piece(items, size, overlap):
    last = max(len(items) - overlap, 1)
    return [items[i : i + size] for i in range(0, last, size - overlap)]


def gain__grows_without_end(count, length, n_with, n_all, k1, b):
    return count * np.log((n_all - n_with + 0.5) / (n_with + 0.5))


def gain__no_half(count, length, n_with, n_all, k1, b):
    idf = np.log((n_all - n_with) / n_with)
    return idf * count * (k1 + 1) / (count + k1 * (1 - b + b * length))


def gain__length_counts_fully(count, length, n_with, n_all, k1, b):
    idf = np.log((n_all - n_with + 0.5) / (n_with + 0.5))
    return idf * count * (k1 + 1) / (count + k1 * length)


def gain__never_negative(count, length, n_with, n_all, k1, b):
    idf = max(0.0, np.log((n_all - n_with + 0.5) / (n_with + 0.5)))
    return idf * count * (k1 + 1) / (count + k1 * (1 - b + b * length))


def fuse__sums_the_scores(scores):
    return np.argsort(-sum(scores), kind="stable")


def fuse__the_worst_first(scores):
    total = np.zeros(len(scores[0]))
    for each in scores:
        order = np.argsort(-each, kind="stable")
        total[order] += 1 / (60 + np.arange(1, len(order) + 1))
    return np.argsort(total, kind="stable")


def fuse__order_taken_for_places(scores):
    total = np.zeros(len(scores[0]))
    for each in scores:
        total += 1 / (61 + np.argsort(-each, kind="stable"))
    return np.argsort(-total.round(9), kind="stable")


def fuse__equals_the_other_way(scores):
    total = np.zeros(len(scores[0]))
    for each in scores:
        order = np.argsort(each, kind="stable")[::-1]
        total[order] += 1 / (60 + np.arange(1, len(order) + 1))
    return np.argsort(-total.round(9), kind="stable")


def may_run__any_author_is_enough(call, authors, rights):
    tool, target = call
    return any({target, "*"} & set(rights.get(a, {}).get(tool, ())) for a in authors)


def may_run__strangers_have_all_rights(call, authors, rights):
    tool, target = call
    known = [rights[a] for a in authors if a in rights]
    return bool(known) and all({target, "*"} & set(each.get(tool, ())) for each in known)


def may_run__no_star(call, authors, rights):
    tool, target = call
    return bool(authors) and all(target in rights.get(a, {}).get(tool, ()) for a in authors)


def may_run__runs_what_nobody_asked(call, authors, rights):
    tool, target = call
    return all({target, "*"} & set(rights.get(a, {}).get(tool, ())) for a in authors)


def may_run__the_last_author_only(call, authors, rights):
    tool, target = call
    last = list(authors)[-1:]
    return bool(last) and bool({target, "*"} & set(rights.get(last[0], {}).get(tool, ())))


def smallest_overlap__the_chapter_s():
    return 20


def smallest_overlap__none():
    return 0


def smallest_overlap__no_whole_number():
    return 10.5
