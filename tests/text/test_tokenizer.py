"""Tokenizers against tiktoken, against the tokenizers library, and against their laws."""

import random
import time
import unicodedata

import numpy as np
import pytest
import tiktoken
import tokenizers
import torch
from tokenizers import models, pre_tokenizers, trainers

from course_lib.data import load_chinese_reviews, load_plays
from course_lib.text.tokenizer import PATTERN, BPETokenizer, CharacterTokenizer, _to_signs

END = "<|endoftext|>"
# Libraries know different versions of Unicode, so they split unassigned characters differently.
ASSIGNED = [chr(i) for i in range(0x20000) if unicodedata.category(chr(i)) not in ("Cn", "Cs")]
EDGES = [
    "",
    " ",
    "a",
    "\n\n\n",
    "   leading and trailing   ",
    "don't we'll I'VE they're",
    "1234567890 3.14159 ½ Ⅷ ٣",
    "🙂👩‍👩‍👧‍👦🇫🇷",
    "中文分词很有趣,对吗?",
    "a\u0000b\u0007\u200b\ufeff\r\n\t",
    "ﬁne café cafe\u0301",
    "x" * 3000,
    "ab" * 2000 + " " + "é" * 500,
    "\U0010ffff",
]


@pytest.fixture(scope="module")
def hamlet(network):
    return load_plays()["hamlet"]


@pytest.fixture(scope="module")
def tokenizer(hamlet):
    return BPETokenizer.train(hamlet, 1500, [END])


def varied_strings(count):
    """Mix words, code points of every kind, repetitions and spaces, from a fixed seed."""
    chance = random.Random(0)
    kinds = [
        lambda: chr(chance.choice([*range(32, 127), *range(0xA0, 0x250)])),
        lambda: chr(chance.randrange(0x4E00, 0x9FFF)),
        lambda: chr(chance.randrange(0x1F300, 0x1FAFF)),
        lambda: chr(chance.randrange(0, 32)),
        lambda: chance.choice([" ", "  ", "\n", "\t ", "\u3000", "\u00a0"]),
        lambda: chance.choice(["the ", "Hamlet", "'s", "'ll", "'S", "ing", "1999", "£"]),
        lambda: chance.choice(ASSIGNED),
        lambda: chance.choice("aeTh.") * chance.randrange(1, 40),
    ]
    for _ in range(count):
        yield "".join(chance.choice(kinds)() for _ in range(chance.randrange(0, 30)))


def test_ids_equal_tiktoken_s_on_ten_thousand_strings(tokenizer):
    reference = tiktoken.Encoding(
        "ours",
        pat_str=PATTERN.pattern,
        mergeable_ranks=tokenizer.vocab,
        special_tokens=tokenizer.special_tokens,
    )
    for text in [*EDGES, *varied_strings(10_000)]:
        ids = tokenizer.encode(text)
        assert ids == reference.encode(text), repr(text)
        assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("language", ["English", "Chinese", "few letters"])
def test_merges_equal_those_of_the_tokenizers_library(language, hamlet):
    """Chinese has long words for the pattern; few letters make pairs that overlap."""
    text = {
        "English": hamlet,
        "Chinese": "\n".join(review.text for review in load_chinese_reviews()[:500]),
        "few letters": "".join(random.Random(0).choices("aab ", k=20_000)),
    }[language]
    size = 400 if language == "few letters" else 1499
    reference = tokenizers.Tokenizer(models.BPE())
    reference.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    reference.train_from_iterator([text], trainer)
    tokenizer = BPETokenizer.train(text, size)
    ours = {_to_signs(token): i for token, i in tokenizer.vocab.items()}
    assert ours == reference.get_vocab()


def test_training_by_hand():
    tokenizer = BPETokenizer.train("abc abc ab ab", 258)
    assert tokenizer.merges == [(b"a", b"b"), (b" ", b"ab")]
    assert BPETokenizer.train("aaaa", 300).merges == [(b"a", b"a"), (b"aa", b"aa")]
    assert BPETokenizer.train("", 300).merges == []


