"""Sphinx extension: the home page's map tells each chapter's time, its first entries lead to Colab.

The time to read is estimated as for instructors, the time to run is the one that
``book/how_to_use.md`` tells. Colab's address follows from the repository's: ``<!-- colab -->``.
"""

import re

from package import ROOT
from sphinx.application import Sphinx
from teaching import time_to_read

from course_lib.assignments.cells import read_cells

PAGE = "book/home"
TIMES = ROOT / "book" / "how_to_use.md"
COLAB = "<!-- colab -->"
ITEM = re.compile(r'<li>(<a href="\.\./notebooks/(\w+)\.html">[^<]+</a>)([^<]*)</li>')


def times_to_run() -> dict[str, str]:
    """Return the time to run of each chapter, as the table of times has it."""
    rows = r"^\| \[.+?\]\(\.\./notebooks/(\w+)\.ipynb\) \| ([^|]+) \|"
    return dict(re.findall(rows, TIMES.read_text(encoding="utf-8"), re.M))


def with_times(home: str) -> str:
    """Return the home page with what stands behind a chapter's link, and its times, below it."""
    runs = times_to_run()

    def told(found: re.Match[str]) -> str:
        link, name, can = found.groups()
        read = time_to_read(read_cells(ROOT / "notebooks" / f"{name}.ipynb"))
        unit = "hour" if read == "1" else "hours"
        time = f"<small>{read} {unit} · runs in {runs[name]}</small>"
        return f"<li>{link}<span>{can.strip()}</span>{time}</li>"

    return ITEM.sub(told, home)


def in_colab(notebook: str, options: dict) -> str:
    """Return where Colab opens a notebook of the repository, or what tells of other ways."""
    if "colab_url" not in options["launch_buttons"]:
        return "how_to_use.html"
    owner_and_name = options["repository_url"].split("/", 3)[3]
    colab = options["launch_buttons"]["colab_url"]
    return f"{colab}/github/{owner_and_name}/blob/{options['repository_branch']}/{notebook}"


def _draw(app: Sphinx, page: str, text: list[str]) -> None:
    if page == PAGE:
        # The page is read again when these have changed.
        for file in (TIMES, *(ROOT / "notebooks").glob("*.ipynb")):
            app.env.note_dependency(str(file))
        first = in_colab("notebooks/background.ipynb", app.config.html_theme_options)
        text[0] = with_times(text[0]).replace(COLAB, first)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", _draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
