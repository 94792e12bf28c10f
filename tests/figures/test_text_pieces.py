"""Drawings of text in pieces: tokens, ids and merges in them are those of the tokenizer."""

import json
import re
from pathlib import Path

import pytest

from course_lib.figures import merge_tree, pieces
from course_lib.text import BPETokenizer

CHAPTER = Path(__file__).parents[2] / "notebooks" / "preprocessing.ipynb"
BPE = BPETokenizer.train("low lower lowest new newer newest the widest " * 3, 256 + 14)


def written(drawing):
    return re.findall(r">([^<>]+)</text>", drawing)


def test_the_ids_of_the_verse_are_those_that_the_chapter_prints():
    outputs = json.dumps(json.loads(CHAPTER.read_text(encoding="utf-8")))
    assert str(list(pieces.IDS)) in outputs


@pytest.mark.parametrize("word", [" lower", " newest", " unseen", "é", "aaaaa"])
def test_a_tree_ends_in_the_tokenizer_s_tokens(word):
    tokens = list(BPE.vocab)
    ends = [tree.token for tree in pieces._grow(BPE.merges, word)]
    assert ends == [tokens[i] for i in BPE.encode(word)]


def test_overlapping_pairs_are_joined_from_the_left():
    ends = [tree.token for tree in pieces._grow([(b"a", b"a")], "aaaaa")]
    assert ends == [b"aa", b"aa", b"a"]


def test_a_tree_shows_each_piece_and_the_number_of_its_merge(shown):
    merges = [(b"u", b"g"), (b"x", b"x"), (b"h", b"ug")]
    drawing = shown(merge_tree, merges, "hugs")
    assert sorted(written(drawing)) == sorted(["h", "u", "g", "s", "ug", "hug", "1", "3"])
    assert "1: u and g; 3: h and ug. Its tokens: hug, s." in drawing


@pytest.mark.parametrize("word", ["", "a" * 14])
def test_a_word_that_cannot_be_drawn_is_refused(word):
    with pytest.raises(ValueError, match="word: expected 1 to 13 bytes"):
        merge_tree([], word)
