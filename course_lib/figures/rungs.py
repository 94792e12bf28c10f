"""The ladder of the book's models as a figure: a bar and a sample for each rung."""

import html
import json
from importlib.resources import files

from IPython.display import HTML

from course_lib.checks import check_one_of

_TITLES = {
    "numbers_that_learn": "Numbers that learn",
    "language_models": "Language models",
    "self_attention_class": "The SelfAttention class",
    "transformer": "The Transformer",
    "training": "Training",
    "scaling": "What scale buys",
    "text_generation": "Text generation",
}
_STYLE = (
    ".lm-ladder{max-width:42.5rem;margin:1rem 0;font-family:var(--lm-sans,system-ui,sans-serif);"
    "color:var(--lm-ink,#1f2430);background:var(--lm-paper,#fff);font-variant-numeric:tabular-nums}"
    ".lm-ladder ol{list-style:none;margin:0;padding:0}"
    ".lm-ladder li{margin:0;padding:.6rem 0;border-top:1px solid var(--lm-line,#dde1e7)}"
    ".lm-ladder .bar{display:block;height:.6rem;border-radius:2px;margin:.25rem 0;"
    "background:var(--lm-neutral,#667080)}"
    ".lm-ladder .marked .bar{background:var(--lm-accent,#2b3a78)}"
    ".lm-ladder .marked .name{font-weight:650}"
    ".lm-ladder .bits{float:right;padding-left:.75rem}"
    ".lm-ladder q{display:block;quotes:none;white-space:pre-wrap;overflow-wrap:anywhere;"
    "font:.8125rem/1.45 var(--lm-mono,ui-monospace,monospace);color:var(--lm-muted,#566070)}"
    ".lm-ladder .chapter,.lm-ladder figcaption{font-size:.875rem;color:var(--lm-muted,#566070)}"
    ".lm-ladder figcaption{text-align:left;margin:.5rem 0 0}"
    "@media print{.lm-ladder .bar{print-color-adjust:exact}}"
)
_CAPTION = (
    "Bits per byte of three plays that no model has read, <em>Hamlet</em>, <em>Macbeth</em> and "
    "<em>Twelfth Night</em>; lower is better. Below each bar stands what that model writes, always "
    "with the same seed. One training run each."
)


def ladder_html(chapter: str | None = None, *, home: str = "") -> str:
    """Return the ladder as a figure.

    Args:
        chapter: mark this notebook's rungs and leave the samples of the lower ones out; by default
            nothing is marked and all samples are there.
        home: the way from the page to the folder of the notebooks, for links; without it no links.

    Raises:
        ValueError: if the chapter has no rung.
    """
    text = (files("course_lib.studies") / "runs" / "ladder.json").read_text(encoding="utf-8")
    rungs = json.loads(text)
    if chapter is not None:
        check_one_of("chapter", chapter, list(_TITLES))
    longest = max(rung["bits"] for rung in rungs)
    shown_from = 0
    if chapter is not None:  # the new rungs, and the one below them to compare with
        shown_from = max(0, next(i for i, r in enumerate(rungs) if r["chapter"] == chapter) - 1)
    # A row a rung: its name, chapter, bits, bar and sample.
    rows = []
    for i, rung in enumerate(rungs):
        title = _TITLES[rung["chapter"]]
        if home:
            title = f'<a href="{home}{rung["chapter"]}.html">{title}</a>'
        marked = ' class="marked"' if rung["chapter"] == chapter else ""
        # Without line breaks of its own: in Markdown an empty line would end the figure.
        lines = "<br>".join(map(html.escape, filter(None, rung["sample"].splitlines())))
        sample = f"<q>{lines}</q>" if i >= shown_from else ""
        rows.append(
            f'<li{marked}><span class="bits">{rung["bits"]:.2f}</span>'
            f'<span class="name">{html.escape(rung["name"])}</span> '
            f'<span class="chapter">{title}</span>'
            f'<span class="bar" style="width:{100 * rung["bits"] / longest:.1f}%"></span>'
            f"{sample}</li>"
        )
    return (
        f'<figure class="lm-figure lm-ladder"><style>{_STYLE}</style><ol>{"".join(rows)}</ol>'
        f"<figcaption>{_CAPTION}</figcaption></figure>"
    )


def ladder(chapter: str) -> HTML:
    """Show the ladder with a chapter's rungs marked; errors as :func:`ladder_html` raises them."""
    return HTML(ladder_html(chapter))
