"""How much a model reads: tokens, in bytes, books, years of reading and shares of the web."""

import math

from IPython.display import HTML

from course_lib.checks import expect
from course_lib.figures import page
from course_lib.figures.page import digits, in_units, number, say

BYTES_PER_TOKEN = 4.3  # English film reviews by SmolLM2's tokenizer, measured in 'Questions'
TOKENS_PER_WORD = 1.32  # the same
WORDS_PER_BOOK = 100_000
WORDS_PER_MINUTE = 238  # silent reading of English (Brysbaert 2019)
WEB_TOKENS = 510e12  # on the indexed web (Villalobos et al. 2024, table 1)
_SIZES = [step * 10.0**power for power in range(6, 12) for step in (1, 2, 3, 5, 8)] + [1e12]
_LOW, _HIGH = 0.0, 4.3  # tokens per parameter, as powers of ten


def data_calculator(*, parameters: float = 8e9, per_parameter: float = 20.0) -> HTML:
    """Let the reader move a model's size and what it reads, and see how much text that is.

    Args:
        parameters: N, shown first: one of 1, 2, 3, 5 or 8 times a power of ten from a million on,
            up to a trillion.
        per_parameter: tokens for each parameter, shown first, from 1 to 19,000.

    Returns:
        A self-contained figure. Its first state is written here, so that it is there where no
        script runs.

    Raises:
        ValueError: if a number is none that its slider has.
    """
    # Only what the sliders can show.
    expect(parameters in _SIZES, "parameters", f"one of {_SIZES}", parameters)
    inside = 1 <= per_parameter <= 19_000
    expect(inside, "per_parameter", "a number from 1 to 19,000", per_parameter)
    words = page.words("reading")
    # The first state: tokens as bytes, books, years of reading, and a share of the web.
    tokens = parameters * per_parameter
    years = tokens / TOKENS_PER_WORD / WORDS_PER_MINUTE / (60 * 24 * 365.25)
    values = [
        number(tokens, words),
        in_units(tokens * BYTES_PER_TOKEN, words["sizes"], digits),
        number(tokens / TOKENS_PER_WORD / WORDS_PER_BOOK, words),
        in_units(years, words["years"], lambda x: number(x, words)),
        say(words["percent"], n=digits(100 * tokens / WEB_TOKENS)),
    ]
    return page.figure(
        "reading",
        {
            "sizes": _SIZES,
            "first": {"size": _SIZES.index(parameters), "ratio": math.log10(per_parameter)},
            "low": _LOW,
            "high": _HIGH,
            "marks": [[math.log10(ratio), name, side] for ratio, name, side in words["marks"]],
            "bytesPerToken": BYTES_PER_TOKEN,
            "tokensPerWord": TOKENS_PER_WORD,
            "wordsPerBook": WORDS_PER_BOOK,
            "wordsPerMinute": WORDS_PER_MINUTE,
            "webTokens": WEB_TOKENS,
        },
        page.says(
            say(
                words["says"],
                n=number(parameters, words),
                ratio=digits(per_parameter),
                d=number(tokens, words),
            )
        ),
        page.table(zip(words["rows"], values, strict=True), kind="lm-facts"),
    )
