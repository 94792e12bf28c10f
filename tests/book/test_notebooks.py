"""Laws of the notebooks' form. That they run and give their outputs is nbval's part."""

import builtins
import copy
import json
import re
import statistics
import symtable
import sys

import nbformat
import pytest
from project import CONFIG, NOTEBOOKS, PAGES, ROOT, TOC, read_notebook

sys.path.insert(0, str(ROOT / "tools"))
from notebooks import (
    KERNEL,
    LOOKING_BACK,
    PROMPTS,
    TIME,
    canonical_text,
    execute,
    install_source,
    merge_streams,
    prompt_of,
)
from notebooks import where as place_of

TAGS = {
    "install",
    "remove-cell",
    "hide-cell",
    "hide-input",
    "hide-output",
    "nbval-ignore-output",
    "exercise",
    "solution",
    "test",
    "hidden-test",
}
# Of an exercise: the first line of what is folded, and the tag that folds it in the book.
FOLDS = {
    "solution": ("# @title Solution\n", "hide-cell"),
    "test": ("# @title Test\n", "hide-input"),
}
FOLDING = {"cellView": "form", "jupyter": {"source_hidden": True}}
# The part of the book that looks back. It teaches nothing that could be practiced, so its chapters
# have no exercises, and the last of them names no next chapter.
CLOSING = [
    page["file"].removeprefix("notebooks/")
    for part in TOC["parts"]
    if part["caption"] == LOOKING_BACK
    for page in part["chapters"]
]

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read_notebook(path).cells if cell.cell_type == "code"]


def where(path, cell) -> str:
    return place_of(path.name, read_notebook(path), cell)


def text_of(path) -> str:
    return "\n\n".join(c.source for c in read_notebook(path).cells if c.cell_type == "markdown")


def test_file_is_in_canonical_form(path):
    notebook = read_notebook(path)
    name, command = path.name, f"make check CHAPTER={path.stem}"
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        raise AssertionError(f"{name}: no valid notebook: {error.message[:200]}") from None
    kernel = notebook.metadata.get("kernelspec")
    assert kernel == KERNEL, f"{name}: expected kernel {KERNEL}, got {kernel}; {command} sets it"
    other = sorted(set(notebook.metadata) - {"kernelspec", "language_info", "widgets"})
    assert not other, f"{name}: metadata {other} is not used; {command} removes it"
    same = path.read_text(encoding="utf-8") == canonical_text(notebook)
    assert same, f"{name}: not in canonical form; {command} writes it"


def test_every_code_cell_was_run_in_order_and_none_failed(path):
    cells = code_cells(path)
    for number, cell in enumerate(cells, 1):
        got = cell.execution_count
        assert got == number, (
            f"{where(path, cell)}: expected execution count {number}, got {got}; "
            f"tools/notebooks.py {path.name} runs the notebook in order"
        )
    for cell in cells:
        for output in cell.outputs:
            place = where(path, cell)
            assert output.output_type != "error", f"{place} failed; mend it and run it again"
            warning = output.get("name") == "stderr"
            assert not warning, f"{place} shows a warning: mend its cause: {output.get('text')}"


def test_metadata_holds_only_what_the_project_uses(path):
    for cell in read_notebook(path).cells:
        tags = cell.metadata.get("tags", [])
        place, unknown = where(path, cell), sorted(set(tags) - TAGS)
        assert not unknown, f"{place}: expected tags among {sorted(TAGS)}, got {unknown}"
        folding = FOLDS.get(next(iter(FOLDS.keys() & set(tags)), None))
        allowed = {"tags", "mystnb", "exercise"} | (set(FOLDING) if folding else set())
        other = sorted(set(cell.metadata) - allowed)
        assert not other, f"{place}: metadata {other} is not used here; remove it"
        if folding:
            title, tag = folding
            titled = cell.source.startswith(title)
            assert titled, f"{place}: its first line is expected to be {title.strip()!r}"
            folded = {key: cell.metadata.get(key) for key in FOLDING} == FOLDING
            assert folded, f"{place}: it is folded in Colab, too; `make notebooks` does it"
            assert tag in tags, f"{place}: it is tagged {tag}, too"


def test_first_cell_installs_from_the_repository(path):
    cells = read_notebook(path).cells
    assert cells, f"{path.name}: it has no cells; `make chapter` makes one that has"
    place = where(path, cells[0])
    tags = cells[0].metadata.get("tags")
    wanted = ["install", "remove-cell"]
    assert tags == wanted, f"{place}: the first cell is code tagged {wanted}, got {tags}"
    as_said = cells[0].source == install_source() and CONFIG["repository"]["url"] in cells[0].source
    assert as_said, f"{place}: not _config.yml's address; make check CHAPTER={path.stem} sets it"


