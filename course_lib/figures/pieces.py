"""Drawings of text in pieces: from a file to ids, and a word's merges as a tree.

Shown in 'Preprocessing'.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from course_lib.checks import expect
from course_lib.figures.drawing import WIDE, WIDTH, Drawing, color, show_drawing, tint
from course_lib.figures.merges import show_token

# The beginning of a verse, as the chapter's tokenizer cuts and numbers it.
TOKENS = ("To", " be", ",", " or", " not", " to", " be")
IDS = (402, 304, 11, 495, 320, 289, 304)
LEVEL = 66  # from a row of a tree to the next
LONGEST = 13  # bytes of a word that can be read on a phone


class _Node(NamedTuple):
    """A piece of a word, what it was joined from, and when that merge was learned."""

    token: bytes
    parts: tuple["_Node", ...] = ()
    merge: int = 0

    @property
    def height(self) -> int:
        return 1 + max(part.height for part in self.parts) if self.parts else 0


def _piece(d: Drawing, x: float, y: float, width: float, label: str, hue: str) -> None:
    """Draw a piece of text around a middle."""
    fill = tint(hue, 14)
    d.parts.append(
        f'<rect x="{x - width / 2:g}" y="{y - 14:g}" width="{width:g}" height="28" rx="4" '
        f'style="fill:{fill};stroke:{color(hue)};stroke-width:1.2"/>'
    )
    d.text(x, y + 5, label, 15, mono=True)


def _way() -> str:
    d = Drawing()
    d.text(8, 20, "**HAMLET**", 15, "muted", "start", mono=True)
    d.text(8, 42, "".join(TOKENS), 15, anchor="start", mono=True)
    d.line([(24, 52), (24, 84)])
    d.text(38, 74, "cleaning", 14, "muted", "start")
    d.text(8, 106, "".join(TOKENS), 15, anchor="start", mono=True)
    d.line([(24, 116), (24, 148)])
    d.text(38, 138, "tokenization", 14, "muted", "start")
    left = 8.0
    for token, number in zip(TOKENS, IDS, strict=True):
        width = 16 + 9.2 * len(token)
        _piece(d, left + width / 2, 172, width, show_token(token.encode()), "accent")
        d.text(left + width / 2, 206, f"{number}", 14, weight=600, mono=True)
        left += width + 6
    return d.svg(216, limit=WIDE)


def text_to_ids() -> None:
    """Show the way of a verse from the file to the numbers that a model reads."""
    show_drawing(
        _way(),
        "A model reads numbers, and no letters",
        "A verse in the file, after cleaning, and in tokens with their ids. The sign ␣ is a "
        "space. The ids are those of the tokenizer that this chapter trains.",
        alt="From top to bottom: the speaker's name in stars and the verse To be, or not to "
        "be; the verse alone; its seven tokens in boxes, most with the space before them; "
        "below each its id: " + ", ".join(map(str, IDS)) + ".",
    )


def _grow(merges: Sequence[tuple[bytes, bytes]], word: str) -> list[_Node]:
    """Return the trees that a word's bytes grow into, one for each token."""
    order = {pair: number for number, pair in enumerate(merges, 1)}
    nodes = [_Node(bytes([byte])) for byte in word.encode()]
    while True:
        pairs = [(a.token, b.token) for a, b in pairwise(nodes)]
        first = min((pair for pair in pairs if pair in order), key=order.__getitem__, default=None)
        if first is None:
            return nodes
        joined: list[_Node] = []
        for node in nodes:
            if joined and (joined[-1].token, node.token) == first:
                pair = joined.pop(), node
                joined.append(_Node(b"".join(first), pair, order[first]))
            else:
                joined.append(node)
        nodes = joined


def _tree(trees: Sequence[_Node]) -> str:
    d = Drawing()
    # Bytes share the width; the floor lies below the highest tree.
    step = WIDTH / sum(len(tree.token) for tree in trees)
    floor = 32 + LEVEL * max(tree.height for tree in trees)

    def draw(node: _Node, left: float, root: bool) -> tuple[float, float]:
        """Draw a piece above its parts, and return its middle."""
        span = step * len(node.token)
        x, y = left + span / 2, floor - LEVEL * node.height
        for part in node.parts:
            below = draw(part, left, root=False)
            above = 33 if part.parts else 14  # above its number, or its box
            d.line([(below[0], below[1] - above), (x, y + 14)], "edge", head=False)
            left += step * len(part.token)
        label = show_token(node.token)
        _piece(d, x, y, min(span - 3, 14 + 9.2 * len(label)), label, "accent" if root else "edge")
        if node.parts:
            d.text(x, y - 19, f"{node.merge:,}", 13, "muted")
        return x, y

    # The trees stand side by side.
    left = 0.0
    for tree in trees:
        draw(tree, left, root=True)
        left += step * len(tree.token)
    return d.svg(floor + 18, limit=WIDE)


def _told(node: _Node) -> list[_Node]:
    return [each for part in node.parts for each in _told(part)] + [node] * bool(node.parts)


def merge_tree(merges: Sequence[tuple[bytes, bytes]], word: str) -> None:
    """Show the merges that make tokens of a word, from its bytes at the bottom up.

    Args:
        merges: pairs of tokens in the order in which they were learned, as in ``BPETokenizer``.
        word: a piece of text that merges don't reach out of.

    Raises:
        ValueError: if the word is empty, or too long to be read on a phone.
    """
    # Few enough bytes to be read on a phone.
    size = len(word.encode())
    expect(0 < size <= LONGEST, "word", f"1 to {LONGEST} bytes", f"{size}")
    trees = _grow(merges, word)
    # Each merge in words, in the order in which they are made.
    joins = sorted((node for tree in trees for node in _told(tree)), key=lambda node: node.merge)
    steps = "; ".join(
        f"{node.merge}: {' and '.join(show_token(part.token) for part in node.parts)}"
        for node in joins
    )
    tokens = ", ".join(show_token(tree.token) for tree in trees)
    show_drawing(
        _tree(trees),
        "A word grows from the bottom up",
        "Bottom: the bytes of a word. Each piece above is joined from the two below it; the "
        "number says which merge of the list did it. The pieces that stand out are joined with "
        "nothing more: they are the word's tokens.",
        alt=f"A tree over the bytes of {show_token(word.encode())}. Its merges by their "
        f"numbers: {steps or 'none'}. Its tokens: {tokens}.",
    )
