"""Sphinx extension: what a page can be read without is loaded late, or not at all.

Scripts wait until the page is there, MathJax comes only with formulas, and the theme's 1,500 kB of
icons are left out: ``course.css`` brings the few that the pages show, as fonts.
"""

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

AT_ONCE = "documentation_options.js"  # scripts in the page itself set its values
FORMULA = re.compile(r'class="(?:[^"]* )?math[ "]')
ICONS = ("_static/scripts/fontawesome.js", "_static/scripts/fontawesome.js.map")


def _defer(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    names = [str(script.filename or "") for script in context["script_files"]]
    # The search and the widgets' manager ask for the others at once.
    at_once = page == "search" or any(name.endswith("embed-amd.js") for name in names)
    formulas = FORMULA.search(context.get("body", ""))
    scripts = []
    for script, name in zip(context["script_files"], names, strict=True):
        if name.endswith(app.config.mathjax_path) and not formulas:
            continue
        if name and not (at_once or name.endswith(AT_ONCE)):
            # A copy: all pages share the script.
            late = {"defer": "defer"} | script.attributes
            script = type(script)(script.filename, priority=script.priority, **late)
        scripts.append(script)
    context["script_files"] = scripts


def _leave_out_icons(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.name == "html":
        script, source_map = (Path(app.outdir) / name for name in ICONS)
        script.write_text("", encoding="utf-8")  # every page of the theme asks for it
        source_map.unlink(missing_ok=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("html-page-context", _defer, priority=900)  # behind those that add scripts
    app.connect("build-finished", _leave_out_icons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
