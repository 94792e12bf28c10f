"""Tokenizers: text to whole numbers and back, by characters and by byte pairs.

Taught in 'Preprocessing'. Byte-pair encoding (BPE) for words is from Sennrich et al. (2016),
'Neural Machine Translation of Rare Words with Subword Units'; over bytes, with the pattern used
here, from Radford et al. (2019), 'Language Models are Unsupervised Multitask Learners'.
"""

import heapq
import json
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import regex

# GPT-2's pattern: English clitics, words, numbers, other signs (each with one space before it), and
# what is left of the spaces. Merges never cross the borders that it sets.
PATTERN = regex.compile(r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
# GPT-2's order of the 256 bytes: those that print first. Others are written as later characters.
_PRINTING = [*range(33, 127), *range(161, 173), *range(174, 256)]
_BYTES = [*_PRINTING, *(b for b in range(256) if b not in _PRINTING)]
_BYTE_TOKENS = [bytes([byte]) for byte in _BYTES]
_SIGNS = {
    b: chr(b if i < len(_PRINTING) else 256 + i - len(_PRINTING)) for i, b in enumerate(_BYTES)
}
_FROM_SIGNS = {sign: byte for byte, sign in _SIGNS.items()}


class CharacterTokenizer:
    """One token for each character that the training text has.

    Args:
        text: gives the vocabulary, in the order of code points.
    """

    def __init__(self, text: str) -> None:
        self.characters = sorted(set(text))
        self._ids = {character: i for i, character in enumerate(self.characters)}

    @property
    def vocab_size(self) -> int:
        """Number of tokens."""
        return len(self.characters)

    def encode(self, text: str) -> list[int]:
        """Return a token id for each character.

        Raises:
            ValueError: if a character was not in the training text.
        """
        try:
            return [self._ids[character] for character in text]
        except KeyError as error:
            raise ValueError(
                f"text: expected only characters of the training text, got {error.args[0]!r}"
            ) from None

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of token ids."""
        return "".join(self.characters[i] for i in ids)


class BPETokenizer:
    """Byte-level BPE, as in GPT-2.

    Ids 0 to 255 are the bytes, in GPT-2's order; then come the merges, in the order in which they
    were learned; then the special tokens. Two neighbors are joined if their bytes together are a
    token, the one learned first before others (tiktoken's rule).

    The last three arguments are for the tokenizers of published models.

    Args:
        merges: pairs of tokens, in the order in which they were learned.
        special_tokens: texts that stand for themselves, such as ``<|endoftext|>``.
        pattern: regular expression of the words; merges never cross their borders.
        alphabet: the bytes that are tokens, in the order of their ids. Others are left out of a
            text, as in the ``tokenizers`` library.
        special_first: whether the special tokens have the first ids.

    Raises:
        ValueError: if a merge joins what is not yet a token, or a special token is empty.
    """

    def __init__(
        self,
        merges: Sequence[tuple[bytes, bytes]],
        special_tokens: Sequence[str] = (),
        *,
        pattern: str = PATTERN.pattern,
        alphabet: Sequence[bytes] = _BYTE_TOKENS,
        special_first: bool = False,
    ) -> None:
        self.merges = list(merges)
        self.pattern = regex.compile(pattern)
        self.alphabet = list(alphabet)
        self.special_first = special_first
        first = len(special_tokens) if special_first else 0
        self.vocab = {token: first + i for i, token in enumerate(self.alphabet)}
        for left, right in self.merges:
            if left not in self.vocab or right not in self.vocab:
                raise ValueError(f"merges: {(left, right)} joins what is not yet a token")
            self.vocab.setdefault(left + right, first + len(self.vocab))
        if not all(special_tokens):
            raise ValueError("special_tokens: expected texts that are not empty, got ''")
        behind = 0 if special_first else len(self.vocab)
        self.special_tokens = {s: behind + i for i, s in enumerate(special_tokens)}
        special = [s.encode() for s in self.special_tokens]
        self._bytes = [*special, *self.vocab] if special_first else [*self.vocab, *special]
        longest_first = sorted(self.special_tokens, key=len, reverse=True)
        self._special_pattern = regex.compile("|".join(map(regex.escape, longest_first)) or r"(?!)")
        # Text repeats its words: most are looked up. Very long ones are rare and not kept.
        self._encode_word = lru_cache(maxsize=2**16)(self._merge)

    @property
    def vocab_size(self) -> int:
        """Number of tokens, special ones included."""
        return len(self._bytes)

    @classmethod
    def train(
        cls, text: str, vocab_size: int, special_tokens: Sequence[str] = ()
    ) -> "BPETokenizer":
        """Learn merges: again and again, join the most frequent pair of neighbors.

        Of pairs that are equally frequent the one with the lower ids goes first, as in the
        ``tokenizers`` library. Counts are updated only where a merge changes a word.

        Args:
            text: training text.
            vocab_size: number of tokens wanted, with the 256 bytes and the special tokens; fewer
                are made if no pair is left.
            special_tokens: added behind the merges.

        Raises:
            ValueError: if ``vocab_size`` leaves no room for the bytes and the special tokens.
        """
        least = 256 + len(special_tokens)
        if vocab_size < least:
            raise ValueError(
                f"vocab_size: expected at least {least} (256 bytes and {len(special_tokens)} "
                f"special tokens), got {vocab_size}"
            )
        tokens = list(_BYTE_TOKENS)
        ids = {token: i for i, token in enumerate(tokens)}
        first = [ids[bytes([byte])] for byte in range(256)]
        counted = Counter(PATTERN.findall(text))
        words = [[first[byte] for byte in word.encode()] for word in counted]
        counts = list(counted.values())
        pair_counts: Counter[tuple[int, int]] = Counter()
        places: dict[tuple[int, int], set[int]] = defaultdict(set)  # words that have the pair
        for place, (word, count) in enumerate(zip(words, counts, strict=True)):
            for pair in pairwise(word):
                pair_counts[pair] += count
                places[pair].add(place)
        heap = [(-count, pair) for pair, count in pair_counts.items()]
        heapq.heapify(heap)
        merges = []
        while heap and len(tokens) + len(special_tokens) < vocab_size:
            count, pair = heapq.heappop(heap)
            if -count != pair_counts[pair]:  # out of date: counts change while entries wait
                if pair_counts[pair] > 0:
                    heapq.heappush(heap, (-pair_counts[pair], pair))
                continue
            joined = tokens[pair[0]] + tokens[pair[1]]
            merges.append((tokens[pair[0]], tokens[pair[1]]))
            if joined not in ids:
                ids[joined] = len(tokens)
                tokens.append(joined)
            changed: set[tuple[int, int]] = set()
            for place in places.pop(pair):
                word, count = words[place], counts[place]
                for i in _occurrences(word, pair):
                    pair_counts[pair] -= count
                    for side in (i - 1, i + 1):  # the neighbors now stand beside the joined one
                        if side >= 0 and side + 1 < len(word):
                            pair_counts[word[side], word[side + 1]] -= count
                    word[i : i + 2] = [ids[joined]]
                    for new in pairwise(word[max(i - 1, 0) : i + 2]):
                        pair_counts[new] += count
                        places[new].add(place)
                        changed.add(new)
            for new in changed:
                if pair_counts[new] > 0:  # in aaaa, (aa, a) comes and goes
                    heapq.heappush(heap, (-pair_counts[new], new))
        return cls(merges, special_tokens)

    def encode(self, text: str, allowed_special: Collection[str] = ()) -> list[int]:
        """Return the token ids of a text.

        Args:
            text: any text.
            allowed_special: special tokens that may stand in the text. Text from a user should
                not be able to end a document, so none is allowed by default.

        Raises:
            ValueError: if the text has a special token that is not allowed, or a character that
                UTF-8 can't write (half of a surrogate pair).
        """
        ids: list[int] = []
        end = 0
        for found in self._special_pattern.finditer(text):
            if found.group() not in allowed_special:
                raise ValueError(
                    f"text: has the special token {found.group()!r} at {found.start()}; name it in"
                    " allowed_special if it is meant, or take it out"
                )
            ids.extend(self._encode_plain(text[end : found.start()]))
            ids.append(self.special_tokens[found.group()])
            end = found.end()
        ids.extend(self._encode_plain(text[end:]))
        return ids

    def _encode_plain(self, text: str) -> list[int]:
        ids: list[int] = []
        for word in self.pattern.findall(text):
            ids.extend(self._encode_word(word) if len(word) <= 100 else self._merge(word))
        return ids

    def _merge(self, word: str) -> tuple[int, ...]:
        """Join neighbors, the earliest-learned token first; n log n in the length of the word."""
        vocab = self.vocab
        parts: list[bytes | None] = [bytes([byte]) for byte in word.encode()]
        parts = [part for part in parts if part in vocab]
        after = list(range(1, len(parts) + 1))  # a linked list: who stands behind
        before = list(range(-1, len(parts) - 1))
        heap = [
            (vocab[a + b], i, a, b) for i, (a, b) in enumerate(pairwise(parts)) if a + b in vocab
        ]
        heapq.heapify(heap)
        while heap:
            _, i, left, right = heapq.heappop(heap)
            j = after[i] if parts[i] == left else len(parts)
            if j == len(parts) or parts[j] != right:
                continue  # one of the two has been joined with another since
            parts[i], parts[j] = left + right, None
            after[i] = after[j]
            if after[i] < len(parts):
                before[after[i]] = i
            for k in (before[i], i):
                if k >= 0 and after[k] < len(parts):
                    token = vocab.get(parts[k] + parts[after[k]])
                    if token is not None:
                        heapq.heappush(heap, (token, k, parts[k], parts[after[k]]))
        return tuple(vocab[part] for part in parts if part is not None)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of token ids; bytes that are no UTF-8 become the sign U+FFFD.

        Raises:
            ValueError: if an id is not in the vocabulary.
        """
        ids = list(ids)
        wrong = [i for i in ids if not 0 <= i < self.vocab_size]
        if wrong:
            raise ValueError(f"ids: expected 0 to {self.vocab_size - 1}, got {wrong[0]}")
        return b"".join(self._bytes[i] for i in ids).decode("utf-8", errors="replace")

    def save(self, path: str | Path) -> None:
        """Write the tokenizer as JSON, whole or not at all."""
        signs = [[_to_signs(left), _to_signs(right)] for left, right in self.merges]
        content = {
            "merges": signs,
            "special_tokens": list(self.special_tokens),
            "pattern": self.pattern.pattern,
            "alphabet": _to_signs(b"".join(self.alphabet)),
            "special_first": self.special_first,
        }
        part = Path(f"{path}.part")
        part.write_text(json.dumps(content, ensure_ascii=False, indent=0), encoding="utf-8")
        os.replace(part, path)

    @classmethod
    def load(cls, path: str | Path) -> "BPETokenizer":
        """Read what :meth:`save` wrote.

        Raises:
            ValueError: if the file holds something else.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            merges = [(_from_signs(left), _from_signs(right)) for left, right in content["merges"]]
            return cls(
                merges,
                content["special_tokens"],
                pattern=content["pattern"],
                alphabet=[_from_signs(sign) for sign in content["alphabet"]],
                special_first=content["special_first"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: expected a file that save() wrote ({error})") from None


def _occurrences(word: list[int], pair: tuple[int, int]) -> Iterator[int]:
    """Yield where the pair stands in a word, from left to right; the word may shrink meanwhile."""
    i = -1
    with suppress(ValueError):  # index() raises it behind the last one
        while True:
            i = word.index(pair[0], i + 1, len(word) - 1)
            if word[i + 1] == pair[1]:
                yield i


def _to_signs(token: bytes) -> str:
    return "".join(_SIGNS[byte] for byte in token)


def _from_signs(signs: str) -> bytes:
    return bytes(_FROM_SIGNS[sign] for sign in signs)
