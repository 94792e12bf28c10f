"""BM25: which passages share the rarest words with a question, without any learning.

Taught in 'Retrieval and tools'. The formula is from Robertson and Zaragoza (2009), 'The
Probabilistic Relevance Framework: BM25 and Beyond'; the floor for words that stand in more than
half of all passages is that of the library rank_bm25, with which the scores agree.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from course_lib.checks import check_not_negative, expect

# A number with its commas and points, a Chinese character, or a run of other letters.
_WORD = re.compile(r"\d+(?:[.,]\d+)*|[\u3400-\u9fff]|(?:(?![\u3400-\u9fff])\w)+")


def words(text: str) -> list[str]:
    """Return a text's words in small letters; a Chinese character is one, an emoji none."""
    return _WORD.findall(text.lower())


class BM25:
    """Scores of passages for a question.

    A word that a passage has f times counts idf · f (k1 + 1) / (f + k1 (1 - b + b · length)), with
    the passage's length as a multiple of the mean. The idf of a word that n of N passages have is
    ln((N - n + 0.5) / (n + 0.5)).

    Args:
        documents: the words of each passage.
        k1: how much a second and a third time count; 0 if not at all.
        b: how much length counts against a passage, from 0 to 1.
        floor: a negative idf becomes this share of the mean idf of all words.

    Raises:
        ValueError: if no passage has a word, or a setting is out of its range.
    """

    def __init__(
        self,
        documents: Sequence[Sequence[str]],
        k1: float = 1.5,
        b: float = 0.75,
        floor: float = 0.25,
    ) -> None:
        check_not_negative(k1=k1, floor=floor)
        expect(0 <= b <= 1, "b", "a number from 0 to 1", b)
        expect(any(documents), "documents", "at least one word", "none")
        self.k1 = k1
        # In which passages a word stands, and how often.
        self.counts: dict[str, dict[int, int]] = {}
        for number, document in enumerate(documents):
            for word, count in Counter(document).items():
                self.counts.setdefault(word, {})[number] = count
        # Long passages have more words by chance: what their counts are divided by.
        lengths = np.array([len(document) for document in documents], dtype=float)
        self.slack = k1 * (1 - b + b * lengths / lengths.mean())  # (N,)
        # How much a word tells: the rarer, the more.
        n_all = len(documents)
        has = {word: len(found) for word, found in self.counts.items()}
        self.idf = {w: math.log(n_all - n + 0.5) - math.log(n + 0.5) for w, n in has.items()}
        least = floor * sum(self.idf.values()) / len(self.idf)
        self.idf = {word: idf if idf >= 0 else least for word, idf in self.idf.items()}

    def scores(self, question: Sequence[str]) -> NDArray[np.float64]:
        """Return each passage's score for a question's words, (N,)."""
        scores = np.zeros(len(self.slack))
        for word in question:
            for number, count in self.counts.get(word, {}).items():
                gain = count * (self.k1 + 1) / (count + self.slack[number])
                scores[number] += self.idf[word] * gain
        return scores


def first_ranks(scores: NDArray[np.floating], wanted: Sequence[set[int]]) -> NDArray[np.int64]:
    """Return the rank of the best wanted passage for each question, from 1: recall@k is rank <= k.

    Args:
        scores: (questions, N); of equals, to four places, the first stands first.
        wanted: for each question the numbers of the passages that would do.

    Raises:
        ValueError: if a question has no passage that would do.
    """
    expect(all(wanted), "wanted", "a passage for each question", "none for one")
    order = np.argsort(-scores.round(4), axis=1, kind="stable")
    rows = zip(order, wanted, strict=True)
    return np.array([1 + min(np.flatnonzero(np.isin(row, list(s)))) for row, s in rows])
