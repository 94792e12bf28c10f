"""Cleaning does what each step's name says and no more."""

import time
import unicodedata

import numpy as np
import pytest

from course_lib import data
from course_lib.text import cleaning as text
from course_lib.text import sentence_keys, shingles
from course_lib.text.cleaning import (
    clean,
    drop_copies,
    drop_repeated_lines,
    each,
    keep,
    table,
)

# Steps for one document


@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        (text.nfc, "cafe\u0301 中文 🙂", "café 中文 🙂"),
        (text.nfc, "\u1112\u1161\u11ab", "한"),
        (text.mend_encoding, "wow \x96 it\x92s \x93good\x94\x85", "wow – it’s “good”…"),
        (text.mend_encoding, "a\x81b", "ab"),
        (text.strip_html, "one<br /><br>two<BR/>three", "one\n\ntwo\nthree"),
        (text.strip_html, "<i>so</i> &amp; &#8230; <b class='x'>on</b>", "so & … on"),
        (text.strip_html, "I <grin> at 1 < 2 and a<b, b>a <3", "I <grin> at 1 < 2 and a<b, b>a <3"),
        (text.strip_html, "&lt;br&gt;", "<br>"),
        (text.squeeze_whitespace, "  a \t b\r\n\r\n\n\n c\u00a0\u3000d  ", "a b\n\nc d"),
        (text.mask_personal_data, "Write to a.b+c@mail.example.co.uk.", "Write to <email>."),
        (text.mask_personal_data, "邮箱abc@qq.com电话13812345678。", "邮箱<email>电话<phone>。"),
        (text.mask_personal_data, "(555) 123-4567, 555-123-4567", "<phone>, <phone>"),
        (text.mask_personal_data, "+44 20 7946 0958 or +86 138 1234 5678", "<phone> or <phone>"),
    ],
)
def test_step_changes_what_it_names(step, before, after):
    assert step(before) == after


@pytest.mark.parametrize("step", [text.nfc, text.mend_encoding, text.strip_html])
@pytest.mark.parametrize("sample", ["", "naïve café", "中文分词,对吗?", "👩‍👩‍👧‍👦 🇫🇷", "a < b"])
def test_step_leaves_plain_text_in_any_script_alone(step, sample):
    assert step(sample) == sample


@pytest.mark.parametrize(
    "sample",
    [
        "1939-1945 and 2001: A Space Odyssey",
        "8/10, 1,000,000 dollars, 12-13-2004",
        "user @ home, @name, ISBN 0-306-40615-2",
        "138123456789012",
    ],
)
def test_mask_leaves_other_numbers_and_signs_alone(sample):
    assert text.mask_personal_data(sample) == sample


@pytest.mark.parametrize("step", [text.squeeze_whitespace, text.mask_personal_data])
def test_step_done_twice_changes_no_more(step, reviews):
    for review in list(reviews.values())[:300]:
        assert step(step(review)) == step(review)


@pytest.mark.network
def test_play_loses_its_markup_and_keeps_its_words():
    hamlet = text.strip_play_markup(data.load_plays()["hamlet"])
    assert hamlet.startswith("Who's there?\n\nNay, answer me: stand, and unfold yourself.")
    assert not set(hamlet) & set("#*_[]\\")
    assert "Enter HAMLET" not in hamlet
    assert "To be, or not to be: that is the question:\nWhether 'tis nobler" in hamlet
    assert "\n\n\n" not in hamlet
    assert " \n" not in hamlet


@pytest.mark.network
def test_english_is_told_from_other_languages():
    def share(texts):
        joined = [" ".join(texts[i : i + 20]) for i in range(0, 400, 20)]
        return np.mean([text.looks_english(sample) for sample in joined])

    pairs = data.load_messages("fr")
    assert share([review.text for review in data.load_film_reviews()]) == 1
    assert share([pair.source for pair in pairs]) > 0.9
    assert share([pair.target for pair in pairs]) == 0
    assert share([review.text for review in data.load_chinese_reviews()]) < 0.1


