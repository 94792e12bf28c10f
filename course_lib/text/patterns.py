"""The patterns by which published tokenizers cut a text before byte-pair encoding joins bytes.

Taught in 'Preprocessing'. GPT-2's is from Radford et al. (2019); those of GPT-4 (cl100k) and GPT-4o
(o200k) are in the library tiktoken, those of Llama 3, Qwen2 and Qwen3.5 in Transformers. A pattern
finds pieces that joined again give the text; merges never cross their borders.
"""

import regex

from course_lib.text.tokenizer import PATTERN

# English endings in any case; a word with any one sign before it; digits; other signs with the ends
# of lines behind them; ends of lines with the spaces before them; what is left of the spaces.
_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# GPT-4o's words: small letters end one, so that a capital begins the next; marks belong to them.
_CAPITAL, _SMALL = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_CAPITAL}*{_SMALL}+{_ENDINGS}?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{_CAPITAL}+{_SMALL}*{_ENDINGS}?"
)

PATTERNS = {
    "GPT-2": PATTERN,
    "GPT-4": regex.compile(
        rf"{_ENDINGS}|{_WORD}|\p{{N}}{{1,3}}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+(?![\s\S])|\s*[\r\n]|\s+(?!\S)|\s"
    ),
    "Llama 3": regex.compile(rf"{_ENDINGS}|{_WORD}|\p{{N}}{{1,3}}|{_REST}"),
    "Qwen2": regex.compile(rf"{_ENDINGS}|{_WORD}|\p{{N}}|{_REST}"),
    "GPT-4o": regex.compile(
        rf"{_CASED}|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "Qwen3.5": regex.compile(
        rf"{_ENDINGS}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}"
        r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
}
