"""Drawings of attention: what becomes of a sentence's vectors, number by number, with shapes.

Read upward. The hues are the book's: who asks, who is found, what is handed over, how much.
"""

import html
from collections.abc import Sequence

from torch import Tensor

from course_lib.checks import expect
from course_lib.figures.drawing import Drawing, color, show_drawing, tint

CELL = 13  # of a grid, in units of 400 across
ASKS, FOUND, HANDED = 50, 175, 300  # the middles of queries, keys and values
MIXED = 206  # and of the outputs


def _grid(
    d: Drawing, middle: float, top: float, numbers: Tensor, hue: str, row: int | None
) -> None:
    """Draw a matrix as cells, each as strong as its number; frame a row."""
    columns = numbers.shape[1]
    left = middle - columns * CELL / 2
    strongest = max(numbers.abs().max().item(), 1e-9)
    for i, line in enumerate(numbers.tolist()):
        for j, number in enumerate(line):
            fill = f"fill:{color(hue)};fill-opacity:{0.85 * abs(number) / strongest:.2f}"
            d.parts.append(
                f'<rect x="{left + j * CELL:g}" y="{top + i * CELL:g}" width="{CELL}" '
                f'height="{CELL}" style="{fill};stroke:{color(hue)};stroke-width:.6"/>'
            )
    if row is not None:
        d.parts.append(
            f'<rect x="{left:g}" y="{top + row * CELL:g}" width="{columns * CELL}" '
            f'height="{CELL}" style="fill:none;stroke:{color("ink")};stroke-width:2"/>'
        )


def _names(d: Drawing, right: float, top: float, tokens: Sequence[str], row: int | None) -> None:
    for i, token in enumerate(tokens):
        weight = 650 if i == row else 400
        y = top + (i + 1) * CELL - 2.5
        d.text(right, y, html.escape(token), 12.6, anchor="end", weight=weight)


def _said(d: Drawing, x: float, y: float, name: str, shape: str, hue: str, note: str = "") -> None:
    """Write what a grid is, and its shape."""
    d.text(x, y, name, 14, hue, "start", 650)
    d.text(x, y + 17, shape, 13, "muted", "start", mono=True)
    if note:
        d.text(x, y + 34, note, 13, "muted", "start")


