"""Each fault of a notebook or a page is told in a sentence: where, which rule, how to mend it."""

import functools
import inspect
import re
import shutil
from collections.abc import Callable

import nbformat
import pytest
import test_exercises
import test_notebooks
import test_project
from project import ROOT, read_notebook

CHAPTER = ROOT / "notebooks" / "self_attention_class.ipynb"
# Whose argument is a path and which need no run.
FORM = {
    name: law
    for name, law in vars(test_notebooks).items()
    if name.startswith("test_") and "twice" not in name and inspect.isfunction(law)
}


def code(notebook, tag: str):
    """Return the first code cell with a tag."""
    return next(cell for cell in notebook.cells if tag in cell.metadata.get("tags", []))


def text(notebook, part: str):
    """Return the first text cell that holds a part."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    return next(cell for cell in cells if part in cell.source)


def replace(notebook, old: str, new: str) -> None:
    cell = text(notebook, old)
    cell.source = cell.source.replace(old, new)


def without(notebook, cell) -> None:
    notebook.cells.remove(cell)


def two_exercises_only(notebook) -> None:
    for cell in notebook.cells:
        cell.source = re.sub("### Exercise ([3-6])", r"### Task \1", cell.source)


FAULTS: list[tuple[str, Callable, str]] = [
    (
        "a wrong tag",
        lambda n: code(n, "exercise").metadata.update(tags=["exercises"]),
        r"cell \d+ \(id \w+, 'def .*\): expected tags among .*, got \['exercises'\]",
    ),
    (
        "points differ",
        lambda n: code(n, "solution").metadata.exercise.update(points=7),
        r"cell \d+ .*exercise.points says 7 points, the heading above it 1",
    ),
    (
        "no points",
        lambda n: code(n, "solution").metadata.exercise.pop("points"),
        r"cell \d+ .*exercise.points says None points",
    ),
    (
        "no heading of an exercise",
        lambda n: replace(n, "### Exercise 1:", "### First exercise:"),
        r"no heading above it is of the form '### Exercise 1",
    ),
    (
        "no title",
        lambda n: replace(n, "# The SelfAttention class", "The SelfAttention class"),
        r"the first text cell begins with '# ' and the title",
    ),
    ("two exercises only", two_exercises_only, "expected 3 to 6 exercises, got 2 headings"),
    (
        "no next chapter",
        lambda n: replace(n, "The next chapter puts", "A chapter puts"),
        r"_toc.yml has \['transformer'\] as the next chapter, the summary's end \[\]",
    ),
    ("no summary", lambda n: replace(n, "## Summary", "## End"), "as the last sections, got"),
    (
        "no time",
        lambda n: replace(n, "**Time and memory:** about", "It takes"),
        r"no sentence of the form '\*\*Time and memory",
    ),
    (
        "no install cell",
        lambda n: without(n, n.cells[0]),
        r"cell 1 .*the first cell is code tagged \['install', 'remove-cell'\]",
    ),
    ("no cells", lambda n: n.cells.clear(), "it has no cells; `make chapter` makes one"),
    (
        "imports in sight",
        lambda n: code(n, "hide-input").metadata.tags.clear(),
        r"cell 3 .*it is the import cell; tag it hide-input",
    ),
    (
        "a long cell",
        lambda n: n.cells[5].update(source="x = 1\n" * 30),
        r"cell 6 .*expected at most 25 lines, got 30; split the cell",
    ),
    (
        "an answer in sight",
        lambda n: code(n, "hide-output").metadata.update(tags=[]),
        r"cell \d+ .*a \*Predict\* and the text that follows gives the answer away; tag the cell",
    ),
    (
        "a cell that was not run",
        lambda n: n.cells[5].update(execution_count=None),
        r"cell 6 .*expected execution count 4, got None",
    ),
    (
        "an error",
        lambda n: n.cells[5].update(
            outputs=[nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])]
        ),
        r"cell 6 .* failed; mend it and run it again",
    ),
    (
        "a path of one machine",
        lambda n: code(n, "hide-output").outputs[0].update(text="/home/somebody/x"),
        r"cell \d+ .*shows '/home/somebody/x.*print a name instead",
    ),
    (
        "a paper that is not there",
        lambda n: replace(n, "{cite:t}`vaswani2017attention`", "{cite:t}`nobody1900`"),
        "cites nobody1900: add it to book/references.bib",
    ),
    (
        "strange metadata",
        lambda n: n.cells[5].metadata.update(color="red"),
        r"cell 6 .*metadata \['color'\] is not used here; remove it",
    ),
    (
        "an id twice",
        lambda n: n.cells[4].update(id=n.cells[6].id),
        "give each cell an id of its own; these aren't: ",
    ),
]


@pytest.fixture(autouse=True)
def read_once(monkeypatch):
    monkeypatch.setattr(test_notebooks, "read_notebook", functools.cache(read_notebook))


def faults_of(path) -> list[str]:
    """Return what the laws of form say of a notebook; anything but a sentence is an error here."""
    said = []
    for law in FORM.values():
        try:
            law(path)
        except AssertionError as error:
            said.append(str(error).split("\nassert ")[0])
    return said


@pytest.fixture
def broken(tmp_path):
    """Return a function that breaks a copy of a chapter and returns its path."""

    def make(fault):
        path = tmp_path / CHAPTER.name
        notebook = nbformat.read(CHAPTER, as_version=4)
        fault(notebook)
        path.write_text(test_notebooks.canonical_text(notebook), encoding="utf-8")
        return path

    return make


def test_a_chapter_as_it_is_has_no_fault():
    assert faults_of(CHAPTER) == []


@pytest.mark.parametrize(("fault", "said"), [pytest.param(*f[1:], id=f[0]) for f in FAULTS])
def test_a_fault_of_form_is_told_in_a_sentence(broken, fault, said):
    found = faults_of(broken(fault))
    assert any(re.search(said, one) for one in found), found
    for one in found:
        assert one.startswith(CHAPTER.name), one
        assert len(one.split()) > 5, one


@pytest.mark.parametrize("content", ["", "{", '{"cells": []}', "[1]", "\x00"])
def test_a_file_that_is_no_notebook_is_told_and_the_others_are_collected(tmp_path, content):
    path = tmp_path / CHAPTER.name
    path.write_text(content, encoding="utf-8")
    found = faults_of(path)
    assert found
    assert all(one.startswith(f"{CHAPTER.name}: ") for one in found), found
    imports, exercises, faults = test_exercises.load(path)
    assert (imports, exercises) == ("", {})
    assert faults[0].startswith(f"{CHAPTER.name}: ")


EXERCISE_FAULTS = [
    ("no solution", lambda n: without(n, code(n, "solution")), "add a cell tagged 'solution'"),
    (
        "two solutions",
        lambda n: code(n, "exercise").metadata.update(tags=["solution"]),
        "has another cell tagged 'solution'; keep one",
    ),
    (
        "no name",
        lambda n: code(n, "test").metadata.exercise.pop("name"),
        "expected metadata exercise.name and one tag of test, exercise, solution, hidden-test",
    ),
    (
        "no part",
        lambda n: code(n, "hidden-test").metadata.update(tags=["remove-cell"]),
        r"one tag of .*; got 'split_heads' and \[\]",
    ),
]


@pytest.mark.parametrize(
    ("fault", "said"), [pytest.param(*f[1:], id=f[0]) for f in EXERCISE_FAULTS]
)
def test_a_fault_of_an_exercise_is_told_in_a_sentence(broken, fault, said):
    faults = test_exercises.load(broken(fault))[2]
    assert any(re.search(said, one) for one in faults), faults


LAWS = test_exercises.TestExercise()
ANSWER_FAULTS = [
    (
        "a hidden test that is no function",
        ("hidden-test", lambda source: "x = 1"),
        LAWS.test_hidden_test_begins_with_the_visible_one_and_goes_on,
        r"hidden-test cell: expected def hidden_test_hide\(answer\), got no function",
    ),
    (
        "a hidden test without an answer",
        ("hidden-test", lambda source: "def hidden_test_hide():\n    pass"),
        LAWS.test_hidden_test_begins_with_the_visible_one_and_goes_on,
        r"expected one argument, the answer; got \[\]",
    ),
    (
        "a hidden test with nothing of its own",
        ("hidden-test", lambda source: "def hidden_test_hide(hide):\n    test_hide(hide)"),
        LAWS.test_hidden_test_begins_with_the_visible_one_and_goes_on,
        r"it needs inputs of its own below test_hide\(hide\)",
    ),
    (
        "a stub that is an answer",
        ("exercise", lambda source: source.replace("raise NotImplementedError", "return str")),
        LAWS.test_stub_is_not_written_yet,
        r"exercise hide: its empty answer prints .*; it raises NotImplementedError",
    ),
    (
        "a solution that is wrong",
        ("solution", lambda source: source.replace("mask == 0", "mask == 1")),
        LAWS.test_solution_passes_both_tests,
        r"exercise hide: expected of the solution \['test_hide: passed', ",
    ),
    (
        "a name that the cells don't see",
        ("solution", lambda source: source.replace("torch.finfo", "tensors.finfo")),
        LAWS.test_solution_passes_both_tests,
        r"tensors",
    ),
    (
        "a cell that is no Python",
        ("test", lambda source: "def ("),
        LAWS.test_stub_is_not_written_yet,
        r"exercise hide, its test cell: SyntaxError: ",
    ),
]


@pytest.mark.parametrize(
    ("part", "law", "said"), [pytest.param(*f[1:], id=f[0]) for f in ANSWER_FAULTS]
)
def test_a_fault_of_an_exercise_s_cells_is_told_in_a_sentence(monkeypatch, part, law, said):
    chapter, (name, change) = CHAPTER.stem, part
    imports, exercises = test_exercises.CHAPTERS[chapter]
    cells = exercises["hide"] | {name: change(exercises["hide"][name])}
    monkeypatch.setitem(test_exercises.CHAPTERS, chapter, (imports, {"hide": cells}))
    with pytest.raises(AssertionError, match=said) as found:
        law(chapter, "hide")
    assert str(found.value).startswith(f"{chapter}.ipynb, exercise hide")


def test_missing_and_strange_answers_are_told(monkeypatch, tmp_path):
    monkeypatch.setattr(test_exercises, "FOLDER", tmp_path)
    with pytest.raises(AssertionError, match="add tests/book/wrong_answers/self_attention_class"):
        test_exercises.test_answers_belong_to_exercises(CHAPTER.stem, "wrong")
    (tmp_path / "wrong_answers").mkdir()
    shutil.copy(ROOT / "tests/book/wrong_answers/training.py", tmp_path / "wrong_answers")
    strange = tmp_path / "wrong_answers" / f"{CHAPTER.stem}.py"
    strange.write_text("def nothing__at_all(x):\n    return x\n")
    with pytest.raises(AssertionError, match=r"\['nothing'\] are no exercises of self_attention"):
        test_exercises.test_answers_belong_to_exercises(CHAPTER.stem, "wrong")
    with pytest.raises(AssertionError, match=r"expected 3 answers hide__.* or more, add one"):
        LAWS.test_at_least_three_wrong_answers_are_rejected_with_a_hint(CHAPTER.stem, "hide")


GLOSSARY = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
ROW = next(line for line in GLOSSARY.splitlines() if line.startswith("| batch |"))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            "| batch | 批次 | several sequences computed at once |",
            "'batch': expected 4 columns",
        ),
        ("| batch | batch | several sequences at once | SAC |", "write its Chinese name"),
        ("| batch | 批次 | several | SAC |", "a meaning of more than 15 letters, got 'several'"),
        ("| batch | 批次 | several sequences at once | ABC |", "taught in 'ABC'; expected one of"),
        ("| zebra | 批次 | several sequences at once | SAC |", "must stand before 'zebra'"),
    ],
)
def test_a_fault_of_the_glossary_is_told_with_its_row(row, said):
    assert test_project.glossary_faults(GLOSSARY) == []
    (fault,) = test_project.glossary_faults(GLOSSARY.replace(ROW, row))
    assert said in fault


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ("@misc{b1,\n url = {x}}\n\n@misc{a1,\n doi = {x}}", "a1 must stand before b1"),
        ("@misc{a1,\n title = {x}}", "a1: add a doi or a url"),
        ("@misc{\n url = {x}}", "expected '@misc{key,', got '@misc{'"),
        ("@misc{a1,\n url = {x}}\n\n@misc{a1,\n url = {x}}", "['a1'] stand there twice"),
    ],
)
def test_a_fault_of_the_bibliography_is_told_with_its_entry(entries, said):
    (fault,) = test_project.bibliography_faults(entries)
    assert said in fault