def test_chapter_is_in_the_table_of_contents(path):
    page = f"notebooks/{path.stem}"
    assert page in PAGES, f"{path.name}: add a line to _toc.yml: '- file: {page}'"


def test_chapter_has_the_book_s_form(path):
    text = text_of(path)
    name = path.name
    assert text.startswith("# "), f"{name}: the first text cell begins with '# ' and the title"
    titles = re.findall(r"^# .*", text, re.M)
    assert len(titles) == 1, f"{name}: expected one heading with a single #, got {titles}"
    said = "After this chapter you can:\n"
    assert said in text, f"{name}: the title cell lists abilities after a line {said.strip()!r}"
    assert "> **Predict.**" in text, f"{name}: ask for at least one guess: '> **Predict.** ...'"
    last = re.findall(r"^## (.*)", text, re.M)[-3:]
    looks_back = path.stem in CLOSING
    ends = ["Exercises", "Summary", "References"][looks_back:]
    assert last[looks_back:] == ends, f"{name}: expected {ends} as the last sections, got {last}"
    form = r"^### Exercise \d+: .* \(\d+ points?\)$"
    exercises = len(re.findall(form, text, re.M))
    assert 3 <= exercises <= 6 or (looks_back and not exercises), (
        f"{name}: expected 3 to 6 exercises, got {exercises} headings of the form "
        "'### Exercise 1: Title (2 points)'"
    )


def test_the_next_chapter_is_the_next_one(path):
    chapters = [page.removeprefix("notebooks/") for page in PAGES if page.startswith("notebooks/")]
    assert path.stem in chapters, f"{path.name}: add it to _toc.yml"
    place = chapters.index(path.stem)
    summary = text_of(path).partition("## Summary")[2].partition("## References")[0]
    said = re.findall(r"next chapter [^.]*?\[[^\]]*\]\((\w+)\.ipynb\)", summary)
    wanted = chapters[place + 1 : place + 2]
    assert said == wanted, (
        f"{path.name}: _toc.yml has {wanted} as the next chapter, the summary's end {said}; write "
        "a last sentence of the form 'The next chapter ...: [Title](name.ipynb).'"
        + ("" if wanted else " in the chapters before the last one only")
    )


def test_time_and_memory_are_said_and_agree_with_the_book_s_table(path):
    said = TIME.search(text_of(path))
    form = "**Time and memory:** about 10 seconds and 1 GB on two CPU cores."
    assert said, f"{path.name}: its title cell has no sentence of the form {form!r}; write one"
    table = (ROOT / "book" / "how_to_use.md").read_text(encoding="utf-8")
    link = f"(../notebooks/{path.name}) |"  # a sentence may name the chapter, too
    rows = [line for line in table.splitlines() if line.startswith("|") and link in line]
    form = f"| [Title](../notebooks/{path.name}) | 10 seconds | 1 GB |"
    assert len(rows) == 1, (
        f"{path.name}: expected one row in book/how_to_use.md, got {len(rows)}; it reads {form!r}"
    )
    row = [cell.strip() for cell in rows[0].split("|")[2:4]]
    top = list(said.groups())
    assert row == top, (
        f"{path.name}: its top says {top}, its row in book/how_to_use.md {row}; "
        f"make check CHAPTER={path.stem} writes the row"
    )


def test_code_cells_are_short(path):
    cells = [cell.source.splitlines() for cell in code_cells(path)]
    folded = [
        bool({"hide-input", "hide-cell", "remove-cell"} & set(cell.metadata.get("tags", [])))
        for cell in code_cells(path)
    ]
    for cell, lines, fold in zip(code_cells(path), cells, folded, strict=True):
        if {"test", "hidden-test"} & set(cell.metadata.get("tags", [])):
            continue  # one function each
        limit = 40 if fold else 25
        assert len(lines) <= limit, (
            f"{where(path, cell)}: expected at most {limit} lines, got {len(lines)}; split the cell"
        )
    read = [[] if fold else lines for fold, lines in zip(folded, cells, strict=True)]
    assert read, f"{path.name}: it has no code cell; a run comes before a claim"
    median = statistics.median(sum(bool(line.strip()) for line in lines) for lines in read)
    assert median <= 6, (
        f"{path.name}: expected a median of at most 6 lines in a code cell, got {median}; "
        "split cells where an output can stand between"
    )


