"""Sketches of a model in use: how it writes, what it keeps, who says what, what is trained.

Shown in 'Text generation', 'Dialogue' and 'Tools'. A hue names a part of the model, as everywhere.
"""

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from course_lib.checks import check_one_of
from course_lib.figures.drawing import WIDE, Drawing, color, show_drawing

# Who writes a token, and the hue of its box.
WRITERS = {"program": "edge", "system": "mlp", "user": "query", "assistant": "value"}
_TALK = (
    ".lm-talk .turn{display:flex;flex-wrap:wrap;gap:.35rem .25rem;margin:0 0 .8rem}"
    ".lm-talk .turn span{font:.8125rem/1.5 var(--lm-mono,ui-monospace,monospace);white-space:pre;"
    "border-radius:4px;padding:0 .3rem;text-align:center}"
    ".lm-talk b{display:block;font-weight:400}"
    ".lm-talk i{display:block;font-style:normal;border-top:1px solid var(--lm-line,#dde1e7);"
    "color:var(--lm-muted,#566070)}"
    ".lm-talk i.learned{font-weight:650;color:var(--lm-value,#00634b)}"
    ".lm-talk ul{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;list-style:none;padding:0;"
    "margin:0 0 .8rem;font-size:.875rem}"
    ".lm-talk li::before{content:'';display:inline-block;width:.8em;height:.8em;margin-right:.4em;"
    "border-radius:2px;border:1.5px solid var(--hue);vertical-align:-.05em;"
    "background:color-mix(in srgb,var(--hue) 14%,var(--lm-paper,#fff))}"
)


class Said(NamedTuple):
    """A token of a conversation.

    Attributes:
        writer: a key of ``WRITERS``: who writes it when the assistant is used.
        token: its text.
        target: the token that the model learns to say next; None where it learns nothing.
    """

    writer: str
    token: str
    target: str | None = None


def _loop(text: Sequence[str], shares: Mapping[str, float]) -> str:
    """Draw the loop: text, model, probabilities, a choice, and back to the text."""
    d = Drawing()
    chosen, *_ = shares
    # The text so far, and the place of the next token.
    for i, token in enumerate((*text, chosen)):
        new = i == len(text)
        d.cell(8 + 58 * i, 12, 52, 30, "accent" if new else "edge", 30 if new else 8)
        d.text(34 + 58 * i, 32, token, 15, weight=650 if new else 400, mono=True)
    d.line([(95, 48), (95, 92)])
    d.box(95, 116, 150, 46, "model", "attention", "read the whole text")
    d.line([(172, 116), (214, 116)])
    # A probability for each token.
    d.text(220, 74, "next token", 13.5, "muted", "start")
    for i, (token, share) in enumerate(shares.items()):
        y = 94 + 20 * i
        d.text(262, y + 5, token, 13.5, anchor="end", mono=True)
        d.cell(268, y - 7, 95 * share, 14, "accent", 100 if token == chosen else 40)
    d.line([(295, 172), (295, 194)])
    d.box(295, 218, 150, 46, "choose", "accent", "the likeliest, or draw")
    # Back to the text.
    d.line([(372, 218), (390, 218), (390, 27), (10 + 58 * len(text) + 52, 27)], "accent")
    d.text(95, 222, "put it behind the text,", 13.5, "muted")
    d.text(95, 240, "and ask again", 13.5, "muted")
    return d.svg(254, limit=WIDE)


def writing_loop() -> None:
    """Show the loop that makes a writer of a model."""
    shares = {"be": 0.9, "hear": 0.25, "the": 0.2, "sleep": 0.1}
    show_drawing(
        _loop(("To", "be", "or", "not", "to"), shares),
        "A model gives probabilities; something else picks a token",
        "The model reads the text and gives every token a probability. A <em>decoding "
        "strategy</em> picks one. It is put behind the text, and all begins again. The lengths "
        "of the bars are an example.",
        alt="A loop. The text to be or not to goes into the model, which gives bars for the next "
        "token, be the longest. A box named choose takes be, and an arrow leads it back to the "
        "end of the text.",
    )


def _steps_of(tokens: Sequence[str], cached: bool) -> str:
    """Draw which keys and values each step computes: strong ones now, pale ones are kept."""
    d = Drawing()
    # A column for each token.
    for place, token in enumerate(tokens):
        d.text(112 + 48 * place, 22, token, 15, mono=True, weight=600)
    # A row for each step: a key and a value for each token so far, now or kept.
    computed = 0
    for step in range(len(tokens)):
        top = 36 + 38 * step
        d.text(8, top + 19, f"step {step + 1}", 14, "muted", "start")
        for place in range(step + 1):
            now = place == step or not cached
            computed += now
            for row, hue in enumerate(("key", "value")):
                d.cell(92 + 48 * place, top + 14 * row, 40, 13, hue, 85 if now else 12)
    bottom = 36 + 38 * len(tokens)
    d.text(
        92,
        bottom + 16,
        f"{computed} keys and {computed} values computed",
        14.5,
        anchor="start",
        weight=600,
    )
    return d.svg(bottom + 28, limit=WIDE)