def test_equally_frequent_pairs_go_by_lower_ids():
    assert BPETokenizer.train("cd\nab", 257).merges == [(b"a", b"b")]


def test_special_token_of_a_user_is_refused(tokenizer):
    with pytest.raises(ValueError, match=r"'<\|endoftext\|>' at 3; name it in allowed_special"):
        tokenizer.encode(f"Hi {END}")
    ids = tokenizer.encode(f"Hi{END}there", allowed_special={END})
    assert ids.count(tokenizer.special_tokens[END]) == 1
    assert tokenizer.decode(ids) == f"Hi{END}there"


def test_longer_special_token_wins():
    tokenizer = BPETokenizer([], ["<a>", "<a><b>"])
    assert tokenizer.encode("<a><b>", allowed_special={"<a>", "<a><b>"}) == [257]


def test_saved_tokenizer_is_the_same(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "t.json")
    loaded = BPETokenizer.load(tmp_path / "t.json")
    assert loaded.vocab == tokenizer.vocab
    assert loaded.special_tokens == tokenizer.special_tokens
    assert [path.name for path in tmp_path.iterdir()] == ["t.json"]


def test_published_form_has_its_own_ids_and_words_and_survives_saving(tmp_path):
    tokenizer = BPETokenizer(
        [(b"1", b"1"), (b"b", b"a")],
        ["<s>", "</s>"],
        pattern=r"\p{N}|\P{N}+",
        alphabet=[b"b", b"a", b"1"],
        special_first=True,
    )
    tokenizer.save(tmp_path / "t.json")
    for same in (tokenizer, BPETokenizer.load(tmp_path / "t.json")):
        ids = same.encode("ba11cab</s>", allowed_special={"</s>"})
        assert ids == [6, 4, 4, 3, 2, 1], "digits stay apart, c is not in the alphabet"
        assert same.decode(ids) == "ba11ab</s>"
        assert same.vocab_size == 7


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"merges": [["a"]], "special_tokens": []}'])
def test_foreign_file_is_refused(tmp_path, content):
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(ValueError, match=r"t.json: expected a file that save\(\) wrote"):
        BPETokenizer.load(tmp_path / "t.json")


def test_bad_input_is_named(tokenizer):
    with pytest.raises(ValueError, match="vocab_size: expected at least 257"):
        BPETokenizer.train("text", 256, [END])
    with pytest.raises(ValueError, match="joins what is not yet a token"):
        BPETokenizer([(b"ab", b"c")])
    with pytest.raises(ValueError, match="ids: expected whole numbers from 0 to 1499, got 1500"):
        tokenizer.decode([0, 1500])
    with pytest.raises(ValueError, match=r"special_tokens: .* not empty"):
        BPETokenizer([], [""])
    with pytest.raises(ValueError, match="surrogates not allowed"):
        tokenizer.encode("\ud800")


def test_bytes_that_are_no_text_become_the_replacement_sign(tokenizer):
    assert tokenizer.decode([tokenizer.vocab[b"\xc3"]]) == "\ufffd"


def test_long_word_takes_time_in_proportion_to_n_log_n(tokenizer):
    chance = random.Random(1)

    def seconds(n):
        word = "".join(chance.choice("abcdeth") for _ in range(n))
        start = time.process_time()
        ids = tokenizer.encode(word)
        taken = time.process_time() - start
        assert tokenizer.decode(ids) == word
        return taken

    assert seconds(160_000) / seconds(10_000) < 80  # n log n says 21, n² says 256


def test_characters_round_trip_and_unknown_ones_are_named():
    tokenizer = CharacterTokenizer("hello 中🙂")
    assert tokenizer.vocab_size == 7
    assert tokenizer.decode(tokenizer.encode("中 hell🙂")) == "中 hell🙂"
    assert tokenizer.encode("") == []
    with pytest.raises(ValueError, match="got 'x'"):
        tokenizer.encode("hex")