def _attention(
    tokens: Sequence[str],
    x: Tensor,
    projected: tuple[Tensor, Tensor, Tensor],
    weights: Tensor | None,
    asking: int | None,
) -> str:
    """Draw the way from a sentence's vectors to queries, keys and values, and on to the outputs."""
    d = Drawing()
    n, height = len(tokens), len(tokens) * CELL
    # The sentence, and three matrices that read it.
    at = -height
    _grid(d, FOUND, at, x, "position", asking)
    width = x.shape[1] * CELL
    _names(d, FOUND - width / 2 - 6, at, tokens, asking)
    _said(d, FOUND + width / 2 + 8, at + height / 2, "embeddings x", f"({n}, {x.shape[1]})", "ink")
    for middle in (ASKS, FOUND, HANDED):
        bend = [] if middle == FOUND else [(FOUND, at - 18.0), (middle, at - 18.0)]
        d.line([(FOUND, at), *bend, (middle, at - 32)], "edge")
    sides = (ASKS, "query", "q"), (FOUND, "key", "k"), (HANDED, "value", "v")
    for middle, hue, letter in sides:
        name = f'W<tspan dy="4" font-size="11">{letter}</tspan>'
        d.box(middle, at - 46, 52, 28, name, hue)
        d.line([(middle, at - 60), (middle, at - 76)], hue)
    at -= 78 + height
    plural = {"query": "queries", "key": "keys", "value": "values"}
    for (middle, hue, _), part in zip(sides, projected, strict=True):
        _grid(d, middle, at, part, hue, asking if hue == "query" else None)
        right = middle + part.shape[1] * CELL / 2 + 6
        shape = f"({n}, {part.shape[1]})"
        _said(d, right, at + height / 2 - 4, plural[hue], shape, hue)
    # The queries meet the keys; the weights mix the values.
    if weights is not None:
        queries, keys, values = projected
        met = (ASKS + FOUND) / 2
        d.line([(ASKS, at), (ASKS, at - 32), (met - 34, at - 32)], "query")
        d.line([(FOUND, at), (FOUND, at - 32), (met + 34, at - 32)], "key")
        d.pill(met, at - 32, "query · key", 92)
        for name, grid, pill in (
            ("scores", queries @ keys.T, "softmax of each row"),
            ("weights", weights, ""),
        ):
            d.line([(met, at - 44), (met, at - 58)], "attention")
            at -= 60 + height
            _grid(d, met, at, grid, "attention", asking)
            _names(d, met - height / 2 - 6, at, tokens, asking)
            note = "each row sums to 1" if name == "weights" else ""
            right = met + height / 2 + 8
            _said(d, right, at + height / 2 - 12, name, f"({n}, {n})", "attention", note)
            if pill:
                d.line([(met, at), (met, at - 20)], "attention", head=False)
                d.pill(met, at - 32, pill, 142)
        d.line([(met, at), (met, at - 32), (MIXED - 46, at - 32)], "attention")
        start = -78 - 2 * height
        d.line([(HANDED, start), (HANDED, at - 32), (MIXED + 46, at - 32)], "value")
        d.pill(MIXED, at - 32, "mix", 92)
        d.line([(MIXED, at - 44), (MIXED, at - 58)], "value")
        at -= 60 + height
        mixed = weights @ values
        _grid(d, MIXED, at, mixed, "value", asking)
        half = mixed.shape[1] * CELL / 2
        _names(d, MIXED - half - 6, at, tokens, asking)
        shape = f"({n}, {mixed.shape[1]})"
        _said(d, MIXED + half + 8, at + height / 2 - 4, "outputs y", shape, "value")
    return d.svg(4, at - 6)


def attention_flow(
    tokens: Sequence[str],
    x: Tensor,
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    weights: Tensor | None = None,
    *,
    asking: int | None = None,
) -> None:
    """Show how a short sentence's vectors become queries, keys and values, and on to its outputs.

    Args:
        tokens: T words.
        x: (T, d), their vectors.
        queries: (T, D).
        keys: (T, D).
        values: (T, E).
        weights: (T, T), how the values are mixed; without them the drawing ends at the values.
        asking: the token whose row is framed.

    Raises:
        ValueError: if a tensor doesn't have a row for each token.
    """
    n = len(tokens)
    # All have a row for each token.
    for name, part in {"x": x, "queries": queries, "keys": keys, "values": values}.items():
        expect(part.dim() == 2 and len(part) == n, name, f"shape ({n}, …)", tuple(part.shape))
    if weights is not None:
        expect(tuple(weights.shape) == (n, n), "weights", f"shape ({n}, {n})", tuple(weights.shape))
    # The drawing, and what is said of its lower half in both forms.
    drawing = _attention(tokens, x, (queries, keys, values), weights, asking)
    three = (
        "A diagram, read from bottom to top: the sentence's embeddings, a row of cells for each "
        "token, pass three matrices and become queries, keys and values, each again a grid with a "
        "row for each token."
    )
    framed = "" if asking is None else f" The frame marks “{html.escape(tokens[asking])}”."
    strong = "A row is a token, a cell a number, as strong as it is large; read upward."
    if weights is None:
        title = "Three matrices give each token a query, a key and a value"
        show_drawing(drawing, title, f"{strong}{framed}", alt=three)
        return
    show_drawing(
        drawing,
        "From one vector for each token to another, by way of all the others",
        f"{strong} Each query meets each key, the softmax makes shares of the scores, and the "
        f"shares mix the values.{framed}",
        alt=f"{three} Queries and keys meet and give a square of scores, a row for each query and "
        f"a "
        "column for each key. The softmax of each row gives the weights, and these mix the values "
        "to outputs, a row for each token.",
    )


