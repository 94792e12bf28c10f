"""Figures in one style: readable on a phone, in print, in the dark and by the color-blind."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from cycler import cycler
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from course_lib.checks import expect

# The palette of Okabe and Ito (2008), told apart with any color vision; the dark ones first.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
# Lines differ in stroke, too, so that no figure depends on color alone.
STROKES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1))]


# For signs that matplotlib's own font lacks: the first of them that are installed.
FALLBACKS = ["Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei"]
FALLBACKS += ["WenQuanYi Micro Hei", "SimHei", "Noto Emoji"]


def use_course_style() -> None:
    """Set matplotlib's defaults for every figure of a chapter."""
    installed = set(font_manager.get_font_names())
    plt.rcParams.update(
        {
            "figure.figsize": (6.4, 3.8),
            "figure.dpi": 110,
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "font.family": ["sans-serif", *(name for name in FALLBACKS if name in installed)],
            "axes.prop_cycle": cycler(color=COLORS) + cycler(linestyle=STROKES),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "lines.linewidth": 2,
            "image.cmap": "Blues",
        }
    )


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
    shape = (len(queries), len(keys))
    expect(weights.shape == shape, "weights", f"shape {shape} (queries, keys)", weights.shape)
    expect(weights.size > 0, "weights", "at least one query and one key", "none")
    shares = bool(((weights >= 0) & (weights <= 1.001)).all())  # half precision rounds up
    expect(shares, "weights", "0 to 1", f"{weights.min():.4g} to {weights.max():.4g}")
    if ax is None:
        _, ax = plt.subplots()
    image = ax.imshow(weights, vmin=0, vmax=1)
    rotation = 0 if max(map(len, keys)) <= 3 else 45
    ax.set_xticks(range(len(keys)), keys, rotation=rotation, parse_math=False)
    ax.set_yticks(range(len(queries)), queries, parse_math=False)
    ax.set_title(title, parse_math=False)
    ax.set(xlabel="key", ylabel="query")
    ax.spines[:].set_visible(False)
    if weights.size <= 64:  # few enough to read as numbers
        for (row, column), weight in np.ndenumerate(weights):
            color = "white" if weight > 0.6 else "black"
            ax.text(column, row, f"{weight:.2f}", ha="center", va="center", color=color, size=10)
    ax.figure.colorbar(image, ax=ax, label="attention weight", shrink=0.9)
    return ax


def diagram(
    ax: Axes,
    boxes: Mapping[str, tuple[float, float]],
    arrows: Sequence[tuple[str, str] | tuple[str, str, float]],
    colors: Mapping[str, str] | None = None,
) -> Axes:
    """Draw labeled boxes, and arrows from box to box.

    Args:
        ax: where to draw.
        boxes: label to its place; what stands behind a "|" tells equal labels apart and isn't
            written. A label of one sign gets a small box.
        arrows: from label to label; a third value sends the arrow around what stands between, so
            far to the right of the boxes' middle.
        colors: label, with or without what stands behind "|", to the color of its box.

    Returns:
        The axes drawn on.

    Raises:
        ValueError: if there is no box, or an arrow's end is none.
    """
    expect(len(boxes) > 0, "boxes", "at least one", "none")
    lost = next((end for arrow in arrows for end in arrow[:2] if end not in boxes), None)
    expect(lost is None, "arrows", f"labels among {', '.join(boxes)}", repr(lost))
    patches = {}
    for name, (x, y) in boxes.items():
        label = name.split("|")[0]
        color = (colors or {}).get(name, (colors or {}).get(label, "white"))
        half = 0.12 if len(label) == 1 else 0.8
        patches[name] = FancyBboxPatch(
            (x - half, y - 0.2),
            2 * half,
            0.4,
            boxstyle="round,pad=0.05",
            facecolor=color,
            edgecolor="black",
        )
        ax.add_patch(patches[name])
        ax.text(x, y, label, ha="center", va="center", size=9.5, parse_math=False)
    for start, end, *detour in arrows:
        origin, patch = boxes[start], patches[start]
        if detour:
            corner = origin[0] + detour[0], boxes[end][1]
            xs, ys = zip(origin, (corner[0], origin[1]), corner, strict=True)
            ax.plot(xs, ys, color="black", linestyle="-", linewidth=1, zorder=0)
            origin, patch = corner, None
        arrow = {"arrowstyle": "-|>", "color": "black", "shrinkA": 0, "shrinkB": 0}
        arrow |= {"patchA": patch, "patchB": patches[end]}
        ax.annotate("", boxes[end], origin, arrowprops=arrow)
    xs, ys = zip(*boxes.values(), strict=True)
    ax.set(xlim=(min(xs) - 1.25, max(xs) + 1.25), ylim=(min(ys) - 0.5, max(ys) + 0.5))
    ax.set_axis_off()
    return ax
