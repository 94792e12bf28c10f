"""Laws of every exercise: its solution passes, its stub doesn't, its tests reject wrong answers.

The wrong answers are in ``wrong_answers/CHAPTER.py``, named ``EXERCISE__what_is_wrong``.
"""

import contextlib
import importlib.util
import inspect
import io
from collections import defaultdict
from pathlib import Path

import pytest
from conftest import NOTEBOOKS, read_notebook

FOLDER = Path(__file__).parent / "wrong_answers"
PARTS = ("test", "exercise", "solution", "hidden-test")


def load(chapter: Path) -> tuple[str, dict[str, dict[str, str]]]:
    """Return the source of a chapter's import cell, and of each exercise's parts."""
    code = [cell for cell in read_notebook(chapter).cells if cell.cell_type == "code"]
    exercises: dict[str, dict[str, str]] = defaultdict(dict)
    for cell in code:
        if "exercise" in cell.metadata:
            (part,) = set(PARTS) & set(cell.metadata.tags)
            exercises[cell.metadata.exercise.name][part] = cell.source
    return code[1].source, dict(exercises)


CHAPTERS = {path.stem: load(path) for path in NOTEBOOKS}
EXERCISES = [(chapter, name) for chapter, (_, found) in CHAPTERS.items() for name in found]


def wrong_answers(chapter: str) -> dict[str, dict[str, object]]:
    """Return each exercise's wrong answers, by what is wrong with them."""
    spec = importlib.util.spec_from_file_location(chapter, FOLDER / f"{chapter}.py")
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


@pytest.mark.parametrize(("chapter", "name"), EXERCISES)
class TestExercise:
    def test_has_every_part(self, chapter, name):
        assert set(CHAPTERS[chapter][1][name]) == set(PARTS)

    def test_stub_is_not_written_yet(self, chapter, name):
        _, printed = run(chapter, name, "test", "exercise")
        assert printed.strip() == f"test_{name}: not written yet"

    def test_solution_passes_both_tests(self, chapter, name):
        _, printed = run(chapter, name, "test", "solution", "hidden-test")
        assert printed.split("\n")[:2] == [f"test_{name}: passed", f"hidden_test_{name}: passed"]

    def test_at_least_three_wrong_answers_are_rejected_with_a_hint(self, chapter, name):
        names, _ = run(chapter, name, "test")
        answers = wrong_answers(chapter)[name]
        assert len(answers) >= 3
        for what, answer in answers.items():
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                names["check"](names[f"test_{name}"], answer)
            verdict = printed.getvalue().strip()
            assert verdict.startswith(f"test_{name}: not yet. "), f"{what}: {verdict}"
            assert len(verdict) > len(f"test_{name}: not yet. ") + 10, f"{what}: no hint"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_wrong_answers_belong_to_exercises(chapter):
    assert set(wrong_answers(chapter)) == set(CHAPTERS[chapter][1])
