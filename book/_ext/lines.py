"""Sphinx extension: each line of a block of code stands in an element of its own.

So a line that is too long for a phone or for paper goes on below its own indentation, not at the
left edge. It is done to the finished page, for code and printed outputs alike.
"""

import html
import re

from sphinx.application import Sphinx

_BLOCK = re.compile(r'(<div class="highlight"><pre>(?:<span></span>)?)(.*?)(</pre>)', re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


def _line(code: str) -> str:
    text = html.unescape(_TAG.sub("", code))
    indent = len(text) - len(text.lstrip(" "))
    style = f' style="--indent:{indent}ch"' if indent else ""
    return f'<span class="line"{style}>{code}\n</span>'


def mark(page: str) -> str:
    """Return a page's HTML with each line of its blocks of code in a ``<span class="line">``."""

    def marked(block: re.Match[str]) -> str:
        before, code, after = block.groups()
        # Pygments closes what it opens before a line ends.
        return before + "".join(map(_line, code.removesuffix("\n").split("\n"))) + after

    return _BLOCK.sub(marked, page)


def _mark_body(app: Sphinx, name: str, template: str, context: dict, doctree: object) -> None:
    if "body" in context:
        context["body"] = mark(context["body"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("html-page-context", _mark_body)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
