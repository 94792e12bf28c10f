"""Bind the built book as one EPUB 3: its pages, then the answers that they keep folded.

A page goes in as it was built, before any script has run, so that each figure is there in its first
state, as it was written for those who have no script. Of a formula goes in what screen readers
have there: its MathML.
"""

import argparse
import os
import posixpath
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from epub_clean import clean, fold_out, made, put_formulas, ruled
from epub_package import XHTML, Leaf, pack, plain
from lxml import etree
from pages import SITE, browsing, link_from_home, load, pages_in_order, published, run, settings
from playwright.sync_api import Page
from tqdm import tqdm

from course_lib.files import written_whole

# What a reader of a page without scripts has, as XML.
READ = """built => new XMLSerializer().serializeToString(
    new DOMParser().parseFromString(built, 'text/html').querySelector('article'))"""
FONTS = ("sans.woff2", "mono.woff2")  # those that figures are drawn for


def leaves_of(read: Mapping[str, str]) -> tuple[list[Leaf], list[Leaf], str]:
    """Return the EPUB's pages, their answers, and the rules of their figures.

    Args:
        read: of each page its article, as XML.
    """
    leaves: list[Leaf] = []
    answered: list[Leaf] = []
    rules: dict[str, None] = {}
    for page, built in read.items():
        article = etree.fromstring(built)
        put_formulas(article)
        for sheet in article.iter(XHTML + "style"):
            rules.update(dict.fromkeys(ruled(sheet.text)))
        clean(article, page)
        answers = fold_out(article)
        title = plain(next(article.iter(XHTML + "h1")))
        leaves.append(Leaf(f"{page}.xhtml", page, title, article))
        if len(answers):
            answers.insert(0, made("h1", f"Answers: {title}"))
            file = f"answers/{posixpath.basename(page)}.xhtml"
            answered.append(Leaf(file, page, f"Answers: {title}", answers))
    return leaves, answered, "\n".join(rules)


def lead(leaves: Sequence[Leaf]) -> set[str]:
    """Let links lead within the EPUB, or to where the book is published; return its pictures."""
    places: dict[tuple[str, str], str] = {}
    for leaf in leaves:
        places.setdefault((leaf.page, ""), leaf.file)
        for each in leaf.body.iter():
            if "id" in each.attrib:
                places[leaf.page, each.get("id")] = leaf.file
    pictures = set()
    for leaf in leaves:
        here, at = posixpath.dirname(leaf.file), posixpath.dirname(leaf.page)
        for link in leaf.body.iter(XHTML + "a"):
            parts = urlsplit(link.get("href", ""))
            if parts.scheme:
                continue
            path = posixpath.normpath(posixpath.join(at, unquote(parts.path)))
            page = path.removesuffix(".html") if parts.path else leaf.page
            top = places.get((page, ""))
            if top is None:
                link.set("href", urljoin(published(), parts._replace(path=path).geturl()))
                continue
            file = places.get((page, unquote(parts.fragment)))
            place = f"#{parts.fragment}" if file and parts.fragment else ""
            link.set("href", posixpath.relpath(file or top, here) + place)
        for picture in leaf.body.iter(XHTML + "img"):
            path = posixpath.normpath(posixpath.join(at, picture.get("src")))
            pictures.add(path)
            picture.set("src", posixpath.relpath(path, here))
    return pictures


def read_pages(page: Page, names: Iterable[str]) -> dict[str, str]:
    """Return of each page its article, as XML."""
    read = {}
    for name in names:
        read[name] = page.evaluate(READ, (SITE / f"{name}.html").read_text(encoding="utf-8"))
    return read


def draw_cover(page: Page, title: str, author: str) -> bytes:
    """Return a picture with the book's sign, its title and who wrote it."""
    load(page, "book/references")  # a page of the book may load its fonts
    page.set_viewport_size({"width": 1200, "height": 1800})
    sign = (SITE / "_static" / "favicon.svg").read_text(encoding="utf-8")
    page.set_content(
        f'<link rel="stylesheet" href="{(SITE / "_static" / "course.css").as_uri()}">'
        "<style>body{margin:0;padding:190px 110px;background:#2b3a78;color:#fff;"
        "font:600 150px/1.12 'Course Serif',serif}svg{width:330px}rect{fill:#b9c6ff!important}"
        "h1{font-size:150px;font-weight:600;margin:150px 0}p{font:48px 'Course Sans',sans-serif}"
        f"</style>{sign}<h1>{title}</h1><p>{author}</p>"
    )
    page.evaluate("() => document.fonts.ready")
    return page.screenshot()


def main() -> None:
    """Bind the book that was built, or say in one line why that can't be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="where the EPUB goes")
    args = parser.parse_args()
    config = settings()
    args.file.parent.mkdir(parents=True, exist_ok=True)
    with browsing("the EPUB") as page:
        read = read_pages(page, tqdm(pages_in_order(), "pages", leave=False))
        cover = draw_cover(page, config["title"], config["author"])
    leaves, answers, rules = leaves_of(read)
    pictures = lead([*leaves, *answers])
    style = (Path(__file__).with_suffix(".css")).read_text(encoding="utf-8") + rules
    files = {"cover.png": cover, "book.css": style.encode()}
    files |= {
        path.name: path.read_bytes() for path in map((SITE / "_static" / "fonts").joinpath, FONTS)
    }
    files |= {path: (SITE / path).read_bytes() for path in sorted(pictures)}
    about = {"title": config["title"], "author": config["author"], "address": published()}
    about["language"] = config["sphinx"]["config"]["language"]
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    with written_whole(args.file) as part:
        pack(part, leaves, answers, files, about, seconds)
    link_from_home(args.file)
    size = args.file.stat().st_size / 1e6
    print(f"The book as an EPUB: {args.file} ({len(leaves)} pages, {size:.1f} MB)")


if __name__ == "__main__":
    run(main, "EPUB")
