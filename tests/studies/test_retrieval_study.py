"""What SmolLM2 was asked with passages and tools, and what the committed texts must agree with."""

import pytest

from course_lib.agent import (
    KINDS,
    SUM_EXAMPLES,
    attacks,
    cut_pages,
    errands,
    holders,
    load_pages,
    load_questions,
    load_unanswered,
    misspelled,
    says,
    tool_tasks,
)
from course_lib.studies import retrieval

RUNS = retrieval.load_runs()


def test_the_gold_passage_holds_the_answer_and_the_wrong_one_does_not():
    passages = cut_pages(load_pages())
    for question, right, wrong in zip(
        load_questions(), retrieval.gold(), retrieval.wrong(), strict=True
    ):
        assert right in holders(question, passages)
        assert says(passages[right].text, question.answers)
        assert not says(passages[wrong].text, question.answers)


def test_a_short_passage_holds_the_answer_in_thirty_words():
    for question, (text,) in zip(load_questions(), retrieval.short(), strict=True):
        assert question.evidence in text
        assert len(text.split()) <= 30


def test_there_is_a_text_for_each_question_and_task():
    n = len(load_questions())
    for way in ("closed book", "gold", "gold, short", "BM25", "MiniLM", "wrong"):
        assert len(RUNS[way]) == n, way
    assert len(RUNS["unanswered"]) == len(RUNS["unanswered, honest"]) == len(load_unanswered())
    assert len(RUNS["gold, honest"]) == retrieval.HONEST
    for way in ("sums", "sums, shown", "sums, must call"):
        assert len(RUNS[way]) == retrieval.SUMS
    for way in ("shown", "may call", "must call", "called"):
        assert len(RUNS[f"search, {way}"]) == n
    assert len(RUNS["attacks"]) == len(RUNS["attacks, fence"]) == len(attacks())
    assert len(RUNS["errands"]) == len(errands())
    assert len(RUNS["misspelled"]) == len(misspelled())
    for kind in KINDS:
        assert len(RUNS[f"tools, {kind} last"]) == len(tool_tasks()) / 2


def test_what_was_found_are_passages_and_bm25_finds_them_again():
    from course_lib.agent import BM25, words

    passages = cut_pages(load_pages())
    index = BM25([words(passage.text) for passage in passages])
    asked = [each.question for each in load_questions()] + load_unanswered()
    best = [int(index.scores(words(question)).round(4).argmax()) for question in asked]
    assert RUNS["found"]["BM25"] == best
    assert len(RUNS["found"]["MiniLM"]) == len(asked)
    assert all(0 <= number < len(passages) for number in RUNS["found"]["MiniLM"])


def test_calls_are_of_the_names_that_the_grammar_allows():
    for kind in KINDS:
        assert {call[0] for call in RUNS[f"tools, {kind} last"]} <= set(KINDS)
    for way in ("attacks", "attacks, fence", "errands"):
        assert {call[0] for call in RUNS[way]} <= {"answer", "send_mail", "delete_note"}


def test_passages_help_and_wrong_ones_do_not():
    right = {
        way: sum(says(text, q.answers) for text, q in zip(RUNS[way], load_questions(), strict=True))
        for way in ("closed book", "gold", "wrong")
    }
    assert right["closed book"] <= 2
    assert right["gold"] >= 15
    assert right["wrong"] <= 2


def test_the_model_must_search_or_the_program_does_with_the_question_as_it_stands():
    assert all(went["steps"] for went in RUNS["search, must call"])
    for went, question in zip(RUNS["search, called"], load_questions(), strict=True):
        tool, query, result, ran = went["steps"][0]
        assert (tool, query, ran) == ("search", question.question, True)
        assert result == retrieval.searched(query)


def test_without_a_tool_only_the_examples_tasks_and_answers_are_shown(monkeypatch):
    monkeypatch.setattr(retrieval, "answers", lambda prompts: prompts)
    ((*shown, asked),) = retrieval.alone(["What is 2 plus 2?"], SUM_EXAMPLES)
    assert [message["content"] for message in shown] == [
        "What is 17 plus 25?",
        "42",
        "What is 12 times 30?",
        "360",
    ]
    assert asked == {"role": "user", "content": "What is 2 plus 2?"}


WITH_STEPS = ["sums, must call", "search, may call", "search, must call", "search, called"]


@pytest.mark.parametrize("way", [*WITH_STEPS, "misspelled"])
def test_no_task_goes_beyond_its_steps(way):
    assert all(len(went["steps"]) <= 4 for went in RUNS[way])
