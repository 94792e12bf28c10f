"""n-gram language models: the probability of the next word from counts.

Taught in 'Language models'. Smoothing follows Chen and Goodman (1999), 'An empirical study of
smoothing techniques for language modeling'; Kneser-Ney is in their interpolated form.
"""

import math
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np

from course_lib.checks import (
    check_counts,
    check_not_negative,
    check_positive,
    check_shares,
    check_sizes,
    expect,
)

END = "</s>"  # predicted behind the last word of each sentence
UNKNOWN = "<unk>"  # stands for every word outside the vocabulary
_START = -1  # id of what stands before a sentence; never predicted
Sentence = Sequence[str]


def sentences(text: str) -> list[list[str]]:
    """Cut a text into sentences of lower-case words and signs.

    A sentence ends behind ``.``, ``?``, ``!`` or an empty line. Words keep an apostrophe inside.
    """
    found = []
    for part in re.split(r"(?<=[.?!])\s+|\n\s*\n", text.lower().replace("’", "'")):
        words = re.findall(r"\w+(?:'\w+)*|[^\w\s]", part)
        if words:
            found.append(words)
    return found


def vocabulary(corpus: Iterable[Sentence], min_count: int = 1) -> list[str]:
    """Return the words seen at least ``min_count`` times, the most frequent first.

    ``END`` and ``UNKNOWN`` stand in front of them.
    """
    check_sizes(min_count=min_count)
    counts = Counter(word for sentence in corpus for word in sentence)
    frequent = (word for word, n in counts.most_common() if n >= min_count)
    return [END, UNKNOWN, *(word for word in frequent if word not in (END, UNKNOWN))]


