"""Laws of the page that lists what the package holds, against the package as Python imports it."""

import functools
import importlib
import inspect
import pkgutil
import re
import sys
from importlib import import_module

import pytest
from project import NOTEBOOKS, ROOT, read_notebook

import course_lib

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import package
from usage import chapter_tree


@functools.cache
def sections() -> dict[str, dict[str, str]]:
    """Return the entries of each section by their names."""
    found = re.findall(r"^## (.+)\n((?:(?!## ).*\n?)*)", package.listing(), re.M)
    entry = re.compile(r"^- \*\*`(\w+)`\*\*: (.*(?:\n  .*)*)", re.M)
    return {heading: dict(entry.findall(body)) for heading, body in found}


DOORS = [found.name for found in pkgutil.iter_modules(course_lib.__path__)]
STUDIES = importlib.import_module("course_lib.studies").__path__
DOORS = [door for door in DOORS if door != "studies"]
DOORS += [
    f"studies.{found.name}" for found in pkgutil.iter_modules(STUDIES) if found.name[0] != "_"
]


def words(text: str) -> str:
    """Return a line without the marks of docstrings and of Markdown."""
    return re.sub(r":\w+:`~?|[`\\]", "", text)


@pytest.mark.parametrize("door", DOORS)
def test_every_public_function_and_class_is_there_with_its_docstring_s_first_line(door):
    module = importlib.import_module(f"course_lib.{door}")
    names = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and name[0] != "_"
    ]
    assert set(names) <= sections()[door].keys()
    for name in names:
        value = getattr(module, name)
        if inspect.isfunction(value) or inspect.isclass(value):
            first = inspect.getdoc(value).split("\n")[0]
            assert words(sections()[door][name].split("\n")[0]).startswith(words(first)), name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_name_that_a_chapter_uses_links_to_it(path):
    code = "\n".join(c.source for c in read_notebook(path).cells if c.cell_type == "code")
    code = re.sub(r"(\"{3}|'{3}).*?\1", "", code, flags=re.S)  # a script in a string is not read
    lines = re.findall(r"^from course_lib\.([\w.]+) import \(?([^)]*?)(?:\)|$)", code, re.M)
    named = [(door, name.split(" as ")[0]) for door, names in lines for name in names.split(",")]
    used = {(door, name.strip()) for door, name in named}
    used |= {("figures", name) for name in re.findall(r"\bfigures\.(\w+)\(", code)}
    modules = [one for one in used if ".".join(one) in sections()]
    for door, module in modules:
        whole = f"{door}.{module}"  # an argument may have a module's name: what it has is another
        has = dir(import_module(f"course_lib.{whole}"))
        used |= {(whole, n) for n in re.findall(rf"\b{module}\.(\w+)\(", code) if n in has}
    assert used
    for door, name in used - {*modules}:
        if name:
            assert f"(../notebooks/{path.name})" in sections()[door][name], name


def test_a_chapter_that_can_t_be_read_is_named(tmp_path):
    path = tmp_path / "new_one.ipynb"
    for content in ("{", NOTEBOOKS[0].read_text(encoding="utf-8").replace('"import ', '"import (')):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match=r"^new_one\.ipynb: its code can't be read \(.+\)"):
            chapter_tree(path)
