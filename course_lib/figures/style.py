"""The look of charts: ink on paper, a hue for what it names, lines labeled at their ends."""

import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Literal
from weakref import WeakKeyDictionary

import matplotlib.pyplot as plt
import numpy as np
import torch
from cycler import cycler
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.image import AxesImage
from matplotlib.text import Annotation
from torch import Tensor

from course_lib.checks import expect

# The book's tokens by day; `course.css` holds them too, and a test holds both to each other.
COLORS = {
    "paper": "#ffffff",
    "surface": "#f4f5f7",
    "line": "#dde1e7",
    "edge": "#7a8494",
    "ink": "#1f2430",
    "muted": "#566070",
    "neutral": "#667080",
    "accent": "#2b3a78",
    "query": "#2467d6",
    "key": "#8c3705",
    "value": "#00634b",
    "attention": "#5f1795",
    "mlp": "#8a6a00",
    "embedding": "#c0349c",
    "position": "#505c6b",
    "right": "#1c7a45",
    "wrong": "#ab1f1b",
}
# Colors of a chart's lines: the subject and what it is compared with, or three and more equals.
PAIR = [COLORS["accent"], COLORS["neutral"]]
SERIES = [COLORS[n] for n in ("query", "key", "value", "attention", "mlp", "embedding", "position")]
# Inches. A chart's points are drawn 100/72 pixels wide, so that 100 pixels are an inch.
WIDE = 6.8
# Cells with a number in them keep so pale that ink is read on them in both looks.
PALE = 0.4
# For signs that matplotlib's own font lacks: the first of them that are installed.
FALLBACKS = ["Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei"]
FALLBACKS += ["WenQuanYi Micro Hei", "SimHei", "Noto Emoji"]


def use_course_style() -> None:
    """Set matplotlib's defaults for every figure of a chapter."""
    installed = set(font_manager.get_font_names())
    # A quiet ground: no box, level lines only, names at the ends of the axes.
    plt.rcParams.update(
        {
            "figure.figsize": (WIDE, 3.4),
            "figure.dpi": 100,
            "figure.facecolor": COLORS["paper"],
            "savefig.facecolor": COLORS["paper"],
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "font.family": ["sans-serif", *(name for name in FALLBACKS if name in installed)],
            "text.color": COLORS["ink"],
            "axes.titlesize": 10,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.labelsize": 10,
            "axes.labelcolor": COLORS["muted"],
            "axes.edgecolor": COLORS["edge"],
            "axes.linewidth": 0.8,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.spines.left": False,
            "axes.grid": True,
            "axes.grid.axis": "y",
            "axes.axisbelow": True,
            "axes.prop_cycle": cycler(color=SERIES),
            "grid.color": COLORS["line"],
            "grid.linewidth": 0.8,
            "xaxis.labellocation": "right",
            "xtick.color": COLORS["edge"],
            "xtick.labelcolor": COLORS["muted"],
            "ytick.color": COLORS["edge"],
            "ytick.labelcolor": COLORS["muted"],
            "ytick.major.size": 0,
            "ytick.minor.size": 0,
            "image.cmap": "Blues",
            "lines.linewidth": 2,
            "lines.markersize": 5,
            "lines.solid_capstyle": "round",
            "legend.frameon": False,
            "hatch.linewidth": 0.8,
            "svg.fonttype": "none",
            "svg.hashsalt": "course",
        }
    )


# The writing at the ends of an axes' lines, and how it is made again for another width.
_ends: WeakKeyDictionary[Axes, tuple[list[Annotation], str]] = WeakKeyDictionary()


def label_ends(ax: Axes, value: str = "") -> None:
    """Write each line's label at its end, in its color, in place of a legend.

    Labels that would touch move apart.

    Args:
        ax: holds the lines; those without a label stay without one.
        value: a format for a line's last value, written behind its label: ``"{:.2f}"``.
    """
    place_ends(ax, value, lambda text: text)


def place_ends_again(ax: Axes, wrap: int) -> None:
    """Write the labels of :func:`label_ends` once more, in lines of at most ``wrap`` signs."""
    if ax in _ends:
        old, value = _ends.pop(ax)
        for annotation in old:
            annotation.remove()
        place_ends(ax, value, partial(textwrap.fill, width=wrap, break_long_words=False))


