"""What a statement asks to be written by oneself is entered, and found where it is borrowed."""

import re

import pytest

from course_lib.assignments.cells import chapter_names, chapter_path, read_chapter
from course_lib.assignments.own import OWN, Names, borrowed
from course_lib.assignments.submission import defined

EXERCISES = {
    (one.chapter, one.name): one
    for chapter in chapter_names()
    for one in read_chapter(chapter_path(chapter))
}
ASKED = re.compile(
    r"do not (use|build|call)|use no |without `?(torch|F\.|an optimizer)|but not `"
    r"|write \w+ \w+ yourself|torch\.\w+` only",
    re.I,
)
NAMELESS = {("numbers_that_learn", "to_shares")}  # a loop is used by no name
ENTRIES = [(*key, name) for key, names in OWN.items() for name in sorted(names)]


def test_each_exercise_whose_statement_asks_for_own_work_is_entered():
    asked = {key for key, one in EXERCISES.items() if ASKED.search(one.statement)}
    assert asked - NAMELESS == set(OWN)
    assert asked >= NAMELESS


@pytest.mark.parametrize("key", OWN, ids="/".join)
def test_the_courses_solution_borrows_nothing(key):
    exercise = EXERCISES[key]
    assert borrowed(exercise, [exercise.imports, exercise.solution]) == ""


@pytest.mark.parametrize(("chapter", "name", "forbidden"), ENTRIES)
def test_what_is_forbidden_is_found_however_it_is_imported(chapter, name, forbidden):
    exercise = EXERCISES[chapter, name]
    module, _, last = forbidden.rpartition(".")
    place = module or "torch.somewhere"
    whole = last if last == "join" else f"{place}.{last}"  # texts have a method of that name
    wrote = f"def {name}(*_): return "
    ways = {
        f"from {place} import {last}": f"{last}.x()",
        f"from {place} import {last} as other": "other(1)",
        "import nothing": f"h()\n\ndef h():\n    from {place} import {last} as o\n    o(0)",
        "in a helper": "helper()\n\ndef helper(): return " + whole,
        "by another name": "other()\n\nother = " + whole,
        "in a text": f"getattr(other, {forbidden!r})",
    }
    if last == "join":
        del ways["in a text"]
    if last == name:  # then it is the answer that calls itself
        del ways[f"from {place} import {last}"]
    for before, text in ways.items():
        cells = [before if before.startswith("from") else "", wrote + text]
        assert borrowed(exercise, cells) == forbidden, cells


@pytest.mark.parametrize(
    ("chapter", "name", "text"),
    [
        ("preprocessing", "encode", "''.join([])"),
        ("preprocessing", "encode", "join()\n\ndef join(): return 1"),
        ("training", "learn", "torch.optim.AdamW([])"),
        ("background", "training_days", "costs\n\ncosts = 5"),
        ("numbers_that_learn", "one_step", "[b for b in _]\n\nb = torch.ones(1)"),
        ("numbers_that_learn", "one_step", "c\n\ndef other():\n    c = torch.ones(1)"),
        ("numbers_that_learn", "one_step", "'no torch here'"),
        ("self_attention_mathematics", "softmax", "softmax(1)"),
        ("text_generation", "min_p", "torch.softmax(1)"),
    ],
)
def test_what_is_ones_own_or_allowed_is_not_forbidden(chapter, name, text):
    assert borrowed(EXERCISES[chapter, name], [f"def {name}(*_): return {text}"]) == ""


def test_everything_of_a_forbidden_module_at_once_is_found():
    exercise = EXERCISES["training_on_gpu", "limited_by"]
    cells = ["from course_lib.costs import *", "def limited_by(*_): return bound()"]
    assert borrowed(exercise, cells) == "course_lib.costs"


def test_a_cell_that_is_no_python_hides_nothing():
    exercise = EXERCISES["training_on_gpu", "limited_by"]
    cells = ["def (", "import course_lib.costs as c", "def limited_by(*_): return c.bound()"]
    assert borrowed(exercise, cells) == "course_lib.costs"


def test_cells_too_long_to_read_cost_the_judge_nothing():
    """A million statements would take minutes, outside of every limit."""
    names = Names(["x = 1;" * 10**6, *["y = 1;" * 800] * 20, "z = 1"])
    assert "x" not in names.bodies
    assert names.bodies.keys() >= {"y", "z"}
    assert not defined("def f(): ...\n" + "x = 1;" * 10**6)
