"""A drawing, part by part, and the frame that it is shown in.

A hue names a part of the model, everywhere in the book; each is written as the page's own color, so
that a drawing changes its look with the page. WIDTH units lie across the column of a phone.
"""

import math
from collections.abc import Mapping, Sequence

from IPython.display import HTML, display

from course_lib.figures.style import COLORS
from course_lib.figures.svg import drawing_html

Point = tuple[float, float]
WIDTH = 400
WIDE = "34rem"  # the most for a drawing that fills the column of a desk
BRANCH = 108  # from where a sublayer reads to where it adds
_PAIR = (
    ".lm-pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr));gap:1.5rem}"
    ".lm-pair p{font-weight:650;margin:0}.lm-pair p.said{font-weight:400;font-size:.9375rem}"
)


def color(name: str) -> str:
    """Return a color of the page, with its light value where there is no page."""
    return f"var(--lm-{name},{COLORS[name]})"


def tint(name: str, share: int) -> str:
    """Return a color mixed with paper; ``share`` is in percent."""
    return f"color-mix(in srgb,{color(name)} {share}%,{color('paper')})"


class Drawing:
    """SVG, part by part, in the colors of the page."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float = 14,
        hue: str = "ink",
        anchor: str = "middle",
        weight: int = 400,
        mono: bool = False,
    ) -> None:
        """Write words; ``words`` may hold markup."""
        font = ";font-family:var(--lm-mono,monospace)" if mono else ""
        style = f"font-size:{size}px;font-weight:{weight};fill:{color(hue)}{font}"
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" style="{style}">{words}</text>'
        )

    def cell(self, x: float, y: float, width: float, height: float, hue: str, share: int) -> None:
        """Draw a cell of a hue, as strong as its share of it in percent."""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
            f'style="fill:{tint(hue, share)};stroke:{color(hue)};stroke-width:1"/>'
        )

    def line(
        self, points: Sequence[Point], hue: str = "ink", width: float = 1.5, head: bool = True
    ) -> None:
        """Draw a way of straight pieces with round corners, and an arrow's head at its end."""
        points = list(points)
        (x, y), (u, v) = points[-2:]
        length = math.hypot(u - x, v - y)
        dx, dy = (u - x) / length, (v - y) / length
        if head:
            back, half = 8 + width, 3.2 + 0.6 * width
            b, c = u - dx * back, v - dy * back
            self.parts.append(
                f'<path d="M{u:.1f} {v:.1f}L{b - dy * half:.1f} {c + dx * half:.1f}'
                f'L{b + dy * half:.1f} {c - dx * half:.1f}Z" style="fill:{color(hue)}"/>'
            )
            points[-1] = (b + dx, c + dy)
        way = f"M{points[0][0]:g} {points[0][1]:g}"
        for before, (x, y), after in zip(points, points[1:], points[2:], strict=False):
            # A corner begins and ends 8 before and behind the point, or in the middle of a piece.
            ends = []
            for other in (before, after):
                far = math.dist(other, (x, y))
                share = min(8, far / 2) / far
                ends.append((x + (other[0] - x) * share, y + (other[1] - y) * share))
            (p, q), (r, s) = ends
            way += f"L{p:.1f} {q:.1f}Q{x:g} {y:g} {r:.1f} {s:.1f}"
        way += f"L{points[-1][0]:.1f} {points[-1][1]:.1f}"
        self.parts.append(
            f'<path d="{way}" style="fill:none;stroke:{color(hue)};stroke-width:{width}"/>'
        )

    def box(
        self, x: float, y: float, width: float, height: float, label: str, hue: str, below: str = ""
    ) -> None:
        """Draw a part of the model, its name and what it does, around a middle."""
        self.parts.append(
            f'<rect x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width:g}" '
            f'height="{height:g}" rx="8" '
            f'style="fill:{tint(hue, 14)};stroke:{color(hue)};stroke-width:1.5"/>'
        )
        self.text(x, y + (-2 if below else 5), label, 14, weight=600)
        if below:
            self.text(x, y + 15, below, 13.5, "muted")

    def pill(self, x: float, y: float, label: str, width: float = 64) -> None:
        """Draw a small operation."""
        style = f"fill:{color('surface')};stroke:{color('edge')};stroke-width:1.2"
        self.parts.append(
            f'<rect x="{x - width / 2:g}" y="{y - 12:g}" width="{width:g}" height="24" rx="12" '
            f'style="{style}"/>'
        )
        self.text(x, y + 4.5, label, 13.5)

    def plus(self, x: float, y: float, hue: str = "ink", radius: float = 9) -> None:
        """Draw the place where something is added."""
        arm = radius - 4
        style = f"fill:{color('paper')};stroke:{color(hue)};stroke-width:2"
        self.parts.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" style="{style}"/>'
            f'<path d="M{x - arm:g} {y:g}h{2 * arm:g}M{x:g} {y - arm:g}v{2 * arm:g}" '
            f'style="{style}"/>'
        )

    def dot(self, x: float, y: float, hue: str, radius: float = 5) -> None:
        """Draw the place where something is read."""
        style = f"fill:{color(hue)}"
        self.parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" style="{style}"/>')

    def sublayer(
        self,
        stream: float,
        branch: float,
        y: float,
        label: str,
        hue: str,
        below: str = "",
        norm: bool = True,
    ) -> None:
        """Draw a sublayer at the side of a stream: it reads at ``y`` and adds further up."""
        add, edge = y - BRANCH, math.copysign(9, branch - stream)
        self.line(
            [(stream, y), (branch, y), (branch, y - (16 if norm else 50))], hue, head=not norm
        )
        self.dot(stream, y, hue)
        if norm:
            self.line([(branch, y - 40), (branch, y - 50)], hue)
            self.pill(branch, y - 28, "norm")
        self.line([(branch, y - 90), (branch, add), (stream + edge, add)], hue)
        self.box(branch, y - 71, 124, 42, label, hue, below)
        self.plus(stream, add)

    def svg(self, bottom: float, top: float = 0, *, limit: str = f"{WIDTH}px") -> str:
        """Return the drawing from one height to another, at most ``limit`` wide."""
        return (
            f'<svg viewBox="0 {top:g} {WIDTH} {bottom - top:g}" style="max-width:{limit}" '
            f'aria-hidden="true" focusable="false">{"".join(self.parts)}</svg>'
        )


def show_drawing(
    drawn: str | Mapping[str, str],
    title: str,
    caption: str,
    *,
    alt: str,
    style: str = "",
    kind: str = "",
) -> None:
    """Show a drawing in the notebook and the book.

    Args:
        drawn: SVG, or several by their names, to stand side by side, on a phone one below another.
        title: what it finds, as a sentence; HTML.
        caption: what is drawn and what to see; HTML.
        alt: the same for those who don't see it.
        style: rules for what is drawn in HTML.
        kind: a class that these rules speak of.
    """
    if not isinstance(drawn, str):
        panels = "".join(f"<div><p>{name}</p>{svg}</div>" for name, svg in drawn.items())
        drawn, style = f'<div class="lm-pair">{panels}</div>', _PAIR + style
    display(HTML(drawing_html(drawn, title, caption, alt=alt, style=style, kind=kind)))
