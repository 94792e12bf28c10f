"""Laws of the notebooks' form. That they run and give their outputs is nbval's part."""

import copy
import json
import re
import statistics
import sys

import nbformat
import pytest
from project import CONFIG, NOTEBOOKS, PAGES, ROOT, read_notebook

sys.path.insert(0, str(ROOT / "tools"))
from notebooks import (
    KERNEL,
    PROMPTS,
    canonical_text,
    execute,
    install_source,
    merge_streams,
    prompt_of,
)

TAGS = {
    "install",
    "remove-cell",
    "hide-cell",
    "hide-input",
    "nbval-ignore-output",
    "exercise",
    "solution",
    "test",
    "hidden-test",
}
TIME = re.compile(
    r"\*\*Time and memory:\*\* about (\d+ (?:seconds|minutes?)) and ([\d.]+ GB) on two CPU cores\."
)
FOLDING = {"cellView": "form", "jupyter": {"source_hidden": True}}

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read_notebook(path).cells if cell.cell_type == "code"]


def text_of(path) -> str:
    return "\n\n".join(c.source for c in read_notebook(path).cells if c.cell_type == "markdown")


def test_file_is_in_canonical_form(path):
    notebook = read_notebook(path)
    nbformat.validate(notebook)
    written = path.read_text(encoding="utf-8")
    assert written == canonical_text(notebook), "`make notebooks` writes it"
    assert notebook.metadata.kernelspec == KERNEL
    assert set(notebook.metadata) <= {"kernelspec", "language_info", "widgets"}
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


def test_every_code_cell_was_run_in_order_and_none_failed(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", f"a warning is shown: {output.get('text')}"


def test_metadata_holds_only_what_the_project_uses(path):
    for cell in read_notebook(path).cells:
        tags = cell.metadata.get("tags", [])
        assert set(tags) <= TAGS
        allowed = {"tags", "mystnb", "exercise"} | (set(FOLDING) if "solution" in tags else set())
        assert set(cell.metadata) <= allowed, cell.metadata
        if "solution" in tags:
            assert cell.source.startswith("# @title Solution\n")
            assert {key: cell.metadata.get(key) for key in FOLDING} == FOLDING
            assert "hide-cell" in tags


def test_first_cell_installs_from_the_repository(path):
    first = read_notebook(path).cells[0]
    assert first.source == install_source()
    assert CONFIG["repository"]["url"] in first.source
    assert first.metadata.tags == ["install", "remove-cell"]


def test_chapter_is_in_the_table_of_contents(path):
    assert f"notebooks/{path.stem}" in PAGES


def test_chapter_has_the_book_s_form(path):
    text = text_of(path)
    assert text.startswith("# ")
    assert len(re.findall(r"^# ", text, re.M)) == 1
    assert "After this chapter you can:\n" in text
    assert "> **Predict.**" in text
    sections = re.findall(r"^## (.*)", text, re.M)
    assert sections[-3:] == ["Exercises", "Summary", "References"]
    assert 3 <= len(re.findall(r"^### Exercise \d+: .* \(\d+ points?\)$", text, re.M)) <= 6


def test_the_next_chapter_is_the_next_one(path):
    chapters = [page.removeprefix("notebooks/") for page in PAGES if page.startswith("notebooks/")]
    place = chapters.index(path.stem)
    summary = text_of(path).split("## Summary")[1].split("## References")[0]
    said = re.findall(r"next chapter [^.]*?\[[^\]]*\]\((\w+)\.ipynb\)", summary)
    wanted = chapters[place + 1 : place + 2]
    assert said == wanted, f"the summary's end names the next chapter of _toc.yml: {wanted}"


def test_time_and_memory_are_said_and_agree_with_the_book_s_table(path):
    said = TIME.search(text_of(path))
    assert said, "the top says: **Time and memory:** about N seconds and X GB on two CPU cores."
    table = (ROOT / "book" / "how_to_use.md").read_text(encoding="utf-8")
    row = next(line for line in table.splitlines() if f"({'../notebooks/' + path.name})" in line)
    assert [cell.strip() for cell in row.split("|")[2:4]] == list(said.groups())


def test_code_cells_are_short(path):
    cells = [cell.source.splitlines() for cell in code_cells(path)]
    assert len(cells[1]) <= 40, "the import cell"
    assert max(len(cell) for cell in cells if cell is not cells[1]) <= 25
    folded = ["hide-input" in cell.metadata.get("tags", []) for cell in code_cells(path)]
    read = [[] if fold else lines for fold, lines in zip(folded, cells, strict=True)]
    assert statistics.median(sum(bool(line.strip()) for line in lines) for lines in read) <= 6


def test_every_picture_has_a_description(path):
    for cell in code_cells(path):
        pictures = [o for o in cell.outputs if "image/png" in o.get("data", {})]
        assert len(pictures) <= 1, "one description can't serve two pictures; split the cell"
        if pictures:
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) >= 40, f"say what is to be seen: {cell.source[:60]}"


