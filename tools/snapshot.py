"""Write down today's text of some pages, which the chapter Retrieval and tools searches.

The book changes, the snapshot doesn't, so that the numbers of the chapter stay. Make it anew only
together with the questions (course_lib/agent/questions.json): each names a stretch of its page.
"""

import argparse
import json
import re

import nbformat

from notebooks import ROOT

PAGES = {
    "Data cards": "book/data.md",
    "How to use this book": "book/how_to_use.md",
    "Background": "notebooks/background.ipynb",
    "Preprocessing": "notebooks/preprocessing.ipynb",
    "Evaluation": "notebooks/evaluation.ipynb",
    "Dialogue": "notebooks/dialogue.ipynb",
    "Data privacy": "notebooks/privacy.ipynb",
}
MARKUP = (
    (r"^>.*\n?", ""),  # questions with their wrong answers
    (r"^```.*\n?", ""),
    (r"^\(\S+\)=\n", ""),
    (r"</?[a-z][^>]*>", ""),
    (r"<\|\w+\|>", ""),  # signs of turns: no text may have them
    (r" \((?:\{cite:\w+\}`[^`]*`[,; ]*)+\)", ""),
    (r"(?<![`$])\{[\w:]+\}`([^`]*)`", r"\1"),
    (r"\[([^\]]*)\]\([^)]*\)", r"\1"),
    (r"\*\*|`", ""),
    (r"(?<!\w)\*([^*\n]+)\*(?!\w)", r"\1"),
)


def plain(text: str) -> str:
    """Return a page's text without its markup; mathematics and tables stay."""
    for pattern, new in MARKUP:
        text = re.sub(pattern, new, text, flags=re.M)
    return text


def sections(file: str) -> dict[str, str]:
    """Return the sections of a page up to its exercises, by heading: words with single spaces."""
    path = ROOT / file
    if path.suffix == ".md":
        text = path.read_text(encoding="utf-8")
    else:
        cells = nbformat.read(path, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    # The code in a page's fences begins lines with #, too.
    text = re.sub(r"^```.*?^```", lambda found: found[0].replace("#", ""), text, flags=re.M | re.S)
    parts = re.split(r"^#+ (.+)$", plain(text.split("\n## Exercises")[0]), flags=re.M)[1:]
    found = zip(parts[::2], parts[1::2], strict=True)
    return {head: words for head, body in found if (words := " ".join(body.split()))}


def main() -> None:
    """Write the file."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    pages = {title: sections(file) for title, file in PAGES.items()}
    target = ROOT / "course_lib" / "agent" / "pages.json"
    target.write_text(json.dumps(pages, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{sum(len(page) for page in pages.values())} sections in {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
