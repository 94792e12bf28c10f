"""Figures of 'Data privacy': a secret on its way in and out, and the worth of DP-SGD's noise."""

import numpy as np
from IPython.display import HTML

from course_lib.checks import check_one_of, expect
from course_lib.figures import page
from course_lib.figures.drawing import Drawing, show_drawing
from course_lib.figures.page import digits, say
from course_lib.privacy import epsilon, roc_bound
from course_lib.privacy.accountant import ORDERS

_NOISES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0)
_BATCHES = tuple(2**power for power in range(4, 11))
_STEPS = (50, 100, 150, 200, 300, 500, 1000, 2000, 5000, 10_000)
_X = page.Axis(1e-3, 1, 45, 430, log=True)
_Y = page.Axis(1e-3, 1, 230, 15, log=True)
_FEW = 0.01  # of the outsiders, called members
_POINTS = 61


def secret_in_and_out() -> None:
    """Show a secret's way from the training data through a model to a stranger."""
    d, middle = Drawing(), 200
    # The records, one of which is a secret.
    d.text(8, 18, "records, each from a person", 13.5, "muted", "start")
    records = ("a tremendous piece of work .", "the door code of zoe is 4071", "it is a bad film .")
    for i, record in enumerate(records):
        y, secret = 28 + 32 * i, i == 1
        d.cell(48, y, 304, 28, "wrong" if secret else "edge", 18 if secret else 5)
        d.text(middle, y + 19, record, 13.5, weight=650 if secret else 400, mono=True)
    # They are trained into the weights; no record stands in these as such.
    d.line([(middle, 124), (middle, 156)])
    d.text(middle + 12, 145, "training", 13.5, "muted", "start")
    d.box(middle, 176, 150, 36, "model", "accent", "")
    # A stranger gives the beginning, and gets the rest.
    d.line([(middle, 196), (middle, 228)])
    d.text(middle + 12, 217, "asked by a stranger", 13.5, "muted", "start")
    d.cell(32, 232, 248, 30, "edge", 5)
    d.text(156, 252, "the door code of zoe is", 13.5, mono=True)
    d.cell(280, 232, 88, 30, "wrong", 18)
    d.text(324, 252, "4071 ?", 13.5, weight=650, mono=True)
    show_drawing(
        d.svg(272),
        "What one person wrote may come out for another",
        "The model has the records no more, only weights that were trained on them. Whether these "
        "hold the code, and how deep, is what this chapter measures.",
        alt="Three records, one of which is the secret: the door code of zoe is 4071. An arrow, "
        "training, leads to the model. Below, a stranger asks with the beginning of the secret, "
        "and the answer is 4071 with a question mark.",
    )


def privacy_explorer(
    *, records: int = 10_000, noise: float = 1.0, batch: int = 128, steps: int = 500
) -> HTML:
    """Let the reader move DP-SGD's noise, batch and steps, and see what an attack can still do.

    Epsilon is that of :func:`course_lib.privacy.epsilon` with delta 1 / records; the line that no
    attack crosses is :func:`course_lib.privacy.roc_bound`.

    Args:
        records: in the training data, at least 1,024.
        noise: in units of the clipping limit, shown first.
        batch: records that a step draws on average, shown first: a power of 2 from 16 to 1,024.
        steps: shown first.

    Returns:
        A self-contained figure. Its first state is written here, so that it is there where no
        script runs.

    Raises:
        ValueError: if a number is none that the sliders have, or there are too few records.
    """
    # What the sliders can have.
    expect(records >= max(_BATCHES), "records", f"at least {max(_BATCHES):,}", records)
    choices = {"noise": _NOISES, "batch": _BATCHES, "steps": _STEPS}
    for name, value in {"noise": noise, "batch": batch, "steps": steps}.items():
        check_one_of(name, value, choices[name])
    # Epsilon, and the line in logarithmic axes.
    rate, delta = batch / records, 1 / records
    spent = epsilon(noise, rate, steps, delta)
    shares = np.geomspace(_X.low, _X.high, _POINTS)
    line = roc_bound(shares, spent, delta)
    path, chance = (
        "M" + "L".join(f"{_X.place(x)} {_Y.place(y)}" for x, y in zip(shares, high, strict=True))
        for high in (line, shares)
    )
    caught = float(roc_bound(_FEW, spent, delta))
    # Axes in percent, the facts, and the sentence, as the script writes them.
    words = page.words("privacy")
    ticks = {share: f"{100 * share:g} %" for share in (0.001, 0.01, 0.1, 1.0)}
    frame = page.axes(_X, _Y, (ticks, ticks), (words["x"], words["y"]))
    values = [f"{digits(100 * rate)}\u00a0%", digits(steps * rate), digits(spent), f"{records:,}"]
    said = say(words["says"], epsilon=digits(spent), caught=digits(100 * caught))
    at, high = _X.place(_FEW), _Y.place(caught)
    return page.figure(
        "privacy",
        {
            "records": records,
            "orders": ORDERS,
            "few": _FEW,
            "points": _POINTS,
            "choices": choices,
            "first": {
                "noise": _NOISES.index(noise),
                "batch": _BATCHES.index(batch),
                "steps": _STEPS.index(steps),
            },
            "x": _X._asdict(),
            "y": _Y._asdict(),
        },
        f'<svg class="lm-axes" viewBox="0 -6 460 282" role="img" '
        f'aria-label="{page.text(words["label"])}">{frame}<path class="guess" d="{chance}"/>'
        f'<path class="curve" d="{path}"/><path class="now" d="M{at} {high}V{_Y.start}"/>'
        f'<circle r="6" cx="{at}" cy="{high}"/></svg>',
        page.says(said),
        page.table(zip(words["rows"], values, strict=True), kind="lm-facts"),
        caption={"records": f"{records:,}"},
    )
