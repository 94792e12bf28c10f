"""A figure as one piece of HTML: its first state, the kit, its own script.

Python writes the first state, so that it is there where no script runs; the browser goes on from
it. Both fill the same sentences, which stand in ``words/`` in one table per language, and write
numbers in the same way: each function here has its twin in ``base.js``.
"""

import hashlib
import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import regex as re
from IPython.display import HTML

from course_lib.checks import expect

LANGUAGE = "en"
Cell = str | Sequence[float]


@cache
def _read(name: str) -> str:
    return (files("course_lib.figures") / name).read_text(encoding="utf-8")


def _asset(name: str) -> str:
    """Return a script or style sheet, or nothing if there is none, without comments and margins."""
    if not (files("course_lib.figures") / name).is_file():
        return ""
    lines = re.sub(r"/\*.*?\*/", "", _read(name), flags=re.DOTALL).splitlines()
    return "\n".join(s for line in lines if (s := line.strip()) and not s.startswith("//"))


def words(figure: str) -> dict[str, Any]:
    """Return a figure's sentences, and the kit's, in the language that is set."""
    table = json.loads(_read(f"words/{LANGUAGE}.json"))
    return {**table["kit"], **table[figure]}


def say(sentence: str, **values: object) -> str:
    """Return a sentence with its values in the places that are named in braces."""
    return re.sub(r"\{(\w+)\}", lambda match: str(values[match[1]]), sentence)


def text(shown: object) -> str:
    """Return a text as HTML that shows it as it is; Chinese is marked for screen readers."""
    return re.sub(r"\p{Han}+", r'<span lang="zh">\g<0></span>', html.escape(str(shown)))


def figure(
    name: str,
    data: object,
    *parts: str,
    caption: Mapping[str, object] | None = None,
    called: str = "",
    **says: object,
) -> HTML:
    """Return a figure with its controls' place, its script and its style sheet.

    Args:
        name: of the script, of the style sheet if it has one, and of its sentences.
        data: what the script needs, as JSON.
        parts: the first state, as HTML.
        caption: values in the caption.
        called: how a screen reader calls the figure, as HTML: by default by its title.
        says: values in the sentence for those who have no script.
    """
    sentences = words(name)
    # An escaped "<" can't end the script that holds the data.
    held = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    told = json.dumps(sentences, ensure_ascii=False).replace("<", "\\u003c")
    # The same each time, since outputs are committed. Of equal figures each script starts one more.
    key = f"{name}-{hashlib.sha256((held + told).encode()).hexdigest()[:8]}"
    called = re.sub("<[^>]*>", "", called or text(sentences["title"])).replace('"', "&quot;")
    page = [
        f'<figure class="lm-figure lm-tool lm-{name}" data-figure="{key}" aria-label="{called}">',
        f"<style>\n{_asset('base.css')}\n{_asset(name + '.css')}</style>",
        f'<p class="lm-title">{text(sentences["title"])}</p>' if "title" in sentences else "",
        f"<noscript><p>{text(say(sentences['noscript'], **says))}</p></noscript>",
        *(parts if any("lm-controls" in part for part in parts) else (controls(), *parts)),
        # A caption is HTML.
        f"<figcaption>{say(sentences['caption'], **caption or {})}</figcaption>"
        if "caption" in sentences
        else "",
        f'<script>\nfor (const figure of document.querySelectorAll(\'[data-figure="{key}"]'
        f':not([data-on])\')) {{\nfigure.dataset.on = "";',
        f"const data = {held};\nconst words = {told};",
        _asset("base.js"),
        "{",  # its names are its own
        _asset(f"{name}.js"),
        "}\n}\n</script>\n</figure>",
    ]
    whole = "\n".join(part for part in page if part)
    # Jupyter would set what stands between two of these signs as a formula.
    if re.search(r"\$|\\[(\[]|\\begin", held):
        whole = f'<div class="mathjax_ignore tex2jax_ignore">{whole}</div>'
    return HTML(whole)


def check_place(name: str, place: int, size: int) -> None:
    """The place is one of 0 to ``size`` - 1."""
    expect(place in range(size), name, f"a place from 0 to {size - 1}", place)


def controls(first: str = "") -> str:
    """Return the place into which the script puts the controls, with what stands there first."""
    return f'<div class="lm-controls" hidden>{first}</div>'