def key_value_cache() -> None:
    """Show what a step computes without and with a cache of keys and values."""
    tokens = ("O", ",", "my", "lord", ",")
    show_drawing(
        {
            "without a cache": _steps_of(tokens, cached=False),
            "with a cache": _steps_of(tokens, cached=True),
        },
        "Each key and each value is computed once, and kept",
        "One row for each step, one column for each token; brown (orange in the dark): its key, "
        "green: its value. Strong: computed in this step. Pale: kept from an earlier one. The "
        "query is the newest token’s alone, and looks at the whole row.",
        alt="Two triangles of cells, five steps of five tokens. Without a cache every cell of "
        "every "
        "row is computed: 15 keys and 15 values. With a cache only the last cell of a row is "
        "computed, 5 of each; the others are pale.",
    )


def conversation(said: Iterable[Said], title: str, caption: str, *, alt: str) -> None:
    """Show a conversation token by token: who writes it and, if asked, what is learned there.

    Args:
        said: its tokens; a new line begins at each ``<|im_start|>``.
        title: what the figure finds; HTML.
        caption: what is to be seen; HTML.
        alt: the same for those who don't see it.

    Raises:
        ValueError: if a writer isn't one of ``WRITERS``.
    """
    said = list(said)
    teaches = any(each.target is not None for each in said)
    turns: list[list[str]] = []
    for each in said:
        check_one_of("writer", each.writer, list(WRITERS))
        if each.token == "<|im_start|>" or not turns:
            turns.append([])
        turns[-1].append(_token(each, teaches))
    named = (
        f'<li style="--hue:{color(hue)}">{_NAMES[writer]}</li>' for writer, hue in WRITERS.items()
    )
    rows = "".join(f'<div class="turn">{"".join(turn)}</div>' for turn in turns)
    show_drawing(
        f"<ul>{''.join(named)}</ul>{rows}", title, caption, alt=alt, style=_TALK, kind="lm-talk"
    )


_NAMES = {
    "program": "the program writes",
    "system": "who runs it writes",
    "user": "the user writes",
    "assistant": "the model writes",
}


def _token(said: Said, teaches: bool) -> str:
    """Return a token's box, and below it what the model learns to say next."""
    hue = color(WRITERS[said.writer])
    style = f"border:1.5px solid {hue};background:color-mix(in srgb,{hue} 14%,{color('paper')})"
    below = ""
    if teaches:
        learned = ' class="learned"' if said.target is not None else ""
        below = f"<i{learned}>{_readable(said.target) if said.target is not None else '–'}</i>"
    return f'<span style="{style}"><b>{_readable(said.token)}</b>{below}</span>'


def _readable(token: str) -> str:
    """Write a token so that its spaces and line breaks are seen."""
    return html.escape(token.replace("\n", "\\n").replace(" ", "·"))


def _lora() -> str:
    """Draw a matrix that stays, and beside it the two thin ones that learn."""
    d = Drawing()
    d.line([(28, 118), (60, 118)], head=False)
    d.text(16, 123, "<tspan font-style='italic'>x</tspan>", 17)
    # What the model had.
    d.line([(60, 118), (60, 62), (118, 62)])
    d.cell(122, 14, 96, 96, "edge", 16)
    d.text(170, 58, "<tspan font-style='italic'>W</tspan>", 17)
    d.text(170, 78, "stays as it is", 13.5, "muted")
    d.line([(222, 62), (328, 62), (328, 104)])
    # What is learned.
    d.line([(60, 118), (60, 184), (98, 184)], "attention")
    d.cell(102, 172, 96, 24, "attention", 40)
    d.text(150, 189, "<tspan font-style='italic'>A</tspan>", 16)
    d.text(150, 214, "8 × 576", 13.5, "muted", mono=True)
    d.line([(202, 184), (226, 184)], "attention")
    d.cell(230, 136, 24, 96, "attention", 40)
    d.text(242, 189, "<tspan font-style='italic'>B</tspan>", 16)
    d.text(260, 228, "576 × 8", 13.5, "muted", "start", mono=True)
    d.line([(258, 184), (328, 184), (328, 132)], "attention")
    d.text(294, 176, "× α / r", 14)
    d.plus(328, 118)
    d.line([(338, 118), (366, 118)])
    d.text(382, 123, "<tspan font-style='italic'>y</tspan>", 17)
    return d.svg(240, limit=WIDE)


def lora() -> None:
    """Show a change of low rank beside a matrix."""
    show_drawing(
        _lora(),
        "The large matrix stays; two thin ones beside it learn",
        "LoRA at a query matrix of SmolLM2, 576 × 576: <em>A</em> makes 8 numbers of 576, "
        "<em>B</em> makes 576 of these again. Only the violet ones are trained, 9,216 instead "
        "of 331,776.",
        alt="A vector x goes two ways. Above through the large matrix W, which stays as it is. "
        "Below through the flat matrix A and the narrow matrix B, times alpha over r. Both are "
        "added to y.",
    )


