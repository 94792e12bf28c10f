"""Sphinx extension: SmolLM2 in the page, where a chapter asks for it.

A chapter says where it stands by a paragraph of its own: ``<!-- assistant -->``. The model's file
goes into the built book where it has been fetched already; run by itself, this file fetches it.
"""

import json
import shutil
import sys
from importlib.resources import files
from pathlib import Path

from sphinx.application import Sphinx

from course_lib import data
from course_lib.data.archives import is_whole
from course_lib.figures import assistant_box

MARK = "<!-- assistant -->"
PLACE = "talk"  # what the home page's button leads to
FOLDER = "_static/assistant"
MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"


def drawn(source: str, page: str) -> str:
    """Return a notebook's JSON with the figure in the place of each mark."""
    src = f"{'../' * page.count('/')}{FOLDER}/"
    # An empty line would end the figure for Markdown.
    lines = "\n".join(filter(str.strip, assistant_box(src, MODEL).data.split("\n")))
    lines = lines.replace("<figure ", f'<figure id="{PLACE}" ', 1)
    return source.replace(MARK, json.dumps(lines)[1:-1])


def _draw(app: Sphinx, page: str, source: list[str]) -> None:
    if MARK in source[0]:
        # The page is read again when these have changed.
        for file in map(Path, files("course_lib.figures").iterdir()):
            app.env.note_dependency(str(file))
        source[0] = drawn(source[0], page)


def put_model(site: Path) -> None:
    """Copy the model's file into a built book, fetched if it isn't there yet."""
    source, target = data.smollm2_folder() / MODEL, site / FOLDER / MODEL
    if not target.exists() or target.stat().st_size != source.stat().st_size:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _put_model(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.name == "html" and is_whole("smollm2"):
        put_model(Path(app.outdir))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", _draw)
    app.connect("build-finished", _put_model)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    try:
        put_model(Path(sys.argv[1]))
    except data.DataError as error:  # the book can be read without it
        print(f"make: the book has no SmolLM2 to talk to: {error}", file=sys.stderr)
