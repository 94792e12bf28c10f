"""A matplotlib figure in a page: SVG whose colors are the page's, so that it changes its look.

Each color is written as ``var(--lm-NAME, light value)``: in the book the theme's switch recolors a
drawing, elsewhere (Colab, Jupyter) it stands on paper. Writing stays text in the page's font, which
can be searched and keeps a drawing near 10 kB; as outlines it would be 40 to 65 kB. Everything is
drawn a second time for a phone, narrower, its panels below each other, so that text keeps its size.
"""

import hashlib
import html
import io
import re

import matplotlib.pyplot as plt
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatter, LogLocator, NullFormatter

from course_lib.figures.style import COLORS, place_ends_again

NARROW = 3.7  # inches: a phone of 390 pixels
# matplotlib measures with a font wider than the page's: written larger, both fill the place.
LARGER = 1.1
STYLE = (
    ".lm-plot{container-type:inline-size;background:var(--lm-paper,#fff);"
    "color:var(--lm-ink,#1f2430);font-family:var(--lm-sans,system-ui,sans-serif);"
    "max-width:42.5rem;margin:1rem 0;padding:.5rem}"
    ".lm-plot svg{display:block;width:100%;height:auto}.lm-plot .narrow{display:none}"
    ".lm-plot text{white-space:pre}.lm-plot svg *{stroke-linejoin:round;stroke-linecap:butt}"
    ".lm-plot .title{font-weight:650;margin:0 0 .75rem}.lm-plot figcaption{font-size:.875rem;"
    "color:var(--lm-muted,#566070);text-align:left;margin:.5rem 0 0}"
    "@container(max-width:33rem){.lm-plot .wide{display:none}.lm-plot .narrow{display:block}}"
)


def show(fig: Figure, title: str, caption: str, *, alt: str) -> None:
    """Show a figure in the notebook and the book, in each of their looks; and close it.

    Args:
        fig: a matplotlib figure. A y axis' label is written level above the axis.
        title: what the figure finds, as a sentence; HTML.
        caption: what is drawn, in which units, from how many seeds, from which source; HTML.
        alt: what is to be seen, for those who don't see it.
    """
    display(HTML(figure_html(fig, title, caption, alt=alt)))


def figure_html(fig: Figure, title: str, caption: str, *, alt: str) -> str:
    """Return what :func:`show` shows."""
    return drawing_html(drawings(fig), title, caption, alt=alt)