def _cards(d: Drawing, middle: float, top: float, hue: str, width: float = 44) -> None:
    """Draw one matrix for each head, behind one another, 34 high."""
    for i in (2, 1, 0):
        fill = f"fill:{tint(hue, 14)}"
        d.parts.append(
            f'<rect x="{middle - width / 2 + 6 * i:g}" y="{top - 6 * i:g}" width="{width:g}" '
            f'height="34" rx="3" style="{fill};stroke:{color(hue)};stroke-width:1.5"/>'
        )


def _multi_head() -> str:
    """Draw the standard layer with its shapes."""
    d = Drawing()
    # Into the layer, three matrices, and the cut into heads.
    d.line([(FOUND, 8), (FOUND, -10)], "edge", head=False)
    d.text(FOUND + 10, 4, "x (B, T, d_model)", 13, "muted", "start", mono=True)
    parts = (ASKS, "query", "q"), (FOUND, "key", "k"), (HANDED, "value", "v")
    for middle, hue, letter in parts:
        bend = [] if middle == FOUND else [(FOUND, -18.0), (middle, -18.0)]
        d.line([(FOUND, -10), *bend, (middle, -32)], "edge")
        d.box(middle, -48, 84, 32, f"{letter}_proj", hue)
        d.line([(middle, -64), (middle, -80)], hue, head=False)
        d.pill(middle, -92, "cut", 60)
        d.line([(middle, -104), (middle, -122)], hue)
        _cards(d, middle, -158, hue)
        d.text(middle + 42, -136, letter, 15, hue, "start", 650)
    d.text(186, -184, "(B, H, T, D)", 13, "muted", "start", mono=True)
    # In each head by itself: scores, weights, a mixture.
    met = (ASKS + FOUND) / 2
    d.line([(ASKS, -170), (ASKS, -206), (met - 48, -206)], "query")
    d.line([(FOUND, -170), (FOUND, -206), (met + 48, -206)], "key")
    d.pill(met, -206, "q kᵀ / √D", 94)
    d.line([(met, -218), (met, -234)], "attention", head=False)
    d.pill(met, -246, "softmax", 84)
    d.line([(met, -258), (met, -274)], "attention")
    _cards(d, met, -310, "attention", 34)
    d.text(met + 36, -300, "weights", 14, "attention", "start", 650)
    d.text(met + 36, -283, "(B, H, T, T)", 13, "muted", "start", mono=True)
    d.line([(met, -322), (met, -360), (MIXED - 46, -360)], "attention")
    d.line([(HANDED, -170), (HANDED, -360), (MIXED + 46, -360)], "value")
    d.pill(MIXED, -360, "mix", 92)
    d.line([(MIXED, -372), (MIXED, -388)], "value")
    _cards(d, MIXED, -424, "value")
    d.text(MIXED + 42, -400, "(B, H, T, D)", 13, "muted", "start", mono=True)
    # Out of the layer: the heads side by side again, and mixed.
    d.line([(MIXED, -436), (MIXED, -450)], "value", head=False)
    d.pill(MIXED, -462, "join", 60)
    d.line([(MIXED, -474), (MIXED, -490)], "attention")
    d.box(MIXED, -506, 92, 32, "out_proj", "attention")
    d.line([(MIXED, -522), (MIXED, -546)], "attention")
    d.text(MIXED + 12, -536, "(B, T, d_model)", 13, "muted", "start", mono=True)
    return d.svg(14, -552)


def multi_head_flow() -> None:
    """Show the standard multi-head layer with the shape of each step."""
    show_drawing(
        _multi_head(),
        "Project, cut into heads, attend in each head, join, mix",
        "Read upward. Cards behind one another are heads: H of them, each D = d_model / H wide. B "
        "sequences, T tokens.",
        alt="A diagram, read from bottom to top. The input of shape (B, T, d_model) goes through "
        "three "
        "matrices, q_proj, k_proj and v_proj. Each result is cut into H heads of width D. In each "
        "head the product of queries and keys, divided by the root of D, and a softmax give "
        "weights of shape (B, H, T, T), which mix the values. The heads are joined to (B, T, "
        "d_model) again and go through out_proj.",
    )
