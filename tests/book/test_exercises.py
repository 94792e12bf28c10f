"""Laws of every exercise: right answers pass, its stub doesn't, its tests reject wrong answers.

The answers are in ``wrong_answers/CHAPTER.py``, named ``EXERCISE__what_is_wrong``, and in
``right_answers/CHAPTER.py``, named ``EXERCISE__how_it_is_written``.
"""

import ast
import contextlib
import importlib.util
import inspect
import io
from collections import defaultdict
from pathlib import Path

import pytest
from project import NOTEBOOKS, read_notebook

FOLDER = Path(__file__).parent
PARTS = ("test", "exercise", "solution", "hidden-test")


def load(chapter: Path) -> tuple[str, dict[str, dict[str, str]], list[str]]:
    """Return a chapter's import cell, each exercise's parts, and what is wrong with its cells.

    A chapter that is wrong is told by a test of its own; the others' tests run.
    """
    try:
        code = [cell for cell in read_notebook(chapter).cells if cell.cell_type == "code"]
    except ValueError as error:
        return "", {}, [f"{chapter.name}: no notebook that can be read ({error}); restore it"]
    exercises: dict[str, dict[str, str]] = defaultdict(dict)
    faults = [] if len(code) > 1 else [f"{chapter.name}: expected an install and an import cell"]
    for cell in code:
        if "exercise" in cell.metadata:
            parts = set(PARTS) & set(cell.metadata.get("tags", []))
            name = cell.metadata.exercise.get("name")
            if name is None or len(parts) != 1:
                faults.append(
                    f"{chapter.name}, cell {cell.id}: expected metadata exercise.name and one tag "
                    f"of {', '.join(PARTS)}; got {name!r} and {sorted(parts)}"
                )
            else:
                exercises[name][parts.pop()] = cell.source
    for name, found in exercises.items():
        lacking = [part for part in PARTS if part not in found]
        if lacking:
            faults.append(f"{chapter.name}, exercise {name}: add a cell tagged {lacking[0]!r}")
    whole = {name: found for name, found in exercises.items() if len(found) == len(PARTS)}
    return code[1].source if len(code) > 1 else "", whole, faults


FOUND = {path.stem: load(path) for path in NOTEBOOKS}
CHAPTERS = {chapter: found[:2] for chapter, found in FOUND.items()}
# Their tests train models, or need TensorFlow.
LONG = {("tools", "plain_steps"), ("tools", "to_dense"), ("transformer", "write")}
EXERCISES = [
    pytest.param(chapter, name, marks=[pytest.mark.long] if (chapter, name) in LONG else [])
    for chapter, (_, found) in CHAPTERS.items()
    for name in found
]


def answers(kind: str, chapter: str) -> dict[str, dict[str, object]]:
    """Return each exercise's answers of a kind, "wrong" or "right", by what is said of them."""
    path = FOLDER / f"{kind}_answers" / f"{chapter}.py"
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
        for source in (imports, *(exercises[name][part] for part in parts)):
            exec(compile(source, f"{chapter}:{name}", "exec"), names)
    return names, printed.getvalue()


def verdict(names: dict, test: str, answer: object) -> str:
    """Return what the chapter's ``check`` prints of an answer."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        names["check"](names[test], answer)
    return printed.getvalue().strip()


@pytest.mark.parametrize("chapter", FOUND)
def test_exercise_cells_are_whole(chapter):
    faults = FOUND[chapter][2]
    assert not faults, "; ".join(faults)


@pytest.mark.parametrize(("chapter", "name"), EXERCISES)
class TestExercise:
    def test_stub_is_not_written_yet(self, chapter, name):
        _, printed = run(chapter, name, "test", "exercise")
        assert printed.strip() == f"test_{name}: not written yet"

    def test_solution_passes_both_tests(self, chapter, name):
        _, printed = run(chapter, name, "test", "solution", "hidden-test")
        assert printed.split("\n")[:2] == [f"test_{name}: passed", f"hidden_test_{name}: passed"]

    def test_hidden_test_begins_with_the_visible_one_and_goes_on(self, chapter, name):
        cell = ast.parse(CHAPTERS[chapter][1][name]["hidden-test"])
        hidden = next(part for part in cell.body if isinstance(part, ast.FunctionDef))
        first, *others = hidden.body
        (argument,) = hidden.args.args
        assert ast.unparse(first) == f"test_{name}({argument.arg})", "call the visible test first"
        assert others, "the hidden test needs inputs of its own"

    def test_at_least_two_other_right_answers_pass_both_tests(self, chapter, name):
        names, _ = run(chapter, name, "test", "solution", "hidden-test")
        right = answers("right", chapter)[name]
        assert len(right) >= 2, f"add {name}__... to right_answers/{chapter}.py"
        for what, answer in right.items():
            for test in (f"test_{name}", f"hidden_test_{name}"):
                assert verdict(names, test, answer) == f"{test}: passed", what

    def test_at_least_three_wrong_answers_are_rejected_with_a_hint(self, chapter, name):
        names, _ = run(chapter, name, "test", "solution", "hidden-test")
        wrong = answers("wrong", chapter)[name]
        assert len(wrong) >= 3, f"add {name}__... to wrong_answers/{chapter}.py"
        for what, answer in wrong.items():
            for test in (f"test_{name}", f"hidden_test_{name}"):
                said, start = verdict(names, test, answer), f"{test}: not yet. "
                assert said.startswith(start), f"{what}: {said}"
                assert len(said) > len(start) + 10, f"{what}: no hint"


@pytest.mark.parametrize("kind", ["wrong", "right"])
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_answers_belong_to_exercises(chapter, kind):
    assert set(answers(kind, chapter)) == set(CHAPTERS[chapter][1])
