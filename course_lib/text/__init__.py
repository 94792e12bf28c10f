"""Text before a model sees it: cleaning, near copies and splits, tokenizers, n-gram models.

Taught in 'Language models', 'Language models at work' and 'Preprocessing'.
"""

from course_lib.text.cleaning import (
    WORD,
    clean,
    drop_copies,
    drop_repeated_lines,
    each,
    keep,
    looks_english,
    mask_personal_data,
    mend_encoding,
    nfc,
    squeeze_whitespace,
    strip_html,
    strip_play_markup,
    table,
)
from course_lib.text.copies import minhash, near_copies, shingles
from course_lib.text.ngram import (
    END,
    UNKNOWN,
    AddK,
    Interpolated,
    KneserNey,
    Sentence,
    sentences,
    vocabulary,
)
from course_lib.text.noisy_channel import Edit, HomophoneChooser, SpellingCorrector, edits, fit
from course_lib.text.patterns import PATTERNS
from course_lib.text.splits import sentence_keys, split
from course_lib.text.tokenizer import PATTERN, BPETokenizer, CharacterTokenizer

__all__ = [
    "END",
    "PATTERN",
    "PATTERNS",
    "UNKNOWN",
    "WORD",
    "AddK",
    "BPETokenizer",
    "CharacterTokenizer",
    "Edit",
    "HomophoneChooser",
    "Interpolated",
    "KneserNey",
    "Sentence",
    "SpellingCorrector",
    "clean",
    "drop_copies",
    "drop_repeated_lines",
    "each",
    "edits",
    "fit",
    "keep",
    "looks_english",
    "mask_personal_data",
    "mend_encoding",
    "minhash",
    "near_copies",
    "nfc",
    "sentence_keys",
    "sentences",
    "shingles",
    "split",
    "squeeze_whitespace",
    "strip_html",
    "strip_play_markup",
    "table",
    "vocabulary",
]
