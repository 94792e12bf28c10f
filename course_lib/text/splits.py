"""Splits: training, validation and test parts without a leak from one to another.

Taught in 'Preprocessing'.
"""

import hashlib
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from course_lib.checks import check_shares, check_sizes, expect
from course_lib.text.cleaning import WORD
from course_lib.text.copies import near_groups

Key = TypeVar("Key", bound=Hashable)


def split(
    documents: Mapping[Key, str],
    shares: Sequence[float] = (0.8, 0.1, 0.1),
    *,
    threshold: float = 0.8,
    sentence_words: int = 8,
    seed: int = 0,
) -> tuple[dict[Key, str], ...]:
    """Divide documents into parts, such as training, validation and test, without a leak.

    Copies, near copies, and documents with a long sentence in common go to the same part. Which
    one, a hash of the text decides: a document stays on its side when others come or go, and on
    another machine. So the shares hold on average, not exactly.

    Args:
        documents: name, or number, to text.
        shares: of each part; they sum to 1.
        threshold: from what similarity on texts are near copies; see :func:`near_copies`.
        sentence_words: a shared sentence with so many words, or more, is a leak; shorter ones are
            common speech.
        seed: another one gives another division.

    Returns:
        A dict for each share.

    Raises:
        ValueError: if the shares are negative or don't sum to 1.
    """
    check_sizes(sentence_words=sentence_words)
    for share in shares:
        check_shares(shares=share)
    sums = len(shares) > 0 and abs(sum(shares) - 1) <= 1e-9
    expect(sums, "shares", "numbers from 0 up that sum to 1", shares)
    # Groups: near copies, and texts that share a long sentence.
    texts = list(dict.fromkeys(documents.values()))
    groups = near_groups(texts, threshold)
    first_with: dict[tuple[str, ...], int] = {}
    for i, text in enumerate(texts):
        for sentence in sentence_keys(text):
            if len(sentence) >= sentence_words:
                groups.join(first_with.setdefault(sentence, i), i)
    # The least digest of a group decides for it, so that the documents' order doesn't matter.
    firsts = groups.firsts()
    least: dict[int, str] = {}
    for group, digest in zip(firsts, map(_digest, texts), strict=True):
        least[group] = min(digest, least.get(group, digest))
    # Where its chance falls between the sums of the shares says which part the group goes to.
    ends = np.cumsum(shares)[:-1]
    part_of_group = {
        group: int(np.searchsorted(ends, _chance(digest, seed), side="right"))
        for group, digest in least.items()
    }
    part_of = {text: part_of_group[group] for text, group in zip(texts, firsts, strict=True)}
    parts: tuple[dict[Key, str], ...] = tuple({} for _ in shares)
    for key, text in documents.items():
        parts[part_of[text]][key] = text
    return parts


def sentence_keys(text: str) -> Iterator[tuple[str, ...]]:
    """Yield each sentence, or line, as its lower-case words; by this, split() tells them apart."""
    for part in re.split(r"(?<=[.?!])\s+|(?<=[。?!])|\n", text):
        if words := tuple(WORD.findall(part.lower())):
            yield words


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _chance(digest: str, seed: int) -> float:
    """Return a number from 0 to 1 that only the digest and the seed decide."""
    return int(_digest(f"{seed} {digest}")[:13], 16) / 16**13  # 52 bits: exact in a float
