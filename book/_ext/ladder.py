"""Sphinx extension: the ladder of the book's models, drawn from its committed runs.

A page says where it stands by a paragraph of its own: ``<!-- ladder -->``.
"""

from sphinx.application import Sphinx

from course_lib.figures import ladder_html, rungs
from course_lib.studies import kit

MARK = "<!-- ladder -->"


def _draw(app: Sphinx, page: str, source: list[str]) -> None:
    if MARK in source[0]:
        # The page is read again when these have changed.
        for file in (rungs.__file__, kit.RUNS / "ladder.json"):
            app.env.note_dependency(str(file))
        home = "../" * page.count("/") + "notebooks/"
        source[0] = source[0].replace(MARK, ladder_html(home=home))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", _draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
