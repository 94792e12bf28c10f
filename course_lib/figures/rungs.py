"""The ladder of the book's models as a figure: a bar and a sample for each rung."""

import html
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

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
_CLIMB_STYLE = (
    ".lm-ladder.climb li{position:relative;border:0;padding:.6rem 0 .6rem 17.5rem;"
    "min-height:2.75rem}"
    ".lm-ladder.climb svg{position:absolute;left:0;top:0;width:10.5rem;height:100%}"
    ".lm-ladder.climb path{fill:none;vector-effect:non-scaling-stroke;stroke-width:4px;"
    "stroke:var(--lm-line,#dde1e7)}"
    ".lm-ladder.climb .rung{stroke-width:7px;stroke-linecap:round}"
    ".lm-ladder.climb .bits{position:absolute;left:11.5rem;float:none;padding:0;font-weight:650;"
    "font-size:1.375rem;line-height:1.2}"
    ".lm-ladder.climb .bits small{display:block;font-size:.8125rem;font-weight:400;"
    "color:var(--lm-muted,#566070)}"
    ".lm-ladder.climb .name{font-weight:650}"
    ".lm-ladder.lm-ladder.climb figcaption{font:inherit;font-size:.875rem;padding:0}"
    "@media(max-width:40rem){.lm-ladder.climb li{padding-left:6.5rem}"
    ".lm-ladder.climb svg{width:5.5rem}.lm-ladder.climb .bits{position:static;display:block}"
    ".lm-ladder.climb .bits small{display:inline}}"
    "@media print{.lm-ladder.climb path{print-color-adjust:exact}}"
)
_PLAYS = (
    "Bits per byte of three plays that no model has read, <em>Hamlet</em>, <em>Macbeth</em> and "
    "<em>Twelfth Night</em>; lower is better. "
)
_CAPTION = _PLAYS + (
    "Below each bar stands what that model writes, always with the same seed. "
    "One training run each."
)
_CLIMB_CAPTION = _PLAYS + (
    "A rung is as wide as its bits. Gray rungs know letters and short runs of them; the golden one "
    "has a multi-layer perceptron, the violet ones have attention. Below each name stands the "
    "longest line of a sample, always with the same seed. One training run each."
)


def ladder_html(chapter: str | None = None, *, home: str = "") -> str:
    """Return the ladder as a figure.

    Args:
        chapter: mark this notebook's rungs and leave the samples of the lower ones out; by default
            it is drawn as a ladder to climb, with a line of each sample.
        home: the way from the page to the folder of the notebooks, for links; without it no links.

    Raises:
        ValueError: if the chapter has no rung.
    """
    text = (files("course_lib.studies") / "runs" / "ladder.json").read_text(encoding="utf-8")
    rungs = json.loads(text)
    longest = max(rung["bits"] for rung in rungs)
    if chapter is None:
        return _climb(rungs, longest, home)
    check_one_of("chapter", chapter, list(_TITLES))
    # The samples of the new rungs, and of the one below them to compare with.
    shown_from = max(0, next(i for i, r in enumerate(rungs) if r["chapter"] == chapter) - 1)
    # A row a rung: its name, chapter, bits, bar and sample.
    rows = []
    for i, rung in enumerate(rungs):
        marked = ' class="marked"' if rung["chapter"] == chapter else ""
        # Without line breaks of its own: in Markdown an empty line would end the figure.
        lines = "<br>".join(map(html.escape, filter(None, rung["sample"].splitlines())))
        sample = f"<q>{lines}</q>" if i >= shown_from else ""
        rows.append(
            f'<li{marked}><span class="bits">{rung["bits"]:.2f}</span>'
            f'<span class="name">{html.escape(rung["name"])}</span> '
            f'<span class="chapter">{_title(rung, home)}</span>'
            f'<span class="bar" style="width:{100 * rung["bits"] / longest:.1f}%"></span>'
            f"{sample}</li>"
        )
    return (
        f'<figure class="lm-figure lm-ladder"><style>{_STYLE}</style><ol>{"".join(rows)}</ol>'
        f"<figcaption>{_CAPTION}</figcaption></figure>"
    )


def _title(rung: Mapping[str, Any], home: str) -> str:
    title = _TITLES[rung["chapter"]]
    return f'<a href="{home}{rung["chapter"]}.html">{title}</a>' if home else title


def _climb(rungs: Sequence[Mapping[str, Any]], longest: float, home: str) -> str:
    """Return the ladder with its best model on the top rung, each rung as wide as its bits."""
    half = [48 * rung["bits"] / longest for rung in rungs]
    rows = []
    for i in reversed(range(len(rungs))):
        rung, at = rungs[i], half[i]
        # Rails lead half-way to the rungs above and below.
        up, down = ((at + half[j]) / 2 if 0 <= j < len(half) else at for j in (i + 1, i - 1))
        left, right = (
            f"M{50 + side * up:.1f} 0L{50 + side * at:.1f} 5L{50 + side * down:.1f} 10"
            for side in (-1, 1)
        )
        attends = rung["chapter"] not in ("numbers_that_learn", "language_models")
        hue = "attention" if attends else "mlp" if "MLP" in rung["name"] else "neutral"
        line = max(rung["sample"].splitlines(), key=len)
        rows.append(
            '<li><svg aria-hidden="true" viewBox="0 0 100 10" preserveAspectRatio="none">'
            f'<path d="{left}{right}"/><path class="rung" style="stroke:var(--lm-{hue})" '
            f'd="M{50 - at:.1f} 5H{50 + at:.1f}"/></svg>'
            f'<span class="bits">{rung["bits"]:.2f} <small>bits per byte</small></span>'
            f'<span class="name">{html.escape(rung["name"])}</span> '
            f'<span class="chapter">{_title(rung, home)}</span>'
            f"<q>{html.escape(line)}</q></li>"
        )
    return (
        '<figure class="lm-figure lm-ladder climb" aria-label="The ladder of the book’s models">'
        f"<style>{_STYLE}{_CLIMB_STYLE}</style>"
        f"<ol>{''.join(rows)}</ol><figcaption>{_CLIMB_CAPTION}</figcaption></figure>"
    )


def ladder(chapter: str) -> HTML:
    """Show the ladder with a chapter's rungs marked; errors as :func:`ladder_html` raises them."""
    return HTML(ladder_html(chapter))
