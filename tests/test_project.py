"""Laws of the project as a whole: one home for the URL, pages that agree with one another."""

import ast
import re
import subprocess
from collections import Counter
from importlib.metadata import requires
from importlib.util import find_spec
from itertools import pairwise

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project import CONFIG, NOTEBOOKS, PAGES, ROOT

from course_lib.data import CORPORA


def tracked_files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def text_files() -> dict[str, str]:
    found = {}
    for name in tracked_files():
        data = (ROOT / name).read_bytes()
        if b"\0" not in data:
            found[name] = data.decode("utf-8")
    return found


def test_no_two_test_files_have_one_name():
    """pytest imports them by it, wherever they stand."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_the_repository_s_url_stands_in_one_place_only():
    """Notebooks carry it in the install cell, which the tool writes and another test holds."""
    url = CONFIG["repository"]["url"].removeprefix("https://")
    holders = {name for name, text in text_files().items() if url in text}
    wanted = {"_config.yml", *(f"notebooks/{path.name}" for path in NOTEBOOKS)}
    assert holders == wanted, (
        f"{sorted(holders - wanted)} must not hold the address {url}, {sorted(wanted - holders)} "
        "must; `make notebooks` writes it from _config.yml"
    )
    for path in NOTEBOOKS:
        times = path.read_text(encoding="utf-8").count(url)
        assert times == 1, f"{path.name}: the address {url} stands there {times} times, not once"


def test_the_home_page_s_map_has_every_chapter_in_the_book_s_order():
    home = (ROOT / "book" / "home.md").read_text(encoding="utf-8")
    on_map = re.findall(r'<li><a href="\.\./(notebooks/\w+)\.html">', home)
    chapters = [page for page in PAGES if page.startswith("notebooks/")]
    assert on_map == chapters, (
        f"book/home.md: its map has {sorted(set(on_map) ^ set(chapters)) or 'another order'} "
        "other than _toc.yml; let them agree"
    )


def test_every_notebook_is_a_chapter():
    missing = sorted({f"notebooks/{path.stem}" for path in NOTEBOOKS} - set(PAGES))
    assert not missing, f"_toc.yml: add {missing}, or remove their files"


def test_every_chapter_is_a_notebook():
    missing = [page for page in PAGES if page.startswith("notebooks/")]
    missing = [page for page in missing if not (ROOT / f"{page}.ipynb").is_file()]
    assert not missing, f"_toc.yml: {missing} have no file; add it, or remove the line"


def unsorted(names: list[str]) -> list[str]:
    """Return the first two neighbors that stand in the wrong order."""
    return next((list(pair) for pair in pairwise(names) if pair[0] > pair[1]), [])


def glossary_faults(text: str) -> list[str]:
    body = text.partition("## Glossary")[2]
    known = re.findall(r"\b([A-Z]+) (?:stands )?for \[", body)
    lines = [line for line in body.splitlines() if line.startswith("|")][2:]
    rows = [[cell.strip() for cell in line.strip().split("|")[1:-1]] for line in lines]
    faults = []
    for row in rows:
        place = f"book/glossary.md, row {row[0] if row else ''!r}"
        if len(row) != 4:
            faults.append(f"{place}: expected 4 columns, got {len(row)}; see the table's head")
            continue
        _, chinese, meaning, taught = row
        if not re.search(r"[\u4e00-\u9fff]", chinese):
            faults.append(f"{place}: write its Chinese name in the second column")
        if len(meaning) <= 15:
            faults.append(f"{place}: expected a meaning of more than 15 letters, got {meaning!r}")
        if not taught or set(re.findall(r"\w+", taught)) - {*known}:
            faults.append(f"{place}: taught in {taught!r}; expected one of {', '.join(known)}")
    if wrong := unsorted([row[0].lower() for row in rows if row]):
        faults.append(f"book/glossary.md: {wrong[1]!r} must stand before {wrong[0]!r}")
    if len(rows) <= 30:
        faults.append(f"book/glossary.md: expected a table of more than 30 rows, got {len(rows)}")
    return faults


def test_glossary_is_sorted_and_complete():
    faults = glossary_faults((ROOT / "book" / "glossary.md").read_text(encoding="utf-8"))
    assert not faults, "; ".join(faults)


def bibliography_faults(text: str) -> list[str]:
    entries, faults, keys = re.split(r"^@", text, flags=re.M)[1:], [], []
    for entry in entries:
        head = entry.splitlines()[0]
        found = re.match(r"\w+\{([^,\s]+),", entry)
        if not found:
            faults.append(f"book/references.bib: expected '@misc{{key,', got '@{head}'")
            continue
        keys.append(found[1])
        if not re.search(r"\b(doi|url)\s*=", entry):
            faults.append(f"book/references.bib: {found[1]}: add a doi or a url")
    if wrong := unsorted(keys):
        faults.append(f"book/references.bib: {wrong[1]} must stand before {wrong[0]}")
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        faults.append(f"book/references.bib: {twice} stand there twice; keep one of each")
    return faults


def test_bibliography_is_sorted_and_every_entry_can_be_found():
    faults = bibliography_faults((ROOT / "book" / "references.bib").read_text(encoding="utf-8"))
    assert not faults, "; ".join(faults)


REQUIREMENTS = ("requirements.txt", "requirements-tensorflow.txt")


def pins(name: str) -> dict[str, str]:
    """Return a requirements file's packages and versions; each line must pin one exactly."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    lines = [line.split("#")[0].strip() for line in lines]
    for line in filter(None, lines):
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[\w.]+", line), line
    return {canonicalize_name(p): v for p, v in (line.split("==") for line in lines if line)}


