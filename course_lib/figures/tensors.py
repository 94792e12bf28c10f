"""Drawings of tensors and of learning: broadcasting, a matrix product, the four steps of a round.

Shown in 'Numbers that learn'.
"""

from collections.abc import Sequence

from course_lib.figures.drawing import WIDTH, Drawing, color, show_drawing, tint

SIDE = 38  # of a cell
COUNTS = ((1, 3), (2, 2), (0, 5))  # an example: three letters, two that may follow
LEFT, RIGHT = ((2, 0, 1), (1, 3, 2)), ((1, 0), (2, 1), (0, 4))


def _cell(d: Drawing, x: float, y: float, value: str, hue: str, strong: bool, ghost: bool) -> None:
    line = f"stroke-width:{2 if strong else 1}{';stroke-dasharray:3 3' if ghost else ''}"
    d.parts.append(
        f'<rect x="{x:g}" y="{y:g}" width="{SIDE}" height="{SIDE}" '
        f'style="fill:{tint(hue, 25 if strong else 8)};stroke:{color(hue)};{line}"/>'
    )
    d.text(x + SIDE / 2, y + SIDE / 2 + 5, value, 13.5, "muted" if ghost else "ink", mono=True)


def _matrix(
    d: Drawing,
    x: float,
    y: float,
    rows: Sequence[Sequence[float]],
    label: str,
    hue: str = "accent",
    strong: Sequence[tuple[int, int]] = (),
    real: int | None = None,
) -> float:
    """Draw a matrix and its shape below; columns from ``real`` on are copies. Return its end."""
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            ghost = real is not None and j >= real
            written = f"{value:g}"
            place = x + SIDE * j, y + SIDE * i
            _cell(d, *place, written, hue, (i, j) in strong, ghost)
    width = SIDE * len(rows[0])
    d.text(x + width / 2, y + SIDE * len(rows) + 20, label, 13.5, "muted", mono=True)
    return x + width


def _sign(d: Drawing, x: float, sign: str) -> float:
    d.text(x + 16, 10 + 1.5 * SIDE + 6, sign, 18)
    return x + 32


def _broadcast() -> str:
    d = Drawing()
    totals = [[sum(row)] * 2 for row in COUNTS]
    shares = [[value / sum(row) for value in row] for row in COUNTS]
    end = _matrix(d, 36, 10, COUNTS, "(3, 2)")
    end = _matrix(d, _sign(d, end, "/"), 10, totals, "(3, 1) → (3, 2)", "query", real=1)
    _matrix(d, _sign(d, end, "=") + 8, 10, shares, "(3, 2)")
    return d.svg(152)


def _product() -> str:
    d = Drawing()
    product = [[sum(a * b for a, b in zip(row, c, strict=True)) for c in zip(*RIGHT, strict=True)]
               for row in LEFT]  # fmt: skip
    row = [(1, k) for k in range(3)]
    column = [(k, 1) for k in range(3)]
    end = _matrix(d, 16, 10, LEFT, "(2, 3)", "query", row)
    end = _matrix(d, _sign(d, end, "@"), 10, RIGHT, "(3, 2)", "key", column)
    _matrix(d, _sign(d, end, "="), 10, product, "(2, 2)", "accent", [(1, 1)])
    terms = [(a, b[1]) for a, b in zip(LEFT[1], RIGHT, strict=True)]
    said = " + ".join(f"{a} · {b}" for a, b in terms) + f" = {product[1][1]}"
    d.text(WIDTH / 2, 178, said, 15, mono=True)
    return d.svg(192)


def _round() -> str:
    """Draw the four things that learning repeats."""
    d = Drawing()
    things = (
        ("guess", "what comes next?"),
        ("loss", "how wrong was it?"),
        ("slopes", "which way is better?"),
        ("step", "turn each knob a little"),
    )
    # Clockwise, and from the last back to the first.
    places = ((92, 42), (308, 42), (308, 138), (92, 138))
    for (x, y), (name, question) in zip(places, things, strict=True):
        d.box(x, y, 168, 52, name, "accent" if name == "step" else "edge", question)
    for start, end in (((176, 42), (222, 42)), ((308, 68), (308, 110)), ((224, 138), (178, 138))):
        d.line([start, end])
    d.line([(92, 112), (92, 70)], "accent")
    return d.svg(168)


def learning_loop() -> None:
    """Show what learning is: four things, over and over."""
    show_drawing(
        _round(),
        "Learning goes round in four steps",
        "Clockwise from the upper left corner. Each round changes the numbers a little, and the "
        "next guess is a little better.",
        alt="Four boxes in a circle: guess, what comes next; loss, how wrong was it; slopes, which "
        "way is better; step, turn each knob a little. An arrow leads from the last back to the "
        "first.",
    )


def broadcasting() -> None:
    """Show a column that is repeated until it fits a matrix."""
    show_drawing(
        _broadcast(),
        "A column of totals serves every column",
        "Counts of three letters (rows), their totals, and the shares. The totals have one "
        "column; the dashed one is its copy, which is never stored.",
        alt="A matrix of three rows and two columns, divided by a column of three totals. The "
        "column stands there twice, its copy dashed. The result has three rows and two "
        "columns, and each row sums to 1.",
    )


def matrix_product() -> None:
    """Show how an entry of a product comes from a row and a column."""
    show_drawing(
        _product(),
        "A row meets a column, and one number is left",
        "The framed row of the first matrix and the framed column of the second give the "
        "framed entry of the product. The length that both share, 3, is gone.",
        alt="A matrix of two rows and three columns, times one of three rows and two columns, "
        "is one of two rows and two columns. Framed: the second row 1, 3, 2, the second "
        "column 0, 1, 4, and their product 11, which is 1 times 0 plus 3 times 1 plus 2 "
        "times 4.",
    )
