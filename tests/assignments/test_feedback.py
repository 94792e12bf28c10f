"""A learner's page tells what was asked, given and seen, and nothing of a hidden test."""

import html
import re

import pytest
from graded_class import EXERCISES, HOSTILE

from course_lib.assignments.__main__ import main
from course_lib.assignments.feedback import BEYOND, feedback, told
from course_lib.assignments.pages import prose, shown
from course_lib.assignments.release import leaks
from course_lib.assignments.verdicts import Verdict


@pytest.fixture
def pages(course):
    return {file.parts[-3]: file.read_text(encoding="utf-8") for file in feedback(course)}


def test_each_learner_has_a_page_with_points_code_and_hints(pages):
    assert set(pages) == {"ada", "bob", "cy"}
    assert "8 of 8 points" in pages["ada"]
    assert "return w * t / s" in pages["ada"]
    assert "5 of 8 points" in pages["cy"]
    assert "not yet. 200 tokens read, of 100: 2, got 3" in pages["cy"]
    assert "at 0.5 it is 3" in pages["bob"]
    for exercise in EXERCISES:
        assert f"<h2>{html.escape(exercise.title)} (" in pages["ada"]


def test_nothing_of_a_hidden_test_or_a_solution_is_in_it(pages):
    for text in pages.values():
        assert not leaks(html.unescape(text), EXERCISES)


def test_a_message_that_quotes_the_hidden_test_is_replaced():
    line = "got = times_read(0.22, 19e9, 300e9)"
    quoted = Verdict("times_read", 1.0, 0.0, "passed", False, f"line 3: {line}", 0.1)
    assert leaks(quoted.message, EXERCISES)
    assert told(quoted, EXERCISES) == BEYOND


def test_what_a_learner_wrote_is_shown_and_does_nothing(pages):
    text = pages["bob"]
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "\\x1b[31m\\x202e" in text
    assert "default-src 'none'" in text
    assert not re.search(r"(src|href)=", text)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a *b* c", "<p>a <em>b</em> c</p>"),
        ("2 * 3 * 4", "<p>2 * 3 * 4</p>"),
        ("`a * b` and `c * d`", "<p><code>a * b</code> and <code>c * d</code></p>"),
        (r"$d\times d$", "<p><i>d × d</i></p>"),
        (r"$\frac{1}{2}$", r"<p><code>\frac{1}{2}</code></p>"),
        ("- one\n- *two*", "<ul><li>one\n</li><li><em>two</em></li></ul>"),
        ("[a](https://x.org/b)", '<p><a href="https://x.org/b">a</a></p>'),
        ("[a](training.ipynb)", "<p>a</p>"),
        ("[a](javascript:alert)", "<p>a</p>"),
        ('"<script>"', "<p>&quot;&lt;script&gt;&quot;</p>"),
    ],
)
def test_a_text_of_the_book_reads_as_in_the_book(text, made):
    assert prose(text) == made


def test_prose_escapes_before_it_marks_up():
    assert prose("### A\n\n`<b>` is **bold**") == (
        "<p><code>&lt;b&gt;</code> is <strong>bold</strong></p>"
    )
    assert shown(HOSTILE).count("<") == 0


def test_the_command_says_where_the_pages_are(course, tmp_path, capsys):
    assert main(["feedback", "--course", str(course)]) == 0
    assert capsys.readouterr().out == f"3 pages in {course / 'feedback'}\n"
    assert main(["feedback", "--course", str(tmp_path / "new")]) == 2


def test_a_cell_that_is_no_python_is_told_where():
    from course_lib.assignments.judge import undefined

    cells = ["x = (", "def times_read(w s):\n    return 1"]
    said = undefined("times_read", cells)
    assert said == "its cell can't be run: SyntaxError, line 1"
    assert undefined("other", cells) == "no other is defined"
    verdict = Verdict("times_read", 1, 0, "missing", False, said, 0.1)
    assert told(verdict, EXERCISES) == f"missing. {said}"


def test_no_letter_of_a_learner_s_is_unseen():
    unseen = "\u061c\u180e\u2028\u202e\u2066\u3164\ufe0f\U000e0041\xad"
    assert shown(f"a{unseen}b").isascii()
    assert shown("né, 中文") == "né, 中文"