@pytest.mark.parametrize("ids", [[-1], [5], [1.0], [True], torch.tensor([-1]), torch.tensor([1.0])])
def test_ids_outside_the_vocabulary_are_refused(ids):
    for tokenizer in (CharacterTokenizer("abcde"), BPETokenizer([], alphabet=[b"a", b"b"])):
        with pytest.raises(ValueError, match=r"^ids: expected whole numbers from 0 to [14], got "):
            tokenizer.decode(ids)


def test_ids_of_any_kind_are_decoded():
    tokenizer = CharacterTokenizer("abc")
    for ids in ([2, 0], iter([2, 0]), np.array([2, 0]), torch.tensor([2, 0], dtype=torch.uint8)):
        assert tokenizer.decode(ids) == "ca"
    assert tokenizer.decode(list(torch.tensor([2, 0]))) == "ca"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"special_tokens": ["<e>", "<e>"]}, "special_tokens: expected different .*'<e>' twice"),
        ({"special_tokens": ["<e>", 3]}, "special_tokens: expected different texts .*, got 3"),
        ({"alphabet": [b"a", b"b", b"a"]}, "alphabet: expected different single bytes, got b'a' t"),
        ({"alphabet": [b"a", b"bc"]}, "alphabet: expected different single bytes, got "),
        ({"pattern": "(a"}, "pattern: expected a regular expression, got missing"),
    ],
)
@pytest.mark.parametrize("special_first", [False, True])
def test_names_twice_and_no_pattern_are_refused(arguments, message, special_first):
    with pytest.raises(ValueError, match=message):
        BPETokenizer(**{"merges": [], "special_first": special_first} | arguments)


def test_training_refuses_a_name_twice_before_it_begins():
    with pytest.raises(ValueError, match="special_tokens: expected different"):
        BPETokenizer.train("text", 300, [END, END])
    for wrong in (300.0, True, -1):
        with pytest.raises(ValueError, match="vocab_size: expected a whole number above 0"):
            BPETokenizer.train("text", wrong)


def test_a_merge_twice_changes_nothing():
    once, twice = (BPETokenizer([(b"a", b"b")] * n, ["<e>"]) for n in (1, 2))
    assert once.vocab == twice.vocab
    assert once.special_tokens == twice.special_tokens
    assert twice.decode(twice.encode("abab")) == "abab"


@pytest.mark.parametrize(
    "pattern", [r"(\p{L})\p{L}*|[^\p{L}]+", r"(\p{L}+)|(\p{N}+)|\s+", r"(?=a)|.(.)?"]
)
def test_pattern_with_groups_loses_nothing(pattern):
    tokenizer = BPETokenizer([(b"a", b"b")], pattern=pattern)
    assert tokenizer.decode(tokenizer.encode("cab 12 ab")) == "cab 12 ab"


def test_text_outside_the_pattern_is_refused():
    with pytest.raises(ValueError, match=r"text: expected what the pattern fits, got ' !' outside"):
        BPETokenizer([], pattern=r"\w+").encode("hello world!")


@pytest.mark.parametrize("letters", ["a", "abcdefgh"])
def test_training_on_one_long_word_takes_time_in_proportion_to_its_length(letters):
    def seconds(n):
        word = "".join(random.Random(0).choices(letters, k=n))
        start = time.process_time()
        tokenizer = BPETokenizer.train(word, 300)
        taken = time.process_time() - start
        assert tokenizer.decode(tokenizer.encode(word)) == word
        return taken

    assert seconds(160_000) / seconds(10_000) < 80  # n log n says 21, n² says 256


def test_a_failed_save_leaves_no_rest(tmp_path):
    tokenizer = BPETokenizer([], ["<e>"])
    (tmp_path / "t.json").mkdir()
    with pytest.raises(OSError, match=r"t\.json"):
        tokenizer.save(tmp_path / "t.json")
    assert [path.name for path in tmp_path.iterdir()] == ["t.json"]
