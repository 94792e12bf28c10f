"""The made-up class: 30 learners, each way of handing in, graded by the kind that it is."""

import ast
import json

import pytest

from course_lib.assignments import demo
from course_lib.assignments.cells import NOTEBOOKS, read_chapter
from course_lib.assignments.report import report
from course_lib.assignments.submission import read_submission
from course_lib.assignments.verdicts import Graded, Verdict

CHAPTER = "background"
EXERCISES = read_chapter(NOTEBOOKS / f"{CHAPTER}.ipynb")
SOLUTIONS = {one.name: ast.dump(ast.parse(demo.without_check(one.solution))) for one in EXERCISES}


def compare(jobs, workers):
    """In place of the sandbox: an answer is right if it is the solution, word by word."""
    for job in jobs:
        names = [one.name for one in EXERCISES]
        found = read_submission(job.submission.read_bytes(), names)
        verdicts = []
        for one in EXERCISES:
            answer = found.answers.get(one.name, "")
            right = ast.dump(ast.parse(answer.partition(demo.COPIED)[0])) == SOLUTIONS[one.name]
            said = "passed" if right else "not yet"
            earned = one.points if right else 0.0
            verdicts.append(Verdict(one.name, one.points, earned, said, right, "", 0.0))
        yield Graded(job.submission, job.chapter, job.seed, verdicts, list(found.problems))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "class"
    return out, demo.demo(out, CHAPTER, compare)["class"]


@pytest.fixture(scope="module")
def rows(made):
    return made[1]


def test_thirty_learners_of_different_names_hand_in(rows):
    assert len({row["name"] for row in rows}) == 30
    assert {row["kind"] for row in rows} == set(demo.CLASS)


def test_what_is_right_gets_all_points_and_late_less(rows):
    most = sum(one.points for one in EXERCISES)
    assert {row["score"] for row in rows if row["kind"] == "right"} == {most}
    late = [row["score"] for row in rows if row["kind"] == "right, but late"]
    assert all(0 < score < most for score in late)


def test_the_report_shows_who_has_what_went_round(made):
    out, rows = made
    copied = {row["student"] for row in rows if row["kind"] == "right, with other names"}
    pairs = report(out)[1][CHAPTER]["alike"]
    assert {(name, who) for name, *both, _ in pairs for who in both} >= {
        (EXERCISES[-1].name, who) for who in copied
    }


def test_what_is_hostile_loses_the_answer_that_it_stands_for(rows):
    most = sum(one.points for one in EXERCISES)
    assert all(row["score"] < most for row in rows if row["kind"] in demo.HOSTILE)


@pytest.mark.parametrize("one", EXERCISES, ids=lambda one: one.name)
def test_other_names_leave_an_answer_right_and_a_slip_makes_it_wrong(one):
    """Both run: the chapter's own hidden test decides."""

    def passes(answer: str) -> bool:
        space: dict = {}
        for part in (one.imports, one.test, one.hidden_test, answer):
            code = part if part is answer else demo.without_check(part)
            exec(compile(code, one.name, "exec"), space)
        try:
            space[f"hidden_test_{one.name}"](space[one.name])
        except Exception:
            return False
        return True

    right = demo.without_check(one.solution)
    other = demo.renamed(right)
    assert passes(other)
    assert not passes(demo.slipped(right))


def test_a_download_is_made_of_notebooks_that_can_be_read():
    for handed in demo.handed_in(NOTEBOOKS / f"{CHAPTER}.ipynb"):
        assert json.loads(handed.notebook)["nbformat"] == 4


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ValueError, match="expected a new folder"):
        demo.demo(tmp_path, CHAPTER, compare)
