"""Make slides of each chapter from its page of the built book, so from the same notebook.

A section is a column of slides, each with its heading and one thing to see: a figure, a piece of
code or its output, a question, a few sentences. The prose stands whole in the speaker's notes, its
first sentences on the slides. Folded code stays folded; what follows a *Predict* comes at a click.
"""

import argparse
import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from bs4 import BeautifulSoup, NavigableString, Tag

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "html"
LINES = 16  # of code or output on one slide
ROWS = 7  # of a table
BLOCKS = 5  # of prose on a slide without anything else
LEADS = 2  # sentences above what is to be seen
CALL = 3  # lines of code that draw a figure, and aren't worth a slide
SHORT = 60  # letters of a sentence that needs the next one beside it
# A sentence ends at a mark before a blank, but not behind an initial or an abbreviation.
END = re.compile(r"(?<!\b[A-Z])(?<!\bal)(?<!\bvs)(?<!\be\.g)(?<!\bi\.e)[.?!][”\"’)]*(?=\s|$)")
LEFT_OUT = {"References"}
PAGE = """<!DOCTYPE html>
<html lang="en" data-theme="light" data-content_root="../">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: slides</title>
<link rel="icon" href="../_static/favicon.svg">
<link rel="stylesheet" href="../_static/reveal/reveal.css">
<link rel="stylesheet" href="../_static/mathjax/typeset.css">
<link rel="stylesheet" href="../_static/course.css">
<link rel="stylesheet" href="../_static/slides.css">
<script src="../_static/reveal/reveal.js"></script>
<script src="../_static/reveal/plugin/notes.js"></script>
{scripts}
</head>
<body>
<div class="reveal"><div class="slides">
{slides}
</div></div>
<script src="../_static/slides.js"></script>
</body>
</html>
"""
INDEX = """<!DOCTYPE html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: slides</title>
<link rel="icon" href="../_static/favicon.svg">
<link rel="stylesheet" href="../_static/course.css">
<link rel="stylesheet" href="../_static/slides.css">
</head>
<body class="index"><main class="bd-article">
<h1>{title}: slides</h1>
<p>Each chapter of <a href="../book/home.html">the book</a> as slides, made from the same notebook.
Space goes on, an arrow to the right skips the rest of a section.
<kbd>S</kbd> opens the speaker’s notes, <kbd>F</kbd> fills the screen, <kbd>Esc</kbd> shows all
slides at once, <kbd>?</kbd> lists all keys.</p>
<table class="table"><thead><tr><th scope="col">Chapter</th><th scope="col">Slides</th></tr></thead>
<tbody>
{rows}
</tbody></table>
</main></body>
</html>
"""


def first_sentence(paragraph: Tag) -> str:
    """Return a paragraph's first sentence, as HTML; after a short one the next, too."""
    kept, length = "", 0
    for child in paragraph.children:
        if isinstance(child, NavigableString):
            for end in END.finditer(str(child)):
                if length + end.end() >= SHORT:
                    return kept + html.escape(str(child)[: end.end()], quote=False)
        length += len(child.get_text())
        kept += child.decode() if isinstance(child, Tag) else html.escape(str(child), quote=False)
    return kept


def lines(block: Tag | None) -> int:
    """Return how many lines of code or text a block holds."""
    return len(block.select(".line")) if block else 0


