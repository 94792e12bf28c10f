"""Drawings of models as boxes: what GPT's parameters are spent on, a window of words, the channel.

Read upward, as all diagrams of models in the book; a hue names a part of the model.
"""

import html
from collections.abc import Sequence

from course_lib.costs import gpt_parameters
from course_lib.figures.drawing import Drawing, show_drawing


def _said(number: float) -> str:
    """Return a count as it is said: 604 million, 1.21 billion, 49 thousand, 980."""
    for size, name in ((1e9, " billion"), (1e6, " million"), (1e3, " thousand")):
        if number >= 0.9995 * size:
            digits = max(0, 2 - len(f"{number / size:.0f}") + 1)
            return f"{number / size:.{digits}f}{name}"
    return f"{number:.0f}"


def _gpt_counts(d_model: int, vocab_size: int, context: int) -> dict[str, tuple[str, int]]:
    """Return a GPT's parts, each with the formula and the number of its parameters.

    Those of a layer are counted once.
    """
    d = d_model
    return {
        "token embedding": ("V d", vocab_size * d),
        "positions": ("n d", context * d),
        "attention": ("4 d² + 4 d", 4 * d**2 + 4 * d),
        "feed-forward": ("8 d² + 5 d", 8 * d**2 + 5 * d),
        "norms": ("4 d", 4 * d),
        "last norm": ("2 d", 2 * d),
    }


def gpt_parts(n_layers: int, d_model: int, vocab_size: int, context: int, name: str) -> None:
    """Show a GPT as boxes, beside each what it holds.

    Args:
        n_layers: L, how many blocks stand on each other.
        d_model: d, the width of the vectors.
        vocab_size: V.
        context: n, the most tokens that are read.
        name: of the model, for the title.
    """
    counts = _gpt_counts(d_model, vocab_size, context)
    total = _said(gpt_parameters(n_layers, d_model, vocab_size, context))
    d, stream, branch, beside = Drawing(), 56, 164, 248

    def count(y: float, part: str) -> None:
        formula, number = counts[part]
        d.text(beside, y - 2, formula, 14, "muted", "start", mono=True)
        d.text(beside, y + 16, _said(number), 14, "ink", "start", 650)

    # What is read, and the stream that everything is added to.
    d.text(stream, 571, "a token", 14)
    d.line([(stream, 553), (stream, 538)])
    d.line([(stream, 510), (stream, 90)], "ink", 5, head=False)
    d.box(112, 523, 184, 30, "token embedding", "embedding")
    count(520, "token embedding")
    d.line([(branch, 472), (stream + 9, 472)], "position")
    d.box(branch, 472, 110, 30, "positions", "position")
    d.plus(stream, 472, "position")
    count(468, "positions")
    # One block, and how often it stands there.
    edge = "fill:none;stroke:var(--lm-edge,#7a8494);stroke-width:1.2;stroke-dasharray:5 4"
    d.parts.append(f'<rect x="20" y="166" width="374" height="274" rx="10" style="{edge}"/>')
    d.text(beside, 188, f"a block, {n_layers} times", 14, "ink", "start", 650)
    d.sublayer(stream, branch, 424, "attention", "attention")
    d.sublayer(stream, branch, 298, "feed-forward", "mlp")
    count(350, "attention")
    count(224, "feed-forward")
    d.text(beside, 400, "two norms, 4 d", 14, "muted", "start")
    # What comes out.
    d.pill(stream, 124, "norm")
    d.text(100, 129, "2 d", 14, "muted", "start", mono=True)
    d.box(112, 77, 184, 30, "token embedding", "embedding")
    d.text(beside, 73, "used again:", 14, "muted", "start")
    d.text(beside, 91, "0", 14, "ink", "start", 650)
    d.line([(stream, 62), (stream, 42)])
    d.text(20, 30, "a score for each possible next token", 14, "ink", "start")
    layer = sum(counts[part][1] for part in ("attention", "feed-forward", "norms"))
    show_drawing(
        d.svg(582),
        f"Where {name}’s {total} parameters are",
        f"Read upward. L = {n_layers} blocks, each with {_said(layer)} parameters; width "
        f"d = {d_model:,}, vocabulary V = {vocab_size:,}, texts of up to n = {context:,} tokens. "
        "The thick line carries one token’s vector; boxes read it and add to it.",
        alt="A diagram, to be read upward. A token passes the token embedding, "
        f"{_said(counts['token embedding'][1])} parameters; positions are added, "
        f"{_said(counts['positions'][1])}. Then a block that stands {n_layers} times: "
        f"attention with {_said(counts['attention'][1])} and a feed-forward part with "
        f"{_said(counts['feed-forward'][1])}. On top a norm, and the token embedding "
        "again, which gives a score for each possible next token.",
    )