def test_every_picture_has_a_description(path):
    for cell in code_cells(path):
        pictures = [o for o in cell.outputs if "image/png" in o.get("data", {})]
        place = where(path, cell)
        assert len(pictures) <= 1, f"{place}: expected one picture; split the cell"
        if pictures:
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) >= 40, (
                f"{place}: expected at least 40 letters that say what is to be seen, got {alt!r}; "
                "they stand in the cell's metadata as mystnb.image.alt"
            )


def test_every_chart_says_what_it_shows_and_is_small(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            page = output.get("data", {}).get("text/html", "")
            if 'class="lm-figure lm-plot"' not in page:
                continue
            place = where(path, cell)
            alt = re.search(r'role="img" aria-label="([^"]*)"', page)
            said = alt[1] if alt else ""
            assert len(said) >= 40, (
                f"{place}: expected `alt` of at least 40 letters, got {said!r}; say in a sentence "
                "what is to be seen"
            )
            for part, name in (("p", "title"), ("figcaption", "caption")):
                text = re.search(rf"<{part}[^>]*>(.*?)</{part}>", page, re.S)
                written = text[1] if text else ""
                assert len(written) >= 10, f"{place}: `{name}` is missing in figures.show(...)"
            assert len(page) <= 60_000, (
                f"{place}: expected a chart of at most 60 kB, got {len(page) // 1000}; rasterize "
                "what is dense, or draw fewer points"
            )


def test_what_is_said_of_a_chart_is_true_in_both_looks_and_on_a_phone(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            page = output.get("data", {}).get("text/html", "")
            place = where(path, cell)
            caption = re.search(r"<figcaption[^>]*>(.*?)</figcaption>", page, re.S)
            for text in (*re.findall(r'aria-label="([^"]*)"', page), caption[1] if caption else ""):
                assert not re.search(r"\bbrown\b(?! \(orange in the dark\))", text, re.I), (
                    f"{place}: what is brown by day is orange in the dark; say so or name no color"
                )
            if caption and 'class="narrow"' in page:
                side = re.search(r"\b(Left|Right):", caption[1])
                assert not side, (
                    f"{place}: {side[0]!r} in the caption; on a phone panels are stacked"
                )


def test_folded_cells_say_what_is_folded(path):
    for cell in code_cells(path):
        tags = cell.metadata.get("tags", [])
        for tag in set(PROMPTS) & set(tags):
            if "solution" not in tags:
                said = cell.metadata.get("mystnb", {}).get("code_prompt_show")
                expected = prompt_of(cell, tag)
                assert said == expected, (
                    f"{where(path, cell)}: expected the prompt {expected!r}, got {said!r}; "
                    f"make check CHAPTER={path.stem} writes it"
                )


def test_what_answers_a_question_is_folded(path):
    asked = answered = False
    for cell in read_notebook(path).cells:
        if cell.cell_type == "markdown":  # once there was an answer, the text goes on
            asked = "> **Predict.**" in cell.source or (asked and not answered)
            answered = False
        elif asked and cell.outputs:
            tags = set(cell.metadata.get("tags", []))
            assert tags & {"hide-output", "hide-cell"}, (
                f"{where(path, cell)}: an output between a *Predict* and the text that follows "
                "gives the answer away; tag the cell hide-output (hide-cell if it only draws)"
            )
            answered = True


CHOICE = re.compile(r'^> <details class="choice( right)?"><summary>(.+?)</summary>(.+)</details>$')


def test_a_question_with_choices_says_of_each_why_it_tempts(path):
    for cell in read_notebook(path).cells:
        for quote in re.findall(r"(?:^>.*\n?)+", cell.source, re.M):
            lines = [line for line in quote.splitlines() if "<details" in line]
            if not lines:
                continue
            where_it_is = where(path, cell)
            choices = [CHOICE.match(line) for line in lines]
            form = '> <details class="choice"><summary>Answer</summary>Why it tempts.</details>'
            assert all(choices), f"{where_it_is}: a choice is one line of the form {form!r}"
            number = len(choices)
            assert 3 <= number <= 4, f"{where_it_is}: expected 3 or 4 choices, got {number}"
            right = [bool(choice[1]) for choice in choices]
            assert sum(right) == 1, f'{where_it_is}: expected one choice with class "choice right"'
            short = [choice[2] for choice in choices if len(choice[3].split()) < 4]
            assert not short, f"{where_it_is}: say in a sentence what speaks for or against {short}"


def names_in(source: str) -> tuple[set[str], set[str]]:
    """Return the names that a cell makes, and those that it reads, within functions, too."""
    made, read = set(), set()
    tables = [symtable.symtable(source, "cell", "exec")]
    for table in tables:  # grows while it is walked
        tables += table.get_children()
        top = table.get_type() == "module"
        for name in table.get_symbols():
            if top and (name.is_assigned() or name.is_imported()):
                made.add(name.get_name())
            if name.is_referenced() and (top or name.is_global()):
                read.add(name.get_name())
    return made, read


def borrowed(path) -> dict[str, tuple[str, set[str]]]:
    """Return each section's first text, and what it reads from earlier sections' own cells.

    Free for all are the imports, cells that begin with ``# Setup``, and a section named so.
    """
    free, earlier, own, title, sections = set(dir(builtins)), set(), set(), "", {"": ("", set())}
    first = [cell.id for cell in code_cells(path)[:2]]  # the installation, the imports
    for cell in read_notebook(path).cells:
        if cell.id in first[:1]:
            continue
        if cell.cell_type == "markdown":
            for part in re.split(r"(?m)^(?=## )", cell.source):
                if part.startswith("## "):
                    title, _, text = part[3:].partition("\n")
                    earlier, own = earlier | own, set()
                    sections[title] = (text.strip(), set())
            continue
        made, read = names_in(cell.source)
        shared = cell.id in first or cell.source.startswith("# Setup")
        known = free if shared else free | own  # a setup cell needs setup cells only
        sections[title][1].update((read - made - known) & (earlier | own))
        (free if shared or title.startswith("Setup") else own).update(made)
    return sections


def test_a_section_that_goes_on_with_an_earlier_one_says_so(path):
    for title, (text, names) in borrowed(path).items():
        if not names:
            continue
        said = re.match(r"This section goes on with .*?\.(?=\s|$)", text)
        named = set(re.findall(r"`(\w+)`", said[0])) if said else set()
        assert names <= named, (
            f"{path.name}, {title!r}: it reads {sorted(names - named)} from earlier sections; make "
            "them in a cell that begins with '# Setup: ', or begin the section with 'This section "
            "goes on with `name` from the one before.'"
        )


def test_imports_are_folded(path):
    cells = code_cells(path)
    assert len(cells) > 1, f"{path.name}: expected a second code cell, with the imports; add one"
    folded = "hide-input" in cells[1].metadata.get("tags", [])
    assert folded, f"{where(path, cells[1])}: it is the import cell; tag it hide-input"


def test_outputs_hold_no_address_and_no_path_of_a_machine(path):
    for cell in code_cells(path):
        shown = json.dumps(list(cell.outputs))
        found = re.search(r" at 0x[0-9a-f]{6,}|/(home|root|Users|tmp)/[^\s\"]*", shown)
        assert not found, (
            f"{where(path, cell)} shows {found and found[0]!r}, which is of one machine only; "
            "print a name instead"
        )


def test_exercise_cells_agree_on_points_with_the_heading(path):
    points: dict[str, int] = {}
    heading = None
    for cell in read_notebook(path).cells:
        found = re.search(r"^### Exercise \d+: .* \((\d+) points?\)", cell.source, re.M)
        if cell.cell_type == "markdown" and found:
            heading = int(found[1])
        if "exercise" in cell.metadata:
            name, said = (cell.metadata.exercise.get(key) for key in ("name", "points"))
            assert heading is not None, (
                f"{where(path, cell)}: no heading above it is of the form "
                "'### Exercise 1: Title (2 points)'; write one"
            )
            assert said == heading, (
                f"{where(path, cell)}: its metadata exercise.points says {said} points, "
                f"the heading above it {heading}; let them agree"
            )
            kept = points.setdefault(name, heading)
            assert kept == heading, (
                f"{where(path, cell)}: exercise {name!r} is of a heading with {kept} "
                f"points, too; one heading has one exercise"
            )


def test_papers_cited_are_in_the_bibliography(path):
    bibliography = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    for key in re.findall(r"\{cite:t\}`([^`]+)`", text_of(path)):
        assert f"{{{key}," in bibliography, (
            f"{path.name} cites {key}: add it to book/references.bib"
        )


def printed(cell: nbformat.NotebookNode) -> list[str]:
    """Return the text that a cell shows; not its pictures and widgets."""
    return [
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in merge_streams(cell.outputs)
    ]


@pytest.mark.slow
@pytest.mark.network
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
