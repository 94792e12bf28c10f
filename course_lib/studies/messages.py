"""Programs' messages as pairs to translate: placeholders as slots, an honest split, tokens.

Taught in 'Machine translation'.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from course_lib import text
from course_lib.data import CORPORA, Pair, load_messages
from course_lib.text import BPETokenizer

LANGUAGES = {"fr": "<|fr|>", "zh_CN": "<|zh_CN|>"}  # each with the token that asks for it
SLOTS = [f"<|{i}|>" for i in range(4)]  # stand for placeholders
END = "<|end|>"
SPECIAL_TOKENS = [END, *LANGUAGES.values(), *SLOTS]
MAX_TOKENS = 126  # of a text; the model's context of 128 also holds the first and the last token
# What a program fills in (${name}, {name}, %(name)s, %s), HTML, and addresses.
PLACEHOLDER = re.compile(
    r"\$?\{[^{}]*\}|%\([^()]*\)[a-z]|%[sdifr]\b|<[^<>]+>|&\w+;|https?://[^\s\"')]+"
)
SLOT = re.compile(r"<\|(\d+)\|>")


def normalize(message: str) -> str:
    """Return a message on one line, in NFC, with ' for ’, without marks of keys such as _Open."""
    message = text.nfc(" ".join(message.split())).replace("’", "'")
    return re.sub(r"(?<![\w({])_(?=[^\W_])", "", message)


def protect(message: str, values: Sequence[str] = ()) -> tuple[str, list[str]]:
    """Put a numbered slot, such as ``<|0|>``, for each different placeholder.

    Args:
        message: any text.
        values: what the first slots stand for; give the source's for a translation.

    Returns:
        The text with slots, and what they stand for.
    """
    values = list(values)
    slots: dict[str, int] = {}
    for i, value in enumerate(values):
        slots.setdefault(value, i)

    def slot(found: re.Match) -> str:
        if found.group() not in slots:
            slots[found.group()] = len(values)
            values.append(found.group())
        return f"<|{slots[found.group()]}|>"

    return PLACEHOLDER.sub(slot, message), values


def restore(message: str, values: Sequence[str]) -> str:
    """Put placeholders back for their slots; a slot that stands for nothing is left out."""

    def value(found: re.Match) -> str:
        i = int(found[1])
        return values[i] if i < len(values) else ""

    return SLOT.sub(value, message)


def load_pairs(language: str) -> list[Pair]:
    """Return all programs' messages in English and a language, normalized.

    Each English message comes once, with its most frequent translation. Left out are messages
    without a letter, longer than 200 bytes, with HTML, or with more than four placeholders, and
    pairs that can't be right: other placeholders on both sides, one side four times as long, or a
    "translation" that is the English.

    Args:
        language: as in ``load_messages``.
    """
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for corpus in (name for name in CORPORA if name.startswith("messages")):
        for pair in load_messages(language, corpus):
            source, target = normalize(pair.source), normalize(pair.target)
            if _fit(source, target):
                found[source][target] += 1
    return [Pair(source, targets.most_common(1)[0][0]) for source, targets in found.items()]


def _fit(source: str, target: str) -> bool:
    words = PLACEHOLDER.sub("", source)
    values = set(PLACEHOLDER.findall(source))
    sizes = len(source.encode()), len(target.encode())
    return (
        re.search("[A-Za-z]", words) is not None
        and values == set(PLACEHOLDER.findall(target))
        and len(values) <= len(SLOTS)
        and not re.search(r"<\w", source)
        and sizes[0] <= 200
        and max(sizes) <= 4 * min(sizes) + 10
        and (source != target or len(words.split()) < 3)
    )


def split_sources(
    sources: Iterable[str], shares: Sequence[float] = (0.92, 0.02, 0.06), threshold: float = 0.6
) -> tuple[set[str], ...]:
    """Divide English messages into training, validation and test, near copies on one side.

    Messages are short, so near copies are found by runs of five letters, not of five words, and
    placeholders are all the same.

    Args:
        sources: English messages.
        shares: as in :func:`course_lib.text.split`.
        threshold: from what similarity on two messages must not be parted.
    """
    spelled = {source: spell(source) for source in sorted(set(sources))}
    whole = 10**6  # a message is no long text whose sentences could be shared
    return tuple(
        set(part) for part in text.split(spelled, shares, threshold=threshold, sentence_words=whole)
    )


def spell(message: str) -> str:
    """Return the message letter by letter, as "words" for the search of near copies."""
    return " ".join(re.sub(r"[ _]", "", protect(message)[0]))


def load_parts() -> tuple[dict[str, list[Pair]], ...]:
    """Return training, validation and test pairs of each of ``LANGUAGES``."""
    pairs = {language: load_pairs(language) for language in LANGUAGES}
    parts = split_sources(pair.source for its_pairs in pairs.values() for pair in its_pairs)
    return tuple(
        {
            language: [pair for pair in its_pairs if pair.source in part]
            for language, its_pairs in pairs.items()
        }
        for part in parts
    )


def train_tokenizer(pairs: Mapping[str, Sequence[Pair]], vocab_size: int) -> BPETokenizer:
    """Return one tokenizer for both sides, trained on the pairs of all languages."""
    lines = (side for p in pairs.values() for pair in p for side in (pair.source, pair.target))
    plain = PLACEHOLDER.sub("", "\n".join(lines))
    return BPETokenizer.train(plain, vocab_size, SPECIAL_TOKENS)


def encode(tokenizer: BPETokenizer, message: str) -> list[int]:
    """Return a protected message's token ids, one for each slot."""
    return tokenizer.encode(message, allowed_special=SLOTS)