def _pipeline(tasks: Mapping[str, str]) -> str:
    """Draw a pipeline's three steps, and what the last one is for each task."""
    d = Drawing()
    steps = (("tokenizer", "embedding"), ("model", "attention"), ("last step", "accent"))
    for i, (name, hue) in enumerate(steps):
        d.box(82 + 118 * i, 44, 86, 40, name, hue)
        if i:
            d.line([(82 + 118 * i - 72, 44), (82 + 118 * i - 47, 44)])
    d.line([(8, 44), (35, 44)])
    d.line([(365, 44), (394, 44)])
    for x, name in ((20, "text"), (141, "ids"), (259, "numbers"), (376, "answer")):
        d.text(x if x > 20 else 4, 16, name, 13.5, "muted", "start" if x == 20 else "middle")
    for i, (task, last) in enumerate(tasks.items()):
        y = 100 + 26 * i
        d.text(8, y, task, 13.5, anchor="start", mono=True)
        d.text(184, y, last, 13.5, "accent", "start")
    return d.svg(100 + 26 * len(tasks) - 12, limit=WIDE)


def pipeline() -> None:
    """Show what a pipeline of Transformers does."""
    tasks = {
        "feature-extraction": "none: the vectors themselves",
        "text-generation": "choose a token, and again",
        "text-classification": "a probability for each class",
        "fill-mask": "the likeliest for the blank",
    }
    show_drawing(
        _pipeline(tasks),
        "Three steps, whatever the task",
        "A tokenizer turns text into ids, a model ids into numbers; the last step depends on the "
        "task. These four are used in this chapter.",
        alt="Three boxes in a row: tokenizer, model, last step; text goes in, ids and numbers go "
        "from "
        "box to box, an answer comes out. Below, the last step of four tasks.",
    )


def _guess(word: str, seen: Iterable[int], place: int, given: Sequence[str]) -> str:
    """Draw which letters one guess of a word is made from."""
    d = Drawing()
    for i in seen:
        d.line([(60 + 56 * i, 106), (60 + 56 * place, 58)], "attention", 1.5)
    for i, letter in enumerate(given):
        d.cell(40 + 56 * i, 110, 40, 34, "attention" if i in seen else "edge", 14)
        d.text(60 + 56 * i, 133, letter, 17, mono=True)
    d.cell(40 + 56 * place, 18, 40, 34, "value", 30)
    d.text(60 + 56 * place, 41, word, 17, mono=True, weight=650)
    d.text(60 + 56 * place + 30, 40, "is to be said here", 13.5, "muted", "start")
    return d.svg(152, limit=WIDE)


def two_tasks() -> None:
    """Show from which letters a causal and a masked model guess."""
    show_drawing(
        {
            "GPT: the next token": _guess("o", range(3), 2, "school"),
            "BERT: the hidden token": _guess("h", range(6), 2, "sc_ool"),
        },
        "A writer sees what came before; who fills a blank sees both sides",
        "One guess in the word <em>school</em>. GPT: from s, c and h the next letter, and so at "
        "every place at once. BERT: the hidden letter from all the others.",
        alt="Two drawings of the letters of school. For GPT, lines lead from s, c and h to the "
        "next letter o. For BERT the h is hidden, and lines lead to it from all the others.",
    )


def weight_layouts() -> None:
    """Show how one matrix of four heads lies in PyTorch and in Keras."""
    d = Drawing()
    # Four heads: as rows, as columns, and cut apart.
    heads = ("query", "key", "value", "mlp")
    for i, hue in enumerate(heads):
        d.cell(30, 44 + 27 * i, 108, 27, hue, 30)  # rows are what comes out
        d.cell(182 + 27 * i, 44, 27, 108, hue, 30)
        d.cell(322 + 10 * i, 74 - 10 * i, 27, 78, hue, 30)
    d.line([(144, 98), (176, 98)])
    d.line([(294, 98), (318, 98)])
    # Names above, shapes below.
    for x, name, shape in ((84, "PyTorch", "(32, 32)"), (236, "", "(32, 32)"), (352, "Keras", "")):
        d.text(x, 32, name, 14, weight=600)
        d.text(x, 172, shape, 13.5, "muted", mono=True)
    d.text(84, 190, "out × in", 13.5, "muted")
    d.text(236, 190, "in × out", 13.5, "muted")
    d.text(350, 172, "(32, 4, 8)", 13.5, "muted", mono=True)
    d.text(350, 190, "in × head × D", 13.5, "muted")
    d.text(236, 32, "transposed", 14, weight=600)
    show_drawing(
        d.svg(200, limit=WIDE),
        "First transpose, then cut into heads",
        "A query matrix of width 32 for four heads of 8; one hue for each head.",
        alt="A square with four horizontal bands, one for each head; transposed it has four "
        "vertical "
        "bands; cut, these become four narrow matrices behind each other.",
    )
