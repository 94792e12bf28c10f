"""The published patterns: against those in tiktoken and Transformers, and another regex engine."""

import pytest
import regex
from tiktoken_ext import openai_public
from tokenizers import Regex
from tokenizers.pre_tokenizers import Split
from transformers.models.qwen2 import tokenization_qwen2
from transformers.models.qwen3_5 import tokenization_qwen3_5

from course_lib.data import load_messages
from course_lib.text import PATTERN, PATTERNS

HARD = [
    "I'LL pay $1234567 in 2047, won't I?\n\n\tif x:\n        getUserName(y)  # don't\r\n",
    "नमस्ते दुनिया। Ça coûte 3½ €, naïve café",
    "tabs\t\tand   spaces   \n  \n ends in spaces   ",
    "HTTPServer XMLHttpRequest ǅungla iPhone's O'Neill's 'S 're'VE",
    "中文分词,日本語のテキスト 한국어 🙂👏🏽 a/b//c/\n\n(path)/",
    "",
    "\n",
    " ",
    "٣٤٥٦ ⅣⅤ x²+y³ 1,000.50",
]


def literal(monkeypatch, name):
    """Return the pattern that tiktoken gives for an encoding; its ranks aren't fetched."""
    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", lambda *_, **__: {})
    return getattr(openai_public, name)()["pat_str"]


@pytest.mark.parametrize(("ours", "name"), [("GPT-4", "cl100k_base"), ("GPT-4o", "o200k_base")])
@pytest.mark.parametrize("text", HARD)
def test_openais_patterns_cut_as_those_in_tiktoken(ours, name, text, monkeypatch):
    assert PATTERNS[ours].findall(text) == regex.findall(literal(monkeypatch, name), text)


@pytest.mark.parametrize(
    ("ours", "module"), [("Qwen2", tokenization_qwen2), ("Qwen3.5", tokenization_qwen3_5)]
)
@pytest.mark.parametrize("text", HARD)
def test_qwens_patterns_cut_as_those_in_transformers(ours, module, text):
    assert PATTERNS[ours].findall(text) == regex.findall(module.PRETOKENIZE_REGEX, text)


@pytest.mark.parametrize("text", HARD)
def test_llamas_pattern_is_qwens_with_up_to_three_digits(text):
    pattern = tokenization_qwen2.PRETOKENIZE_REGEX.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
    assert PATTERNS["Llama 3"].findall(text) == regex.findall(pattern, text)


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("text", HARD)
def test_pieces_joined_give_the_text_and_another_engine_cuts_alike(name, text):
    pieces = PATTERNS[name].findall(text)
    assert "".join(pieces) == text
    other = Split(Regex(PATTERNS[name].pattern), "isolated").pre_tokenize_str(text)
    assert pieces == [piece for piece, _ in other]


def test_gpt2s_is_the_courses_own():
    assert PATTERNS["GPT-2"] is PATTERN


@pytest.mark.network
@pytest.mark.parametrize("name", ["GPT-4", "GPT-4o"])
def test_real_messages_are_cut_as_by_tiktokens_patterns(name, network, monkeypatch):
    expected = literal(monkeypatch, {"GPT-4": "cl100k_base", "GPT-4o": "o200k_base"}[name])
    for language in ("fr", "ru", "zh_CN", "hi"):
        for pair in load_messages(language)[:300]:
            assert PATTERNS[name].findall(pair.target) == regex.findall(expected, pair.target)
