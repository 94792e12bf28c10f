"""Sphinx extension: what a page can be read without is loaded late, or not at all.

Scripts wait until the page is there. All pages share one sheet of style, ``pages.css``, without the
rules that fit nothing in the book. Marks of code that have no color are cut, and the theme's
1,500 kB of icons are left out: ``course.css`` brings the few that the pages show, as fonts. The
theme asks each block of code whether it is wider than its place, and marks it, in turn: the page is
laid out once per block. Here they are asked when the browser has sized them: folded ones when they
are opened.
"""

import hashlib
import itertools
import posixpath
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tinycss2
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

OPTIONS = "documentation_options.js"  # other scripts ask for its values at once
ASKS_FOR_OPTIONS = re.compile(rf'<script src="[^"]*{OPTIONS}[^"]*"></script>')
ICONS = ("_static/scripts/fontawesome.js", "_static/scripts/fontawesome.js.map")
# Names, punctuation and spaces in code: as many as all other marks together, in the text's color.
PLAIN = re.compile(r'<span class="(?:n|nn|p|w)">([^<]*)</span>')
OURS = "course.css"  # whole: the widgets' manager, which it speaks of, too, isn't looked at
# The style sheets of a page, in their order; `_templates/layout.html` asks for SHEET instead.
SHEETS = (
    *("basic.css", "styles/pydata-sphinx-theme.css", "pygments.css"),
    *("styles/sphinx-book-theme.css", "togglebutton.css", "copybutton.css"),
    *("mystnb.*.css", "sphinx-design.min.css"),
    *("mathjax/typeset.css", OURS),
)
SHEET = "pages.css"
ADDRESS = re.compile(r"""url\(["']?(?!["']|data:|#)([^"')]+)["']?\)""")
OF_SLIDES = ("mathjax/typeset.css", OURS)
# Bootstrap's script has names for all of its parts, of which the pages have few: these it sets on
# what is there, and those it puts together from pieces.
SET = {"show", "showing", "hiding", "fade", "collapsing", "collapsed", "active", "disabled"}
MADE = re.compile(r"(bs-)?tooltip")
BOOTSTRAP = "bootstrap.js"
THEME = "_static/scripts/pydata-sphinx-theme.js"
SCROLLS = "e.scrollWidth>e.clientWidth||e.scrollHeight>e.clientHeight?0:-1"
IN_TURN = f".forEach(e=>{{e.tabIndex={SCROLLS}}})"
WHEN_SIZED = (
    ".forEach(e=>(window.scrollers??=new ResizeObserver(all=>all.map(({target:e})=>"
    f"[e,{SCROLLS}]).forEach(([e,index])=>{{e.tabIndex=index}}))).observe(e))"
)


def _defer(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    if "body" in context:
        context["body"] = PLAIN.sub(r"\1", context["body"])
    scripts = []
    for script in context["script_files"]:
        name = str(script.filename or "")
        if name and page != "search" and not name.endswith(OPTIONS):
            # A copy: all pages share the script.
            late = {"defer": "defer"} | script.attributes
            script = type(script)(script.filename, priority=script.priority, **late)
        scripts.append(script)
    context["script_files"] = scripts


def _leave_out_icons(site: Path) -> None:
    for name in ICONS:
        (site / name).unlink(missing_ok=True)


def _measure_when_sized(site: Path) -> None:
    script = site / THEME
    text = script.read_text(encoding="utf-8")
    if WHEN_SIZED not in text:
        if IN_TURN not in text:
            raise ExtensionError(f"{script}: expected {IN_TURN}; the theme has changed")
        script.write_text(text.replace(IN_TURN, WHEN_SIZED), encoding="utf-8")


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


def _words(pages: Iterable[str], scripts: Iterable[Path]) -> set[str]:
    """Return what may be a class in the book: what pages say so, and all that scripts name."""
    words = set(SET)
    for page in pages:
        for names, script in re.findall(
            r'\bclass="([^"]*)"|<script[^>]*>(.*?)</script>', page, re.S
        ):
            words.update(re.findall(r"[\w-]+", names + script))
    for script in scripts:
        words.update(re.findall(r"[\w-]+", script.read_text(encoding="utf-8")))
    return words


def _sheet(static: Path, words: set[str]) -> str:
    """Return the rules that fit something in the book, with addresses as seen from ``static``."""
    sheet = ""
    for path in (path for pattern in SHEETS for path in static.glob(pattern)):
        text = path.read_text(encoding="utf-8")
        if path.name != OURS:
            rules = tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True)
            text = cut(rules, words)
        name = path.relative_to(static).as_posix()
        folder = posixpath.dirname(name)
        sheet += ADDRESS.sub(
            lambda found, folder=folder: (
                f'url("{posixpath.normpath(posixpath.join(folder, found[1]))}")'
            ),
            text,
        )
        if name not in OF_SLIDES:
            path.unlink()
            path.with_name(f"{path.name}.map").unlink(missing_ok=True)
    return sheet


def _bind(site: Path, pages: list[Path]) -> None:
    """Write the one sheet, and name it in the pages by its content, so that no old one is kept."""
    static = site / "_static"
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    scripts = [*static.glob("*.js"), *static.glob("scripts/*.js")]
    words = _words(texts.values(), (path for path in scripts if path.name != BOOTSTRAP))
    sheet = _sheet(static, words)
    (static / SHEET).write_text(sheet, encoding="utf-8")
    version = hashlib.sha256(sheet.encode()).hexdigest()[:8]
    options = (static / OPTIONS).read_text(encoding="utf-8")
    for page, text in texts.items():
        bound = re.sub(rf"{SHEET}(\?v=\w+)?", f"{SHEET}?v={version}", text)
        bound = ASKS_FOR_OPTIONS.sub(lambda _: f"<script>{options}</script>", bound)
        if bound != text:
            page.write_text(bound, encoding="utf-8")


def _finish(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.name == "html":
        site = Path(app.outdir)
        _leave_out_icons(site)
        _measure_when_sized(site)
        names = [*sorted(app.env.found_docs), "genindex", "search"]
        _bind(site, [Path(app.builder.get_outfilename(name)) for name in names])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("html-page-context", _defer, priority=900)  # behind those that add scripts
    app.connect("build-finished", _finish, priority=900)  # behind those that change pages
    return {"parallel_read_safe": True, "parallel_write_safe": True}
