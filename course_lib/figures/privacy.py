"""What the noise of DP-SGD is worth: epsilon, and the line that no attack can cross."""

import numpy as np
from IPython.display import HTML

from course_lib.checks import check_one_of, expect
from course_lib.figures import page
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
