"""Print the built book as one PDF: contents, chapters, then the solutions of all exercises.

Chromium prints each page, numbered on from the one before; links between pages lead to places in
the PDF.
"""

import argparse
import hashlib
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from pages import SITE, browsing, link_from_home, load, pages_in_order, published, run, settings
from playwright.sync_api import Page
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    BooleanObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    TextStringObject,
)
from tqdm import tqdm

from course_lib.files import written_whole

WIDTH = 642  # of A4 within these margins, in a browser's pixels
PAPER = (
    "@page{size:A4;margin:18mm 20mm 20mm;"
    "@bottom-center{content:counter(page);font:9pt system-ui,sans-serif}}"
    "html{counter-reset:page %d}"
    ".bd-content{margin:0!important}.bd-article,#jb-print-docs-body{padding-inline:0!important}"
    "figure.chapter-map{break-inside:auto!important}.begin>*,.chapter-map li li{break-inside:avoid}"
    # What stands side by side on a screen does here, and no figure is higher than a page.
    ".lm-tool{padding-inline:.75rem!important}"
    ".lm-writer .grid svg{width:40%%!important}"
    ".lm-writer .heads{grid-template-columns:repeat(8,minmax(0,5.5rem))!important}"
)
# Make each place of a page one that links from elsewhere can lead to: Chromium notes a place only
# where the page itself has a link to it. Let each exercise lead to its solution, and shrink what
# one would scroll.
TO_PAPER = """solutions => {
    const article = document.querySelector('article'), links = document.createElement('p');
    links.hidden = true;
    // What scripts draw has other names each time.
    for (const {id} of article.querySelectorAll('[id]:not(.cell_output *, [id^=codecell])'))
        links.append(Object.assign(document.createElement('a'), {href: '#' + id}));
    article.append(links);
    for (const cell of article.querySelectorAll('.cell.tag_solution')) {
        const link = document.createElement('a'), at = cell.closest('section').id;
        Object.assign(link, {href: `${solutions}#${at}`, textContent: 'The solution'});
        cell.before(Object.assign(document.createElement('p'), {className: 'to-solution'}));
        cell.previousSibling.append(link, ' stands at the end of the book.');
    }
    for (const row of article.querySelectorAll('.lm-scroll'))
        if (row.scrollWidth > row.clientWidth) row.style.zoom = row.clientWidth / row.scrollWidth;
}"""
# Leave a chapter's title, and of its exercises the names and solutions, each with a way back.
ONLY_SOLUTIONS = """() => {
    const article = document.querySelector('article'), title = article.querySelector('h1');
    const kept = [title];
    document.querySelector('#jb-print-toc')?.remove();
    for (const cell of article.querySelectorAll('.cell.tag_solution')) {
        const section = cell.closest('section'), {id} = section;
        const heading = section.querySelector('h2, h3');
        heading.id = id;
        heading.querySelector('.headerlink')?.remove();
        const back = document.createElement('a'), here = document.createElement('a');
        Object.assign(back, {href: `?asked#${id}`, textContent: 'Back to the exercise'});
        Object.assign(here, {href: '#' + id, hidden: true});
        const line = document.createElement('p');
        line.append(back, here);
        cell.querySelectorAll('details').forEach(d => { d.open = true; });
        kept.push(heading, ...cell.querySelectorAll('.cell_input'), line);
    }
    article.replaceChildren(...kept);
    return kept.length - 1;
}"""


class Piece(NamedTuple):
    """A printed page of the book."""

    name: str
    title: str
    pdf: PdfReader


def address(name: str, place: str) -> str:
    """Return how links call a place of a page of the built book."""
    return (SITE / f"{name}.html").as_uri() + (f"#{place}" if place else "")


def printed(page: Page, before: int) -> PdfReader:
    """Print what a browser shows; its first page has the number ``before`` + 1."""
    page.add_style_tag(content=PAPER % before)
    data = page.pdf(prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
    return PdfReader(io.BytesIO(data))


def contents_page(page: Page, title: str, pieces: Sequence[Piece]) -> PdfReader:
    """Print the title and, for each piece, the page that it begins on."""
    listed, number = "", 1
    for piece in pieces:
        listed += (
            f'<li><a href="{address(piece.name, "")}">{html.escape(piece.title)}</a>'
            f"<span>{number}</span></li>"
        )
        number += len(piece.pdf.pages)
    page.set_content(
        "<style>@page{size:A4;margin:25mm 20mm}body{font:11pt/1.5 system-ui,sans-serif}"
        "h1{font-size:26pt;margin:40mm 0 20mm}ul{list-style:none;padding:0}a{color:inherit}"
        "li{display:flex;justify-content:space-between;break-inside:avoid}</style>"
        f"<title>{html.escape(title)}</title><h1>{html.escape(title)}</h1><ul>{listed}</ul>"
    )
    return PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True)))


def drawn(pdf: PdfReader) -> bytes:
    """Return all that stands on the pages of a PDF."""
    return b"".join(page.get_contents().get_data() for page in pdf.pages)


