"""Diagrams of the Transformer: one straight residual stream, sublayers at its side.

Read upward. A sublayer reads the stream at a dot and adds to it at a plus; norms sit on the branch,
never on the line inside a block. A hue names a part of the model, as everywhere in the book.
"""

import html
import math
from collections.abc import Sequence
from itertools import pairwise

from course_lib.figures.drawing import BRANCH, Drawing, color, show_drawing

TOP, BOTTOM = 50, 734  # of a stack of one block


def _bracket(drawing: Drawing, x: float, bottom: float, top: float, label: str) -> None:
    style = f"fill:none;stroke:{color('edge')};stroke-width:1.5"
    drawing.parts.append(
        f'<path d="M{x + 10:g} {bottom:g}H{x:g}V{top:g}H{x + 10:g}" style="{style}"/>'
    )
    drawing.text(x - 14, (bottom + top) / 2 + 5, label, 15, weight=600)


def _decoder_only() -> str:
    """Draw a GPT with the streams of four tokens, the last one's thick."""
    d = Drawing()
    earlier, last, branch = (66, 100, 134), 172, 302
    _bracket(d, 28, 574, 302, "× <tspan font-style='italic'>L</tspan>")
    # The streams, straight from the embedding to the last norm.
    for x in earlier:
        d.line([(x, 645), (x, 174)], "edge", 2, head=False)
    d.line([(last, 645), (last, 174)], "ink", 5, head=False)
    for x, token in zip((*earlier, last), ("the", "cat", "sat", "on"), strict=True):
        now = x == last
        d.line([(x, 704), (x, 674)], "ink" if now else "edge")
        d.text(x, 721, token, 15, weight=650 if now else 400)
        d.line([(x, 146), (x, 122)], "ink" if now else "edge")
    d.text(212, 721, "tokens", 13.5, "muted", "start")
    d.text(262, 721, "(B, T)", 13.5, "muted", "start", mono=True)
    d.box(118, 659, 164, 28, "token embedding", "embedding")
    # Places are added once, to each stream.
    d.line([(232, 612), (last + 9, 612)], "position")
    d.line([(last - 9, 612), (earlier[0], 612)], "position", head=False)
    d.box(branch, 612, 140, 32, "positions 1 2 3 4", "position")
    for x in earlier:
        d.plus(x, 612, "position", 6)
    d.plus(last, 612, "position")
    d.text(184, 590, "(B, T, d_model)", 13.5, "muted", "start", mono=True)
    # Attention reads all streams so far, the MLP its own; both add to it.
    for y, hue, said in ((560, "attention", "reads all so far"), (424, "mlp", "reads its own")):
        if hue == "attention":
            d.line([(earlier[0], y), (last, y)], hue, head=False)
            d.sublayer(last, branch, y, "attention", hue, "between positions")
        else:
            d.sublayer(last, branch, y, "MLP", hue, "each position alone")
        for x in earlier:
            d.dot(x, y, hue, 3.5)
            d.dot(x, y - BRANCH, "edge", 4)
        d.text(186, y - 7, said, 13.5, hue, "start", 600)
        d.text(186, y - BRANCH - 8, "adds", 13.5, hue, "start", 600)
    # What comes out.
    d.pill(118, 206, "norm", 164)
    d.box(118, 160, 164, 28, "output matrix", "embedding")
    d.text(212, 165, "(d_model, vocab)", 13.5, "muted", "start", mono=True)
    d.text(118, 112, "logits", 13.5, "muted")
    d.text(212, 112, "(B, T, vocab)", 13.5, "muted", "start", mono=True)
    return d.svg(BOTTOM, 98)


def _encoder_decoder() -> str:
    """Draw an encoder and a decoder that looks across, each with one token's stream."""
    d = Drawing()
    left, right, at_left, at_right = 34, 366, 112, 288
    d.line([(left, 645), (left, 290)], "ink", 5, head=False)
    d.line([(right, 645), (right, 129)], "ink", 5, head=False)
    for x, side, name in ((left, at_left, "source"), (right, at_right, "target so far")):
        d.line([(x, 704), (x, 674)])
        d.text(x, 721, name, 14, anchor="start" if x == left else "end")
        middle = 75 if x == left else 325
        d.box(middle, 659, 130, 28, "token embedding", "embedding")
        d.line([(side, 612), (x + math.copysign(9, side - x), 612)], "position")
        d.box(side, 612, 84, 28, "positions", "position")
        d.plus(x, 612, "position")
    # The encoder: every token sees every other.
    d.sublayer(left, at_left, 560, "attention", "attention", "all see all")
    d.sublayer(left, at_left, 424, "MLP", "mlp")
    # The decoder: three sublayers, the second asks the encoder.
    d.sublayer(right, at_right, 560, "attention", "attention", "the past only")
    d.sublayer(right, at_right, 424, "cross-attention", "attention", "asks the source")
    d.sublayer(right, at_right, 288, "MLP", "mlp")
    d.line([(left, 276), (left, 252), (200, 252), (200, 353), (226, 353)], "key")
    d.pill(left + 2, 286, "norm")
    d.text(46, 244, "keys and values", 13.5, "key", "start", 600)
    d.pill(330, 150, "norm", 124)
    d.box(330, 116, 124, 26, "output matrix", "embedding")
    d.line([(right, 103), (right, 84)])
    d.text(right - 12, 93, "logits", 13.5, "muted", "end")
    d.text(4, 220, "encoder", 15, anchor="start", weight=650)
    d.text(396, 68, "decoder", 15, anchor="end", weight=650)
    return d.svg(BOTTOM, TOP)