def word_window(before: Sequence[str], after: str, d_model: int, d_hidden: int, size: int) -> None:
    """Show a network that predicts a word from a window of words.

    Args:
        before: the words that are read; four fit.
        after: the word to be predicted.
        d_model: entries of a word's vector.
        d_hidden: entries of the hidden layer.
        size: words of the vocabulary.
    """
    d, middle = Drawing(), 138
    places = [middle + 68 * (i - (len(before) - 1) / 2) for i in range(len(before))]
    # The words, each with its vector; the vectors side by side are one long vector.
    for x, word in zip(places, before, strict=True):
        d.text(x, 424, html.escape(word), 14, weight=650, mono=True)
        d.line([(x, 408), (x, 388)])
        d.box(x, 368, 58, 36, str(d_model), "embedding")
        d.line([(x, 349), (x, 322)])
    d.text(280, 364, "embedding:", 14, "embedding", "start", 650)
    d.text(280, 381, "a vector each", 13.5, "muted", "start")
    wide = places[-1] - places[0] + 58
    d.box(middle, 302, wide, 36, f"{len(before)} · {d_model} = {len(before) * d_model}", "neutral")
    d.text(280, 298, "side by side", 13.5, "muted", "start")
    d.line([(middle, 283), (middle, 256)])
    d.box(middle, 236, wide, 36, f"hidden layer: {d_hidden}", "mlp")
    d.text(280, 232, "weighted sums,", 13.5, "muted", "start")
    d.text(280, 249, "negatives to 0", 13.5, "muted", "start")
    d.line([(middle, 217), (middle, 190)])
    d.box(middle, 170, 64, 36, str(d_model), "neutral")
    d.text(186, 175, "weighted sums again", 13.5, "muted", "start")
    d.line([(middle, 151), (middle, 124)])
    d.box(middle, 104, wide, 36, f"{size:,} scores", "embedding")
    d.text(280, 100, "its likeness to", 13.5, "muted", "start")
    d.text(280, 117, "every vector", 13.5, "muted", "start")
    d.line([(middle, 85), (middle, 58)])
    d.pill(middle, 42, "softmax", 84)
    d.text(194, 47, f"{size:,} probabilities; wanted:", 13.5, "muted", "start")
    d.text(194, 24, html.escape(after), 14, anchor="start", weight=650, mono=True)
    words = " ".join(before)
    show_drawing(
        d.svg(436),
        f"{len(before)} words in, a probability for each of {size:,} out",
        "Read upward; the numbers say how many entries a vector has. The words’ vectors serve "
        "twice, below and at the scores.",
        alt=f"A diagram, to be read upward. The words {words} each get a vector of {d_model} "
        f"numbers. "
        f"Side by side they make one of {len(before) * d_model}. A hidden layer of {d_hidden} "
        f"weighted sums, and {d_model} more weighted sums, follow. The result is compared with "
        f"the vectors of all {size:,} words, which gives scores; a softmax makes them "
        f"probabilities. The word wanted is {after}.",
    )


def noisy_channel(meant: str, arrived: str) -> None:
    """Show the noisy channel, and the two questions that undo it.

    Args:
        meant: a word that may have been meant.
        arrived: the word that came.
    """
    d = Drawing()
    # What happened, from left to right.
    for x, said, word in ((56, "meant", meant), (344, "arrived", arrived)):
        d.text(x, 22, said, 13.5, "muted")
        d.box(x, 52, 96, 36, html.escape(word), "neutral")
    d.box(200, 52, 110, 48, "channel", "key", "garbles")
    d.line([(104, 52), (143, 52)])
    d.line([(255, 52), (294, 52)])
    # What is asked of each candidate.
    d.text(200, 122, "and back: for each word that may have been meant", 13.5, "muted")
    d.box(101, 166, 190, 52, "language model", "attention", f"is “{html.escape(meant)}” said here?")
    d.box(299, 166, 190, 52, "channel", "key", f"would it come as “{html.escape(arrived)}”?")
    d.line([(100, 193), (100, 232), (184, 232)], "attention")
    d.line([(300, 193), (300, 232), (216, 232)], "key")
    d.parts.append(
        '<circle cx="200" cy="232" r="14" style="fill:var(--lm-paper,#fff);'
        'stroke:var(--lm-ink,#1f2430);stroke-width:2"/>'
    )
    d.text(200, 238, "×", 18, weight=650)
    d.line([(200, 247), (200, 272)])
    d.text(200, 290, "the largest product wins", 14, weight=650)
    show_drawing(
        d.svg(302),
        "A way that garbles, and two questions that undo it",
        "Above: what happened. Below: what a program asks of each candidate.",
        alt=f"Above, from left to right: the word {meant} was meant, passes a channel that "
        f"garbles, "
        f"and {arrived} arrives. Below: for each candidate the language model says how likely it "
        "is to be said here, and the channel how likely it is to arrive so. The two are "
        "multiplied, and the largest product wins.",
    )
