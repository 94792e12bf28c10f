"""The questions of 'Evaluation' follow their rules, and what models answered fits them."""

import re
from collections import Counter

import pytest

from course_lib.data import HELD_OUT, load_dialogues, load_spoken_plays
from course_lib.evaluation import choose
from course_lib.studies import questions

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def asked():
    return {task: make() for task, make in questions.TASKS.items()}


def words_apart(question):
    pairs = zip(*(re.findall(r"[a-z'-]+", c.lower()) for c in question.choices), strict=True)
    return [pair for pair in pairs if pair[0] != pair[1]]


@pytest.mark.parametrize("task", ["homophones", "agreement"])
def test_two_sentences_differ_in_one_word_and_the_right_one_is_from_a_held_out_play(asked, task):
    held_out = " ".join(load_spoken_plays(HELD_OUT)[1].split())
    for question in asked[task]:
        assert len(words_apart(question)) == 1, question
        right, wrong = question.choices[question.right], question.choices[1 - question.right]
        assert right in held_out
        assert wrong not in held_out


@pytest.mark.parametrize("task", ["homophones", "agreement"])
def test_a_word_is_right_as_often_as_it_is_wrong(asked, task):
    right, wrong = Counter(), Counter()
    for question in asked[task]:
        ((first, second),) = words_apart(question)
        pair = (first, second) if question.right == 0 else (second, first)
        right[pair] += 1
        wrong[pair[::-1]] += 1
    assert right == wrong


def test_the_right_choice_stands_everywhere_equally_often(asked):
    for rows in asked.values():
        places = Counter(question.right for question in rows)
        assert len(places) == len(rows[0].choices)
        assert max(places.values()) - min(places.values()) <= 1


def test_a_fact_has_its_own_answer_and_three_of_its_kind(asked):
    answers = {
        " ".join(turns[0].split()): re.sub(r"\.$", "", turns[1].strip())
        for turns in (d.turns for d in load_dialogues() if d.topic == "trivia")
    }
    for question in asked["facts"]:
        said = question.before.removeprefix("Question: ").removesuffix("\nAnswer:")
        assert question.choices[question.right] == " " + answers[said]
        assert len({choice.lower() for choice in question.choices}) == 4


def test_answers_are_there_for_each_choice_of_each_question(asked):
    found = questions.load_answers()
    for model in questions.MODELS:
        for task, rows in asked.items():
            assert len(choose(rows, found[model][task])) == len(rows)
        choose(asked["facts"], found[model]["facts"], without=found[model]["unasked"])
    assert [prompt for prompt, _ in questions.prompts()] == found["arena"]["prompts"]


def test_a_counting_model_scores_what_stands_behind_the_question(asked):
    question = asked["homophones"][0]
    whole = questions.Question("", tuple(question.before + c for c in question.choices), 0)
    head = questions.Question("", (question.before,), 0)
    (start,) = questions.counted_log_probs(2, head)
    for both, part in zip(
        questions.counted_log_probs(2, whole),
        questions.counted_log_probs(2, question),
        strict=True,
    ):
        assert both == pytest.approx(start + part)