# Steps for all documents


def test_repeated_lines_are_those_of_enough_documents():
    documents = {i: f"Film {i}\nRead my page!\nRead my page!" for i in range(5)}
    assert drop_repeated_lines(documents) == {i: f"Film {i}" for i in range(5)}
    assert drop_repeated_lines(documents, least=6) == documents
    with pytest.raises(ValueError, match="least: expected a whole number above 0"):
        drop_repeated_lines({}, 0)


def test_first_of_copies_is_kept():
    assert drop_copies({"a": "x", "b": "y", "c": "x"}) == {"a": "x", "b": "y"}


# Reports


def test_reports_say_what_each_step_changed():
    documents = {"a": "<b>one</b> two", "b": "one two", "c": "x"}
    cleaned, reports = clean(
        documents,
        {"HTML": each(text.strip_html), "copies": drop_copies, "short": keep(lambda t: " " in t)},
    )
    assert cleaned == {"a": "one two"}
    assert documents["a"] == "<b>one</b> two", "the input stays"
    html, copies, short = reports
    assert (html.documents, html.characters, html.changed) == ((3, 3), (22, 15), 1)
    assert html.examples == [("<b>one</b> two", "one two")]
    assert (copies.documents, copies.characters, copies.changed) == ((3, 2), (15, 8), 0)
    assert copies.examples == [("one two", "")]
    assert short.documents == (2, 1)
    lines = table(reports).splitlines()
    assert [line.split()[0] for line in lines] == ["step", "(raw)", "HTML", "copies", "short"]
    assert lines[2].split() == ["HTML", "3", "15", "1"]


def test_report_of_a_long_document_shows_the_place():
    _, (report,) = clean({0: "x" * 500 + "<br>" + "y" * 500}, {"HTML": each(text.strip_html)})
    ((before, after),) = report.examples
    assert "<br>" in before
    assert "\n" in after
    assert len(before) == len(after) == 60


# Long texts


LONG = 200_000
STEPS_OF_TEXT = [
    text.nfc,
    text.mend_encoding,
    text.strip_html,
    text.strip_play_markup,
    text.squeeze_whitespace,
    text.mask_personal_data,
    text.looks_english,
    shingles,
    lambda document: list(sentence_keys(document)),
]
UNITS = ["a", "1", "1 ", "+1 ", "+123456789012345678 ", "a@", "a@a.", "@", "-", "_", "_ ", "**a"]
UNITS += [" ", "\n ", "<", "<br ", "</b", "&#", "&#1", "&amp", "\\", "[", "{", "é", "\u0300\u0327"]


@pytest.mark.parametrize("unit", UNITS)
def test_steps_take_time_in_proportion_to_the_text(unit):
    document = "<b _a" + unit * (LONG // len(unit)) + " x"
    start = time.perf_counter()
    for change in STEPS_OF_TEXT:
        change(document)
    assert time.perf_counter() - start < 60  # minutes where it grows with the square


def test_masking_finds_each_address():
    masked = text.mask_personal_data("a@b.c+d@e.f, x@y, me.and@you-2.example.org. a@b.c@d.e")
    assert masked == "<email><email>, x@y, <email>. <email>@d.e"


@pytest.mark.parametrize(("digits", "sign"), [("9", "\ufffd"), ("0", "A"), ("0", "\ufffd")])
def test_character_reference_of_any_length_is_read(digits, sign):
    reference = "&#" + digits * 10_000 + ("65" if sign == "A" else "") + ";"
    assert text.strip_html(f"x{reference}y") == f"x{sign}y"


def test_many_marks_on_a_letter_are_put_in_order_by_thirty():
    few = "a" + "\u0300\u0327" * 15
    assert text.nfc(few) == unicodedata.normalize("NFC", few)
    many = text.nfc("a" + "\u0300\u0327" * 40)
    assert many.count("\u034f") == 2
    assert text.nfc(many) == many
