"""Sphinx extension: the index of ``course_lib``, read from its sources; none of it is imported.

A page says where it stands by a paragraph of its own: ``<!-- course_lib -->``.
"""

import re
import sys
from itertools import groupby
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from usage import FILES, ROOT, Entry, index, trees

MARK = "<!-- course_lib -->"
PAGE = "book/package"
MANY = 6  # of more modules than these, the number is said


def plain(docstring: str) -> str:
    """Turn a docstring's line into Markdown: its roles and double quotes are code."""
    text = re.sub(r":\w+:`~?([^`]+)`|``([^`]+)``", lambda m: f"`{m[1] or m[2]}`", docstring)
    parts = text.split("`")
    parts[::2] = [re.sub(r"([_*<>$\[\]\\|])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def titles() -> dict[str, str]:
    """Return what the book's table of times calls each chapter."""
    page = (ROOT / "book" / "how_to_use.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(.+?)\]\(\.\./notebooks/(\w+)\.ipynb\)", page, re.M)
    return {name: title for title, name in rows}


def item(entry: Entry, called: dict[str, str]) -> str:
    """Return an entry as an item of a list: the name, what it is, where it is, who uses it."""
    where = [f"`{entry.module}`"] if entry.module != entry.door else []
    if entry.chapters:
        links = [f"[{called[c]}](../notebooks/{c}.ipynb)" for c in entry.chapters]
        where.append(f"used in {', '.join(links)}")
    if len(entry.modules) > MANY:
        where.append(f"used by {len(entry.modules)} modules")
    elif entry.modules:
        where.append(f"used by {', '.join(f'`{module}`' for module in entry.modules)}")
    used = f"\\\n  {'; '.join(where)}" if where else ""
    return f"- **`{entry.name}`**: {plain(entry.summary)}{used}"


def listing() -> str:
    """Return the whole index as Markdown, a section for each front door."""
    code, called, sections = trees(), titles(), []
    for door, entries in groupby(index(), key=lambda entry: entry.door):
        said = (code[f"course_lib.{door}"].body[0].value.value).partition("\n")[0]
        items = "\n".join(item(entry, called) for entry in entries)
        sections.append(f"## {door}\n\n{plain(said)}\n\n{items}")
    return "\n\n".join(sections)


def _draw(app: Sphinx, page: str, source: list[str]) -> None:
    if MARK in source[0]:
        source[0] = source[0].replace(MARK, listing())


def _follow(app: Sphinx, env: BuildEnvironment, *_: set[str]) -> list[str]:
    """Read the page again if the package or a chapter is newer than what was read."""
    sources = [*FILES.values(), *(ROOT / "notebooks").glob("*.ipynb")]
    read = env.all_docs.get(PAGE, 0) / 1e6  # microseconds
    return [PAGE] if any(path.stat().st_mtime > read for path in sources) else []


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", _draw)
    app.connect("env-get-outdated", _follow)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
