"""Laws of every exercise: right answers pass, its stub doesn't, its tests reject wrong answers.

The answers are in ``wrong_answers/CHAPTER.py``, named ``EXERCISE__what_is_wrong``, and in
``right_answers/CHAPTER.py``, named ``EXERCISE__how_it_is_written``.
"""

import ast
import contextlib
import functools
import importlib.util
import inspect
import io
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from project import NOTEBOOKS, read_notebook

from course_lib.assignments.cells import PARTS, read_chapter

FOLDER = Path(__file__).parent


def load(chapter: Path) -> tuple[str, dict[str, dict[str, str]], list[str]]:
    """Return a chapter's import cell, each exercise's parts, and what is wrong with its cells.

    A chapter that is wrong is told by a test of its own; the others' tests run.
    """
    try:
        read_notebook(chapter)
        found = read_chapter(chapter)
    except (AssertionError, ValueError) as error:
        return "", {}, [str(error)]
    parts = {
        one.name: dict(zip(PARTS, (one.test, one.stub, one.solution, one.hidden_test), strict=True))
        for one in found
    }
    return found[0].imports if found else "", parts, []


FOUND = {path.stem: load(path) for path in NOTEBOOKS}
CHAPTERS = {chapter: found[:2] for chapter, found in FOUND.items()}
# Their tests train models, or need TensorFlow.
LONG = {
    ("tools", "plain_steps"),
    ("tools", "to_dense"),
    ("machine_translation", "write"),
}
EXERCISES = [
    pytest.param(chapter, name, marks=[pytest.mark.long] if (chapter, name) in LONG else [])
    for chapter, (_, found) in CHAPTERS.items()
    for name in found
]


