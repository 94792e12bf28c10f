"""Laws of the project as a whole: one home for the URL, pages that agree with one another."""

import re
import subprocess
from importlib.metadata import requires
from importlib.util import find_spec

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


def test_the_repository_s_url_stands_in_one_place_only():
    """Notebooks carry it in the install cell, which the tool writes and another test holds."""
    url = CONFIG["repository"]["url"].removeprefix("https://")
    holders = {name for name, text in text_files().items() if url in text}
    assert holders == {"_config.yml", *(f"notebooks/{path.name}" for path in NOTEBOOKS)}
    for path in NOTEBOOKS:
        assert path.read_text(encoding="utf-8").count(url) == 1


def test_every_chapter_is_on_the_home_page_s_map():
    home = (ROOT / "book" / "home.md").read_text(encoding="utf-8")
    for page in PAGES:
        if page.startswith("notebooks/"):
            assert f'<a href="../{page}.html">' in home, page


def test_every_notebook_is_a_chapter():
    assert {f"notebooks/{path.stem}" for path in NOTEBOOKS} <= set(PAGES)


def test_glossary_is_sorted_and_complete():
    text = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8").split("## Glossary")[1]
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    rows = rows[2:]
    assert len(rows) > 30
    terms = [row[0] for row in rows]
    assert terms == sorted(terms, key=str.lower)
    for term, chinese, meaning, taught in rows:
        assert re.search(r"[\u4e00-\u9fff]", chinese), term
        assert len(meaning) > 15, term
        assert taught, term


def test_bibliography_is_sorted_and_every_entry_can_be_found():
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    entries = re.split(r"^@", text, flags=re.M)[1:]
    keys = [re.match(r"\w+\{([^,]+),", entry)[1] for entry in entries]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    for entry in entries:
        assert re.search(r"\b(doi|url)\s*=", entry), entry.splitlines()[0]


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
    assert found == {"notebooks/tools.ipynb"} | answers


def test_every_corpus_has_a_card_with_its_version_and_size():
    text = (ROOT / "book" / "data.md").read_text(encoding="utf-8")
    cards = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n?)*)", text, re.M))
    assert list(cards) == list(CORPORA)
    for name, corpus in CORPORA.items():
        assert f"package {corpus.package.replace('==', ' ')}," in cards[name], name
        assert f"{corpus.megabytes} MB packed" in cards[name], name
        for field in ("What it is", "Source", "Size", "Splits", "Known faults", "Personal data"):
            assert f"**{field}:**" in cards[name], (name, field)
