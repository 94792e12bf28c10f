"""Laws of the glossary: it explains what the chapters define, and says truly where that is."""

import re

import pytest
from project import NOTEBOOKS, ROOT, read_notebook

GLOSSARY = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8").split("## Glossary")[1]
CHAPTERS = dict(
    re.findall(r"\b([A-Z]+) (?:stands )?for \[[^\]]*\]\(../notebooks/(\w+)\.", GLOSSARY)
)
ROWS = re.findall(r"^\| (?!Term|---)(.*?) \| .* \| ([A-Z, ]+) \|$", GLOSSARY, re.M)
# In bold for another reason: a product, a name that one section gives, or a stressed word.
WORDS = """
SmolLM2; GPT-2's; PyTorch; Keras; tiktoken; gloo; Markdown; careful; hasty; quality; spread
rewards from a program; corrupted; test part; output; exact copies; bands; marks; characters; goals
queue; Captured; Fusing; nudge; exponent; below the floor; To answer; To be trained; Knowledge
Behavior; on the same draw; in how many different contexts; all words; see what it does; on the left
split by document, near copies together; not trained as well as they could be; before; only; now
Say with each BLEU how the text was split; the numbers of human text; does; obeys; right; every
not; outsider
"""
NO_TERMS = set(re.split(r"[;\n] ?", WORDS))


def stems(text: str) -> set[str]:
    """Return the beginnings of a text's words, so that *calibrated* is found in *calibration*."""
    return {word.rstrip("s")[:5] for word in re.findall(r"[^\W\d_]+", text.lower())}


def chapter(path) -> list[str]:
    """Return a chapter's texts."""
    return [cell.source for cell in read_notebook(path).cells if cell.cell_type == "markdown"]


def in_bold(text: str) -> list[str]:
    """Return what stands in bold within a sentence, and is no label before one."""
    found = re.finditer(r"(?<=\S )\*\*([^*\n]+?[^*\n.:?!])\*\*(?!:)", text)
    return [
        m[1] for m in found if not re.search(r"(^|\n)[>\s]*([-*]|\d+\.)?\s*$", text[: m.start()])
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_term_in_bold_is_in_the_glossary(path):
    terms = [stems(term) for term, _ in ROWS]
    missing = [
        term
        for text in chapter(path)
        for term in in_bold(text)
        if term not in NO_TERMS and not any(stems(term) <= known for known in terms)
    ]
    assert not missing, (
        f"{path.name}: {', '.join(missing)}: in bold, and not in book/glossary.md; add a row, or "
        "stress a word in italics"
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_term_stands_in_the_chapter_that_teaches_it(path):
    used = stems(" ".join(chapter(path)))
    missing = [
        term
        for term, taught in ROWS
        if path.stem in [CHAPTERS[short] for short in re.findall(r"[A-Z]+", taught)]
        and not stems(term) & used
    ]
    assert not missing, (
        f"{path.name} has no word of {', '.join(missing)}, which it teaches by book/glossary.md"
    )
