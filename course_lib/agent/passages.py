"""The course's own pages as passages that can be searched, and questions that they answer.

Taught in 'Retrieval and tools'. The pages are a snapshot: the book goes on changing, and the
chapter's numbers stay. ``tools/snapshot.py`` made it.
"""

import json
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from course_lib.checks import check_counts, check_sizes, expect


class Passage(NamedTuple):
    """A stretch of a page, and where it stands."""

    page: str
    section: str
    text: str


class PageQuestion(NamedTuple):
    """A question that one place of the pages answers."""

    question: str
    answers: tuple[str, ...]  # any of them is right
    page: str
    section: str
    evidence: str  # the stretch of the page that says it
    own_words: bool  # asked in other words than the page's


def _load(name: str) -> Any:
    return json.loads(files("course_lib.agent").joinpath(name).read_text(encoding="utf-8"))


def load_pages() -> dict[str, dict[str, str]]:
    """Return the text of each section of each page in the snapshot."""
    return _load("pages.json")


def load_questions() -> list[PageQuestion]:
    """Return the questions that the pages answer."""
    rows = _load("questions.json")["answered"]
    return [PageQuestion(**row | {"answers": tuple(row["answers"])}) for row in rows]


def load_unanswered() -> list[str]:
    """Return questions that sound alike and that no page answers."""
    return _load("questions.json")["unanswered"]


def chunk(text: str, size: int, overlap: int = 0) -> list[str]:
    """Cut a text into stretches of ``size`` words; each begins with the last ``overlap`` before it.

    What is no longer than ``overlap`` + 1 words stands whole in one of them at least. Words are
    what stands between spaces, so a text that has none, such as Chinese, stays in one piece.

    Raises:
        ValueError: if the overlap isn't smaller than the size, or one of them is out of its range.
    """
    check_sizes(size=size)
    check_counts(overlap=overlap)
    expect(overlap < size, "overlap", f"less than size={size}", overlap)
    words = text.split()
    last = max(len(words) - overlap, 1)  # from here on nothing new would come
    return [" ".join(words[at : at + size]) for at in range(0, last, size - overlap) if words]


def cut_pages(
    pages: dict[str, dict[str, str]], size: int = 100, overlap: int = 20
) -> list[Passage]:
    """Return the passages of all sections, in order; none goes beyond its section."""
    return [
        Passage(page, section, piece)
        for page, sections in pages.items()
        for section, text in sections.items()
        for piece in chunk(text, size, overlap)
    ]


def holders(question: PageQuestion, passages: Sequence[Passage]) -> set[int]:
    """Return the numbers of the passages that hold the question's evidence whole."""
    place = (question.page, question.section)
    return {
        number
        for number, passage in enumerate(passages)
        if passage[:2] == place and question.evidence in passage.text
    }


def with_passages(question: str, texts: Sequence[str], honest: bool = False) -> str:
    """Return what a model is asked: the texts, and the question behind them.

    Args:
        question: the user's.
        texts: what was found; none if the model is to answer from memory.
        honest: tell it to say so where the texts don't hold the answer.
    """
    if not texts:
        return question
    way_out = " If the text does not say it, answer only: I don't know." if honest else ""
    return "\n\n".join([*texts, f"Answer from this text: {question}{way_out}"])


def _plain(text: str) -> str:
    return re.sub(r"(?<=\d),(?=\d{3})", "", text.lower())


def says(text: str, answers: Sequence[str]) -> bool:
    """Return whether one of the answers stands in a text, as whole words; 25,000 is 25000."""
    return any(
        re.search(rf"(?<![\w.]){re.escape(_plain(answer))}(?!\w|\.\d)", _plain(text))
        for answer in answers
    )
