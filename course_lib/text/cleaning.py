"""Cleaning: from what a file holds to what a model should read.

Taught in 'Preprocessing'. A step takes documents and returns documents; :func:`clean` runs steps in
order and reports what each of them changed. Near copies are found by MinHash: Broder (1997), 'On
the resemblance and containment of documents'. The English filter is a rule of Rae et al. (2021),
'Scaling Language Models: Methods, Analysis & Insights from Training Gopher', appendix A.
"""

import hashlib
import html
import re
import unicodedata
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import regex

from course_lib.checks import check_counts, check_shares, check_sizes, expect

Documents = dict[Hashable, str]
Step = Callable[[Documents], Documents]

# Chinese has no spaces between words: each of its characters counts as one.
WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")
_TAGS = "a|b|blockquote|br|center|code|div|em|font|h[1-6]|hr|i|img|li|ol|p|pre|s|span|strong|u|ul"
_TAG_END = r"(?:\s[^<>]*)?/?>"
# A run of a name's signs is read once, whether an address follows or not.
_EMAIL = re.compile(r"[\w.+-]+(@[\w-]+(?:\.[\w-]+)+)?", re.ASCII)
_PHONE = re.compile(
    r"(?<![\w.+-])(?:"
    r"\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,5}"  # international
    r"|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}"  # North America
    r"|1[3-9]\d{9}"  # Chinese mobile
    r")(?![\w-])",
    re.ASCII,
)
_MARKS = regex.compile(r"(?:(?!\u034f)\p{M}){30}(?=(?!\u034f)\p{M})")
_ENGLISH = {"the", "be", "to", "of", "and", "that", "have", "with"}


# Steps for one document


def nfc(text: str) -> str:
    """Return the text in Unicode's form NFC: one way to write each character, such as é.

    Marks are put in order, which takes the square of their number. So a joiner that isn't seen
    stands behind each 30 of them, as in Unicode's 'stream-safe text format' (UAX 15).
    """
    return unicodedata.normalize("NFC", _MARKS.sub("\\g<0>\u034f", text))


def mend_encoding(text: str) -> str:
    """Return the text with control characters 128 to 159 read as Windows meant them.

    They are dashes and quotation marks of the code page Windows-1252 that someone took for Latin-1.
    """

    def mend(found: re.Match) -> str:
        return found.group().encode("latin-1").decode("cp1252", errors="ignore")

    return re.sub("[\x80-\x9f]", mend, text)


def strip_html(text: str) -> str:
    """Return the text without HTML: line breaks for ``<br>`` and ``<p>``, characters for entities.

    Only tags that HTML knows are taken out: ``<grin>`` was written to be read.
    """
    # Python makes no number of 5,000 digits; one of more than 7 is no character.
    text = re.sub(r"&#0+(?=\d)", "&#", text)
    text = re.sub(r"&#\d{8,};?", "\ufffd", text)
    text = re.sub(rf"<(?:br|/?p|hr){_TAG_END}", "\n", text, flags=re.I)
    return html.unescape(re.sub(rf"</?(?:{_TAGS}){_TAG_END}", "", text, flags=re.I))


def strip_play_markup(markdown: str) -> str:
    """Return what is spoken in a play, verse by verse, one empty line between two speeches.

    Headings, speakers' names and stage directions (all that is emphasized) are left out.

    Args:
        markdown: a play as ``load_plays`` returns it.
    """
    text = re.sub(r"^#.*$", "", markdown, flags=re.M)
    text = re.sub(r"^\*\*.*\*\*\s*$", "", text, flags=re.M)
    # A stage direction may run over several lines, but not over an empty one.
    text = re.sub(r"_+(?:[^_\n]|\n(?!\s*\n))*_+|\*(?:[^*\n]|\n(?!\s*\n))*\*", "", text)
    text = re.sub(r"\\?\[[^\]\n]*\]?_?", "", text)  # what is left of one in brackets
    return squeeze_whitespace(text.replace("\\", ""))


def squeeze_whitespace(text: str) -> str:
    """Return the text with single spaces, none at a line's ends, and at most one empty line."""
    text = re.sub(r"[^\S\n]+", " ", re.sub(r"\r\n?", "\n", text))
    text = re.sub(r"^ | $", "", text, flags=re.M)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def mask_personal_data(text: str) -> str:
    """Return the text with ``<email>`` and ``<phone>`` for addresses and telephone numbers.

    Found by their form only: names, and numbers written in another way, stay.
    """
    masked = _EMAIL.sub(lambda found: "<email>" if found[1] else found[0], text)
    return _PHONE.sub("<phone>", masked)


def looks_english(text: str) -> bool:
    """Say whether at least two of eight very common English words are in the text."""
    return len(_ENGLISH.intersection(WORD.findall(text.lower()))) >= 2


