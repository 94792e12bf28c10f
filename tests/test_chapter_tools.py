"""`make chapter` and `make check`: a chapter begins green, in every list, and its faults are told.

Nothing is written into the project: pages are made in memory, runs are made in a copy.
"""

import re
import shutil
import subprocess
import sys

import nbformat
import pytest
import yaml
from project import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import chapter
import check

from notebooks import TIME, keep_unrepeatable, with_time, written

FIGURES = ("5 seconds", "0.4 GB")


@pytest.fixture
def made(monkeypatch):
    """Return a function that makes a new chapter's files in memory, without a run."""

    def make(name, title, part="", after=""):
        monkeypatch.setattr(
            chapter, "run_skeleton", lambda notebook: (chapter.canonical_text(notebook), FIGURES)
        )
        return chapter.new_files(name, title, part, after)

    return make


def names_in(files: dict[str, str]) -> dict[str, list[str]]:
    """Return the chapters, in order, of each page that lists them."""
    toc = yaml.safe_load(files["_toc.yml"])
    pages = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    home = re.findall(r'<li><a href="\.\./notebooks/(\w+)\.html">', files["book/home.md"])
    rows = re.findall(r"^\| .*\(\.\./notebooks/(\w+)\.ipynb\)", files["book/how_to_use.md"], re.M)
    table = re.findall(r"^    (\w+) +\S", files["course_lib/__init__.py"], re.M)
    contents = [page.split("/")[1] for page in pages if page.startswith("notebooks/")]
    return {"contents": contents, "map": home, "times": rows, "package": table}


def following(text: str) -> list[str]:
    """Return what a chapter calls the next one."""
    cells = nbformat.reads(text, as_version=4).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return re.findall(r"The next chapter [^.]*?\[[^\]]*\]\((\w+)\.ipynb\)", text)


ITEMS = chapter.read_map((ROOT / "book/home.md").read_text("utf-8"))
CHAPTERS = [item.name for item in ITEMS if item.name]
LAST = [item.name for item in ITEMS if item.name and item.part != chapter.LOOKING_BACK][-1]


@pytest.mark.parametrize(
    ("part", "after", "before"),
    [
        ("", "", LAST),
        ("", "training", "training"),
        ("Attention", "", "self_attention_class"),
        ("Beyond text", "", LAST),
    ],
)
def test_a_new_chapter_stands_in_every_list_at_one_place(made, part, after, before):
    files = made("new_one", "New: one & more", part, after)
    at = CHAPTERS.index(before) + 1
    wanted = [*CHAPTERS[:at], "new_one", *CHAPTERS[at:]]
    for where, found in names_in(files).items():
        assert found == wanted, where
    assert following(files[f"notebooks/{before}.ipynb"]) == ["new_one"]
    assert following(files["notebooks/new_one.ipynb"]) == CHAPTERS[at : at + 1]
    assert ", NOM for [New: one & more](../notebooks/new_one.ipynb)" in files["book/glossary.md"]
    parts = {p["caption"]: p["chapters"] for p in yaml.safe_load(files["_toc.yml"])["parts"]}
    if part:
        assert parts[part][-1] == {"file": "notebooks/new_one"}
    assert list(parts)[-3:] == [chapter.LOOKING_BACK, "Teaching", "Look things up"]


def test_a_chapter_that_the_map_plans_takes_that_place():
    home = (ROOT / "book/home.md").read_text(encoding="utf-8")
    planned = re.sub(rf'<li><a href="[^"]*/{CHAPTERS[3]}.html">.*</li>', "<li>A plan</li>", home)
    items = chapter.read_map(planned)
    (item,) = (item for item in items if not item.name)
    after = chapter.read_map(chapter.on_map(planned, "new_one", "A plan", "", ""))
    assert after == [item._replace(name="new_one") if each == item else each for each in items]


@pytest.mark.parametrize(
    ("name", "title", "part", "after", "said"),
    [
        ("training", "Training", "", "", "NAME: expected a new one, but notebooks/training.ipynb"),
        ("two words", "Title", "", "", "NAME: expected small letters, .* got 'two words'"),
        ("lambda", "Title", "", "", "NAME: expected small letters"),
        ("", "Title", "", "", "NAME: expected small letters, .* got ''"),
        ("new_one", "", "", "", "TITLE: expected words in one line, without marks; got ''"),
        ("new_one", "A | B", "", "", "TITLE: expected words"),
        ("new_one", "One\nTwo", "", "", "TITLE: expected words"),
        ("new_one", "Title", "Look things up", "", "PART: expected a part with chapters"),
        ("new_one", "Title", "", "nowhere", "AFTER: expected one of background, .*'nowhere'"),
    ],
)
def test_bad_input_is_told_before_anything_is_made(made, name, title, part, after, said):
    with pytest.raises(SystemExit, match=said):
        made(name, title, part, after)


