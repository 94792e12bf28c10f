"""Drawings of size: a model in several widths, and the GPUs that hold what a training keeps.

Shown in 'What scale buys' and 'Training on a GPU'.
"""

import math
from collections.abc import Mapping

from course_lib.checks import expect
from course_lib.figures.drawing import WIDE, WIDTH, Drawing, show_drawing

GAP = 8  # between what stands side by side
PER_ROW = 7  # GPUs
HUES = "accent", "key", "mlp"  # weights, gradients, Adam's means
FLOOR = 150  # where squares stand


def model_widths(parameters: Mapping[int, int]) -> None:
    """Show a model's widths as squares whose areas are its parameters.

    Args:
        parameters: by width, from the narrowest to the widest, which is the one in question.

    Raises:
        ValueError: if there are fewer than two, or their numbers can't stand side by side.
    """
    sides = {width: math.sqrt(count) for width, count in parameters.items()}
    expect(len(sides) > 1, "parameters", "two widths or more", len(sides))
    columns = {width: max(side * 128 / max(sides.values()), 46) for width, side in sides.items()}
    taken = sum(columns.values()) + GAP * (len(columns) + 1)
    expect(taken <= WIDTH, "parameters", f"columns within {WIDTH}", f"{taken:.0f}")
    # Squares on one floor, the last one empty: it is not trained yet.
    d, x = Drawing(), float(GAP)
    for width, column in columns.items():
        side, last = sides[width] * 128 / max(sides.values()), width == max(columns)
        middle = x + column / 2
        d.cell(middle - side / 2, FLOOR - side, side, side, "accent", 8 if last else 60)
        if last:
            d.text(middle, FLOOR - side / 2 + 12, "?", 34, weight=650)
        d.text(middle, FLOOR + 24, f"{width}", 15, weight=650)
        d.text(middle, FLOOR + 46, f"{parameters[width]:,}", 13.5, "muted")
        x += column + GAP
    counts = "; ".join(f"width {width}: {count:,}" for width, count in parameters.items())
    show_drawing(
        d.svg(FLOOR + 56, limit=WIDE),
        "How good will the large one be?",
        "One model in several widths. Each square’s area is the number of parameters of its "
        "blocks, which stands below its width. The filled ones are trained first, and tell what "
        "to expect of the last.",
        alt=f"Squares side by side, each much larger than the one before. Parameters: {counts}. "
        "The last one is empty, with a question mark.",
    )


def gpus_that_hold(parts: Mapping[str, float], memory: float) -> None:
    """Show how many GPUs the parts of a training fill.

    Args:
        parts: three names, each with its bytes: what learns, its gradients, the optimizer's.
        memory: bytes of a GPU.

    Raises:
        ValueError: if there are other than three parts.
    """
    expect(len(parts) == len(HUES), "parts", f"{len(HUES)}", len(parts))
    d, total = Drawing(), sum(parts.values())
    count = math.ceil(total / memory)
    width, height = (WIDTH - GAP * (PER_ROW + 1)) / PER_ROW, 34
    # Where each part begins and ends, counted in GPUs.
    spans, begin = [], 0.0
    for size in parts.values():
        spans.append((begin / memory, (begin + size) / memory))
        begin += size
    for place in range(count):
        row, column = divmod(place, PER_ROW)
        x, y = GAP + column * (width + GAP), 4 + row * (height + GAP)
        d.cell(x, y, width, height, "edge", 0)
        for (start, end), hue in zip(spans, HUES, strict=True):
            left, right = max(start, place), min(end, place + 1)
            if right > left:
                d.cell(x + (left - place) * width, y, (right - left) * width, height, hue, 50)
    # What a hue means.
    y = 4 + math.ceil(count / PER_ROW) * (height + GAP) + 18
    for row, ((name, size), hue) in enumerate(zip(parts.items(), HUES, strict=True)):
        d.cell(GAP, y + 24 * row - 11, 14, 14, hue, 50)
        d.text(GAP + 22, y + 24 * row + 1, f"{name}: {size / 1e9:,.0f} GB", 14, anchor="start")
    said = ", ".join(f"{name} {size / 1e9:,.0f} GB" for name, size in parts.items())
    show_drawing(
        d.svg(y + 24 * len(parts) - 8, limit=WIDE),
        f"{count} GPUs, only to hold it",
        f"Each frame is the memory of one GPU, {memory / 1e9:.0f} GB. Filled: what training keeps "
        "of the whole model from the first step to the last, before any text is read.",
        alt=f"{count} frames in rows of {PER_ROW}, filled one after the other by {said}.",
    )