# Steps for all documents


def each(change: Callable[[str], str]) -> Step:
    """Return the step that changes each document by itself."""
    return lambda documents: {key: change(text) for key, text in documents.items()}


def keep(wanted: Callable[[str], bool]) -> Step:
    """Return the step that keeps the documents that are wanted."""
    return lambda documents: {key: text for key, text in documents.items() if wanted(text)}


def drop_repeated_lines(documents: Documents, least: int = 5) -> Documents:
    """Take out each line that stands in at least so many documents: boilerplate."""
    check_sizes(least=least)
    seen = Counter(
        line
        for text in documents.values()
        for line in {line.strip() for line in text.split("\n")}
        if line
    )
    return {
        key: "\n".join(line for line in text.split("\n") if seen[line.strip()] < least)
        for key, text in documents.items()
    }


def drop_copies(documents: Documents) -> Documents:
    """Keep the first of documents whose text is the same."""
    first: dict[str, Hashable] = {}
    for key, text in documents.items():
        first.setdefault(text, key)
    return {key: text for text, key in first.items()}


def drop_near_copies(documents: Documents, threshold: float = 0.8) -> Documents:
    """Keep the first of documents that are nearly the same, as :func:`near_copies` finds them."""
    firsts = _near_groups(list(documents.values()), threshold).firsts()
    return {key: documents[key] for i, key in enumerate(documents) if firsts[i] == i}


# Near copies


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
    words = np.array([_number(word) for word in WORD.findall(text.lower())], dtype=np.uint64)
    length = min(length, len(words))
    runs = np.zeros(len(words) - length + 1 if length else 0, dtype=np.uint64)
    for i in range(length):  # a run is a number whose digits are its words, modulo 2^64
        runs = (runs + words[i : i + len(runs)]) * np.uint64(0x9E3779B97F4A7C15)
    return np.unique(runs)


@lru_cache(maxsize=2**20)
def _number(word: str) -> int:
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))  # not hash(): it differs in each run


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """Return the share of two sets' elements that both have; of two empty ones, 0.

    Args:
        a: (A,), each element once.
        b: (B,), each element once.
    """
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / max(len(a) + len(b) - both, 1)


def minhash(shingles: np.ndarray, n_hashes: int = 128, seed: int = 0) -> np.ndarray:
    """Return a set's signature: for each of several hash functions the least value in the set.

    The least value of a union of two sets comes from both with probability :func:`jaccard`. So two
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
    sets, buckets = _buckets(texts, threshold, bands, rows)
    places: dict[int, list[tuple[list[int], int]]] = defaultdict(list)
    for bucket in buckets:
        for place, i in enumerate(bucket[:-1]):
            places[i].append((bucket, place))
    similar = _comparison(sets)
    found = []
    for i, its_places in places.items():
        others = list(set().union(*(bucket[place + 1 :] for bucket, place in its_places)))
        found += [(i, j, s) for j, s in zip(others, similar(i, others), strict=True)]
    return sorted((p for p in found if p[2] >= threshold), key=lambda p: (-p[2], p[0], p[1]))


def _near_groups(texts: Sequence[str], threshold: float) -> "_Groups":
    """Return texts in groups that pairs of :func:`near_copies` connect.

    Texts that are connected already aren't compared: of n copies of one text there are n² / 2
    pairs, and n - 1 connect them.
    """
    sets, buckets = _buckets(texts, threshold)
    groups, similar = _Groups(len(texts)), _comparison(sets)

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
    for i, its_parts in behind.items():
        others = set().union(*(part[place:] for part, place in its_parts))
        connect(i, [j for j in others if groups.first(j) != groups.first(i)])
    return groups


def _buckets(
    texts: Sequence[str], threshold: float, bands: int = 32, rows: int = 4
) -> tuple[list[np.ndarray], list[list[int]]]:
    """Return each text's shingles, and the texts that have the same signature in a band."""
    expect(0 < threshold <= 1, "threshold", "a share above 0, at most 1", threshold)
    check_sizes(bands=bands, rows=rows)
    sets = [shingles(text) for text in texts]
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for i, found in enumerate(sets):
        if len(found):
            signature = minhash(found, bands * rows).reshape(bands, rows)
            for band, part in enumerate(signature):
                buckets[band, part.tobytes()].append(i)
    alike = {tuple(bucket): bucket for bucket in buckets.values() if len(bucket) > 1}
    return sets, list(alike.values())