def print_pages(page: Page, names: Sequence[str], twice: bool = False) -> list[Piece]:
    """Print each page of the book, then each chapter's solutions.

    Args:
        page: of the browser.
        names: of the pages.
        twice: take what has come twice alike. Each tenth time or so that Chromium opens a long
            page, a word of it lies a fraction of a pixel elsewhere.
    """
    pieces: list[Piece] = []

    def opened(name: str, prepare: str) -> bool:
        load(page, name)
        return page.evaluate(prepare, address(f"{name} solutions", "")) != 0

    def add(name: str, kind: str = "", prepare: str = TO_PAPER) -> None:
        if not opened(name, prepare):
            return
        title = page.locator("article h1").first.evaluate("h => h.firstChild.textContent")
        before = sum(len(piece.pdf.pages) for piece in pieces)
        pdf, seen = printed(page, before), set()
        while twice and (now := hashlib.sha256(drawn(pdf)).digest()) not in seen:
            seen.add(now)
            opened(name, prepare)
            pdf = printed(page, before)
        pieces.append(Piece(f"{name} {kind.lower()}".strip(), f"{kind}: {title}".strip(": "), pdf))

    page.set_viewport_size({"width": WIDTH, "height": 1000})
    page.emulate_media(media="print")
    for name in tqdm(names, "pages", leave=False):
        add(name)
    for name in tqdm(names, "solutions", leave=False):
        add(name, "Solutions", ONLY_SOLUTIONS)
    return pieces


def links(page: DictionaryObject) -> list[DictionaryObject]:
    """Return the links on a page."""
    found = [each.get_object() for each in page.get("/Annots", ArrayObject())]
    return [each for each in found if each.get("/Subtype") == "/Link"]


def bind(pieces: Sequence[Piece], front: PdfReader) -> PdfWriter:
    """Put the pieces behind one another and let their links lead to places in the whole."""
    writer = PdfWriter()
    writer.append(front, import_outline=False)
    places: dict[str, tuple[int, float]] = {}
    for piece in pieces:
        start = len(writer.pages)
        places[address(piece.name, "")] = start, 842
        for name, place in piece.pdf.named_destinations.items():
            at = piece.pdf.get_destination_page_number(place)
            if at is not None and at >= 0:
                top = float(place.top) if place.top is not None else 842.0
                places[address(piece.name, name.removeprefix("/"))] = start + at, top
        # What one page calls a place of its own, all call by its address.
        for page in piece.pdf.pages:
            for link in links(page):
                if "/Dest" in link:
                    name = str(link.pop("/Dest")).removeprefix("/")
                    _call(link, address(piece.name, name))
        writer.append(piece.pdf, outline_item=piece.title, import_outline=True)
    # The contents are numbered apart, so that a viewer's numbers are those on the paper.
    writer.set_page_label(0, len(front.pages) - 1, style="/r")
    writer.set_page_label(len(front.pages), len(writer.pages) - 1, style="/D")
    for page in writer.pages:
        for link in links(page):
            parts = urlsplit(str(link.get("/A", {}).get("/URI", "")))
            if parts.scheme != "file":
                continue
            own = parts._replace(query="", fragment="").geturl()
            place = places.get(f"{own}#{unquote(parts.fragment)}", places.get(own))
            if place is not None:
                _lead(link, writer, *place)
            else:  # what isn't printed, as the slides, is where the book is published
                _call(link, parts.geturl().replace(SITE.as_uri() + "/", published(), 1))
    return writer


def _call(link: DictionaryObject, uri: str) -> None:
    action = {NameObject("/S"): NameObject("/URI"), NameObject("/URI"): TextStringObject(uri)}
    link[NameObject("/A")] = DictionaryObject(action)


def _lead(link: DictionaryObject, writer: PdfWriter, page: int, top: float) -> None:
    """Let a link lead to a height of a page."""
    target = writer.pages[page].indirect_reference
    there = [target, NameObject("/XYZ"), FloatObject(0), FloatObject(top), FloatObject(0)]
    link.pop("/A")
    link[NameObject("/Dest")] = ArrayObject(there)


def main() -> None:
    """Print the book that was built, or say in one line why that can't be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="where the PDF goes")
    help = "print each page until it comes twice alike, so that the PDF repeats to the byte"
    parser.add_argument("--twice", action="store_true", help=help)
    args = parser.parse_args()
    config = settings()
    args.file.parent.mkdir(parents=True, exist_ok=True)
    with browsing("printing") as page:
        pieces = print_pages(page, pages_in_order(), args.twice)
        front = contents_page(page, config["title"], pieces)
    whole = bind(pieces, front)
    whole.add_metadata({"/Title": config["title"], "/Author": config["author"]})
    language = config["sphinx"]["config"]["language"]
    whole.root_object[NameObject("/Lang")] = TextStringObject(language)
    # A window is named by the title, and not by the file.
    shown = DictionaryObject({NameObject("/DisplayDocTitle"): BooleanObject(True)})
    whole.root_object[NameObject("/ViewerPreferences")] = shown
    with written_whole(args.file) as part:
        whole.write(part)
    link_from_home(args.file)
    size = args.file.stat().st_size / 1e6
    print(f"The book on paper: {args.file} ({len(whole.pages)} pages, {size:.0f} MB)")


if __name__ == "__main__":
    run(main, "PDF")
