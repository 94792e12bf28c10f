"""Drawings of what a model looks at: the context of n-grams, the places of a word turned round.

Shown in 'Language models' and 'The SelfAttention class'.
"""

from collections.abc import Sequence

from course_lib.figures.drawing import WIDTH, Drawing, show_drawing


def _contexts(words: Sequence[str], orders: Sequence[int]) -> str:
    d = Drawing()
    side = (WIDTH - 64) / (len(words) + 1)
    for row, n in enumerate(orders):
        y = 8 + 38 * row
        d.text(4, y + 20, f"n = {n}", 14, "muted", "start")
        # The words before, those that are seen strong, and the place of the next.
        for place, word in enumerate((*words, "?")):
            new = place == len(words)
            seen = place > len(words) - n and not new
            hue = "accent" if seen or new else "edge"
            d.cell(60 + side * place, y, side - 4, 30, hue, 30 if seen else 4)
            d.text(
                60 + side * place + (side - 4) / 2,
                y + 20,
                word,
                14,
                "ink" if seen or new else "muted",
                mono=True,
            )
    return d.svg(8 + 38 * len(orders))


def contexts(words: Sequence[str], orders: Sequence[int]) -> None:
    """Show how many of the words before each n-gram model sees."""
    show_drawing(
        _contexts(words, orders),
        "A larger n looks further back",
        "Strong: the words before that a model sees when it guesses the one at the question mark. "
        "With n = 1 it sees none.",
        alt=f"The words {' '.join(words)} and a question mark, once for each n of "
        f"{', '.join(map(str, orders))}. Marked before the question mark are n minus 1 words.",
    )


def _turned(letters: str) -> str:
    d = Drawing()
    side = (WIDTH - 16) / len(letters)
    for y, row in ((126, letters), (22, letters[::-1])):
        for place, letter in enumerate(row):
            d.cell(10 + side * place, y, side - 4, 32, "value" if y < 100 else "key", 18)
            d.text(10 + side * place + side / 2 - 2, y + 21, letter, 15, mono=True)
    d.text(8, 14, "wanted", 14, "muted", "start")
    d.text(8, 178, "given", 14, "muted", "start")
    # Each wanted letter stands at the mirrored place.
    for place in range(len(letters)):
        start, end = (10 + side * (k + 0.5) - 2 for k in (len(letters) - 1 - place, place))
        d.line([(start, 124), (end, 56)], "attention", 1.2)
    return d.svg(186)


def turned_round(letters: str) -> None:
    """Show from where each place of a word turned round gets its letter."""
    show_drawing(
        _turned(letters),
        "Each place needs a letter from another place",
        "Read upward: the letter that is wanted at a place stands at the mirrored one.",
        alt=f"Below, the letters {' '.join(letters)}; above, the same turned round. A line leads "
        "from each letter below to the mirrored place above; the lines cross in the middle.",
    )
