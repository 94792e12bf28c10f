"""How a head comes to continue what was there before: its map and the loss, by training step."""

from collections.abc import Sequence

from IPython.display import HTML
from torch import Tensor

from course_lib.checks import check_sizes, expect
from course_lib.figures import page
from course_lib.figures.page import decimals, say
from course_lib.interpret import prefix_matching

_LEFT, _TOP, _SIDE = 30, 26, 240  # of the map


def induction_explorer(
    tokens: Sequence[str],
    period: int,
    every: int,
    maps: Sequence[Tensor],
    losses: Sequence[float],
    others: Sequence[float],
    *,
    shown: int = 0,
    head: int = 0,
) -> HTML:
    """Let the reader move through a training, and see each head's map and the loss.

    The number for each head is :func:`course_lib.interpret.prefix_matching` of its map.

    Args:
        tokens: of a text that repeats after ``period`` of them.
        period: length of a copy.
        every: steps from one measurement to the next.
        maps: of each measurement, (n_layers, n_heads, T, T), in percent.
        losses: of each measurement, on second copies, in nats.
        others: those of a model to compare with.
        shown: the measurement that is shown first.
        head: shown first, counted through all layers.

    Returns:
        A self-contained figure. Its first state is written here, so that it is there where no
        script runs.

    Raises:
        ValueError: if there are not as many of each, or what is shown first is none of them.
    """
    check_sizes(period=period, every=every)
    # As many of each, and what comes first is there.
    count, length = len(maps), len(tokens)
    expect(len(losses) == count, "losses", f"{count}, one a map", len(losses))
    expect(len(others) == count, "others", f"{count}, one a map", len(others))
    page.check_place("shown", shown, count)
    size = maps[0].shape
    expect(tuple(size[2:]) == (length, length), "maps", f"of {length} tokens", tuple(size))
    names = [f"{layer}.{i}" for layer in range(size[0]) for i in range(size[1])]
    page.check_place("head", head, len(names))
    # The map: a cell for each query and key; a frame where the token after the copy is.
    weights = maps[shown].flatten(0, 1)[head]
    score = prefix_matching(weights.double() / 100, period).item()
    cell = _SIDE / length
    cells = "".join(
        f'<rect x="{_LEFT + cell * j:g}" y="{_TOP + cell * i:g}" width="{cell:g}" '
        f'height="{cell:g}" style="--weight:{weights[i, j].item():g}%"/>'
        for i in range(length)
        for j in range(i + 1)
    )
    aims = "".join(
        f"M{_LEFT + cell * (i - period + 1):g} {_TOP + cell * i:g}h{cell:g}v{cell:g}h{-cell:g}z"
        for i in range(period, length)
    )
    names_of_tokens = "".join(
        f'<text x="{_LEFT + cell * (i + 0.5):g}" y="{_TOP - 6}" text-anchor="middle">{token}</text>'
        f'<text x="{_LEFT - 6}" y="{_TOP + cell * (i + 0.5):g}" dy=".35em" text-anchor="end">'
        f"{token}</text>"
        for i, token in enumerate(map(page.text, tokens))
    )
    # The losses over the steps.
    words = page.words("induction")
    steps = [every * i for i in range(count)]
    x, y = page.Axis(0, steps[-1], 34, 280), page.Axis(0, 4, 214, 20)
    frame = page.axes(
        x,
        y,
        ({n: f"{n}" for n in (0, steps[-1] // 3, 2 * steps[-1] // 3, steps[-1])}, _nats()),
        (words["x"], words["y"]),
    )
    curves = "".join(
        f'<path class="{name}" d="M'
        + "L".join(f"{x.place(a)} {y.place(b)}" for a, b in zip(steps, curve, strict=True))
        + '"/>'
        for name, curve in {"other": others, "own": losses}.items()
    )
    dot = f'<circle r="6" cx="{x.place(steps[shown])}" cy="{y.place(losses[shown])}"/>'
    said = say(
        words["says"],
        step=steps[shown],
        head=names[head],
        score=decimals(100 * score, 0),
        loss=decimals(losses[shown], 2),
    )
    bottom = _TOP + _SIDE + 4
    return page.figure(
        "induction",
        {
            "maps": [m.flatten(0, 1).int().tolist() for m in maps],
            "losses": list(losses),
            "steps": steps,
            "heads": names,
            "period": period,
            "first": {"at": shown, "head": head},
            "x": x._asdict(),
            "y": y._asdict(),
        },
        page.controls(),
        f'<div class="both"><svg class="map" viewBox="0 0 {_LEFT + _SIDE + 2} {bottom}" '
        f'role="img" aria-label="{page.text(words["map"])}">{cells}<path d="{aims}"/>'
        f"{names_of_tokens}</svg>"
        f'<svg class="lm-axes" viewBox="0 -8 300 268" role="img" '
        f'aria-label="{page.text(words["curve"])}">{frame}{curves}{dot}'
        f'<text class="other" x="274" y="{float(y.place(others[-1])) - 10:g}" '
        f'text-anchor="end">{words["names"][1]}</text>'
        f'<text class="own" x="274" y="{float(y.place(losses[-1])) - 16:g}" '
        f'text-anchor="end">{words["names"][0]}</text></svg></div>',
        page.says(said),
        step=steps[shown],
    )


def _nats() -> dict[float, str]:
    """Return the losses that the axis names."""
    return {float(n): str(n) for n in range(5)}
