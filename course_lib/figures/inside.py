"""What is inside a model, as a grid: a column for each token, layers from the bottom up.

Shown in 'Interpretability'; the numbers come from :mod:`course_lib.interpret`.
"""

import html
from collections.abc import Sequence

from torch import Tensor

from course_lib.checks import expect
from course_lib.figures.drawing import WIDE, WIDTH, Drawing, color, show_drawing, tint
from course_lib.figures.merges import show_token

LEFT, TOP = 36, 50  # the layers' numbers, and the tokens above the grid
WORDS, FLAT = 28, 12  # the height of a row with words, and without
LONGEST = 9  # signs of a word that fit into a cell


def _shown(token: str) -> str:
    """Write a token so that it is seen and fits: a blank or a line break by a sign of its own."""
    word = show_token(token.strip().encode() or token.encode())
    return html.escape(word if len(word) <= LONGEST else word[: LONGEST - 1] + "…")


def _cell(d: Drawing, x: float, y: float, width: float, height: float, share: int) -> None:
    """Draw a cell, as strong as its share in percent."""
    d.parts.append(
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
        f'style="fill:{tint("accent", share)};stroke:{color("line")};stroke-width:1"/>'
    )


def _columns(d: Drawing, tokens: Sequence[str]) -> float:
    """Write the tokens above the grid; return the width of a column."""
    width = (WIDTH - LEFT - 4) / len(tokens)
    d.text(4, 16, "layer ↑, token →", 13, "muted", "start")
    for i, token in enumerate(tokens):
        d.text(LEFT + width * (i + 0.5), TOP - 8, _shown(token), 13, weight=600)
    return width


def lens_drawing(
    tokens: Sequence[str], layers: Sequence[int], words: Sequence[Sequence[str]], shares: Tensor
) -> str:
    """Return what :func:`lens_grid` shows."""
    shape = (len(layers), len(tokens))
    expect(tuple(shares.shape) == shape, "shares", f"shape {shape}", tuple(shares.shape))
    d = Drawing()
    width = _columns(d, tokens)
    # The last layer on top: the stream runs upward.
    order = sorted(range(len(layers)), key=lambda i: -layers[i])
    for row, i in enumerate(order):
        y = TOP + WORDS * row
        d.text(LEFT - 6, y + 18, f"{layers[i]}", 13, "muted", "end")
        for column, word in enumerate(words[i]):
            x = LEFT + width * column
            _cell(d, x, y, width, WORDS, round(60 * float(shares[i, column])))
            d.text(x + width / 2, y + 18, _shown(word), 13)
    return d.svg(TOP + WORDS * len(layers) + 4, limit=WIDE)


def lens_grid(
    tokens: Sequence[str],
    layers: Sequence[int],
    words: Sequence[Sequence[str]],
    shares: Tensor,
    title: str,
    caption: str,
    *,
    alt: str,
) -> None:
    """Show which word the model would say behind each token if it ended after each layer.

    Args:
        tokens: what was read, the columns.
        layers: how many blocks were passed, the rows.
        words: for each row and column the likeliest word.
        shares: (rows, columns), its probability, which is its cell's color.
        title: what it finds, as a sentence; HTML.
        caption: what is drawn and what to see; HTML.
        alt: the same for those who don't see it.

    Raises:
        ValueError: if there isn't a share for each row and column.
    """
    show_drawing(lens_drawing(tokens, layers, words, shares), title, caption, alt=alt)


def patching_drawing(tokens: Sequence[str], shares: Tensor) -> str:
    """Return what :func:`patching_grid` shows."""
    expect(shares.shape[1] == len(tokens), "tokens", f"{shares.shape[1]} of them", len(tokens))
    d = Drawing()
    width = _columns(d, tokens)
    for line, row in enumerate(shares.flip(0).tolist()):
        layer, y = len(shares) - 1 - line, TOP + FLAT * line
        if layer % 5 == 0:
            d.text(LEFT - 6, y + 11, f"{layer}", 13, "muted", "end")
        for column, share in enumerate(row):
            strength = round(100 * min(max(share, 0), 1))
            _cell(d, LEFT + width * column, y, width, FLAT, strength)
    return d.svg(TOP + FLAT * len(shares) + 4, limit=WIDE)


def patching_grid(
    tokens: Sequence[str], shares: Tensor, title: str, caption: str, *, alt: str
) -> None:
    """Show how much of a score one vector brings back, at each layer and token.

    Args:
        tokens: what was read, the columns.
        shares: (layers, tokens) of :func:`course_lib.interpret.patch_stream`; 0 is paper, 1 the
            full color.
        title: what it finds, as a sentence; HTML.
        caption: what is drawn and what to see; HTML.
        alt: the same for those who don't see it.

    Raises:
        ValueError: if there isn't a column for each token.
    """
    show_drawing(patching_drawing(tokens, shares), title, caption, alt=alt)