class NGram(ABC):
    """Counts of n-grams, and what every kind of smoothing has in common.

    A sentence is read with order - 1 start signs before it and ``END`` behind it. Words outside
    the vocabulary are counted, and predicted, as ``UNKNOWN``.

    Args:
        corpus: sentences, each a sequence of words; read once.
        order: n; a word is predicted from the n - 1 before it.
        vocab: every word that can be predicted, ``END`` and ``UNKNOWN`` included; by default
            all words of the corpus.

    Raises:
        ValueError: if the order is below 1, the corpus empty, or ``vocab`` lacks a sign or has a
            word twice.
    """

    def __init__(
        self, corpus: Iterable[Sentence], order: int, vocab: Sequence[str] | None = None
    ) -> None:
        corpus = list(corpus)
        check_sizes(order=order)
        expect(any(corpus), "corpus", "at least one sentence with a word", "none")
        # The vocabulary, each word by its number.
        self.order = order
        self.vocab = vocabulary(corpus) if vocab is None else list(vocab)
        self._ids = {word: i for i, word in enumerate(self.vocab)}
        signs = {END, UNKNOWN} <= set(self._ids)
        expect(signs, "vocab", f"{END} and {UNKNOWN} among the words", "none of one of them")
        again = next((word for i, word in enumerate(self.vocab) if self._ids[word] != i), None)
        expect(len(self._ids) == len(self.vocab), "vocab", "each word once", f"{again!r} twice")
        # counts[k]: context of k words -> next word -> how often
        self.counts: list[dict[tuple[int, ...], dict[int, int]]] = [{} for _ in range(order)]
        encoded = map(self._encode, corpus)
        grams: dict[tuple[int, ...], int] = Counter(
            chain.from_iterable(
                zip(*(ids[j:] for j in range(order)), strict=False) for ids in encoded
            )
        )
        for table in reversed(self.counts):
            for gram, count in grams.items():
                table.setdefault(gram[:-1], {})[gram[-1]] = count
            grams = self._shorten(grams)
        self._totals = [_totals(table) for table in self.counts]

    @abstractmethod
    def _shorten(self, grams: dict[tuple[int, ...], int]) -> dict[tuple[int, ...], int]:
        """Count n-grams without their first word, from the counts of those with it."""

    @abstractmethod
    def _prob(self, context: tuple[int, ...], word: int | None) -> float | np.ndarray:
        """Probability of a word after ids, of every word (V,) if none is given."""

    def _encode(self, sentence: Sentence) -> list[int]:
        unknown = self._ids[UNKNOWN]
        ids = [self._ids.get(word, unknown) for word in sentence]
        return [_START] * (self.order - 1) + ids + [self._ids[END]]

    def _context(self, words: Sentence) -> tuple[int, ...]:
        n = self.order - 1
        ids = self._encode(words[max(len(words) - n, 0) :])[:-1]
        return tuple(ids[len(ids) - n :])

    def _look_up(
        self,
        table: dict[tuple[int, ...], dict[int, int]],
        context: tuple[int, ...],
        word: int | None,
    ) -> float | np.ndarray:
        """Return how often a word follows the context, or how often each does (V,)."""
        followers = table.get(context, {})
        if word is not None:
            return followers.get(word, 0)
        counts = np.zeros(len(self.vocab))
        counts[list(followers)] = list(followers.values())
        return counts

    def __contains__(self, word: str) -> bool:
        return word in self._ids

    def _uniform(self, word: int | None) -> float | np.ndarray:
        size = len(self.vocab)
        return 1 / size if word is not None else np.full(size, 1 / size)

    def prob(self, word: str, context: Sentence = ()) -> float:
        """Return P(word | context); only the last order - 1 words of the context count.

        The context starts its sentence: before it stand start signs.
        """
        word_id = self._ids.get(word, self._ids[UNKNOWN])
        return float(self._prob(self._context(context), word_id))

    def distribution(self, context: Sentence = ()) -> np.ndarray:
        """Return the probability of each word of the vocabulary, (V,), in its order."""
        return np.asarray(self._prob(self._context(context), None))

    def log_probs(self, sentence: Sentence, start: int = 0, stop: int | None = None) -> list[float]:
        """Return the natural logarithm of each word's probability, that of ``END`` last.

        With ``start`` and ``stop`` only those of a slice, each with its whole context.
        """
        # Each word that is asked for, with the n words before it.
        n = self.order - 1
        places = range(len(sentence) + 1)[start:stop]
        first = max(places.start - n, 0)  # of the words that are read
        ids = self._encode(sentence[first : places.stop])
        probs = [
            self._prob(tuple(ids[i - first : i - first + n]), ids[i - first + n]) for i in places
        ]
        return [math.log(p) if p > 0 else -math.inf for p in probs]

    def log_prob(self, sentence: Sentence) -> float:
        """Return the natural logarithm of the sentence's probability, by the chain rule."""
        return sum(self.log_probs(sentence))

    def perplexity(self, corpus: Iterable[Sentence]) -> float:
        """Return e to the mean negative log-probability per word, ``END`` counted as a word.

        It is infinite if one word has probability zero.

        Raises:
            ValueError: if there is no sentence.
        """
        logs = [log for sentence in corpus for log in self.log_probs(sentence)]
        expect(len(logs) > 0, "corpus", "at least one sentence", "none")
        with np.errstate(over="ignore"):
            return float(np.exp(-sum(logs) / len(logs)))

    def sample(
        self, rng: np.random.Generator, temperature: float = 1.0, max_words: int = 50
    ) -> list[str]:
        """Draw a sentence word by word, without its ``END``.

        Args:
            rng: numpy's random generator.
            temperature: above 0; each probability is raised to 1 / temperature first.
            max_words: the sentence is cut there.

        Raises:
            ValueError: if the temperature is not above 0, or ``max_words`` no whole number.
        """
        check_positive(temperature=temperature)
        check_counts(max_words=max_words)
        words: list[str] = []
        while len(words) < max_words:
            p = self.distribution(words)
            # The largest is made 1 first, so that no power of it can vanish.
            p = (p / p.max()) ** (1 / temperature)
            word = self.vocab[rng.choice(len(p), p=p / p.sum())]
            if word == END:
                break
            words.append(word)
        return words


class AddK(NGram):
    """Add k to every count: P(w | c) = (count(c, w) + k) / (count(c) + k V).

    With k = 0 these are relative frequencies, the estimate of maximum likelihood; then a context
    that was never seen gives probability 0 to every word.

    Args:
        corpus: as in :class:`NGram`.
        order: as in :class:`NGram`.
        k: added to each count; 1 is Laplace's rule.
        vocab: as in :class:`NGram`.

    Raises:
        ValueError: if k is negative, or as in :class:`NGram`.
    """

    def __init__(
        self,
        corpus: Iterable[Sentence],
        order: int,
        k: float = 1.0,
        vocab: Sequence[str] | None = None,
    ) -> None:
        check_not_negative(k=k)
        super().__init__(corpus, order, vocab)
        finite = f"a number that stays finite times the {len(self.vocab)} words"
        expect(math.isfinite(k * len(self.vocab)), "k", finite, k)
        self.k = k

    def _shorten(self, grams: dict[tuple[int, ...], int]) -> dict[tuple[int, ...], int]:
        return {}  # no need of them

    def _prob(self, context: tuple[int, ...], word: int | None) -> float | np.ndarray:
        count = self._look_up(self.counts[-1], context, word)
        total = self._totals[-1].get(context, 0) + self.k * len(self.vocab)
        return (count + self.k) / total if total else count * 0.0