def _where_the_norm_stands(post: bool) -> str:
    """Draw one block, its norms on the branches or, as they were first, on the stream."""
    d = Drawing()
    stream, branch = 96, 244
    d.line([(stream, 356), (stream, -28)], "ink", 5)
    for y, label, hue in ((330, "attention", "attention"), (164, "MLP", "mlp")):
        d.sublayer(stream, branch, y, label, hue, norm=not post)
        if post:
            d.pill(stream, y - BRANCH - 28, "norm")
    return d.svg(362, -36)


def _teacher_forcing(read: Sequence[str], taught: Sequence[str], start: str, end: str) -> str:
    """Draw what an encoder and a decoder read in training, and what the decoder should write."""
    d = Drawing()
    columns = [182 + 186 / len(taught) * place for place in range(len(taught) + 1)]
    # The same token twice: first to be written, then read, one place later.
    for left, right in pairwise(columns):
        dashed = f"fill:none;stroke:{color('edge')};stroke-width:1.5;stroke-dasharray:4 4"
        d.parts.append(f'<path d="M{left:g} 42L{right:g} 196" style="{dashed}"/>')
    d.box(275, 116, 230, 56, "decoder", "attention", "each place reads those before it")
    d.box(68, 116, 112, 56, "encoder", "attention", "reads it all")
    d.line([(124, 116), (160, 116)], "key")
    for x, wanted, given in zip(columns, (*taught, end), (start, *taught), strict=True):
        for y, token in ((30, wanted), (212, given)):
            d.text(x, y + 5, html.escape(token), 15, weight=650, mono=True)
        d.line([(x, 88), (x, 46)], "ink")
        d.line([(x, 196), (x, 144)], "ink")
    for place, token in enumerate(read):
        x = 68 + 17 * (place - (len(read) - 1) / 2)
        d.text(x, 217, html.escape(token), 15, weight=650, mono=True)
    d.line([(68, 196), (68, 144)], "ink")
    d.text(275, 12, "should write", 13.5, "muted")
    d.text(275, 242, "reads: the truth, one place later", 13.5, "muted")
    d.text(68, 242, "source", 13.5, "muted")
    return d.svg(252, -4)


def decoder_only() -> None:
    """Show a GPT with one of its blocks."""
    show_drawing(
        _decoder_only(),
        "The stream runs straight; sublayers read from it and add to it",
        "The thick line is the residual stream of one token, straight from the embedding to the "
        "last norm. A sublayer reads it at a dot and adds to it at ⊕; the norms sit on the "
        "branches. B sequences, T positions, d_model numbers for each.",
        alt="A diagram, to be read from bottom to top. Four tokens pass the token embedding and "
        "become "
        "four straight lines, the residual streams; positions are added. In the block, which "
        "stands L times, attention reads all four lines through a norm and adds to the line; then "
        "the MLP reads its own line through a norm and adds to it. On top a norm and the output "
        "matrix give logits.",
    )


def encoder_decoder() -> None:
    """Show an encoder and the decoder that looks across to it, each with one block."""
    show_drawing(
        _encoder_decoder(),
        "One half reads the source; the other writes and looks across",
        "Each half has one block here; a real model repeats it. The thick lines are the residual "
        "streams of one token of the source and one of the target.",
        alt="A diagram of two stacks, to be read from bottom to top. Left, the encoder: a straight "
        "line from the source's token embedding up, to which positions, attention among all "
        "tokens and the MLP add; its final norm hands keys and values to the right. There stands "
        "the decoder: a straight line with three sublayers at its side: attention to the past, "
        "cross-attention, which asks the source, and the MLP. On top a norm and the output matrix "
        "give logits.",
    )


def norm_places() -> None:
    """Show a block with its norms on the branches beside one with its norms on the stream."""
    show_drawing(
        {
            "pre-norm: x + f(norm(x))": _where_the_norm_stands(post=False),
            "post-norm: norm(x + f(x))": _where_the_norm_stands(post=True),
        },
        "Pre-norm leaves the stream alone; post-norm stands across it",
        "The same block twice. Pre-norm, in GPT-2 and Llama: what a sublayer reads is normalized. "
        "Post-norm, in the first Transformer and in BERT: each sum is normalized.",
        alt="Two diagrams of a block, read from bottom to top. Left, pre-norm: the stream runs "
        "straight through; a norm stands on each of the two branches, before attention and "
        "before the MLP. Right, post-norm: the branches have no norm; behind each sum a norm "
        "stands on the stream itself.",
    )


def teacher_forcing(read: Sequence[str], taught: Sequence[str], start: str, end: str) -> None:
    """Show what a decoder reads in training, and what it should write.

    Args:
        read: the source's tokens.
        taught: the target's.
        start: the token that the decoder reads first.
        end: the token that it should write last.
    """
    source, target = "".join(read), " ".join(taught)
    show_drawing(
        _teacher_forcing(read, taught, start, end),
        "The decoder reads the truth, one place later",
        f"Teacher forcing. Whatever the decoder would have written, it reads the true {target}. "
        "A dashed line joins what should be written to the place where it is read. All places are "
        "computed at once.",
        alt=f"A diagram. Left, an encoder reads {source} and hands its result to a decoder. The "
        f"decoder reads, from left to right, {start} {target}, and should write, above, {target} "
        f"{end}: the same tokens, one place earlier. Dashed lines join each token that should be "
        "written to the next place, where it is read.",
    )