def answers(kind: str, chapter: str) -> dict[str, dict[str, object]]:
    """Return each exercise's answers of a kind, "wrong" or "right", by what is said of them."""
    path = FOLDER / f"{kind}_answers" / f"{chapter}.py"
    assert path.is_file(), f"add tests/book/{kind}_answers/{chapter}.py, with EXERCISE__... in it"
    spec = importlib.util.spec_from_file_location(f"{kind}_{chapter}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, dict[str, object]] = defaultdict(dict)
    for name, answer in inspect.getmembers(module, callable):
        exercise, separator, what = name.partition("__")
        if separator and exercise:
            found[exercise][what] = answer
    return found


def run(chapter: str, name: str, *parts: str) -> tuple[dict, str]:
    """Run an exercise's cells after the chapter's imports; return the names and what is printed."""
    imports, exercises = CHAPTERS[chapter]
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        cells = {"import": imports} | {part: exercises[name][part] for part in parts}
        for part, source in cells.items():
            try:
                exec(compile(source, f"{chapter}:{name}", "exec"), names)
            except Exception as error:
                raise AssertionError(
                    f"{chapter}.ipynb, exercise {name}, its {part} cell: {type(error).__name__}: "
                    f"{error} (it sees the import cell, the exercise's test and the answer)"
                ) from error
    return names, printed.getvalue()


def verdict(names: dict, test: str, answer: object) -> str:
    """Return what the chapter's ``check`` prints of an answer."""
    assert "check" in names, "the import cell: add `from course_lib.assignments import check`"
    assert test in names, f"expected a function {test} in the exercise's cells; name it so"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        names["check"](names[test], answer)
    return printed.getvalue().strip()


def an_axis_more(value: object) -> object:
    """Return a result whose tensors and arrays have an axis that they shouldn't have."""
    if isinstance(value, torch.Tensor | np.ndarray):
        return value[None]
    if type(value) in (list, tuple):
        return type(value)(map(an_axis_more, value))
    return value


def an_item_more(value: object) -> object:
    """Return a result that is longer than it should be."""
    return type(value)([*value, value[-1]]) if type(value) in (list, tuple) and value else value


def a_row_more(value: object) -> object:
    """Return a tensor or an array with its last row twice."""
    if isinstance(value, torch.Tensor) and value.ndim:
        return torch.cat([value, value[-1:]])
    return np.concatenate([value, value[-1:]]) if getattr(value, "ndim", 0) else value


@pytest.mark.parametrize("chapter", FOUND)
def test_exercise_cells_are_whole(chapter):
    faults = FOUND[chapter][2]
    assert not faults, "; ".join(faults)


@pytest.mark.parametrize(("chapter", "name"), EXERCISES)
class TestExercise:
    def test_stub_is_not_written_yet(self, chapter, name):
        _, printed = run(chapter, name, "test", "exercise")
        wanted, got = f"test_{name}: not written yet", printed.strip()
        assert got == wanted, (
            f"{chapter}.ipynb, exercise {name}: its empty answer prints {got!r}, not {wanted!r}; "
            f"it raises NotImplementedError and ends with check(test_{name}, {name})"
        )

    def test_solution_passes_both_tests(self, chapter, name):
        _, printed = run(chapter, name, "test", "solution", "hidden-test")
        wanted = [f"test_{name}: passed", f"hidden_test_{name}: passed"]
        got = printed.split("\n")[:2]
        assert got == wanted, (
            f"{chapter}.ipynb, exercise {name}: expected of the solution {wanted}, got {got}"
        )

    def test_hidden_test_begins_with_the_visible_one_and_goes_on(self, chapter, name):
        place = f"{chapter}.ipynb, exercise {name}, its hidden-test cell"
        cell = ast.parse(CHAPTERS[chapter][1][name]["hidden-test"], place)
        functions = [part for part in cell.body if isinstance(part, ast.FunctionDef)]
        assert functions, f"{place}: expected def hidden_test_{name}(answer), got no function"
        first, *others = functions[0].body
        arguments = [argument.arg for argument in functions[0].args.args]
        assert len(arguments) == 1, f"{place}: expected one argument, the answer; got {arguments}"
        call = f"test_{name}({arguments[0]})"
        assert ast.unparse(first) == call, f"{place}: call the visible test first, as {call}"
        assert others, f"{place}: it needs inputs of its own below {call}"

    def test_at_least_two_other_right_answers_pass_both_tests(self, chapter, name):
        names, _ = run(chapter, name, "test", "solution", "hidden-test")
        right, file = answers("right", chapter)[name], f"right_answers/{chapter}.py"
        assert len(right) >= 2, f"{file}: expected 2 answers {name}__... or more, add one"
        for what, answer in right.items():
            for test in (f"test_{name}", f"hidden_test_{name}"):
                said = verdict(names, test, answer)
                assert said == f"{test}: passed", f"{file}: {name}__{what} is right, but {said}"

    def test_at_least_three_wrong_answers_are_rejected_with_a_hint(self, chapter, name):
        names, _ = run(chapter, name, "test", "solution", "hidden-test")
        wrong, file = answers("wrong", chapter)[name], f"wrong_answers/{chapter}.py"
        assert len(wrong) >= 3, f"{file}: expected 3 answers {name}__... or more, add one"
        for what, answer in wrong.items():
            for test in (f"test_{name}", f"hidden_test_{name}"):
                said, start = verdict(names, test, answer), f"{test}: not yet. "
                place = f"{file}: {name}__{what}"
                assert said.startswith(start), f"{place} is wrong, but {said}; test that"
                hint = f"{place}: {said!r} has no hint; give the test's assert a message"
                assert len(said) > len(start) + 10, hint


@pytest.mark.parametrize("change", [an_axis_more, an_item_more, a_row_more])
@pytest.mark.parametrize(("chapter", "name"), EXERCISES)
def test_right_numbers_in_another_shape_are_rejected(chapter, name, change):
    names, _ = run(chapter, name, "test", "solution")
    solution, changes = names[name], []
    if not inspect.isfunction(solution):
        pytest.skip("a class")

    @functools.wraps(solution)
    def answer(*args: object, **named: object) -> object:
        right = solution(*args, **named)
        changes.append(repr(made := change(right)) != repr(right))
        return made

    said = verdict(names, f"test_{name}", answer)
    if any(changes):
        assert not said.endswith(": passed"), (
            f"{chapter}.ipynb, exercise {name}: its test passes a result with "
            f"{change.__name__.replace('_', ' ')}; let it compare the shape or the length"
        )


@pytest.mark.parametrize("kind", ["wrong", "right"])
@pytest.mark.parametrize("chapter", [name for name, (_, found) in CHAPTERS.items() if found])
def test_answers_belong_to_exercises(chapter, kind):
    strange = sorted(set(answers(kind, chapter)) - set(CHAPTERS[chapter][1]))
    assert not strange, (
        f"{kind}_answers/{chapter}.py: {strange} are no exercises of {chapter}.ipynb; "
        "rename or remove them"
    )