def test_every_chart_says_what_it_shows_and_is_small(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            page = output.get("data", {}).get("text/html", "")
            if 'class="lm-figure lm-plot"' not in page:
                continue
            where = f"cell {cell.id}"
            alt = re.search(r'role="img" aria-label="([^"]*)"', page)[1]
            assert len(alt) >= 40, f"{where}: `alt` says in a sentence what is to be seen"
            for part, name in (("p", "title"), ("figcaption", "caption")):
                text = re.search(rf"<{part}[^>]*>(.*?)</{part}>", page, re.S)[1]
                assert len(text) >= 10, f"{where}: `{name}` is missing"
            assert len(page) <= 60_000, f"{where}: rasterize what is dense, or draw fewer points"


def test_folded_cells_say_what_is_folded(path):
    for cell in code_cells(path):
        tags = cell.metadata.get("tags", [])
        for tag in set(PROMPTS) & set(tags):
            if "solution" not in tags:
                said = cell.metadata.get("mystnb", {}).get("code_prompt_show")
                expected = prompt_of(cell, tag)
                assert said == expected, f"cell {cell.id}: `make notebooks` writes its prompt"


def test_imports_are_folded(path):
    imports = code_cells(path)[1]
    assert "hide-input" in imports.metadata.get("tags", []), "tag the import cell hide-input"


def test_outputs_hold_no_address_and_no_path_of_a_machine(path):
    for cell in code_cells(path):
        shown = json.dumps(list(cell.outputs))
        assert not re.search(r" at 0x[0-9a-f]{6,}", shown), cell.source
        assert not re.search(r"/(home|root|Users|tmp)/", shown), cell.source


def test_exercise_cells_agree_on_points_with_the_heading(path):
    points: dict[str, int] = {}
    heading = None
    for cell in read_notebook(path).cells:
        found = re.search(r"^### Exercise \d+: .* \((\d+) points?\)", cell.source, re.M)
        if cell.cell_type == "markdown" and found:
            heading = int(found[1])
        if "exercise" in cell.metadata:
            exercise = cell.metadata.exercise
            assert exercise.points == heading, exercise
            assert points.setdefault(exercise.name, heading) == heading


def test_papers_cited_are_in_the_bibliography(path):
    bibliography = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    for key in re.findall(r"\{cite:t\}`([^`]+)`", text_of(path)):
        assert f"{{{key}," in bibliography


def printed(cell: nbformat.NotebookNode) -> list[str]:
    """Return the text that a cell shows; not its pictures and widgets."""
    return [
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in merge_streams(cell.outputs)
    ]


@pytest.mark.slow
def test_every_cell_can_be_run_twice_and_says_the_same(path):
    notebook = read_notebook(path)
    code = [c for c in notebook.cells if c.cell_type == "code"][1:]  # but for the installation
    twice = [copy.deepcopy(cell) for cell in code for _ in range(2)]
    for number, cell in enumerate(twice):
        cell.id = f"{number:08d}"
    notebook.cells = twice
    execute(notebook, path.parent)
    for first, second in zip(twice[::2], twice[1::2], strict=True):
        if "nbval-ignore-output" not in first.metadata.get("tags", []):
            assert printed(second) == printed(first), first.source
