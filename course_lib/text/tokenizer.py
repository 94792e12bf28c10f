"""Tokenizers: text to whole numbers and back, by characters and by byte pairs.

Taught in 'Preprocessing'. Byte-pair encoding (BPE) for words is from Sennrich et al. (2016),
'Neural Machine Translation of Rare Words with Subword Units'; over bytes, with the pattern used
here, from Radford et al. (2019), 'Language Models are Unsupervised Multitask Learners'.
"""

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import regex

from course_lib.checks import check_ids, check_sizes, expect
from course_lib.files import written_whole

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
        """Return the text of token ids.

        Raises:
            ValueError: if an id is not in the vocabulary.
        """
        return "".join(self.characters[i] for i in _checked(ids, self.vocab_size))


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
        ValueError: if a merge joins what is not yet a token, a special token is empty or there
            twice, a byte is there twice, or the pattern is no regular expression.
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
        _check_special(special_tokens)
        self.merges = list(merges)
        try:
            self.pattern = regex.compile(pattern)
        except regex.error as error:
            raise ValueError(f"pattern: expected a regular expression, got {error}") from None
        self.alphabet = list(alphabet)
        single = "different single bytes"
        expect(all(len(byte) == 1 for byte in self.alphabet), "alphabet", single, self.alphabet)
        expect(not (byte := _twice(self.alphabet)), "alphabet", single, f"{byte!r} twice")
        # Ids: the bytes, then what the merges make, the special tokens before or behind them.
        self.special_first = special_first
        first = len(special_tokens) if special_first else 0
        self.vocab = {token: first + i for i, token in enumerate(self.alphabet)}
        for left, right in self.merges:
            if left not in self.vocab or right not in self.vocab:
                raise ValueError(f"merges: {(left, right)} joins what is not yet a token")
            self.vocab.setdefault(left + right, first + len(self.vocab))
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
        _check_special(special_tokens)
        check_sizes(vocab_size=vocab_size)
        least = 256 + len(special_tokens)
        room = f"at least {least} (256 bytes and {len(special_tokens)} special tokens)"
        expect(vocab_size >= least, "vocab_size", room, vocab_size)
        # The first tokens are the bytes; words are counted, each is looked at once.
        tokens = list(_BYTE_TOKENS)
        ids = {token: i for i, token in enumerate(tokens)}
        first = [ids[bytes([byte])] for byte in range(256)]
        counted = Counter(PATTERN.findall(text))
        # All different words in one row. Tokens of a word are linked with those beside them, so
        # that a merge takes as many steps as the pair has places, however long the words are.
        row: list[int] = []
        counts, before, after = [], [], []  # how often the word occurs; -1 at a word's ends
        for word, count in counted.items():
            start, size = len(row), len(word.encode())
            row += [first[byte] for byte in word.encode()]
            counts += [count] * size
            before += [-1, *range(start, start + size - 1)]
            after += [*range(start + 1, start + size), -1]
        # How often each pair of neighbors stands in the text, and where; the most frequent first.
        pair_counts: Counter[tuple[int, int]] = Counter()
        places: dict[tuple[int, int], set[int]] = defaultdict(set)  # where the pair began to stand
        for i, j in enumerate(after):
            if j >= 0:
                pair_counts[row[i], row[j]] += counts[i]
                places[row[i], row[j]].add(i)
        heap = [(-count, pair) for pair, count in pair_counts.items()]
        heapq.heapify(heap)
        merges = []
        while heap and len(tokens) + len(special_tokens) < vocab_size:
            count, pair = heapq.heappop(heap)
            if -count != pair_counts[pair]:  # out of date: counts change while entries wait
                if pair_counts[pair] > 0:
                    heapq.heappush(heap, (-pair_counts[pair], pair))
                continue
            # The pair is a new token.
            joined = tokens[pair[0]] + tokens[pair[1]]
            merges.append((tokens[pair[0]], tokens[pair[1]]))
            if joined not in ids:
                ids[joined] = len(tokens)
                tokens.append(joined)
            # Join it wherever it stands, and count its neighbors anew.
            changed: set[tuple[int, int]] = set()
            for i in sorted(places.pop(pair)):
                j, count = after[i], counts[i]
                if row[i] != pair[0] or j < 0 or row[j] != pair[1]:
                    continue  # one of the two has been joined with another since
                pair_counts[pair] -= count
                h, k = before[i], after[j]  # they now stand beside the joined one
                if h >= 0:
                    pair_counts[row[h], pair[0]] -= count
                if k >= 0:
                    pair_counts[pair[1], row[k]] -= count
                    before[k] = i
                row[i], row[j], after[i] = ids[joined], -1, k
                for left, right in ((h, i), (i, k)):
                    if left >= 0 and right >= 0:
                        new = row[left], row[right]
                        pair_counts[new] += count
                        places[new].add(left)
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
            ValueError: if the text has a special token that is not allowed, a character that
                UTF-8 can't write (half of a surrogate pair), or one that the pattern leaves out.
        """
        # Special tokens cut the text; what lies between them is encoded piece by piece.
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
        words = [found.group() for found in self.pattern.finditer(text)]
        if sum(map(len, words)) != len(text):
            rest = self.pattern.sub("", text)
            raise ValueError(f"text: expected what the pattern fits, got {rest[:20]!r} outside it")
        for word in words:
            ids.extend(self._encode_word(word) if len(word) <= 100 else self._merge(word))
        return ids

    def _merge(self, word: str) -> tuple[int, ...]:
        """Join neighbors, the earliest-learned token first; n log n in the length of the word."""
        vocab = self.vocab
        parts = [part for byte in word.encode() if (part := bytes([byte])) in vocab]
        after = list(range(1, len(parts) + 1))  # a linked list: who stands behind
        before = list(range(-1, len(parts) - 1))
        # All neighbors that are a token together, the earliest-learned first.
        heap = [
            (vocab[a + b], i, a, b) for i, (a, b) in enumerate(pairwise(parts)) if a + b in vocab
        ]
        heapq.heapify(heap)
        while heap:
            _, i, left, right = heapq.heappop(heap)
            j = after[i] if parts[i] == left else len(parts)
            if j == len(parts) or parts[j] != right:
                continue  # one of the two has been joined with another since
            parts[i], parts[j] = left + right, b""  # empty: no longer there
            after[i] = after[j]
            if after[i] < len(parts):
                before[after[i]] = i
            # The joined one has new neighbors on both sides.
            for k in (before[i], i):
                if k >= 0 and after[k] < len(parts):
                    token = vocab.get(parts[k] + parts[after[k]])
                    if token is not None:
                        heapq.heappush(heap, (token, k, parts[k], parts[after[k]]))
        return tuple(vocab[part] for part in parts if part)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of token ids; bytes that are no UTF-8 become the sign U+FFFD.

        Raises:
            ValueError: if an id is not in the vocabulary.
        """
        found = (self._bytes[i] for i in _checked(ids, self.vocab_size))
        return b"".join(found).decode("utf-8", errors="replace")

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
        with written_whole(path) as part:
            part.write_text(json.dumps(content, ensure_ascii=False, indent=0), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "BPETokenizer":
        """Read what :meth:`save` wrote.

        Raises:
            ValueError: if the file holds something else.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            merges = [(from_signs(left), from_signs(right)) for left, right in content["merges"]]
            return cls(
                merges,
                content["special_tokens"],
                pattern=content["pattern"],
                alphabet=[from_signs(sign) for sign in content["alphabet"]],
                special_first=content["special_first"],
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: expected a file that save() wrote ({error})") from None


def _checked(ids: Iterable[int], vocab_size: int) -> list[int]:
    """Return the ids, of a list or a tensor, as a list, if all are in the vocabulary."""
    found = ids.tolist() if hasattr(ids, "tolist") else list(ids)
    found = [i.item() if hasattr(i, "item") else i for i in found]
    check_ids("ids", found, vocab_size)
    return found


def _check_special(special_tokens: Sequence[str]) -> None:
    expected = "different texts that are not empty"
    wrong = [s for s in special_tokens if not isinstance(s, str) or not s]
    expect(not wrong, "special_tokens", expected, repr(wrong[0]) if wrong else "")
    expect(not (s := _twice(special_tokens)), "special_tokens", expected, f"{s!r} twice")


def _twice(names: Sequence[str] | Sequence[bytes]) -> object:
    """Return the first that is there a second time."""
    return next((name for i, name in enumerate(names) if name in names[:i]), None)


def _to_signs(token: bytes) -> str:
    return "".join(_SIGNS[byte] for byte in token)


def from_signs(signs: str) -> bytes:
    """Return the bytes that GPT-2's printable signs stand for."""
    return bytes(_FROM_SIGNS[sign] for sign in signs)
