"""Sphinx extension: what a page can be read without is loaded late, or not at all.

Scripts wait until the page is there, rules of style that fit nothing in the book are cut, as are
the marks of code that have no color, and the theme's 1,500 kB of icons are left out: ``course.css``
brings the few that the pages show, as fonts. The theme asks each block of code whether it is wider
than its place, and marks it, in turn: the page is laid out once per block. Here all are asked
first.
"""

import itertools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tinycss2
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

AT_ONCE = "documentation_options.js"  # scripts in the page itself set its values
ICONS = ("_static/scripts/fontawesome.js", "_static/scripts/fontawesome.js.map")
# Names, punctuation and spaces in code: as many as all other marks together, in the text's color.
PLAIN = re.compile(r'<span class="(?:n|nn|p|w)">([^<]*)</span>')
# Style sheets that others made for every page that there may be.
SHEETS = ("styles/*.css", "sphinx-design.min.css", "mystnb.*.css", "mathjax/typeset.css")
THEME = "_static/scripts/pydata-sphinx-theme.js"
SCROLLS = "e.scrollWidth>e.clientWidth||e.scrollHeight>e.clientHeight?0:-1"
IN_TURN = f".forEach(e=>{{e.tabIndex={SCROLLS}}})"
ALL_FIRST = (
    f".forEach((_,i,all)=>{{if(!i)[...all].map(e=>[e,{SCROLLS}])"
    ".forEach(([e,index])=>{e.tabIndex=index})})"
)
# Scripts put these together from pieces.
MADE = re.compile(r"bs-tooltip|bs-popover")


def _defer(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    if "body" in context:
        context["body"] = PLAIN.sub(r"\1", context["body"])
    names = [str(script.filename or "") for script in context["script_files"]]
    # The search and the widgets' manager ask for the others at once.
    at_once = page == "search" or any(name.endswith("embed-amd.js") for name in names)
    scripts = []
    for script, name in zip(context["script_files"], names, strict=True):
        if name and not (at_once or name.endswith(AT_ONCE)):
            # A copy: all pages share the script.
            late = {"defer": "defer"} | script.attributes
            script = type(script)(script.filename, priority=script.priority, **late)
        scripts.append(script)
    context["script_files"] = scripts


def _leave_out_icons(site: Path) -> None:
    script, source_map = (site / name for name in ICONS)
    script.write_text("", encoding="utf-8")  # every page of the theme asks for it
    source_map.unlink(missing_ok=True)


def _measure_first(site: Path) -> None:
    script = site / THEME
    text = script.read_text(encoding="utf-8")
    if ALL_FIRST not in text:
        if IN_TURN not in text:
            raise ExtensionError(f"{script}: expected {IN_TURN}; the theme has changed")
        script.write_text(text.replace(IN_TURN, ALL_FIRST), encoding="utf-8")


def _classes(selector: Iterable[Any]) -> set[str]:
    """Return the classes that an element, or those around it, must have for a selector to fit."""
    pairs = itertools.pairwise(selector)
    return {name.value for dot, name in pairs if dot == "." and name.type == "ident"}


def cut(rules: Iterable[Any], words: set[str]) -> str:
    """Return style rules without those that need a class that is not among the words."""
    kept = ""
    for rule in rules:
        if rule.type == "qualified-rule":
            # A selector's end is a comma that stands in no bracket.
            selectors: list[list[Any]] = [[]]
            for token in rule.prelude:
                selectors.append([]) if token == "," else selectors[-1].append(token)
            fitting = [
                tinycss2.serialize(each).strip()
                for each in selectors
                if all(name in words or MADE.match(name) for name in _classes(each))
            ]
            if fitting:
                kept += f"{','.join(fitting)}{{{tinycss2.serialize(rule.content).strip()}}}\n"
        elif rule.type == "at-rule" and rule.lower_at_keyword in ("media", "supports", "layer"):
            inner = tinycss2.parse_rule_list(rule.content or [], skip_whitespace=True)
            if within := cut(inner, words):
                kept += f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{within}}}\n"
        elif rule.type != "comment":
            kept += rule.serialize() + "\n"
    return kept


def _cut_styles(site: Path) -> None:
    static = site / "_static"
    words: set[str] = set()
    for file in (*site.rglob("*.html"), *static.rglob("*.js")):
        words.update(re.findall(r"[\w-]+", file.read_text(encoding="utf-8")))
    for sheet in (path for pattern in SHEETS for path in static.glob(pattern)):
        rules = tinycss2.parse_stylesheet(
            sheet.read_text(encoding="utf-8"), skip_comments=True, skip_whitespace=True
        )
        sheet.write_text(cut(rules, words), encoding="utf-8")


def _finish(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.name == "html":
        site = Path(app.outdir)
        _leave_out_icons(site)
        _measure_first(site)
        _cut_styles(site)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("html-page-context", _defer, priority=900)  # behind those that add scripts
    app.connect("build-finished", _finish, priority=900)  # behind those that change pages
    return {"parallel_read_safe": True, "parallel_write_safe": True}
