"""How pages are cut, that each question has its place in them, and what counts as an answer."""

import importlib.util
import json

import pytest
from project import PAGES, ROOT

from course_lib.agent import (
    chunk,
    cut_pages,
    holders,
    load_pages,
    load_questions,
    load_unanswered,
    says,
    with_passages,
)

TEXT = " ".join(map(str, range(23)))


@pytest.mark.parametrize(("size", "overlap"), [(1, 0), (5, 0), (5, 2), (7, 6), (23, 5), (50, 10)])
def test_chunks_joined_without_their_overlaps_are_the_text_and_none_is_needless(size, overlap):
    pieces = [piece.split() for piece in chunk(TEXT, size, overlap)]
    joined = pieces[0] + [word for piece in pieces[1:] for word in piece[overlap:]]
    assert joined == TEXT.split()
    assert all(len(piece) == size for piece in pieces[:-1])
    assert all(len(piece) > overlap for piece in pieces[1:]), "a piece that says nothing new"


@pytest.mark.parametrize(("size", "overlap"), [(5, 2), (7, 6), (10, 4)])
def test_what_is_no_longer_than_the_overlap_and_one_stands_whole_in_a_chunk(size, overlap):
    numbers, pieces = TEXT.split(), chunk(TEXT, size, overlap)
    for start in range(len(numbers) - overlap):
        stretch = f" {' '.join(numbers[start : start + overlap + 1])} "
        assert any(stretch in f" {piece} " for piece in pieces)


def test_odd_texts_are_cut_too():
    assert chunk("", 5) == chunk("  \n ", 5) == []
    assert chunk("🙂", 5) == ["🙂"]
    assert chunk("注意力机制没有空格", 2) == ["注意力机制没有空格"]


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (5, 5), (5, -1), (5.0, 1)])
def test_sizes_that_can_t_be_are_refused(size, overlap):
    with pytest.raises(ValueError, match="expected"):
        chunk(TEXT, size, overlap)


HOW = (
    "course_lib/agent/pages.json is a snapshot, so that the chapter's numbers don't change with "
    "each edit of a page. To make it anew: tools/snapshot.py, mend questions.json, then "
    "`python -m course_lib.studies.retrieval`, and run the chapter"
)


def test_each_question_s_evidence_stands_in_its_section_and_nowhere_else():
    pages = load_pages()
    for question in load_questions():
        there = [
            (page, section)
            for page, sections in pages.items()
            for section, text in sections.items()
            if question.evidence in text
        ]
        assert there == [(question.page, question.section)], f"{question.question} {HOW}"
        assert says(question.evidence, question.answers), question.question
        assert not says(question.question, question.answers), "it gives itself away"


def test_with_the_overlap_each_evidence_is_whole_in_a_passage():
    passages = cut_pages(load_pages())
    for question in load_questions():
        assert holders(question, passages), question.question


def test_questions_are_different_and_there_are_enough():
    answered = [each.question for each in load_questions()]
    asked = answered + load_unanswered()
    assert len(set(asked)) == len(asked)
    assert 40 <= len(answered) <= 60
    assert 15 <= sum(each.own_words for each in load_questions()) <= len(answered) - 15
    assert len(load_unanswered()) == 20


def test_the_snapshot_is_small_and_of_pages_that_the_book_still_has():
    size = (ROOT / "course_lib" / "agent" / "pages.json").stat().st_size
    assert size < 200_000, HOW
    spec = importlib.util.spec_from_file_location("snapshot", ROOT / "tools" / "snapshot.py")
    snapshot = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(snapshot)
    assert list(snapshot.PAGES) == list(load_pages())
    assert {file.rsplit(".", 1)[0] for file in snapshot.PAGES.values()} <= set(PAGES), HOW
    assert snapshot.plain("A **b** *c* `d` [e](f.md) {cite:t}`g` ({cite:t}`h`, {cite:t}`i`).") == (
        "A b c d e g."
    )
    assert (
        snapshot.plain("> **Predict.** Wrong answers\n\nstay `{name}` out") == "\nstay {name} out"
    )


@pytest.mark.parametrize(
    ("text", "answers", "right"),
    [
        ("It has 25000 reviews.", ["25,000"], True),
        ("About 25,000.", ["25,000"], True),
        ("That is 125,000.", ["25,000"], False),
        ("It is 4.5 GB.", ["4"], False),
        ("It has 4.", ["4"], True),
        ("It has 14.", ["4"], False),
        ("By SHANNON, in 1948", ["Shannon"], True),
        ("under Windows-1252", ["Windows-1252"], True),
        ("I don't know", ["iambic"], False),
        ("sixteen", ["six", "6"], False),
        ("", ["6"], False),
        ("There are six.", ["6", "six"], True),
    ],
)
def test_an_answer_counts_as_whole_words_and_numbers(text, answers, right):
    assert says(text, answers) is right


def test_a_model_is_asked_with_the_texts_first():
    assert with_passages("Who?", []) == "Who?"
    assert with_passages("Who?", ["A.", "B."]) == "A.\n\nB.\n\nAnswer from this text: Who?"
    assert with_passages("Who?", ["A."], honest=True).endswith("answer only: I don't know.")


def test_the_data_files_are_written_as_the_tool_writes_them():
    for name in ("pages", "questions"):
        text = (ROOT / "course_lib" / "agent" / f"{name}.json").read_text(encoding="utf-8")
        assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=1) + "\n"
