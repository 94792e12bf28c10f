"""Drawings of how a model is measured: where a measurement lies, and which reviews are held out.

Shown in 'Evaluation'.
"""

from course_lib.figures.drawing import WIDE, WIDTH, Drawing, show_drawing

# What a measurement passes, and how each place can lie.
PLACES = (
    ("data", "the test, or its film, was seen before"),
    ("input", "one of the two read more"),
    ("score", "another ruler, another number"),
    ("interval", "chance, and rows that belong together"),
    ("claim", "better than whom, on which test?"),
)
ROW = 62  # from a place to the next
# Places of each 2,500 reviews in the file: where a part begins, its name and its hue.
CYCLE = 2500
PARTS = (
    (0, "", "edge"),
    (30, "training", "accent"),
    (1970, "", "edge"),
    (2000, "validation", "key"),
    (2100, "", "edge"),
    (2130, "test", "value"),
)
LEFT = 8  # of the file's line


def measurement() -> None:
    """Show the way from data to a claim, and what goes wrong in each place."""
    d = Drawing()
    # A box for each place, and beside it how it can lie.
    for row, (name, lie) in enumerate(PLACES):
        y = 26 + ROW * row
        d.box(58, y, 100, 36, name, "accent")
        d.text(124, y + 5, lie, 14, "muted", "start")
        if row:
            d.line([(58, y - ROW + 18), (58, y - 18)])
    show_drawing(
        d.svg(26 + ROW * (len(PLACES) - 1) + 26, limit=WIDE),
        "A measurement can lie in five places",
        "The way from data to a claim, from the top down. Beside each place: what goes wrong "
        "there. Each of these happens in this chapter.",
        alt="Five boxes below each other, joined by arrows, each with what goes wrong there. "
        + "; ".join(f"{name}: {lie}" for name, lie in PLACES)
        + ".",
    )


def held_out_stretches() -> None:
    """Show which places of each 2,500 reviews are for training, validation and test."""
    d = Drawing()
    span = WIDTH - 2 * LEFT
    ends = [begin for begin, *_ in PARTS[1:]] + [CYCLE]
    d.text(LEFT, 18, "2,500 reviews, in the file’s order", 14, "muted", "start")
    for (begin, name, hue), end in zip(PARTS, ends, strict=True):
        x, width = LEFT + span * begin / CYCLE, span * (end - begin) / CYCLE
        d.cell(x, 30, width, 40, hue, 45 if name else 0)
        if name:
            # Validation is narrow: its name stands below, to the left.
            anchor, at = ("end", x + width) if name == "validation" else ("middle", x + width / 2)
            d.text(at, 92, name, 14, hue, anchor, 650)
            d.text(at, 111, f"{end - begin:,}", 14, "muted", anchor)
    d.text(LEFT, 142, "empty: 30 reviews each that nobody reads", 14, "muted", "start")
    show_drawing(
        d.svg(152, limit=WIDE),
        "Held out in stretches, so that no film is on two sides",
        "One of ten such pieces of the file. A film has at most 30 reviews, side by side: none "
        "reaches across an empty gap.",
        alt="A bar of 2,500 places in the file: 1,940 for training, then 100 for validation "
        "and 370 for the test, with 30 between them and at the beginning that are left out.",
    )
