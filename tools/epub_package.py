"""An EPUB 3 file: documents in their order, a table of contents, what it says of itself."""

import html
import mimetypes
import time
import uuid
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lxml import etree
from pages import parts

XHTML = "{http://www.w3.org/1999/xhtml}"
CONTAINER = """<?xml version="1.0" encoding="utf-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/>
</rootfiles></container>
"""
DOCUMENT = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" \
lang="{language}" xml:lang="{language}">
<head><title>{title}</title><link rel="stylesheet" href="{up}book.css" type="text/css"/></head>
<body>{body}</body></html>
"""
PACKAGE = """<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" \
xml:lang="{language}">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="id">urn:uuid:{identifier}</dc:identifier>
<dc:title>{title}</dc:title>
<dc:creator>{author}</dc:creator>
<dc:language>{language}</dc:language>
<dc:source>{address}</dc:source>
<dc:rights>Text and figures: CC BY 4.0. Code: Apache License 2.0.</dc:rights>
<meta property="dcterms:modified">{modified}</meta>
<meta property="schema:accessMode">textual</meta>
<meta property="schema:accessMode">visual</meta>
<meta property="schema:accessModeSufficient">textual</meta>
<meta property="schema:accessibilityFeature">alternativeText</meta>
<meta property="schema:accessibilityFeature">displayTransformability</meta>
<meta property="schema:accessibilityFeature">MathML</meta>
<meta property="schema:accessibilityFeature">readingOrder</meta>
<meta property="schema:accessibilityFeature">structuralNavigation</meta>
<meta property="schema:accessibilityFeature">tableOfContents</meta>
<meta property="schema:accessibilityHazard">none</meta>
<meta property="schema:accessibilitySummary">Formulas are MathML, every figure has a \
description, and each answer stands in a file of its own, behind a link.</meta>
</metadata>
<manifest>
{manifest}
</manifest>
<spine>
{spine}
</spine>
</package>
"""


class Leaf(NamedTuple):
    """A document of the EPUB, and the page of the built book that it comes from."""

    file: str
    page: str
    title: str
    body: etree._Element


def plain(element: etree._Element) -> str:
    """Return what is written in an element, in one line."""
    return " ".join("".join(element.itertext()).split())


def contents(leaves: Sequence[Leaf], answers: Sequence[Leaf]) -> str:
    """Return the table of contents: parts, pages and their sections, answers."""

    def entry(href: str, title: str, inside: str = "") -> str:
        below = f"<ol>{inside}</ol>" if inside else ""
        return f'<li><a href="{href}">{html.escape(title)}</a>{below}</li>'

    # Each page with its sections.
    pages = {}
    for leaf in leaves:
        heads = leaf.body.iterfind(f".//{XHTML}section[@id]/{XHTML}h2")
        inside = (entry(f"{leaf.file}#{h.getparent().get('id')}", plain(h)) for h in heads)
        pages[leaf.page] = entry(leaf.file, leaf.title, "".join(inside))
    groups = [(part, "".join(pages.get(n, "") for n in names)) for part, names in parts()]
    groups.append(("Answers", "".join(entry(leaf.file, leaf.title) for leaf in answers)))
    # The home page stands before all parts.
    listed = "".join(
        f"<li><span>{html.escape(part)}</span><ol>{inside}</ol></li>" if part else inside
        for part, inside in groups
        if inside
    )
    return (
        f'<nav epub:type="toc" id="toc" role="doc-toc"><h1>Contents</h1><ol>{listed}</ol></nav>'
        '<nav epub:type="landmarks" hidden="hidden"><ol>'
        '<li><a epub:type="cover" href="cover.xhtml">Cover</a></li>'
        '<li><a epub:type="toc" href="#toc">Contents</a></li>'
        f'<li><a epub:type="bodymatter" href="{leaves[0].file}">The book</a></li></ol></nav>'
    )


def pack(
    target: Path,
    leaves: Sequence[Leaf],
    answers: Sequence[Leaf],
    files: Mapping[str, bytes],
    about: Mapping[str, str],
    seconds: int,
) -> None:
    """Write an EPUB that repeats to the byte.

    Args:
        target: where it goes.
        leaves: its pages.
        answers: what stands behind them.
        files: what they need, among it ``book.css`` and ``cover.png``.
        about: ``title``, ``author``, ``language`` and ``address`` of the book.
        seconds: its date, in seconds since 1970.
    """
    about = {name: html.escape(value) for name, value in about.items()}
    held = {**files}
    mimetypes.add_type("font/woff2", ".woff2")  # which some machines don't know
    items = {file: (mimetypes.guess_type(file)[0], "") for file in files}

    def add(file: str, title: str, body: str, properties: Sequence[str] = ()) -> None:
        up = "../" * file.count("/")
        filled = {**about, "title": html.escape(title), "body": body, "up": up}
        held[file] = DOCUMENT.format(**filled).encode()
        items[file] = "application/xhtml+xml", " ".join(properties)

    # What the EPUB holds, and what each part of it is.
    items["cover.png"] = "image/png", "cover-image"
    cover = f'<img class="cover" src="cover.png" alt="{about["title"]}"/>'
    add("cover.xhtml", "Cover", cover)
    add("nav.xhtml", "Contents", contents(leaves, answers), ["nav"])
    for leaf in [*leaves, *answers]:
        body = etree.tostring(leaf.body, encoding="unicode")
        has = {"mathml": "<math", "svg": "<svg"}
        add(leaf.file, leaf.title, body, [name for name, tag in has.items() if tag in body])
    numbered = {file: f"i{number}" for number, file in enumerate(items)}
    manifest = "\n".join(
        f'<item id="{numbered[file]}" href="{file}" media-type="{kind}"'
        + (f' properties="{properties}"/>' if properties else "/>")
        for file, (kind, properties) in items.items()
    )
    order = ["cover.xhtml", "nav.xhtml", *(leaf.file for leaf in [*leaves, *answers])]
    spine = "\n".join(f'<itemref idref="{numbered[file]}"/>' for file in order)
    package = PACKAGE.format(
        **about,
        identifier=uuid.uuid5(uuid.NAMESPACE_URL, about["address"]),
        modified=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)),
        manifest=manifest,
        spine=spine,
    )
    held = {"META-INF/container.xml": CONTAINER.encode(), "book.opf": package.encode(), **held}
    with zipfile.ZipFile(target, "w") as epub:
        for name, data in {"mimetype": b"application/epub+zip", **held}.items():
            entry = zipfile.ZipInfo(name, time.gmtime(seconds)[:6])
            entry.external_attr = 0o644 << 16
            # The first entry stays plain: by it a reader knows what this is.
            entry.compress_type = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            epub.writestr(entry, data)
