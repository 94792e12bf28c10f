"""Sphinx extension: every run of Chinese on a page gets ``lang="zh"``.

So a screen reader speaks it as Chinese, and a browser takes a Chinese font. It is done to the
finished page, so that it holds for text, tables, code, printed outputs and figures in HTML alike,
and no author has to think of it. What a script writes later, the script has to mark.
"""

import re

from sphinx.application import Sphinx

_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_FULL_WIDTH = "\u3000-\u303f\uff00-\uff65"  # punctuation, which alone is no Chinese
_PIECES = re.compile(
    r"<(script|style|textarea|select|title)\b.*?</\1\s*>|<!--.*?-->"  # holds no text to mark
    r'|<span lang="zh">[^<]*</span>'  # marked by who wrote it
    r"|<(?:\"[^\"]*\"|'[^']*'|[^'\">])*>"  # a tag with its attributes
    rf"|(?P<run>[{_HAN}](?:[{_HAN}{_FULL_WIDTH} ]*[{_HAN}{_FULL_WIDTH}])?)",
    re.DOTALL,
)


def mark(page: str) -> str:
    """Return a page's HTML with each run of Chinese in a ``<span lang="zh">``."""

    def marked(piece: re.Match) -> str:
        run = piece["run"]
        return piece[0] if run is None else f'<span lang="zh">{run}</span>'

    return _PIECES.sub(marked, page)


def _mark_body(app: Sphinx, name: str, template: str, context: dict, doctree: object) -> None:
    if "body" in context:
        context["body"] = mark(context["body"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("html-page-context", _mark_body)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
