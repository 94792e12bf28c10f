"""Right answers to the exercises of 'Retrieval and tools', each in another way."""

import math

import numpy as np

from course_lib.agent import cut_pages, holders, load_pages, load_questions


def pieces__by_range(items, size, overlap):
    if not items:
        return []
    starts = range(0, max(len(items) - overlap, 1), size - overlap)
    return [items[i : i + size] for i in starts]


def pieces__first_and_rest(items, size, overlap):
    if len(items) <= size:
        return [items] if items else []
    rest = items[size - overlap :]
    return [items[:size], *pieces__first_and_rest(rest, size, overlap)]


def gain__in_steps(count, length, n_with, n_all, k1, b):
    rarity = math.log(n_all - n_with + 0.5) - math.log(n_with + 0.5)
    normal = 1 - b + b * length
    return rarity * (k1 + 1) * count / (k1 * normal + count)


def gain__divided(count, length, n_with, n_all, k1, b):
    if count == 0:
        return 0.0
    idf = np.log((n_all - n_with + 0.5) / (n_with + 0.5))
    return idf * (k1 + 1) / (1 + k1 * (1 - b + b * length) / count)


def fuse__sorted(scores):
    n = len(scores[0])
    total = [0.0] * n
    for each in scores:
        for place, i in enumerate(sorted(range(n), key=lambda i, each=each: (-each[i], i)), 1):
            total[i] += 1 / (60 + place)
    return sorted(range(n), key=lambda i: (-round(total[i], 9), i))


def fuse__by_counting(scores):
    n = len(scores[0])
    total = np.zeros(n)
    for each in scores:
        for i in range(n):
            above = (each > each[i]).sum() + (each[:i] == each[i]).sum()
            total[i] += 1 / (61 + above)
    return np.lexsort((np.arange(n), -total.round(9)))


def may_run__loop(call, authors, rights):
    if not authors:
        return False
    for author in authors:
        allowed = rights.get(author, {}).get(call[0], set())
        if call[1] not in allowed and "*" not in allowed:
            return False
    return True


def may_run__counted(call, authors, rights):
    tool, target = call
    targets = [rights.get(author, {}).get(tool, set()) for author in authors]
    fine = [target in each or "*" in each for each in targets]
    return len(fine) > 0 and sum(fine) == len(fine)


def smallest_overlap__next():
    asked, pages = load_questions(), load_pages()
    return next(
        overlap
        for overlap in range(50)
        if all(holders(question, cut_pages(pages, 50, overlap)) for question in asked)
    )


def smallest_overlap__all_then_least():
    asked, pages = load_questions(), load_pages()
    good = [
        overlap
        for overlap in range(30)
        if min(len(holders(question, cut_pages(pages, 50, overlap))) for question in asked)
    ]
    return min(good)
