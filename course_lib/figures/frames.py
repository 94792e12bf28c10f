"""A chart that moves: one drawing for each value of a slider."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from IPython.display import display
from matplotlib.figure import Figure

from course_lib.checks import check_one_of, expect
from course_lib.figures import page, svg

T = TypeVar("T")


def frames(
    draw: Callable[[T], Figure],
    values: Sequence[T],
    title: str,
    caption: str,
    *,
    label: str,
    describe: Callable[[T], str],
    start: T | None = None,
) -> None:
    """Show the chart that belongs to a slider's value.

    All charts are drawn at once and the browser picks one, so that it moves without a kernel, too.

    Args:
        draw: makes the chart for one value.
        values: the slider's values, in order.
        title: what the chart finds, as a sentence; HTML.
        caption: what is drawn, in which units, and what to see when the slider moves; HTML.
        label: the slider's name.
        describe: what the chart shows for one value, for those who don't see it.
        start: the value that is shown first; the first one by default.

    Raises:
        ValueError: if there are fewer than two values, or ``start`` is none of them.
    """
    # Which value comes first.
    values = list(values)
    expect(len(values) >= 2, "values", "at least two", values)
    if start is None:
        start = values[0]
    check_one_of("start", start, values)
    first = values.index(start)
    # A frame that isn't seen keeps its place in the page: others may draw with its parts.
    pictures = "".join(
        f'<div class="lm-frame{" now" if i == first else ""}" role="img" '
        f'aria-hidden="{"false" if i == first else "true"}" '
        f'aria-label="{page.text(describe(value))}">{svg.drawings(draw(value))}</div>'
        for i, value in enumerate(values)
    )
    whole = page.figure(
        "frames",
        {"label": label, "values": list(map(str, values)), "first": first},
        f'<div class="lm-plot"><style>{svg.STYLE}</style><p class="title">{title}</p>'
        f"{pictures}</div>",
        caption={"caption": caption},
        called=title,
        label=label,
        value=start,
    )
    display(whole)
