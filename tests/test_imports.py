"""Imports go down one list, in no circle, and no private name crosses a module.

The order of the package is data here; ``course_lib/__init__.py`` says which chapter uses what.
"""

import ast
import re
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from project import NOTEBOOKS, ROOT

import course_lib

sys.path.insert(0, str(ROOT / "tools"))
from usage import FILES, chapter_uses, chapters, imports, own, trees

# A module or folder may import those that stand above it. Text stands above data: a corpus may use
# a tool for texts, and no tool needs a corpus. Generation stands above training: a run shows what
# its model writes.
ORDER = [
    *("checks", "files", "text", "data", "costs", "evaluation"),
    *("attention", "model", "generation", "training", "pretrained", "efficiency"),
    *("interpret", "privacy", "posttraining", "agent", "studies", "chat"),
    *("figures", "export", "assignments"),
]
TREES = trees()


def rank(module: str) -> int:
    """Return the place in the order; the package itself, which imports nothing, is above all."""
    top = [*module.split("."), ""][1]
    if not top:
        return -1
    assert top in ORDER, f"{module}: give {top} its place in ORDER, in tests/test_imports.py"
    return ORDER.index(top)


@pytest.mark.parametrize("module", FILES)
def test_a_module_imports_only_what_stands_above_it(module):
    upward = {name for name, *_ in own(TREES[module]) if rank(name) > rank(module)}
    assert not upward, f"{module} must not import {', '.join(upward)}: see ORDER"


def circle(arrows: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return error.args[1][::-1]
    return []


def test_no_circle_of_imports():
    arrows = {module: {name for name, *_ in own(tree)} for module, tree in TREES.items()}
    assert not (found := circle(arrows)), " imports ".join(found)


def private(tree: ast.AST) -> set[str]:
    """Return the private names of other modules that a module's tree uses."""
    found = own(tree)
    used = {f"{module}.{name}" for module, name, _ in found if name.startswith("_")}
    called = {called: module for module, name, called in found if not name}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr, re.I):
            owner = called.get(ast.unparse(node.value))
            used |= {f"{owner}.{node.attr}"} if owner else set()
    return used


@pytest.mark.parametrize("module", FILES)
def test_no_private_name_crosses_a_module(module):
    used = private(TREES[module])
    assert not used, f"{module} uses {', '.join(used)}: make it public, or do without"


def test_each_fault_would_be_found():
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == set("abc")
    assert private(ast.parse("from course_lib.checks import _is_whole")) == {
        "course_lib.checks._is_whole"
    }
    assert private(ast.parse("from course_lib import files\nfiles._x()")) == {"course_lib.files._x"}
    assert rank("course_lib.text.cleaning") < rank("course_lib.data.corpora")


def test_the_package_itself_imports_nothing():
    assert not list(imports(TREES["course_lib"]))


# The table of chapters in course_lib/__init__.py

CHAPTERS = [path.stem for path in chapters()]


def used_by(path: Path) -> list[str]:
    """Return the package's modules that a chapter imports, in the order of the package."""
    return sorted(chapter_uses(path), key=lambda name: (rank(f"course_lib.{name}"), name))


def test_the_table_says_which_chapter_uses_what():
    table = re.sub(r",\n +", ", ", course_lib.__doc__ or "")  # a long row goes on below
    rows = dict(re.findall(r"^    (\w+) +(\S.*)$", table, re.M))
    paths = {path.stem: path for path in NOTEBOOKS}
    assert list(rows) == CHAPTERS, (
        f"course_lib/__init__.py: one row a chapter, in the book's order; these differ: "
        f"{sorted(set(rows) ^ set(CHAPTERS)) or 'the order'}"
    )
    for chapter, row in rows.items():
        assert chapter in paths, f"_toc.yml: notebooks/{chapter}.ipynb is not there; add it"
        used = ", ".join(used_by(paths[chapter])) or "(none)"
        assert row == used, f"course_lib/__init__.py: the row of {chapter} must say: {used}"
