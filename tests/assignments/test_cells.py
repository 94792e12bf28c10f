"""Exercises are read from a chapter's cells, whole; what is wrong with them is said."""

import json

import pytest
from project import NOTEBOOKS

from course_lib.assignments.cells import (
    chapter_names,
    chapter_path,
    read_chapter,
    read_essays,
)


def code(text, name=None, *tags, points=2):
    metadata = {"tags": list(tags)} | (
        {"exercise": {"name": name, "points": points}} if name else {}
    )
    return {"cell_type": "code", "id": text[:8], "metadata": metadata, "source": text}


def text(words, *tags, **metadata):
    return {"cell_type": "markdown", "metadata": {"tags": list(tags), **metadata}, "source": words}


def twice():
    """Return the cells of a small chapter."""
    return [
        code("install"),
        code("import math"),
        text("Before.\n\n## Exercises\n\n### Exercise 1: Doubling (2 points)\n\nWrite `twice`."),
        text("More."),
        code("a test", "twice", "test", "hide-input"),
        code("a stub", "twice", "exercise"),
        code("a solution", "twice", "solution"),
        code("a hidden test", "twice", "hidden-test"),
    ]


@pytest.fixture
def write(tmp_path):
    def written(cells):
        path = tmp_path / "small.ipynb"
        path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
        return path

    return written


def test_an_exercise_has_its_parts_its_points_and_what_is_asked(write):
    (found,) = read_chapter(write(twice()))
    assert (found.chapter, found.name, found.points) == ("small", "twice", 2.0)
    assert (found.title, found.imports) == ("Doubling", "import math")
    assert found.statement == "### Exercise 1: Doubling (2 points)\n\nWrite `twice`.\n\nMore."
    parts = (found.test, found.stub, found.solution, found.hidden_test)
    assert parts == ("a test", "a stub", "a solution", "a hidden test")


def test_lines_are_joined(write):
    cells = twice()
    cells[5]["source"] = ["a\n", "stub"]
    assert read_chapter(write(cells))[0].stub == "a\nstub"


def without_hidden_test(cells):
    return cells[:-1]


def with_it_twice(cells):
    return [*cells, cells[-1]]


def without_tags(cells):
    cells[-1]["metadata"]["tags"] = []
    return cells


def without_imports(cells):
    return cells[:1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_hidden_test, "exercise twice: add a cell tagged 'hidden-test'"),
        (with_it_twice, "exercise twice has another cell tagged 'hidden-test'; keep one"),
        (without_tags, r"expected metadata exercise\.name and one tag .* got 'twice' and \[\]"),
        (without_imports, "expected an install and an import cell"),
    ],
)
def test_cells_that_are_not_whole_are_named(write, change, said):
    with pytest.raises(ValueError, match=said):
        read_chapter(write(change(twice())))


def test_what_is_no_notebook_is_named(tmp_path):
    path = tmp_path / "small.ipynb"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"small\.ipynb: expected a notebook, got"):
        read_chapter(path)


def test_an_essay_is_a_text_with_a_tag(write):
    asked = text("Why?", "essay", exercise={"name": "why", "points": 3})
    (found,) = read_essays(write([*twice(), asked]))
    assert (found.name, found.points, found.statement) == ("why", 3.0, "Why?")


def test_a_chapter_is_found_by_its_name():
    assert chapter_path("background") in NOTEBOOKS
    with pytest.raises(ValueError, match=r"CHAPTER: expected one of background, got 'back_ground'"):
        chapter_path("back_ground")


@pytest.mark.parametrize("chapter", chapter_names())
def test_each_chapter_of_the_book_is_read(chapter):
    found = read_chapter(chapter_path(chapter))
    assert len(found) >= 3
    assert len({exercise.name for exercise in found}) == len(found)
    for exercise in found:
        assert exercise.points > 0
        assert exercise.title != exercise.name, "its heading isn't of the form"
