"""Named corpora: what there is, fetched once, verified, and parsed.

``python -m course_lib.data`` lists them, ``... fetch NAME`` gets one, ``... verify`` checks.
"""

from course_lib.data.archives import (
    DataError,
    cache_folder,
    fetch,
    read,
    read_bytes,
    unpack,
)
from course_lib.data.corpora import (
    HELD_OUT,
    Dialogue,
    Pair,
    Review,
    load_chinese_reviews,
    load_dialogues,
    load_film_reviews,
    load_messages,
    load_misspellings,
    load_plays,
    load_pronunciations,
    load_spoken_plays,
    minilm_folder,
    smollm2_folder,
)
from course_lib.data.sources import CORPORA, Corpus

__all__ = [
    "CORPORA",
    "HELD_OUT",
    "Corpus",
    "DataError",
    "Dialogue",
    "Pair",
    "Review",
    "cache_folder",
    "fetch",
    "load_chinese_reviews",
    "load_dialogues",
    "load_film_reviews",
    "load_messages",
    "load_misspellings",
    "load_plays",
    "load_pronunciations",
    "load_spoken_plays",
    "minilm_folder",
    "read",
    "read_bytes",
    "smollm2_folder",
    "unpack",
]
