"""Figures in one style: readable on a phone, in print, in the dark and by the color-blind."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from cycler import cycler
from matplotlib.axes import Axes
from torch import Tensor

# The palette of Okabe and Ito (2008), told apart with any color vision; the dark ones first.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
# Lines differ in stroke, too, so that no figure depends on color alone.
STROKES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1))]


def use_course_style() -> None:
    """Set matplotlib's defaults for every figure of a chapter."""
    plt.rcParams.update(
        {
            "figure.figsize": (6.4, 3.8),
            "figure.dpi": 110,
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "figure.constrained_layout.use": True,
            "font.size": 11,
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

    Args:
        weights: (T, S), each between 0 and 1; of any floating-point type, on any device.
        queries: T labels.
        keys: S labels.
        ax: where to draw; a new figure by default.
        title: written above the grid.

    Returns:
        The axes drawn on.

    Raises:
        ValueError: if the labels don't fit the weights.
    """
    weights = torch.as_tensor(weights).detach().cpu().double().numpy()
    if weights.shape != (len(queries), len(keys)):
        raise ValueError(
            f"weights: expected shape {(len(queries), len(keys))} (queries, keys), "
            f"got {weights.shape}"
        )
    if ax is None:
        _, ax = plt.subplots()
    image = ax.imshow(weights, vmin=0, vmax=1)
    ax.set_xticks(range(len(keys)), keys, rotation=0 if max(map(len, keys)) <= 3 else 45)
    ax.set_yticks(range(len(queries)), queries)
    ax.set(xlabel="key", ylabel="query", title=title)
    ax.spines[:].set_visible(False)
    if weights.size <= 64:  # few enough to read as numbers
        for (row, column), weight in np.ndenumerate(weights):
            color = "white" if weight > 0.6 else "black"
            ax.text(column, row, f"{weight:.2f}", ha="center", va="center", color=color, size=10)
    ax.figure.colorbar(image, ax=ax, label="attention weight", shrink=0.9)
    return ax