def drawing_html(
    svg: str, title: str, caption: str, *, alt: str, style: str = "", kind: str = ""
) -> str:
    """Return a drawing as a figure with its title above and its caption below.

    ``style`` holds rules beyond the kit's, ``kind`` a class that they speak of.
    """
    kinds = " ".join(filter(None, ("lm-figure", "lm-plot", kind)))
    return (
        f'<figure class="{kinds}"><style>{STYLE}{style}</style><p class="title">{title}</p>'
        f'<div role="img" aria-label="{html.escape(alt)}">{svg}</div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def drawings(fig: Figure) -> str:
    """Return the figure as SVG, wide and, if it is wider than a phone, narrow; and close it."""
    for ax in fig.axes:
        _plain_ticks(ax)
        _unit_above(ax)
    # As drawn; then again for a phone, its panels one below the other.
    width, height = fig.get_size_inches()
    svg = _svg(fig, "wide")
    if width > NARROW:
        panels = _stack(fig)
        # A lone map keeps its shape; other panels keep their height.
        keeps_shape = panels == 1 and any(ax.get_aspect() == 1 for ax in fig.axes)
        fig.set_size_inches(NARROW, height * (NARROW / width if keeps_shape else panels))
        for ax in fig.axes:
            place_ends_again(ax, 12)
        svg += _svg(fig, "narrow")
    else:
        svg = svg.replace('class="wide"', 'class="only"')
    plt.close(fig)
    return svg


def _plain_ticks(ax: Axes) -> None:
    """Write a logarithmic axis' ticks as numbers, not as formulas; and two of them at least."""
    for axis in (ax.xaxis, ax.yaxis):
        if isinstance(axis.get_major_formatter(), LogFormatter):
            low, high = sorted(axis.get_view_interval())
            if sum(low <= tick <= high for tick in axis.get_majorticklocs()) < 2:
                axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(FuncFormatter(plain))
            axis.set_minor_formatter(NullFormatter())


def plain(number: float, _: object = None) -> str:
    """Write a tick of a logarithmic axis: 0.01, 1,000, 10⁹."""
    if 1e-4 <= abs(number) < 1e7 or number == 0:
        return f"{number:,.7g}".replace("-", "−") if number < 1 else f"{number:,.0f}"
    digits, power = f"{number:.6e}".split("e")
    raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{float(digits):g} × 10{raised}".removeprefix("1 × ")


def _unit_above(ax: Axes) -> None:
    """Write the y axis' label level, above its upper end, below the panel's title."""
    label, text = ax.yaxis.label, ax.get_ylabel()
    if not text:
        return
    above = 7.0
    if ax.xaxis.get_label_position() == "top":  # a map: both names in one line, above the columns
        text = f"{text} ↓  {ax.get_xlabel()} →"
        ax.set_xlabel("")
        fig = ax.figure.get_figure(root=True)
        assert fig is not None
        fig.draw_without_rendering()
        columns = [tick.get_window_extent() for tick in ax.get_xticklabels()]
        top = max((box.y1 for box in columns), default=ax.bbox.y1)
        above += (top - ax.bbox.y1) * 72 / fig.dpi
    # The label, level, at the upper end; a title makes room for it.
    ax.annotate(
        text,
        (0, 1),
        (0, above),
        xycoords="axes fraction",
        textcoords="offset points",
        color=label.get_color(),
        ha="left",
        va="bottom",
        annotation_clip=False,
    )
    ax.set_ylabel("")
    if title := ax.get_title(loc="left"):
        rows = 1 + text.count("\n")
        size = plt.rcParams["font.size"]
        ax.set_title(title, pad=above + 3 + 1.25 * size * rows, parse_math=False)


def _stack(fig: Figure) -> int:
    """Put panels that stand side by side below each other; return how many rows that makes."""
    panels = [ax for ax in fig.axes if ax.get_subplotspec() is not None]
    grids = {ax.get_subplotspec().get_gridspec() for ax in panels}  # type: ignore[union-attr]
    if len(grids) != 1:
        return 1
    (grid,) = grids
    if grid.nrows > 1 or grid.ncols == 1:
        return 1
    rows = fig.add_gridspec(len(panels), 1)
    for i, ax in enumerate(panels):
        ax.set_subplotspec(rows[i, 0])
        ax.tick_params(labelleft=True)
    return len(panels)


def _svg(fig: Figure, kind: str) -> str:
    """Return the figure as inline SVG with the page's colors and font."""
    file = io.StringIO()
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "course"}):
        fig.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    svg = text[text.index("<svg") :]
    # Away with what draws nothing.
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.S)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.S)
    svg = re.sub(r'<path d="[^"]*" style="fill: none"/>', "", svg)
    svg = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", svg)
    # Numbers to a hundredth of a point, one space where there are many.
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"-?\d+\.\d{3,}", _rounded, tag[0]), svg)
    svg = re.sub(r"\s*\n\s*", " ", svg)
    # The page's font: upright or its companion for code.
    svg = re.sub(r'style="([^"]*)"', _restyled, svg)
    # A heat map's hue: the picture becomes a mask in front of a plane of that color.
    svg = re.sub(r"<image ([^>]*?)/>", _masked, svg)
    # The page's colors.
    for name, value in COLORS.items():
        svg = re.sub(value, f"var(--lm-{name},{value})", svg, flags=re.I)
    svg = _own_names(svg)
    width, height = (72 * side for side in fig.get_size_inches())
    limit = f"max-width:{width / 72 * 100:.0f}px"
    return re.sub(
        r"<svg [^>]*>",
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" style="{limit}" '
        'aria-hidden="true" focusable="false">',
        svg,
        count=1,
    )


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def _restyled(match: re.Match[str]) -> str:
    style = match[1]
    if "font-size" in style:
        mono = "Mono" in style.split("font-family")[1].split(",")[0]
        style = re.sub(r"font-family: [^;]*(; )?", "", style).removesuffix("; ")
        style = re.sub(
            r"font-size: ([\d.]+)px", lambda m: f"font-size:{float(m[1]) * LARGER:g}px", style
        )
        style = style.replace("font-weight: 700", "font-weight:600")
        style += ";font-family:var(--lm-mono,monospace)" if mono else ""
        if "fill:" not in style:
            style += ";fill:currentColor"
    return f'style="{style.replace(": ", ":").replace("; ", ";")}"'


def _masked(match: re.Match[str]) -> str:
    picture = match[1]
    found = re.search(r'id="heat-(\w+)"', picture)
    if not found:
        return match[0]
    place = re.search(r'transform="[^"]*"', picture)
    size = re.search(r'width="(\d+)" height="(\d+)"', picture)
    assert place is not None
    assert size is not None  # as matplotlib writes an image that isn't resampled
    name = f"mask{match.start()}"
    inner = picture.replace(found[0], "").replace(place[0], "")
    return (
        f'<mask id="{name}" style="mask-type:alpha"><image {inner}/></mask>'
        f"<rect {size[0]} {place[0]} "
        f'style="fill:{COLORS[found[1]]}" mask="url(#{name})"/>'
    )


def _own_names(svg: str) -> str:
    """Keep only names that are used, and make them the drawing's own on a page of many."""
    key = "f" + hashlib.sha256(svg.encode()).hexdigest()[:6]
    svg = svg.replace("xlink:href", "href")
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg))
    names = {name for pair in used for name in pair if name}
    short = {name: f"{key}{i}" for i, name in enumerate(sorted(names))}
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{short[m[1]]}"' if m[1] in short else "", svg)
    svg = re.sub(r'href="#([^"]+)"', lambda m: f'href="#{short[m[1]]}"', svg)
    return re.sub(r"url\(#([^)]+)\)", lambda m: f"url(#{short[m[1]]})", svg)
