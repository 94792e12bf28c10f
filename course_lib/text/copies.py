"""Near copies: texts that share most of their words, found without comparing all pairs.

Taught in 'Preprocessing'. MinHash is from Broder (1997), 'On the resemblance and containment of
documents'.
"""

import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np

from course_lib.checks import check_counts, check_sizes, expect
from course_lib.text.cleaning import WORD


def shingles(text: str, length: int = 5) -> np.ndarray:
    """Return a number for each different run of words in a text: its shingles.

    Case and signs don't count. Of a text with fewer words all of them are one shingle.

    Args:
        text: any text.
        length: words in a run.

    Returns:
        (S,) uint64, sorted; S = 0 if there is no word.
    """
    check_sizes(length=length)
    # Each word is a number.
    words = np.array([_number(word) for word in WORD.findall(text.lower())], dtype=np.uint64)
    length = min(length, len(words))
    runs = np.zeros(len(words) - length + 1 if length else 0, dtype=np.uint64)
    for i in range(length):  # a run is a number whose digits are its words, modulo 2^64
        runs = (runs + words[i : i + len(runs)]) * np.uint64(0x9E3779B97F4A7C15)
    return np.unique(runs)


@lru_cache(maxsize=2**20)
def _number(word: str) -> int:
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))  # not hash(): it differs in each run


def minhash(shingles: np.ndarray, n_hashes: int = 128, seed: int = 0) -> np.ndarray:
    """Return a set's signature: for each of several hash functions the least value in the set.

    The least value of a union of two sets comes from both with the probability that is their
    Jaccard similarity: the size of what both have, divided by that of what one of them has. So two
    signatures agree in about that share of their entries (Broder 1997).

    Args:
        shingles: (S,) uint64, at least one.
        n_hashes: number of hash functions.
        seed: chooses them; only signatures of one seed can be compared.

    Returns:
        (n_hashes,) uint64.

    Raises:
        ValueError: if there is no shingle, or no hash function.
    """
    check_sizes(n_hashes=n_hashes)
    check_counts(seed=seed)
    expect(len(shingles) > 0, "shingles", "at least one", "none")
    # Each hash function has a factor and an offset.
    factor, offset = np.random.default_rng(seed).integers(
        0, 2**64, size=(2, n_hashes, 1), dtype=np.uint64
    )
    # The upper half of a x + b modulo 2^64, a odd: Dietzfelbinger et al. (1997).
    least = np.full(n_hashes, 2**64 - 1, dtype=np.uint64)
    for start in range(0, len(shingles), 2**14):  # a long text would take gigabytes at once
        part = shingles[start : start + 2**14]
        values = ((factor | np.uint64(1)) * part + offset) >> np.uint64(32)  # (n_hashes, 2^14)
        least = np.minimum(least, values.min(axis=1))
    return least


def near_copies(
    texts: Sequence[str], threshold: float = 0.8, bands: int = 32, rows: int = 4
) -> list[tuple[int, int, float]]:
    """Return the pairs of texts that share at least so much of their shingles.

    Only texts whose signatures agree in all ``rows`` entries of at least one band are compared
    (locality-sensitive hashing): of pairs with similarity s that is 1 - (1 - s^rows)^bands, 99.99 %
    at 0.8 and 87 % at 0.5. They are then compared exactly.

    Args:
        texts: any texts; those without a word are no copies.
        threshold: least Jaccard similarity of the two sets of shingles.
        bands: number of bands.
        rows: entries of the signature in a band.

    Returns:
        (i, j, similarity) with i < j, the most similar first.

    Raises:
        ValueError: if the threshold is not above 0 and at most 1, or a number is no size.
    """
    # Where each text stands in the buckets: those behind it there are compared with it.
    sets, buckets = _buckets(texts, threshold, bands, rows)
    places: dict[int, list[tuple[list[int], int]]] = defaultdict(list)
    for bucket in buckets:
        for place, i in enumerate(bucket[:-1]):
            places[i].append((bucket, place))
    # Compare each two once, however many buckets they share.
    similar = _comparison(sets)
    found = []
    for i, its_places in places.items():
        others = list(set().union(*(bucket[place + 1 :] for bucket, place in its_places)))
        found += [(i, j, s) for j, s in zip(others, similar(i, others), strict=True)]
    return sorted((p for p in found if p[2] >= threshold), key=lambda p: (-p[2], p[0], p[1]))