@pytest.mark.parametrize(
    ("title", "taken", "letters"),
    [
        ("Data privacy", "", "DP"),
        ("Interpretability", "", "INT"),
        ("Training", "TRA stands for [The Transformer](x)", "TRI"),
        ("The mathematics of self-attention", "LM for [x](y), MSA for [z](u)", "MAT"),
    ],
)
def test_an_abbreviation_is_one_that_no_chapter_has(title, taken, letters):
    assert chapter.abbreviation(title, taken) == letters


@pytest.mark.parametrize(
    ("seconds", "gigabytes", "said"),
    [
        (2, 0.32, ("5 seconds", "0.3 GB")),
        (17, 0.96, ("15 seconds", "1 GB")),
        (64.2, 1.24, ("60 seconds", "1.2 GB")),
        (110, 2, ("2 minutes", "2 GB")),
    ],
)
def test_time_and_memory_are_written_as_chapters_write_them(seconds, gigabytes, said):
    assert written(seconds, gigabytes) == said
    top = "**Time and memory:** about 9 seconds and 9 GB on two CPU cores."
    assert TIME.search(with_time(top, said)).groups() == said


@pytest.mark.parametrize(
    ("seconds", "gigabytes", "busy", "said"),
    [
        (45, 1.1, False, ("60 seconds", "1 GB")),
        (30, 1.1, False, ("30 seconds", "1 GB")),
        (200, 1.1, True, ("60 seconds", "1 GB")),
        (200, 2.1, False, ("3 minutes", "2.1 GB")),
    ],
)
def test_only_figures_that_are_far_off_are_written(seconds, gigabytes, busy, said):
    assert check.chosen(("60 seconds", "1 GB"), seconds, gigabytes, busy) == said


@pytest.mark.parametrize(("code", "kept"), [("1", "old"), ("2", "new")])
def test_what_cannot_repeat_stays_as_long_as_no_code_changes(code, kept):
    def run(source, said):
        tags = {"tags": ["nbval-ignore-output"]}
        output = nbformat.v4.new_output("stream", text=said)
        cell = nbformat.v4.new_code_cell(source, id="a", metadata=tags, outputs=[output])
        return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("Text", id="b"), cell])

    now = run(code, "new")
    keep_unrepeatable(now, run("1", "old"))
    assert now.cells[1].outputs[0].text == kept


def test_what_a_test_says_is_told_without_what_pytest_adds():
    message = "AssertionError: x.ipynb, cell 3: split the cell\nassert 30 <= 25\n +  where 30"
    assert check.sentence("x", "test_short", message, "") == "x.ipynb, cell 3: split the cell"
    assert check.sentence("x", "test_short", "KeyError: 'a'", "") == "test_short: KeyError: 'a'"


def test_a_misspelled_word_is_told_with_its_cell(monkeypatch, tmp_path):
    monkeypatch.setattr(check, "ROOT", tmp_path)
    (tmp_path / "notebooks").mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("A wrxd.")])
    nbformat.write(notebook, tmp_path / "notebooks" / "x.ipynb")
    said = check.in_cell("x", "notebooks/x.ipynb:9: wrxd ==> word")
    assert re.fullmatch(r"x\.ipynb, cell 1 \(id \w+, 'A wrxd\.'\): wrxd ==> word", said)
    assert check.in_cell("x", "tests/y.py:9: wrxd ==> word") == "tests/y.py:9: wrxd ==> word"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Copy the project, as a clone has it."""
    folder = tmp_path_factory.mktemp("clone") / "course"
    unwanted = (".git", ".venv", "_build", "__pycache__", "*.safetensors", ".*_cache")
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*unwanted))
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def tool(folder, *words) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, f"tools/{words[0]}.py", *words[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.mark.long
def test_a_chapter_begins_green_and_a_failing_cell_is_named(copy):
    done = tool(copy, "chapter", "new_one", "New one")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "new      notebooks/new_one.ipynb" in done.stdout
    again = tool(copy, "chapter", "new_one", "New one")
    assert again.returncode == 1
    assert again.stderr.startswith("NAME: expected a new one")

    done = tool(copy, "check", "--no-page", "new_one")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "new_one: all right" in done.stdout
    assert "yours to write: cells 4, 5" in done.stdout

    path = copy / "notebooks" / "new_one.ipynb"
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    cells[2].source = "print('kept')"
    cells[3].source = "1 / 0"
    nbformat.write(notebook, path)
    done = tool(copy, "check", "--no-page", "new_one")
    assert done.returncode == 1
    assert re.search(r"cell 7 \(id \w+, '1 / 0'\) failed: ZeroDivisionError", done.stdout)
    outputs = [cell.get("outputs") for cell in nbformat.read(path, as_version=4).cells]
    assert outputs[4][0].text == "kept\n"
    assert outputs[10][0].text == "test_total: not written yet\n"  # below: as it was


def test_a_chapter_that_is_not_there_is_told_with_its_like():
    done = tool(ROOT, "check", "training_on")
    assert done.returncode == 1
    assert done.stderr.startswith("CHAPTER: expected one like training_on_gpu")
