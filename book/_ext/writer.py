"""Sphinx extension: the Transformer that writes in the page, where a page asks for it.

A page says where it stands by a paragraph of its own: ``<!-- writer -->``, a chapter with the view
that it speaks of and a text to begin with: ``<!-- writer heads: My lord, -->``. The model's script
is made from its committed weights when the book is built.
"""

import json
import re
from importlib.resources import files
from pathlib import Path

from sphinx.application import Sphinx

from course_lib import export
from course_lib.figures import writer_explorer
from course_lib.studies import kit, writer

MARK = re.compile(r"<!-- writer(?: (\w+): (.+?))? -->")
PROMPT = "My lord, the king"
SCRIPT = "_static/writer.js"


def _draw(app: Sphinx, page: str, source: list[str]) -> None:
    if not MARK.search(source[0]):
        return
    # The page is read again when these have changed.
    for file in (*map(Path, files("course_lib.figures").iterdir()), kit.MADE):
        app.env.note_dependency(str(file))
    up = "../" * page.count("/")
    held = writer.load_trained()

    def drawn(mark: re.Match[str]) -> str:
        figure = writer_explorer(
            *held, mark[2] or PROMPT, src=up + SCRIPT, home=f"{up}notebooks/", view=mark[1] or ""
        )
        # An empty line would end the figure for Markdown.
        lines = "\n".join(filter(str.strip, figure.data.split("\n")))
        # A notebook holds its text as JSON.
        return json.dumps(lines)[1:-1] if app.env.doc2path(page).endswith(".ipynb") else lines

    source[0] = MARK.sub(drawn, source[0])


def _write_script(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.name == "html":
        export.main([str(Path(app.outdir) / SCRIPT)])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", _draw)
    app.connect("build-finished", _write_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