def _comparison(sets: Sequence[np.ndarray]) -> Callable[[int, list[int]], list[float]]:
    """Return a function that gives the :func:`jaccard` of one set with each of several others."""
    sizes = np.array([len(found) for found in sets], dtype=int)
    places = np.unique(np.concatenate([np.empty(0, np.uint64), *sets]), return_inverse=True)[1]
    places = np.split(places, sizes.cumsum()[:-1])
    marked = np.zeros(sizes.sum(), bool)

    def similar(i: int, others: list[int]) -> list[float]:
        if not others:
            return []
        marked[places[i]] = True
        starts = np.append(0, sizes[others].cumsum()[:-1])
        hits = marked[np.concatenate([places[j] for j in others])]
        marked[places[i]] = False
        both = np.add.reduceat(hits, starts, dtype=int)
        return (both / (sizes[i] + sizes[others] - both)).tolist()

    return similar


class _Groups:
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


# A pipeline and its reports


@dataclass(frozen=True)
class Report:
    """What a step did.

    Attributes:
        step: its name.
        documents: their number before and after.
        characters: their number before and after, in all documents.
        changed: number of documents that were kept and changed.
        examples: from up to three documents, the place that changed first, before and after; what
            a dropped document began with, and "".
    """

    step: str
    documents: tuple[int, int]
    characters: tuple[int, int]
    changed: int
    examples: list[tuple[str, str]]


def clean(
    documents: Mapping[Hashable, str], steps: Mapping[str, Step]
) -> tuple[Documents, list[Report]]:
    """Run steps in order and report what each changed.

    Args:
        documents: name, or number, to text.
        steps: name to step, for example ``{"Unicode": each(nfc), "copies": drop_copies}``.

    Returns:
        The documents that are left, and a report for each step.
    """
    documents, reports = dict(documents), []
    for name, step in steps.items():
        before, documents = documents, step(documents)
        differing = [key for key, text in before.items() if documents.get(key) != text]
        reports.append(
            Report(
                name,
                (len(before), len(documents)),
                (sum(map(len, before.values())), sum(map(len, documents.values()))),
                sum(key in documents for key in differing),
                [_excerpts(before[key], documents.get(key, "")) for key in differing[:3]],
            )
        )
    return documents, reports


def _excerpts(before: str, after: str, length: int = 60) -> tuple[str, str]:
    pairs = enumerate(zip(before, after, strict=False))
    place = next((i for i, (a, b) in pairs if a != b), min(len(before), len(after)))
    start = max(place - length // 3, 0)
    return before[start : start + length], after[start : start + length]


def table(reports: Iterable[Report]) -> str:
    """Return reports as a table: what is left after each step, and what the step changed."""
    rows = [("step", "documents", "characters", "documents changed")]
    for report in reports:
        (n, _), (size, _) = report.documents, report.characters
        if len(rows) == 1:
            rows.append(("(raw)", f"{n:,}", f"{size:,}", ""))
        counts = report.documents[1], report.characters[1], report.changed
        rows.append((report.step, *(f"{count:,}" for count in counts)))
    width = max(len(row[0]) for row in rows)
    return "\n".join(f"{a:{width}}{b:>11}{c:>13}{d:>19}".rstrip() for a, b, c, d in rows)


# Splits


def split(
    documents: Mapping[Hashable, str],
    shares: Sequence[float] = (0.8, 0.1, 0.1),
    *,
    threshold: float = 0.8,
    sentence_words: int = 8,
    seed: int = 0,
) -> tuple[Documents, ...]:
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
    texts = list(dict.fromkeys(documents.values()))
    groups = _near_groups(texts, threshold)
    first_with: dict[tuple[str, ...], int] = {}
    for i, text in enumerate(texts):
        for sentence in sentences(text):
            if len(sentence) >= sentence_words:
                groups.join(first_with.setdefault(sentence, i), i)
    # The least digest of a group decides for it, so that the documents' order doesn't matter.
    firsts = groups.firsts()
    least: dict[int, str] = {}
    for group, digest in zip(firsts, map(_digest, texts), strict=True):
        least[group] = min(digest, least.get(group, digest))
    ends = np.cumsum(shares)[:-1]
    part_of_group = {
        group: int(np.searchsorted(ends, _chance(digest, seed), side="right"))
        for group, digest in least.items()
    }
    part_of = {text: part_of_group[group] for text, group in zip(texts, firsts, strict=True)}
    parts: tuple[Documents, ...] = tuple({} for _ in shares)
    for key, text in documents.items():
        parts[part_of[text]][key] = text
    return parts


def sentences(text: str) -> Iterator[tuple[str, ...]]:
    """Yield each sentence, or line, as its lower-case words; by this, split() tells them apart."""
    for part in re.split(r"(?<=[.?!])\s+|(?<=[。?!])|\n", text):
        if words := tuple(WORD.findall(part.lower())):
            yield words


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _chance(digest: str, seed: int) -> float:
    """Return a number from 0 to 1 that only the digest and the seed decide."""
    return int(_digest(f"{seed} {digest}")[:13], 16) / 16**13  # 52 bits: exact in a float