def in_pieces(block: Tag) -> Iterator[str]:
    """Yield a block of code or text in pieces that a slide has room for.

    It is cut at a blank line if there is one in the piece's second half, else before the line that
    is indented least.
    """
    rows = block.select("pre .line")
    while len(rows) > LINES:
        texts = [row.get_text().rstrip() for row in rows[: LINES + 1]]
        places = range(LINES // 2, LINES + 1)
        cut = min(places, key=lambda i: (len(texts[i]) - len(texts[i].lstrip()), -i))
        yield _with_rows(block, rows[:cut])
        rows = rows[cut:]
    yield _with_rows(block, rows)


def _with_rows(block: Tag, rows: Sequence[Tag]) -> str:
    while len(rows) > 1 and not rows[0].get_text().strip():  # a piece begins with what it shows
        rows = rows[1:]
    kind, code = " ".join(block.get("class", [])), "".join(map(str, rows))
    return f'<div class="{kind}"><div class="highlight"><pre>{code}</pre></div></div>'


def table_in_pieces(block: Tag) -> Iterator[str]:
    """Yield a table, the rows that a slide has room for at a time, its heads above each."""
    rows = block.select("tbody > tr")
    for start in range(0, len(rows), ROWS):
        block.tbody.clear()
        block.tbody.extend(rows[start : start + ROWS])
        yield str(block)


class Deck:
    """The slides of a chapter, filled with one block of its page after the other."""

    def __init__(self, kicker: str) -> None:
        self.kicker = kicker
        self.heading = ""
        self.columns: list[list[str]] = []
        self.said: list[Tag] = []  # prose that no slide shows yet
        self.folded = ""  # code that only draws or sets up, for the next slide

    def begin(self, heading: Tag) -> None:
        """Begin a section; one within another goes on in its column."""
        self.flush()
        self.heading = heading.decode_contents()
        if heading.name != "h3":
            self.columns.append([])

    def slide(self, body: str, *, lead: str = "", notes: str = "", kind: str = "") -> None:
        """Add a slide."""
        tag = "h1" if kind == "title" else "h2"
        self.columns[-1].append(
            f'<section><div class="slide bd-article bd-content {kind}">'
            f'<{tag}>{self.heading}</{tag}>{lead}<div class="fit">{body}</div>'
            f"{self.folded}</div>"
            f'<aside class="notes">{notes}</aside></section>'
        )
        self.folded = ""

    def text(self, said: Sequence[Tag]) -> None:
        """Add slides of prose: first sentences, formulas and lists as they are."""
        for start in range(0, len(said), BLOCKS):
            piece = said[start : start + BLOCKS]
            body = "".join(
                f"<p>{first_sentence(block)}</p>" if block.name == "p" else str(block)
                for block in piece
            )
            self.slide(body, notes="".join(map(str, piece)), kind="text")

    def flush(self) -> None:
        """Show the prose that no slide shows yet."""
        said, self.said = self.said, []
        self.text(said)

    def lead(self) -> tuple[str, str]:
        """Show the prose before something to see; return what stands above that, and its notes."""
        last = self.said[-LEADS:]
        if len(self.said) > LEADS or any(block.name != "p" for block in last):
            last = [block for block in last[-1:] if block.name == "p"]
        del self.said[len(self.said) - len(last) :]
        self.flush()
        sentences = " ".join(map(first_sentence, last))
        return f"<p class=lead>{sentences}</p>" if last else "", "".join(map(str, last))

    def show(self, *bodies: str, kind: str = "") -> None:
        """Add something to see, on one slide or several."""
        lead, notes = self.lead()
        for body in bodies:
            self.slide(body, lead=lead, notes=notes, kind=kind)

    def predict(self, quote: Tag) -> None:
        """Add a question, its choices, and at a click the right one with what speaks for it."""
        body, answer = "", ""
        for block in quote.find_all(["p", "ul", "ol", "details"]):
            if block.find_parent("details") or block.find_parent(["ul", "ol"]):
                continue
            if block.name != "details":
                body += str(block)
                continue
            choice = block.summary.extract().decode_contents()
            body += f'<div class="choice">{choice}</div>'
            if "right" in block["class"]:
                why = block.decode_contents()
                answer = f'<div class="fragment answer"><b>{choice}</b><div>{why}</div></div>'
        self.show(body + answer, kind="predict")

    def cell(self, cell: Tag) -> None:
        """Add a cell's code and output, on one slide if there is room."""
        kinds = set(cell["class"])
        if kinds & {"tag_solution", "tag_test"}:
            return
        code, output = cell.select_one(".cell_input"), cell.select_one(".cell_output")
        if "tag_exercise" in kinds:
            self.said.append(code)
            return
        shown = list(output.find_all(recursive=False)) if output else []
        texts = all({"stream", "text_plain"} & set(part.get("class", [])) for part in shown)
        call = not texts and lines(code) <= CALL
        if call or kinds & {"tag_hide-input", "tag_hide-cell"}:
            self.folded += f"<details class=code><summary>Code</summary>{code}</details>"
            code = None
        fragment = " fragment" if "tag_hide-output" in kinds else ""
        if code and shown and texts and lines(code) + lines(output) <= LINES:
            self.show(f'{code}<div class="cell_output{fragment}">{"".join(map(str, shown))}</div>')
            return
        bodies = list(in_pieces(code)) if code else []
        for part in shown:
            if texts:
                bodies += (f'<div class="cell_output">{piece}</div>' for piece in in_pieces(part))
            else:
                bodies.append(f'<div class="cell_output">{part}</div>')
        if bodies:
            self.show(*bodies)

    def block(self, block: Tag) -> None:
        """Add a block of the page, whatever it is."""
        kinds = block.get("class", [])
        if block.name in ("h1", "h2", "h3"):
            self.begin(block)
            if block.name == "h1":
                self.slide(f"<p>{self.kicker}</p>", kind="title")
        elif block.name == "section":
            self.section(block)
        elif block.name == "blockquote":
            self.predict(block)
        elif "cell" in kinds:
            self.cell(block)
        elif block.table:
            self.show(*table_in_pieces(block))
        elif block.name == "div" and "math" not in kinds:
            self.show(str(block))
        else:
            self.said.append(block)

    def section(self, section: Tag) -> None:
        """Add a section; an exercise is one slide."""
        heading = section.find(["h1", "h2", "h3"])
        if heading.get_text().strip() in LEFT_OUT:
            return
        if not section.select_one(":scope > .tag_exercise"):
            for block in section.find_all(recursive=False):
                self.block(block)
            return
        self.begin(heading)
        task = ""
        for block in section.find_all(recursive=False):
            kinds = set(block.get("class", []))
            if "tag_exercise" in kinds:
                task += str(block.select_one(".cell_input"))
            elif block is not heading and "cell" not in kinds:
                task += str(block)
        self.slide(task, kind="task")


def clean(page: BeautifulSoup, name: str) -> Tag:
    """Return a page's article, its links leading to the book from where the slides are."""
    article = page.select_one("article")
    for left_out in article.select("a.headerlink, .lm-writer"):
        left_out.decompose()  # the writer is higher than a slide; the text before it links to it
    for link in article.select("a[href]"):
        target = link["href"]
        if target.startswith("#"):
            link["href"] = f"../notebooks/{name}.html{target}"
        elif not re.match(r"[a-z]+:|\.\./", target):
            link["href"] = f"../notebooks/{target}"
        link["target"] = "_blank"
    for element in article.select("p[id], div[id], section[id], span[id], details[id]"):
        del element["id"]  # a paragraph stands twice: on a slide and in its notes
    return article


def scripts(page: BeautifulSoup) -> str:
    """Return the page's scripts for Jupyter's widgets."""
    found = [
        str(script)
        for script in page.select("script")
        if "widgets.js" in script.get("src", "")
        or script.get("type") == "application/vnd.jupyter.widget-state+json"
    ]
    return "\n".join(found)


def slides(source: str, name: str, kicker: str) -> tuple[str, str, int]:
    """Return a chapter's title, its slides as a page, and how many they are."""
    page = BeautifulSoup(source, "lxml")
    head = scripts(page)
    article = clean(page, name)
    deck = Deck(kicker)
    deck.section(article.section)
    deck.flush()
    title = article.h1.get_text()
    columns = (f"<section>{''.join(column)}</section>" for column in deck.columns)
    whole = PAGE.format(title=html.escape(title), scripts=head, slides="\n".join(columns))
    return title, whole, sum(map(len, deck.columns))


def chapters() -> list[str]:
    """Return the chapters' names in their order."""
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    files = [chapter["file"] for part in parts for chapter in part["chapters"]]
    return [Path(file).name for file in files if file.startswith("notebooks/")]


def main() -> None:
    """Write the slides of all chapters into the built book, and a page that lists them."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    title = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["title"]
    folder = SITE / "slides"
    folder.mkdir(exist_ok=True)
    rows = ""
    for name in chapters():
        source = (SITE / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
        chapter, page, count = slides(source, name, html.escape(title))
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
        link = f'<a href="{name}.html">{html.escape(chapter)}</a>'
        rows += f"<tr><td>{link}</td><td>{count}</td></tr>\n"
    index = INDEX.format(title=html.escape(title), rows=rows)
    (folder / "index.html").write_text(index, encoding="utf-8")


if __name__ == "__main__":
    main()