class Interpolated(NGram):
    """Mix relative frequencies of all orders (Jelinek and Mercer 1980).

    P(w | c) = weight · frequency of w after c + (1 - weight) · P(w | c without its first word);
    below the single word stands the uniform distribution. Where c was never seen, the shorter
    context decides alone.

    Args:
        corpus: as in :class:`NGram`.
        order: as in :class:`NGram`.
        weight: share of the longer context, at each step.
        vocab: as in :class:`NGram`.

    Raises:
        ValueError: if the weight is not between 0 and 1, or as in :class:`NGram`.
    """

    def __init__(
        self,
        corpus: Iterable[Sentence],
        order: int,
        weight: float = 0.5,
        vocab: Sequence[str] | None = None,
    ) -> None:
        check_shares(weight=weight)
        super().__init__(corpus, order, vocab)
        self.weight = weight

    def _shorten(self, grams: dict[tuple[int, ...], int]) -> dict[tuple[int, ...], int]:
        shorter: Counter[tuple[int, ...]] = Counter()
        for gram, count in grams.items():
            shorter[gram[1:]] += count
        return shorter

    def _prob(self, context: tuple[int, ...], word: int | None) -> float | np.ndarray:
        p = self._uniform(word)
        for k, table in enumerate(self.counts):
            near = context[len(context) - k :]
            if total := self._totals[k].get(near):
                p = self.weight * self._look_up(table, near, word) / total + (1 - self.weight) * p
        return p


class KneserNey(NGram):
    """Interpolated Kneser-Ney smoothing (Kneser and Ney 1995; Chen and Goodman 1999).

    A discount is taken from each count and shared out by the shorter context. There a word counts
    by how many different words it follows, not by how often it occurs.

    Args:
        corpus: as in :class:`NGram`.
        order: as in :class:`NGram`.
        vocab: as in :class:`NGram`.
        discounts: one for each order from 1 up; by default n1 / (n1 + 2 n2), where n1 and n2 are
            the numbers of n-grams counted once and twice (Ney et al. 1994).

    Raises:
        ValueError: if the discounts don't fit, or as in :class:`NGram`.
    """

    def __init__(
        self,
        corpus: Iterable[Sentence],
        order: int,
        vocab: Sequence[str] | None = None,
        discounts: Sequence[float] | None = None,
    ) -> None:
        super().__init__(corpus, order, vocab)
        if discounts is None:
            discounts = [_discount(table) for table in self.counts]
        fit = len(discounts) == order and all(0 <= d <= 1 for d in discounts)
        expect(fit, "discounts", f"{order} numbers from 0 to 1", discounts)
        self.discounts = list(discounts)

    def _shorten(self, grams: dict[tuple[int, ...], int]) -> dict[tuple[int, ...], int]:
        # In how many different words' company was the shorter n-gram seen?
        return Counter(gram[1:] for gram in grams)

    def _prob(self, context: tuple[int, ...], word: int | None) -> float | np.ndarray:
        p = self._uniform(word)
        for k, (table, discount) in enumerate(zip(self.counts, self.discounts, strict=True)):
            near = context[len(context) - k :]
            if total := self._totals[k].get(near):
                kept = self._look_up(table, near, word) - discount
                kept = max(kept, 0.0) if word is not None else np.maximum(kept, 0.0)
                p = (kept + discount * len(table[near]) * p) / total
        return p


def _totals(table: dict[tuple[int, ...], dict[int, int]]) -> dict[tuple[int, ...], int]:
    return {context: sum(followers.values()) for context, followers in table.items()}


def _discount(table: dict[tuple[int, ...], dict[int, int]]) -> float:
    often = Counter(count for followers in table.values() for count in followers.values())
    # Without an n-gram counted once there is nothing to estimate from; with none counted twice
    # the formula would discount everything.
    return often[1] / (often[1] + 2 * often[2]) if often[1] and often[2] else 0.5
