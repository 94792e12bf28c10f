"""What a few bits make of real weights, and of a model's loss."""

import math
from collections.abc import Mapping, Sequence

from IPython.display import HTML
from torch import Tensor

from course_lib.checks import expect
from course_lib.efficiency import bits_per_weight, quantize
from course_lib.figures import page
from course_lib.figures.page import decimals, say

_LOSS_X = page.Axis(8, 2, 40, 280)
_TOP, _BOTTOM, _LEFT, _RIGHT = 30.0, 150.0, 10.0, 290.0


def bits_explorer(
    row: Tensor,
    losses: Mapping[str, Mapping[int, float]],
    *,
    group: int = 32,
    shown: int = 0,
    bits: int = 4,
    at: str = "row",
) -> HTML:
    """Let the reader take bits from weights, and see their rounding and the model's loss.

    Args:
        row: (in,), one row of a matrix, a multiple of ``group``.
        losses: "row" and "group" to bits to the loss of the whole model, in bits per byte.
        group: weights that share a scale in the second way.
        shown: which group of the row is drawn.
        bits: shown first.
        at: which of both ways is shown first.

    Returns:
        A self-contained figure. Its first state is written here, so that it is there where no
        script runs.

    Raises:
        ValueError: if the losses aren't of both ways and the same bits, or a choice is none of
            them.
    """
    counts = sorted(losses.get("row", {}), reverse=True)
    same = list(losses) == ["row", "group"] and sorted(losses["group"]) == counts[::-1] != []
    expect(same, "losses", "row and group, with a loss for the same bits", dict(losses))
    expect(bits in counts, "bits", f"one of {counts}", bits)
    expect(at in losses, "at", "row or group", repr(at))
    page.check_place("shown", shown, len(row) // group)
    # The weights that are drawn, and for each way and number of bits their least level and step.
    part = slice(shown * group, (shown + 1) * group)
    weights = row[part].double()
    scales: dict[str, dict[int, tuple[float, float, int]]] = {}
    for way, size in (("row", len(row)), ("group", group)):
        scales[way] = {}
        for n in counts:
            found = quantize(row[None], n, size)
            i = 0 if way == "row" else shown
            scale = (found.least[0, i].item(), found.scale[0, i].item())
            scales[way][n] = (*scale, size)
    x = page.Axis(row.min().item(), row.max().item(), _LEFT, _RIGHT)
    # The losses' axis, from tenth to tenth.
    every = [loss for each in losses.values() for loss in each.values()]
    low, high = math.floor(10 * min(every)) / 10, math.ceil(10 * max(every) + 1e-9) / 10
    y = page.Axis(low, high, 190, 15)
    # The first state.
    words = page.words("bits")
    least, step, size = scales[at][bits]
    codes = quantize(row[None], bits, size).codes.flatten()[part].tolist()
    rounded = [least + step * code for code in codes]
    error = sum(abs(a - b) for a, b in zip(weights.tolist(), rounded, strict=True)) / len(rounded)
    loss, whole = losses[at][bits], losses["group"][counts[0]]
    said = say(
        words["says"],
        bits=str(bits),
        each=decimals(bits_per_weight(bits, size), 2),
        way=words["ways"][("row", "group").index(at)],
        levels=f"{len(set(codes))}",
        error=decimals(1000 * error, 1),
        loss=decimals(loss, 2),
        more=decimals(loss - whole, 2),
    )
    ends = {8.0: "8", 6.0: "6", 4.0: "4", 2.0: "2"}
    frame = page.axes(
        _LOSS_X,
        y,
        (ends, {n: f"{n:.2f}" for n in (low, (low + high) / 2, high)}),
        (words["x"], words["y"]),
    )
    curves = "".join(
        f'<path class="{way}" d="M'
        + "L".join(f"{_LOSS_X.place(n)} {y.place(loss)}" for n, loss in each.items())
        + '"/>'
        for way, each in losses.items()
    )
    dot = f'<circle r="6" cx="{_LOSS_X.place(bits)}" cy="{y.place(loss)}"/>'
    return page.figure(
        "bits",
        {
            "weights": weights.tolist(),
            "scales": {way: {str(n): v for n, v in each.items()} for way, each in scales.items()},
            "losses": {way: {str(n): v for n, v in each.items()} for way, each in losses.items()},
            "counts": counts,
            "first": {"bits": bits, "way": ("row", "group").index(at)},
            "x": x._asdict(),
            "loss": {"x": _LOSS_X._asdict(), "y": y._asdict()},
        },
        page.controls(),
        '<div class="both">'
        f'<svg class="lm-axes" viewBox="0 0 300 180" role="img" aria-label="{words["levels"]}">'
        f'<text x="{_LEFT}" y="18">{page.text(words["weights"])}</text>'
        f'<path d="M{_LEFT} {_TOP}H{_RIGHT}M{_LEFT} {_BOTTOM}H{_RIGHT}"/>'
        f'<path class="all" d="{_ticks(x, least, step, bits)}"/>'
        f'<path class="moved" d="{_moved(x, weights.tolist(), rounded)}"/>'
        f'<text x="{_LEFT}" y="174">{page.text(words["after"])}</text></svg>'
        f'<svg class="lm-axes" viewBox="0 -16 300 250" role="img" aria-label="{words["curve"]}">'
        f'{frame}{curves}{dot}<text class="row" x="50" y="36">{words["short"][0]}</text>'
        f'<text class="group" x="50" y="56">{words["short"][1]}</text></svg></div>',
        page.says(said),
    )


def _ticks(x: page.Axis, least: float, step: float, bits: int) -> str:
    """Return a tick at each level that weights are rounded to."""
    places = (x.place(least + step * code) for code in range(2**bits))
    return "".join(f"M{place} {_BOTTOM:g}v8" for place in places)


def _moved(x: page.Axis, weights: Sequence[float], rounded: Sequence[float]) -> str:
    """Return a line from each weight to its level."""
    both = zip(weights, rounded, strict=True)
    return "".join(f"M{x.place(a)} {_TOP:g}L{x.place(b)} {_BOTTOM:g}" for a, b in both)