def way_of_a_fact() -> None:
    """Show where a fact goes into a model and where it comes out, and all that lies between."""
    d = Drawing()
    tokens = ["The", "capital", "of", "France", "is", "the", "city", "of"]
    top, step, gap, layers = 52, 26, 44, 7
    x = [60 + gap * i for i in range(len(tokens))]
    bottom = top + step * (layers - 1)
    # Every fifth layer of the stream, a vector for each token.
    for layer in range(layers):
        y = bottom - step * layer
        d.text(34, y + 12, f"{5 * layer}", 13, "muted", "end")
        for i in range(len(tokens)):
            known = (layer, i) in ((0, 3), (layers - 1, len(tokens) - 1))
            d.cell(x[i] - 15, y, 30, 16, "accent" if known else "neutral", 60 if known else 10)
    d.text(4, 24, "layer ↑, token →", 13, "muted", "start")
    for i, token in enumerate(tokens):
        d.text(x[i], bottom + 36, token, 13, weight=650 if i == 3 else 400)
    # It goes in below and comes out above; the way isn't known.
    d.text(x[-1], 24, "Paris", 14, "accent", weight=650)
    d.line([(x[-1], top), (x[-1], 31)], "accent", 2)
    middle = ((x[3] + x[-1]) / 2, (top + bottom + 16) / 2)
    d.line([(x[3], bottom - 2), (x[3], middle[1]), (middle[0] - 16, middle[1])], "accent", 2)
    d.line([(middle[0] + 16, middle[1]), (x[-1], middle[1]), (x[-1], top + 18)], "accent", 2)
    d.parts.append(
        f'<circle cx="{middle[0]:g}" cy="{middle[1]:g}" r="15" '
        f'style="fill:{color("paper")};stroke:{color("accent")};stroke-width:2"/>'
    )
    d.text(middle[0], middle[1] + 6, "?", 18, "accent", weight=650)
    show_drawing(
        d.svg(bottom + 46, limit=WIDE),
        "France goes in, Paris comes out, and between lie 248 vectors",
        "SmolLM2 reads eight tokens. Its 30 blocks turn each token’s vector of 576 numbers into "
        "the next layer’s, from 0 to 30; every fifth is drawn. In which of them is the fact, and "
        "where does it cross from one column to the other?",
        alt="A grid of vectors: a column for each token of The capital of France is the city of, "
        "layers from 0 at the bottom to 30 on top. The vector of France at layer 0 and that of the "
        "last token at layer 30, over which stands Paris, are colored. A line leads from one to "
        "the other through a question mark.",
    )


def activation_patching() -> None:
    """Show two runs side by side, and one vector that goes from one into the other."""
    d = Drawing()
    words, layers = ["France", "is", "…", "of"], 4
    top, step, left, gap = 52, 40, 30, 46
    runs = {"clean": (left, "France", "Paris"), "corrupted": (230, "Italy", "Rome?")}
    for name, (x, country, answer) in runs.items():
        hue = "accent" if name == "clean" else "neutral"
        d.text(x + 1.5 * gap, 18, f"{name} run", 14, weight=600)
        for i, word in enumerate([country, *words[1:]]):
            d.text(x + gap * i, top + step * layers + 8, word, 13)
            for layer in range(layers):
                y = top + step * (layers - 1 - layer)
                d.cell(x + gap * i - 13, y, 26, 22, hue, 45 if i == 0 and layer < 3 else 12)
        d.text(x + 3 * gap, top - 10, answer, 14, hue, weight=600)
    # The vector that is carried across, and the cell that takes it.
    y = top + step * 1 + 11
    d.line([(left + 16, y), (left + 24, y - 20), (206, y - 20), (214, y)], "accent", 2.5)
    d.cell(230 - 13, y - 11, 26, 22, "accent", 90)
    show_drawing(
        d.svg(top + step * layers + 18, limit=WIDE),
        "One vector of one run is put into the other",
        "Each column is a token, each row a layer, the first at the bottom. The run on Italy is "
        "computed as always, but for one vector, which is that of the run on France. What comes "
        "after it is computed from there. Does it still say Rome?",
        alt="Two grids of vectors side by side, the clean run on France, which says Paris, and the "
        "corrupted run on Italy. An arrow leads from one vector in the column of France to the "
        "same place in the column of Italy, whose cell takes its color.",
    )


def induction_heads() -> None:
    """Show how two heads continue what was there: one looks back by one, one finds the copy."""
    d = Drawing()
    tokens, width, y = ["k", "t", "m", "p", "k", "t", "m"], 52, 116
    x = [44 + width * i for i in range(len(tokens))]
    for i, token in enumerate(tokens):
        hue = {5: "query", 2: "key"}.get(i, "neutral")
        d.cell(x[i] - 18, y - 18, 36, 36, hue, 20)
        d.text(x[i], y + 5, token, 16, weight=600)
    # The first layer: each token takes along which one was before it.
    for i in range(1, len(tokens)):
        d.line([(x[i] - 8, y + 20), (x[i] - width / 2, y + 44), (x[i - 1] + 8, y + 22)], "muted")
        d.text(x[i], y + 62, f"after {tokens[i - 1]}", 13, "key" if i == 2 else "muted")
    # The second: who stood behind the same token before?
    d.line([(x[5], y - 20), (x[5], 44), (x[2], 44), (x[2], y - 22)], "attention", 2.5)
    d.text((x[2] + x[5]) / 2, 34, "layer 2: who comes after t?", 14, "attention", weight=600)
    d.text(200, y + 86, "layer 1: each token looks at the one before it", 14, "muted")
    show_drawing(
        d.svg(y + 96, limit=WIDE),
        "Two heads, one after the other, find what came next the last time",
        "The text k t m p comes again. In the first layer each token takes along which token was "
        "before it. In the second, the present t looks for a token that has “after t” with it, "
        "finds the m, and says m.",
        alt="Seven tokens in a row: k t m p k t m. Small arrows lead from each token back to the "
        "one before it, and below each stands after which token it comes. A large arrow leads "
        "from the second t back to the first m, under which stands: after t.",
    )