def place_ends(ax: Axes, value: str, fold: Callable[[str], str]) -> None:
    """Write each line's label at its end; see :func:`label_ends`."""
    figure = ax.figure.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # limits and layout are known only now
    # Where the lines end, and what is written there.
    lines = [line for line in ax.get_lines() if not str(line.get_label()).startswith("_")]
    ends, texts = [], []
    for line in lines:
        x, y = np.asarray(line.get_data(orig=False), dtype=float)[:, -1].tolist()
        ends.append((x, y))
        texts.append(fold(f"{line.get_label()} {value.format(y)}".strip()))
    # Labels keep apart: their heights and places in points.
    heights = [(1 + text.count("\n")) * 1.25 * plt.rcParams["font.size"] for text in texts]
    places = [ax.transData.transform(end)[1] * 72 / figure.dpi for end in ends]
    # Write each in its line's color.
    written = []
    for line, text, end, own, place in zip(
        lines, texts, ends, places, apart(places, heights), strict=True
    ):
        written.append(
            ax.annotate(
                text,
                end,
                (7, place - own),
                textcoords="offset points",
                color=line.get_color(),
                weight="bold",
                va="center",
                annotation_clip=False,
                parse_math=False,
            )
        )
    _ends[ax] = written, value


def apart(places: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Return places as near as possible to those given where no two labels touch."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    # Neighbors that touch share the way; after some rounds a stack has spread around its middle.
    for _ in range(200):
        for low, high in pairwise(order):
            short = (heights[low] + heights[high]) / 2 - (moved[high] - moved[low])
            if short > 0.01:
                moved[low] -= short / 2
                moved[high] += short / 2
    return moved


def heat(
    ax: Axes,
    shares: Tensor | np.ndarray,
    color: str = "attention",
    *,
    most: float = 1.0,
    aspect: Literal["equal", "auto"] = "equal",
    extent: tuple[float, float, float, float] | None = None,
) -> AxesImage:
    """Draw a grid of cells, each of one hue, as strong as its share.

    The hue is in the picture's opacity alone, so that :func:`~course_lib.figures.show` can give it
    the color of the page's look.

    Args:
        ax: where to draw.
        shares: (rows, columns), 0 (paper) to 1.
        color: a name among ``COLORS``.
        most: the opacity of share 1.
        aspect: of a cell, as in ``imshow``.
        extent: left, right, bottom and top in the axes' units, as in ``imshow``.
    """
    shares = np.asarray(shares, dtype=float)
    picture = np.empty((*shares.shape, 4))
    picture[..., :3] = to_rgb(COLORS[color])
    picture[..., 3] = np.clip(shares, 0, 1) * most
    image = ax.imshow(picture, interpolation="none", aspect=aspect, extent=extent)
    image.set_gid(f"heat-{color}")
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    return image


def attention_map(
    weights: Tensor | np.ndarray,
    queries: Sequence[str],
    keys: Sequence[str],
    *,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw attention weights as a grid: a row for each query, a column for each key.

    Labels and title are shown as they are: ``$`` begins no formula.

    Args:
        weights: (T, S), each between 0 and 1; of any floating-point type, on any device.
        queries: T labels.
        keys: S labels.
        ax: where to draw; a new figure by default.
        title: written above the grid.

    Returns:
        The axes drawn on.

    Raises:
        ValueError: if the labels don't fit the weights, there are none, or a weight is out of its
            range.
    """
    weights = torch.as_tensor(weights).detach().cpu().double().numpy()
    # Shares, one for each pair of labels.
    shape = (len(queries), len(keys))
    expect(weights.shape == shape, "weights", f"shape {shape} (queries, keys)", weights.shape)
    expect(weights.size > 0, "weights", "at least one query and one key", "none")
    shares = bool(((weights >= 0) & (weights <= 1.001)).all())  # half precision rounds up
    expect(shares, "weights", "0 to 1", f"{weights.min():.4g} to {weights.max():.4g}")
    if ax is None:
        _, ax = plt.subplots(figsize=(4.2, 3.6))
    numbers = weights.size <= 64  # few enough to be read
    heat(ax, weights, most=PALE if numbers else 1)
    # Long keys lean to the right from the column that they name.
    lean: dict[str, Any] = {} if max(map(len, keys)) <= 3 else {"rotation": 45, "ha": "left"}
    # Queries at the left, keys on top.
    ax.xaxis.tick_top()
    ax.set_xticks(range(len(keys)), keys, parse_math=False, **lean)
    ax.set_yticks(range(len(queries)), queries, parse_math=False)
    ax.tick_params(length=0, labelcolor=COLORS["ink"])
    ax.set_title(title or "", parse_math=False)
    ax.set(xlabel="key", ylabel="query")
    ax.xaxis.set_label_position("top")
    if numbers:
        for (row, column), weight in np.ndenumerate(weights):
            ax.text(column, row, f"{weight:.2f}", ha="center", va="center")
    return ax
