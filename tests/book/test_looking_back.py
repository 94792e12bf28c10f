"""Laws of the book's last pages: their numbers are the chapters', and the self-test is whole."""

import ast
import functools
import re

import pytest
from project import NOTEBOOKS, ROOT, read_notebook

SUMMARY = (ROOT / "book" / "summary.md").read_text(encoding="utf-8")
QUESTIONS = ROOT / "notebooks" / "questions.ipynb"
LINK = re.compile(r"\.\./notebooks/(\w+)\.(?:ipynb|html)")
CHOICE = re.compile(r'^> <details class="choice( right)?"><summary>.+?</summary>(.+)</details>$')
FOLDED = re.compile(r"^> <details><summary>Answer</summary>(.+)</details>$")


@functools.cache
def numbers_of(chapter: str) -> list[set[str]]:
    """Return the numbers that each cell of a chapter shows, without commas."""
    cells = read_notebook(ROOT / "notebooks" / f"{chapter}.ipynb").cells
    shown = [
        cell.source
        if cell.cell_type == "markdown"
        else "\n".join(
            o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs
        )
        for cell in cells
    ]
    numbers = (re.findall(r"\d(?:[\d,.]*\d)?", text) for text in shown)
    return [{number.replace(",", "") for number in found} for found in numbers]


ROWS = [
    (numbers, LINK.findall(line))
    for line in SUMMARY.splitlines()
    if line.startswith("| ") and (numbers := re.findall(r"\*\*([\d.,]+)\*\*", line))
]


@pytest.mark.parametrize(("numbers", "chapters"), ROWS, ids=lambda row: "-".join(row))
def test_what_came_true_is_what_the_chapter_shows(numbers, chapters):
    shown = {number for chapter in chapters for cell in numbers_of(chapter) for number in cell}
    missing = {number for number in numbers if number.replace(",", "") not in shown}
    assert not missing, f"book/summary.md: {chapters} no longer shows {sorted(missing)}"


def test_every_section_of_the_article_has_its_number():
    sections = re.findall(r"^\| (\d(?:\.\d)?) \|", SUMMARY, re.M)
    assert set(sections) == {"1.1", "1.2", "2.1", "2.2", "2.3", "3.1", "3.2", "3.3", *"45678"}
    assert len(ROWS) == len(sections) - 1, "all but section 8, which leads to Questions"


def measured() -> list[tuple[str, float, float, str]]:
    """Return the uses whose numbers Questions has from other chapters."""
    sources = [cell.source for cell in read_notebook(QUESTIONS).cells]
    (source,) = (source for source in sources if "MEASURED = [" in source)
    (value,) = (
        statement.value
        for statement in ast.parse(source).body
        if ast.unparse(statement).startswith("MEASURED")
    )
    return ast.literal_eval(value)


@pytest.mark.parametrize(("use", "simple", "better", "chapter"), measured())
def test_what_a_model_adds_is_what_one_cell_of_the_chapter_shows(use, simple, better, chapter):
    def has(cell: set[str], number: float) -> bool:  # shares are written as 0.88 or as 88 %
        return bool({f"{number:g}", f"{number / 100:.2f}"} & cell)

    found = any(has(cell, simple) and has(cell, better) for cell in numbers_of(chapter))
    assert found, f"{chapter}: {use}: {simple} and {better} don't stand in one cell"


def quizzed() -> list[tuple[str, list[str]]]:
    """Return the self-test's questions with their lines of answers."""
    parts = re.split(r"^> \*\*\d+\.\*\* ", SUMMARY.partition("## Twenty questions")[2], flags=re.M)
    return [
        (part.splitlines()[0], [line for line in part.splitlines() if "<details" in line])
        for part in parts[1:]
    ]


def test_there_are_twenty_questions_in_order():
    numbers = re.findall(r"^> \*\*(\d+)\.\*\* ", SUMMARY, re.M)
    assert numbers == [str(number) for number in range(1, 21)]


@pytest.mark.parametrize(("question", "answers"), quizzed())
def test_a_question_has_one_right_answer_that_leads_to_its_chapter(question, answers):
    folded = [FOLDED.match(line) for line in answers]
    choices = [CHOICE.match(line) for line in answers]
    assert all(folded) or all(choices), answers
    right = [found[1] for found in folded if found] or [c[2] for c in choices if c and c[1]]
    assert len(right) == 1, f"{question} {len(right)} right answers"
    assert len(answers) == 1 or 3 <= len(answers) <= 4, question
    assert LINK.search(right[0]), f"{question} the right answer links to its chapter"


def test_the_self_test_asks_about_every_chapter_that_teaches():
    asked = set(LINK.findall(SUMMARY.partition("## Twenty questions")[2]))
    assert {path.stem for path in NOTEBOOKS} - {"questions"} <= asked