def test_requirements_are_pinned_exactly_and_each_once():
    first, second = map(pins, REQUIREMENTS)
    assert "tensorflow" in second
    assert not first.keys() & second.keys()


@pytest.mark.skipif(find_spec("tensorflow") is None, reason="make test installs TensorFlow")
def test_everything_that_tensorflow_needs_is_pinned_to_a_version_that_fits():
    pinned = pins(REQUIREMENTS[0]) | pins(REQUIREMENTS[1])
    for package in pins(REQUIREMENTS[1]):
        for need in map(Requirement, requires(package) or []):
            wanted = need.marker is None or need.marker.evaluate({"extra": ""})
            if wanted and need.name != "setuptools":  # part of every environment
                version = pinned[canonicalize_name(need.name)]
                assert need.specifier.contains(version), f"{package} needs {need}, not {version}"


def test_only_the_tools_chapter_uses_tensorflow():
    names = re.compile(r'(^|\\n|")\s*(import|from) (tensorflow|keras)\b', re.M)
    found = {name for name, text in text_files().items() if names.search(text)}
    answers = {f"tests/book/{kind}_answers/tools.py" for kind in ("right", "wrong")}
    asking = "course_lib/assignments/asking.py"  # that chapter's answers are layers of Keras
    assert found == {"notebooks/tools.ipynb", asking} | answers


def test_every_corpus_has_a_card_with_its_version_and_size():
    text = (ROOT / "book" / "data.md").read_text(encoding="utf-8")
    cards = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n?)*)", text, re.M))
    assert list(cards) == list(CORPORA)
    for name, corpus in CORPORA.items():
        assert f"package {corpus.package.replace('==', ' ')}," in cards[name], name
        assert f"{corpus.megabytes} MB packed" in cards[name], name
        for field in ("What it is", "Source", "Size", "Splits", "Known faults", "Personal data"):
            assert f"**{field}:**" in cards[name], (name, field)


def names_no_encoding(call: ast.Call) -> bool:
    """Say whether a call reads or writes text in whatever encoding the machine has."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    named = {word.arg: word.value for word in call.keywords}
    if "encoding" in named or None in named:  # None: by two stars
        return False
    if name in ("read_text", "write_text"):
        return len(call.args) < 1 + (name == "write_text")
    if name == "open":
        of = getattr(getattr(call.func, "value", None), "id", "")
        values = [getattr(each, "value", None) for each in [*call.args, *named.values()]]
        binary = any(re.fullmatch("[rwxa+]*b[rwxa+]*", str(value)) for value in values)
        return not binary and of not in ("os", "tarfile", "archive")
    return getattr(named.get("text"), "value", False) is True


def test_text_is_read_and_written_in_a_named_encoding():
    """Windows has another one than the rest. (Only Linux grades.)"""
    there = [
        file
        for base in ("course_lib", "tools", "book/_ext")
        for file in (ROOT / base).rglob("*.py")
    ]
    files = [file for file in there if "assignments" not in file.parts]
    assert len(files) > 100
    wrong = [
        f"{file.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)[:60]}"
        for file in sorted(files)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and names_no_encoding(node)
    ]
    assert not wrong, "name it: encoding='utf-8'"