def says(sentence: str) -> str:
    """Return the sentence that says what is seen, and is read out when it changes."""
    return f'<p class="lm-says" aria-live="polite">{text(sentence)}</p>'


def table(
    cells: Iterable[Sequence[Cell]],
    *,
    heads: Sequence[str] = (),
    classes: Sequence[str] = (),
    kind: str = "",
    caption: str = "",
) -> str:
    """Return a table.

    Args:
        cells: rows: a name, then texts; a list is bars, each a share of the cell's width.
        heads: of the columns, as HTML.
        classes: of the rows.
        kind: class of the table; ``lm-facts`` for names and what they are.
        caption: as HTML.
    """
    body = ""
    for i, (name, *rest) in enumerate(cells):
        row = f' class="{classes[i]}"' if i < len(classes) and classes[i] else ""
        body += f'<tr{row}><th scope="row">{text(name)}</th>{"".join(map(_cell, rest))}</tr>'
    top = "".join(f'<th scope="col">{head}</th>' if head else "<td></td>" for head in heads)
    return (
        f'<table class="{kind}">'
        + (f"<caption>{caption}</caption>" if caption else "")
        + (f"<thead><tr>{top}</tr></thead>" if heads else "")
        + f"<tbody>{body}</tbody></table>"
    )


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return f"<td>{text(cell)}</td>"
    bars = (f'<span style="width: {decimals(100 * share, 3)}%"></span>' for share in cell)
    return f'<td class="bar">{"".join(f"<div class=lm-bar>{bar}</div>" for bar in bars)}</td>'


# Numbers


def decimals(x: float, n: int) -> str:
    """Return a number with n decimals; a tie goes away from zero, and a minus is a minus."""
    shown = f"{abs(x) + 1e-9:.{n}f}"
    return f"−{shown}" if x < 0 and float(shown) > 0 else shown


def percent(share: float) -> str:
    """Return a share in percent, with one decimal."""
    return f"{decimals(100 * share, 1)} %"


def digits(x: float) -> str:
    """Return a number with three significant digits."""
    return f"{Decimal(f'{x:.3g}'):,f}"


def in_units(x: float, units: Sequence[Sequence[Any]], show: Any = digits) -> str:
    """Return a number in the largest unit that it reaches: [size, for one, for several]."""
    size, *forms = next((unit for unit in units if x >= unit[0]), units[-1])
    n = show(x / size)
    return say(forms[0] if n == "1" else forms[-1], n=n)


def number(x: float, sentences: Mapping[str, Any]) -> str:
    """Return a number in words of the language: 175 billion."""
    return in_units(x, sentences["numbers"])


# Plots


class Axis(NamedTuple):
    """Where values stand in a picture: ``low`` at ``start``, ``high`` at ``end``."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> str:
        """Return where a value stands."""
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return f"{self.start + (self.end - self.start) * share + 1e-9:.1f}"


def axes(
    x: Axis, y: Axis, ticks: tuple[Mapping[float, str], Mapping[float, str]], names: tuple[str, str]
) -> str:
    """Return a plot's frame: lines at y's ticks, a baseline, numbers, and the axes' names.

    Args:
        x: from left to right.
        y: from below to above.
        ticks: of x and of y: value to what is written there.
        names: of x and of y.
    """
    parts = []
    # y: a line across and a number at its left.
    for value, shown in ticks[1].items():
        at = y.place(value)
        parts.append(f'<path class="grid" d="M{x.start:g} {at}H{x.end:g}"/>')
        parts.append(
            f'<text x="{x.start - 6:g}" y="{at}" dy=".35em" text-anchor="end">{shown}</text>'
        )
    # x: the baseline, its ticks and numbers.
    parts.append(f'<path d="M{x.start:g} {y.start:g}H{x.end:g}"/>')
    for value, shown in ticks[0].items():
        at = x.place(value)
        parts.append(f'<path d="M{at} {y.start:g}v4"/>')
        parts.append(
            f'<text x="{at}" y="{y.start + 8:g}" dy=".8em" text-anchor="middle">{shown}</text>'
        )
    # The names: x at the right end, y above.
    name_x, name_y = map(text, names)
    parts.append(
        f'<text x="{x.end:g}" y="{y.start + 26:g}" dy=".8em" text-anchor="end">{name_x}</text>'
    )
    parts.append(f'<text x="{x.start:g}" y="{y.end - 12:g}">{name_y}</text>')
    return "".join(parts)