class Groups:
    """Things that pairs connect; each group is called by its first one."""

    def __init__(self, size: int) -> None:
        self._first = list(range(size))

    def first(self, i: int) -> int:
        """Return the first one of a thing's group."""
        first = self._first
        while first[i] != i:
            first[i] = i = first[first[i]]
        return i

    def join(self, i: int, j: int) -> None:
        """Make one group of two."""
        a, b = sorted((self.first(i), self.first(j)))
        self._first[b] = a

    def firsts(self) -> list[int]:
        """Return the first one of each thing's group."""
        return [self.first(i) for i in range(len(self._first))]


def near_groups(texts: Sequence[str], threshold: float) -> Groups:
    """Return texts in groups that pairs of :func:`near_copies` connect.

    Texts that are connected already aren't compared: of n copies of one text there are n² / 2
    pairs, and n - 1 connect them.
    """
    # Texts in one bucket are likely near; whether they are is counted.
    sets, buckets = _buckets(texts, threshold)
    groups, similar = Groups(len(texts)), _comparison(sets)

    def connect(i: int, others: list[int]) -> None:
        for j, similarity in zip(others, similar(i, others), strict=True):
            if similarity >= threshold:
                groups.join(i, j)

    for bucket in buckets:  # neighbors first: that connects most
        for i, j in pairwise(bucket):
            if groups.first(i) != groups.first(j):
                connect(i, [j])
    behind: dict[int, list[tuple[list[int], int]]] = defaultdict(list)
    for bucket in buckets:  # each two that still are in different groups
        firsts = [groups.first(i) for i in bucket]
        ((largest, _),) = Counter(firsts).most_common(1)
        joined = [i for i, first in zip(bucket, firsts, strict=True) if first == largest]
        strays = [i for i, first in zip(bucket, firsts, strict=True) if first != largest]
        for place, i in enumerate(strays, 1):
            behind[i] += [(joined, 0), (strays, place)]
    for i, its_parts in behind.items():  # each two once, unless they are connected by now
        others = set().union(*(part[place:] for part, place in its_parts))
        connect(i, [j for j in others if groups.first(j) != groups.first(i)])
    return groups


def _buckets(
    texts: Sequence[str], threshold: float, bands: int = 32, rows: int = 4
) -> tuple[list[np.ndarray], list[list[int]]]:
    """Return each text's shingles, and the texts that have the same signature in a band."""
    expect(0 < threshold <= 1, "threshold", "a share above 0, at most 1", threshold)
    check_sizes(bands=bands, rows=rows)
    # Texts whose signatures agree in a band fall into one bucket.
    sets = [shingles(text) for text in texts]
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for i, found in enumerate(sets):
        if len(found):
            signature = minhash(found, bands * rows).reshape(bands, rows)
            for band, part in enumerate(signature):
                buckets[band, part.tobytes()].append(i)
    # Buckets with the same texts count once, those with a single one not at all.
    alike = {tuple(bucket): bucket for bucket in buckets.values() if len(bucket) > 1}
    return sets, list(alike.values())


def _comparison(sets: Sequence[np.ndarray]) -> Callable[[int, list[int]], list[float]]:
    """Return a function that gives the similarity of one set with each of several others."""
    # Shingles get numbers from 0 up, so that a set can be marked in one row of all of them.
    sizes = np.array([len(found) for found in sets], dtype=int)
    numbers = np.unique(np.concatenate([np.empty(0, np.uint64), *sets]), return_inverse=True)[1]
    places = np.split(numbers, sizes.cumsum()[:-1])
    marked = np.zeros(sizes.sum(), bool)

    def similar(i: int, others: list[int]) -> list[float]:
        if not others:
            return []
        # How many of each other set's shingles are marked?
        marked[places[i]] = True
        starts = np.append(0, sizes[others].cumsum()[:-1])
        hits = marked[np.concatenate([places[j] for j in others])]
        marked[places[i]] = False
        both = np.add.reduceat(hits, starts, dtype=int)
        return (both / (sizes[i] + sizes[others] - both)).tolist()

    return similar
