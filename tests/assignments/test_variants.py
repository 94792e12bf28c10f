"""Numbers of each learner's own: stable, different, and each other's answers fail."""

import contextlib
import io
import json
import re

import pytest

from course_lib.assignments.__main__ import main
from course_lib.assignments.cells import Own, chapter_names, chapter_path, read_chapter
from course_lib.assignments.collect import collect
from course_lib.assignments.gradebook import FILE, Gradebook
from course_lib.assignments.release import release, without_check
from course_lib.assignments.roster import roster
from course_lib.assignments.variants import choice, own_key, with_number, with_own

WITH_OWN = [
    pytest.param(one, id=f"{chapter}-{one.name}")
    for chapter in chapter_names()
    for one in read_chapter(chapter_path(chapter))
    if one.own
]
CLASS = "First name,Last name,Email address\nAda,Abel,ada@x.org\nBen,Brook,ben@x.org\n"


def passes(exercise, answer):
    """Return whether an answer passes an exercise's hidden test, which begins with the other."""
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(exercise.imports, names)
        names["check"] = lambda *_: None
        for part in (exercise.test, answer, exercise.hidden_test):
            exec(part, names)
        try:
            names[f"hidden_test_{exercise.name}"](names[exercise.name])
        except AssertionError:
            return False
    return True


def test_three_exercises_have_own_numbers():
    assert len(WITH_OWN) >= 3


@pytest.mark.parametrize("exercise", WITH_OWN)
def test_a_number_is_the_same_at_every_call_and_differs_between_learners_and_seeds(exercise):
    found = [choice(exercise, own_key(7, f"learner {n}")) for n in range(60)]
    assert found == [choice(exercise, own_key(7, f"learner {n}")) for n in range(60)]
    assert set(found) == set(exercise.own.choices)
    assert found != [choice(exercise, own_key(8, f"learner {n}")) for n in range(60)]
    assert exercise.own.given not in exercise.own.choices


@pytest.mark.parametrize("exercise", WITH_OWN)
def test_each_solution_is_right_for_its_own_number_and_no_other(exercise):
    variants = [with_number(exercise, number) for number in exercise.own.choices]
    for one, other in zip(variants, [*variants[1:], exercise], strict=True):
        assert passes(one, one.solution)
        assert not passes(one, other.solution)


@pytest.mark.parametrize("exercise", WITH_OWN)
def test_no_part_keeps_the_book_s_number_in_a_form(exercise):
    made = with_number(exercise, "7")
    for form in exercise.own.forms:
        old = re.escape(form.replace("{}", exercise.own.given))
        for part in (made.statement, made.test, made.hidden_test, made.solution):
            assert not re.search(rf"{old}\b", part)


def test_a_longer_number_is_another_one():
    exercise = WITH_OWN[0].values[0]
    text = "at 20e9, not 120e9, 20.5 or 20e91: 20e9."
    own = Own("20", ("15",), ("{}e9",))
    made = with_number(type(exercise)(*("c", "n", 1.0, "", "", "", "", "20e9"), text, own), "15")
    assert made.statement == "at 15e9, not 120e9, 20.5 or 20e91: 15e9."


def test_a_form_that_stands_nowhere_is_told():
    exercise = WITH_OWN[0].values[0]
    parts = ("c", "n", 1.0, "", "", "", "", "20e9")
    with pytest.raises(ValueError, match="c, exercise n, own: expected '20 kg' in a cell"):
        with_number(type(exercise)(*parts, "20e9", Own("20", ("15",), ("{} kg",))), "15")
    with pytest.raises(ValueError, match="expected 20 in the text of the exercise"):
        with_number(type(exercise)(*parts, "", Own("20", ("15",), ("{}e9",))), "15")


@pytest.fixture
def course(tmp_path):
    """Return the folder of a class with a list of two."""
    path = tmp_path / "list.csv"
    path.write_text(CLASS, encoding="utf-8")
    roster(path, tmp_path / "class")
    return tmp_path / "class"


def test_without_a_seed_nobody_has_own_numbers(course, tmp_path):
    [row] = release(["compute"], course)
    assert (row["own"], (course / "own").exists()) == ({"learners": 0, "exercises": []}, False)
    release(["compute"], tmp_path / "other")
    assert not (tmp_path / "other" / FILE).exists()


def test_each_learner_gets_a_notebook_with_own_numbers(course):
    [row] = release(["compute"], course, seed=7)
    assert not (course / "release").exists()
    assert row["own"]["learners"] == 2
    for student in ("ada@x.org", "ben@x.org"):
        held = (course / "own" / student / "compute" / "compute.ipynb").read_text(encoding="utf-8")
        for one in read_chapter(chapter_path("compute")):
            mine = with_own(one, own_key(7, student))
            for part in (mine.test, mine.stub):
                assert json.dumps(part, ensure_ascii=False) in held
            for part in (mine.solution, mine.hidden_test):
                assert json.dumps(part, ensure_ascii=False) not in held
        assert "Open this notebook on Colab" not in held
    # Released again without, the book's numbers count.
    release(["compute"], course)
    with Gradebook(course / FILE) as book:
        assert book.own("compute") is None


def test_the_command_says_what_it_did(course, tmp_path, capsys):
    assert main(["release", "compute", "--out", str(tmp_path / "none"), "--seed", "7"]) == 2
    assert "--seed: expected the class's list in" in capsys.readouterr().err
    assert main(["release", "compute", "--out", str(course), "--seed", "7"]) == 0
    said = capsys.readouterr().out
    assert "a notebook for each of 2 learners, with own numbers in: " in said
    assert "When does the small model pay?" in said
    assert main(["release", "scaling", "--out", str(course), "--seed", "7"]) == 0
    assert "--seed changes none" in capsys.readouterr().out


def answered(course, student, by):
    """Return a learner's notebook with the right answers to somebody's numbers."""
    path = course / "own" / student / "compute" / "compute.ipynb"
    held = json.loads(path.read_text(encoding="utf-8"))
    right = {
        one.name: without_check(with_own(one, own_key(7, by)).solution)
        for one in read_chapter(chapter_path("compute"))
    }
    for cell in held["cells"]:
        cell["source"] = right.get(cell["metadata"]["nbgrader"]["grade_id"], cell["source"])
    return json.dumps(held)


@pytest.mark.long
def test_the_judge_knows_each_learner_s_numbers(walls, course, tmp_path):
    release(["compute"], course, seed=7)
    inbox = tmp_path / "inbox"
    for student, by in (("ada@x.org", "ada@x.org"), ("ben@x.org", "ada@x.org")):
        file = inbox / student / "compute.ipynb"
        file.parent.mkdir(parents=True)
        file.write_text(answered(course, student, by), encoding="utf-8")
    assert collect([inbox], course)["problems"] == []
    assert main(["grade", "--course", str(course), "--seed", "1", "--json"]) == 0
    with Gradebook(course / FILE) as book:
        ada, ben = (book.graded()["compute", who].verdicts for who in ("ada@x.org", "ben@x.org"))
    own = {one.name for one in read_chapter(chapter_path("compute")) if one.own}
    assert {one.name for one in ada if not one.hidden} == set()
    assert {one.name for one in ben if not one.hidden} == own
    # The page tells each learner their own task.
    assert main(["feedback", "--course", str(course)]) == 0
    page = (course / "feedback" / "ada@x.org" / "compute" / "compute.html").read_text("utf-8")
    number = choice(next(p.values[0] for p in WITH_OWN if "break" in p.id), own_key(7, "ada@x.org"))
    assert f"one of {number} billion" in page
