"""Figures that move, in a notebook and in the rendered book, where there is no kernel.

:func:`frames` puts any matplotlib figure behind a slider. The explorers are pages of their own that
the reader's browser moves; they ask nothing of any other machine.
"""

import base64
import hashlib
import html
import io
import json
import math
import re
from bisect import insort
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from importlib.resources import files

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML, display
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import Tensor

from course_lib.checks import check_shares, check_sizes, expect
from course_lib.costs import (
    A100,
    DOLLARS_PER_GPU_HOUR,
    GPU,
    GPUS,
    PUE,
    attainable_flops,
    energy_mwh,
    gpu_hours,
    matmul_intensity,
    training_flops,
)
from course_lib.evaluation import bleu_counts, bleu_from_counts, tokenize_13a


def _picture(figure: Figure, alt: str) -> str:
    """Return the figure as an ``<img>`` that holds its own data, and close it."""
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    plt.close(figure)
    data = base64.b64encode(file.getvalue()).decode()
    return (
        f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}" style="max-width:100%">'
    )


def frames(
    draw: Callable[[object], Figure],
    values: Sequence[object],
    *,
    label: str,
    describe: Callable[[object], str],
) -> None:
    """Show the figure that belongs to a slider's value.

    All frames are drawn at once and linked to the slider in the browser, so that the figure moves
    without a kernel, too.

    Args:
        draw: makes the figure for one value.
        values: the slider's values, in order.
        label: the slider's name.
        describe: alt text of the figure for one value.

    Raises:
        ValueError: if there are fewer than two values.
    """
    values = list(values)
    expect(len(values) >= 2, "values", "at least two", values)
    pictures = [_picture(draw(value), describe(value)) for value in values]
    slider = ipywidgets.SelectionSlider(
        options=[(str(value), i) for i, value in enumerate(values)],
        description=label,
        style={"description_width": "initial"},
    )
    if not hasattr(ipywidgets, "Stack"):  # ipywidgets 7, as in Colab, where a kernel is at hand
        picture = ipywidgets.HTML(pictures[0])
        slider.observe(lambda change: setattr(picture, "value", pictures[change.new]), "value")
        display(ipywidgets.VBox([slider, picture]))
        return
    stack = ipywidgets.Stack([ipywidgets.HTML(p) for p in pictures], selected_index=0)
    ipywidgets.jslink((slider, "index"), (stack, "selected_index"))
    bundle = ipywidgets.VBox([slider, stack])._repr_mimebundle_()
    # The default text would hold every frame's data.
    bundle["text/plain"] = f"A figure with a slider, {label}: {', '.join(map(str, values))}"
    display(bundle, raw=True)


def _check_place(name: str, place: int, size: int) -> None:
    expect(place in range(size), name, f"a place from 0 to {size - 1}", place)


def _fill(template: str, data: object, **parts: str) -> HTML:
    """Put the data, an id that depends on it, and other parts into a template's placeholders."""
    # An escaped "<" can't end the script that holds the data.
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    stem = template.removesuffix(".html")
    name = f"{stem.replace('_', '-')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    parts |= {"FIGURE_ID": name, "FIGURE_DATA": text}
    page = (files("course_lib") / template).read_text(encoding="utf-8")
    # All at once: a part may be called like a placeholder.
    page = re.sub("|".join(parts), lambda match: parts[match.group()], page)
    # Jupyter would set what stands between two of these signs as a formula.
    if re.search(r"\$|\\[(\[]|\\begin", text):
        page = f'<div class="mathjax_ignore tex2jax_ignore">{page}</div>'
    return HTML(page)


def samples_explorer(
    samples: Mapping[tuple[object, object], Sequence[str]],
    *,
    labels: tuple[str, str],
    start: tuple[object, object] | None = None,
) -> HTML:
    """Let the reader move two settings of a sampler and see texts drawn with them.

    Args:
        samples: texts for each pair of settings; every first setting with every second one, and
            equally many texts for each.
        labels: the names of the two settings.
        start: the settings shown first; by default the first of each.

    Returns:
        A self-contained figure. Its first texts are written here, so that they are there where no
        script runs.

    Raises:
        ValueError: if a pair of settings is missing, or has more or fewer texts than others, or
            ``start`` is none of them.
    """
    expect(len(samples) > 0, "samples", "texts for at least one pair of settings", "none")
    first, second = (list(dict.fromkeys(values)) for values in zip(*samples, strict=True))
    missing = [(a, b) for a in first for b in second if (a, b) not in samples]
    every = "texts for every pair of settings"
    expect(not missing, "samples", every, f"none for {(*missing, None)[0]}")
    counts = sorted({len(texts) for texts in samples.values()})
    equal = len(counts) == 1 and counts[0] > 0
    expect(equal, "samples", "equally many texts for each pair", counts)
    start = start or (first[0], second[0])
    expect(start in samples, "start", "a pair of settings that has texts", start)
    data = {
        "settings": [list(map(str, first)), list(map(str, second))],
        "start": [first.index(start[0]), second.index(start[1])],
        "samples": [[list(samples[a, b]) for b in second] for a in first],
    }
    return _fill(
        "samples_explorer.html",
        data,
        FIRST_LABEL=html.escape(labels[0]),
        SECOND_LABEL=html.escape(labels[1]),
        FIRST_VALUE=html.escape(str(start[0])),
        SECOND_VALUE=html.escape(str(start[1])),
        FIRST_TEXT=html.escape(samples[start][0]),
    )


def cost_calculator(
    *, parameters: float, tokens: float, percent: int = 40, n_gpus: int = 1024, gpu: GPU = A100
) -> HTML:
    """Let the reader move a training run's size and see its time, energy and price.

    The ranges of energy and price are those of :mod:`course_lib.costs`: from the boards alone in an
    efficient building to whole servers in an average one, and from a low rent to a high one.

    Args:
        parameters: N, shown first.
        tokens: D, shown first.
        percent: utilization, in percent of the GPU's peak.
        n_gpus: GPUs that work at once.
        gpu: which of ``costs.GPUS`` is shown first.

    Returns:
        A self-contained figure. Its first state is written here, so that it is there where no
        script runs.

    Raises:
        ValueError: if a number is out of its range, or the GPU is not one of ``costs.GPUS``.
    """
    _check_gpu(gpu)
    check_sizes(n_gpus=n_gpus)
    expect(percent in range(1, 101), "percent", "a whole number from 1 to 100", percent)
    for name, size in {"parameters": parameters, "tokens": tokens}.items():
        expect(1 <= size <= 1e18, name, "a number from 1 to 1e18", size)
    flops = training_flops(parameters, tokens)
    hours = gpu_hours(flops, gpu.peak, percent / 100)
    low, high = (
        energy_mwh(hours, watts, pue)
        for watts, pue in zip((gpu.watts, gpu.server_watts), PUE, strict=True)
    )
    cheap, dear = (_number(hours * price) for price in DOLLARS_PER_GPU_HOUR)
    many = f"{n_gpus:,} GPU{'s' * (n_gpus > 1)}"
    rows = {
        "Operations, 6·N·D": f"{_scientific(flops)} FLOP",
        "Tokens per parameter": _number(tokens / parameters),
        "GPU-hours": _number(hours),
        "Time on one GPU": _time(hours * 3600),
        f"Time on {many}": _time(hours * 3600 / n_gpus),
        "Energy": f"{_energy(low)} to {_energy(high)}",
        "Rent": f"{cheap} to {dear} dollars",
    }
    first = {"parameters": parameters, "tokens": tokens, "percent": percent, "n": n_gpus}
    choices = {
        "parameters": [step * 10.0**power for power in range(7, 13) for step in _STEPS],
        "tokens": [step * 10.0**power for power in range(9, 14) for step in _STEPS],
        "percent": list(range(5, 71)),
        "n": [2**power for power in range(18)],
    }
    for name, value in first.items():
        if value not in choices[name]:
            insort(choices[name], value)
    data = {
        "gpus": [
            {"name": g.name, "peak": g.peak, "watts": g.watts, "serverWatts": g.server_watts}
            for g in GPUS
        ],
        "first": first | {"gpu": GPUS.index(gpu)},
        "choices": choices,
        "pue": PUE,
        "dollars": DOLLARS_PER_GPU_HOUR,
    }
    return _fill(
        "cost_calculator.html",
        data,
        FIRST_SENTENCE=f"{_number(parameters)} parameters read {_number(tokens)} tokens on "
        f"{gpu.name} GPUs at {percent} % of their peak: {_time(hours * 3600 / n_gpus)} on {many}.",
        FIRST_ROWS="".join(
            f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in rows.items()
        ),
        CAPTION_TEXT=f"Energy: from the boards alone in a building with a PUE of {PUE[0]} to whole "
        f"servers with a PUE of {PUE[1]}. Rent: {DOLLARS_PER_GPU_HOUR[0]:.2f} to "
        f"{DOLLARS_PER_GPU_HOUR[1]:.2f} dollars for an hour of a GPU.",
    )


def _check_gpu(gpu: GPU) -> None:
    expect(gpu in GPUS, "gpu", f"one of {[g.name for g in GPUS]}", gpu)


_WIDTHS = [2**power for power in range(7, 15)]
_TOKENS = [2**power for power in range(17)]
# Powers of ten at the ends of the axes, and where these stand in the picture.
_AXES = {
    "x": {"from": -0.5, "to": 4, "low": 45, "high": 430},
    "y": {"from": 11, "to": 15.5, "low": 230, "high": 15},
}


def roofline_explorer(*, width: int = 4096, tokens: int = 64, gpu: GPU = A100) -> HTML:
    """Let the reader move a model's width and batch, and see what limits its matrix product.

    The product is the first of the MLP, (tokens, width) @ (width, 4 * width), in 16 bits, each
    matrix moved once; see :func:`course_lib.costs.attainable_flops`.

    Args:
        width: a power of 2 from 128 to 16,384, shown first.
        tokens: a power of 2 up to 65,536, shown first.
        gpu: which of ``costs.GPUS`` is shown first.

    Returns:
        A self-contained figure. Its first state is written here, so that it is there where no
        script runs.

    Raises:
        ValueError: if the width or number of tokens is none that the sliders have, or the GPU is
            not one of ``costs.GPUS``.
    """
    choices = {"width": _WIDTHS, "tokens": _TOKENS}
    for name, value in {"width": width, "tokens": tokens}.items():
        expect(value in choices[name], name, f"one of {choices[name]}", value)
    _check_gpu(gpu)
    flops = 2 * tokens * width * 4 * width
    intensity = matmul_intensity(tokens, width, 4 * width, 2)
    ridge = gpu.peak / gpu.bandwidth
    speed = attainable_flops(intensity, gpu.peak, gpu.bandwidth)
    least, unit = _scale(flops / speed, {"s": 1, "ms": 1e-3, "µs": 1e-6})
    left, right = (10 ** _AXES["x"][end] for end in ("from", "to"))
    roof = [(left, left * gpu.bandwidth), (ridge, gpu.peak), (right, gpu.peak)]
    rows = {
        "Operations": _number(flops),
        "Bytes to and from memory": _number(flops / intensity),
        "Operations per byte": _digits(intensity),
        f"Operations per byte that the {gpu.name} needs": _digits(ridge),
        "Time, at least": f"{_digits(least)} {unit}",
    }
    data = {
        "gpus": [{"name": g.name, "peak": g.peak, "bandwidth": g.bandwidth} for g in GPUS],
        "first": {
            "width": _WIDTHS.index(width),
            "tokens": _TOKENS.index(tokens),
            "gpu": GPUS.index(gpu),
        },
        "choices": choices,
        "axes": _AXES,
    }
    limit = "memory" if intensity < ridge else "arithmetic"
    return _fill(
        "roofline_explorer.html",
        data,
        GRID_LINES=_grid(),
        FIRST_ROOF="M" + "L".join(f"{_place('x', x)} {_place('y', y)}" for x, y in roof),
        FIRST_DROP=f"M{_place('x', intensity)} {_place('y', speed)}V{_AXES['y']['low']}",
        FIRST_X=_place("x", intensity),
        FIRST_Y=_place("y", speed),
        FIRST_SENTENCE=f"{tokens:,} tokens times a matrix of {width:,} by {4 * width:,} on the "
        f"{gpu.name}: {limit} sets the limit. At most {_digits(speed / 1e12)} TFLOP/s, "
        f"{_digits(100 * speed / gpu.peak)} % of the peak.",
        FIRST_ROWS="".join(
            f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in rows.items()
        ),
    )


def _place(axis: str, value: float) -> str:
    """Return where a value stands on one of the roofline's axes."""
    scale = _AXES[axis]
    share = (math.log10(value) - scale["from"]) / (scale["to"] - scale["from"])
    return f"{scale['low'] + (scale['high'] - scale['low']) * share:.1f}"


def _grid() -> str:
    """Return the lines and labels of the roofline's axes."""
    x, y = _AXES["x"], _AXES["y"]
    parts = []
    for power in range(5):
        at = _place("x", 10**power)
        parts.append(f'<path class="grid" d="M{at} {y["low"]}V{y["high"]}"/>')
        parts.append(f'<text x="{at}" y="246" text-anchor="middle">{10**power:,}</text>')
    for power, label in ((12, "1 T"), (13, "10 T"), (14, "100 T"), (15, "1 P")):
        at = _place("y", 10**power)
        parts.append(f'<path class="grid" d="M{x["low"]} {at}H{x["high"]}"/>')
        parts.append(f'<text x="{x["low"] - 4}" y="{at}" text-anchor="end">{label}</text>')
    parts.append('<text x="238" y="265" text-anchor="middle">operations per byte</text>')
    parts.append(f'<text x="{x["low"] + 4}" y="14">operations per second</text>')
    return "".join(parts)


_STEPS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)


# The calculator's script writes numbers in the same way.


def _scale(x: float, units: Mapping[str, float]) -> tuple[float, str]:
    """Return the number in the largest unit that it reaches, and the unit."""
    unit = next((name for name, size in units.items() if x >= size), list(units)[-1])
    return x / units[unit], unit


def _digits(x: float) -> str:
    return f"{Decimal(f'{x:.3g}'):,f}"


def _number(x: float) -> str:
    value, name = _scale(x, {" trillion": 1e12, " billion": 1e9, " million": 1e6, "": 1})
    return _digits(value) + name


def _time(seconds: float) -> str:
    sizes = {"year": 31_557_600, "day": 86_400, "hour": 3600, "minute": 60, "second": 1}
    value, name = _scale(seconds, sizes)
    text = _number(value)
    return f"{text} {name}{'' if text == '1' else 's'}"


def _energy(mwh: float) -> str:
    value, name = _scale(mwh, {"TWh": 1e6, "GWh": 1e3, "MWh": 1, "kWh": 1e-3})
    return f"{_digits(value)} {name}"


def _scientific(x: float) -> str:
    mantissa, exponent = f"{x:.2e}".split("e+")
    exponent = str(int(exponent))  # the script writes no 0 before it
    return f"{mantissa} × 10{exponent.translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def merges_explorer(merges: Sequence[tuple[bytes, bytes]], text: str) -> HTML:
    """Let the reader move through the merges of byte-pair encoding and see a text being joined.

    The text can be changed; the browser encodes it as ``BPETokenizer`` does.

    Args:
        merges: pairs of tokens in the order in which they were learned, as in ``BPETokenizer``.
        text: shown first, split into its bytes.

    Returns:
        A self-contained figure that opens before the first merge. Its first tokens are written
        here, so that they are there where no script runs.

    Raises:
        ValueError: if there is no merge or no text, or the text has more than one line, which the
            browser's field doesn't hold.
    """
    expect(len(merges) > 0, "merges", "at least one", "none")
    expect(len(text) > 0, "text", "at least one character", "none")
    expect(not re.search(r"[\r\n]", text), "text", "one line", repr(text[:40]))
    merges = list(dict.fromkeys(map(tuple, merges)))
    tokens = [bytes([byte]) for byte in text.encode()]
    data = {
        # A character for each byte, since JSON has no bytes.
        "merges": [[left.decode("latin-1"), right.decode("latin-1")] for left, right in merges],
        "text": text,
    }
    return _fill(
        "merges_explorer.html",
        data,
        FIRST_TOKENS="".join(f"<li>{html.escape(show_token(token))}</li>" for token in tokens),
        FIRST_SUMMARY=f"After 0 merges: {len(tokens)} tokens for {len(text)} characters.",
    )


def show_token(token: bytes) -> str:
    """Return a token as text, a space as ``␣`` and a line's end as ``⏎``; or else its bytes."""
    try:
        return token.decode().replace(" ", "␣").replace("\n", "⏎")
    except UnicodeDecodeError:
        return "".join(f"\\x{byte:02x}" for byte in token)


def alignment_explorer(
    read: Sequence[str],
    written: Sequence[str],
    weights: Tensor,
    *,
    head: tuple[int, int] = (0, 0),
    asking: int = 0,
) -> HTML:
    """Let the reader pick a token of a translation, and see at which of the source a head looks.

    Args:
        read: S tokens of the source.
        written: T tokens of the translation.
        weights: cross-attention (L, H, T, S), as ``translation.cross_attention`` returns all three.
        head: layer and head that are shown first, from 0.
        asking: the written token that is shown first.

    Returns:
        A self-contained figure. Its first state is written here, so that the weights are there
        where no script runs.

    Raises:
        ValueError: if the weights don't fit the tokens or are no shares, or no token or head is
            where it is asked for.
    """
    expect(len(read) > 0, "read", "at least one token", "none")
    expect(weights.dim() == 4, "weights", "shape (L, H, T, S)", tuple(weights.shape))
    n_layers, n_heads = weights.shape[:2]
    wanted = (n_layers, n_heads, len(written), len(read))
    expect(tuple(weights.shape) == wanted, "weights", f"shape {wanted}", tuple(weights.shape))
    shares = bool(((weights >= 0) & (weights <= 1.001)).all())  # half precision rounds up
    expect(shares, "weights", "0 to 1", "others")
    heads = [(i, j) for i in range(n_layers) for j in range(n_heads)]
    expect(head in heads, "head", f"(0, 0) to {(n_layers - 1, n_heads - 1)}", head)
    _check_place("asking", asking, len(written))
    names = [f"{i + 1}.{j + 1}" for i, j in heads]
    read, written = ([token.strip() or "␣" for token in tokens] for tokens in (read, written))
    percents = (100 * weights).round().int().flatten(0, 1).tolist()  # (L * H, T, S)
    shown = percents[heads.index(head)][asking]
    most = shown.index(max(shown))
    items = (
        f'<li><div class="bar"><span style="height: {percent}%"></span></div>'
        f'<b>{html.escape(token)}</b><span class="percent">{percent} %</span></li>'
        for token, percent in zip(read, shown, strict=True)
    )
    summary = (
        f"Writing “{written[asking]}”, head {names[heads.index(head)]} looks most at "
        f"“{read[most]}”: {shown[most]} %."
    )
    data = {
        "read": read,
        "written": written,
        "heads": names,
        "percents": percents,
        "head": heads.index(head),
        "asking": asking,
    }
    return _fill(
        "alignment_explorer.html",
        data,
        FIRST_ITEMS="".join(items),
        FIRST_SUMMARY=html.escape(summary, quote=False),
    )


def bleu_calculator(hypothesis: str, reference: str) -> HTML:
    """Let the reader change a translation and its reference, and see how BLEU counts.

    The browser computes what ``evaluation.bleu`` does, for one sentence and one reference.

    Args:
        hypothesis: the translation that is judged, shown first.
        reference: the right translation, shown first.

    Returns:
        A self-contained figure. Its first state is written here, so that it is there where no
        script runs.

    Raises:
        ValueError: if one of the two has no word.
    """
    for name, sentence in {"hypothesis": hypothesis, "reference": reference}.items():
        expect(len(tokenize_13a(sentence)) > 0, name, "at least one word", repr(sentence))
    counts = bleu_counts(hypothesis, reference)
    length, wanted = (int(count) for count in counts[:2])
    left, items = Counter(tokenize_13a(reference)), []
    for word in tokenize_13a(hypothesis):
        left[word] -= 1
        kind = ' class="match"' if left[word] >= 0 else ""
        items.append(f"<li{kind}>{html.escape(word)}</li>")
    rows = (
        f'<tr><th scope="row">{n}</th><td>{match}</td><td>{total}</td>'
        f"<td>{_decimals(100 * match / total, 1) + ' %' if total else 'none'}</td></tr>"
        for n, match, total in zip(range(1, 5), counts[2:6], counts[6:], strict=True)
    )
    brevity = math.exp(min(0, 1 - wanted / length))
    return _fill(
        "bleu_calculator.html",
        {"hypothesis": hypothesis, "reference": reference},
        FIRST_HYPOTHESIS=html.escape(hypothesis),
        FIRST_REFERENCE=html.escape(reference),
        FIRST_ITEMS="".join(items),
        FIRST_ROWS="".join(rows),
        FIRST_SUMMARY=f"{length} words for {wanted}: brevity penalty {_decimals(brevity, 3)}. "
        f"BLEU {_decimals(bleu_from_counts(counts), 1)}.",
    )


def _decimals(x: float, digits: int) -> str:
    """Return a number rounded as the scripts round it: a tie goes up."""
    return f"{x + 1e-9:.{digits}f}"


def threshold_explorer(
    labels: ArrayLike,
    scores: ArrayLike,
    names: tuple[str, str] = ("negative", "positive"),
    *,
    threshold: float = 0.5,
) -> HTML:
    """Let the reader move a classifier's threshold and see what becomes of its predictions.

    Args:
        labels: (n,), 0 or 1.
        scores: (n,), from 0 to 1; from the threshold on an example is called 1.
        names: of the classes 0 and 1.
        threshold: shown first; 0.01 to 0.99 in steps of 0.01.

    Returns:
        A self-contained figure: confusion matrix, precision, recall, F1, accuracy, the scores of
        both classes and the curve of precision against recall. Its first state is written here, so
        that it is there where no script runs.

    Raises:
        ValueError: if labels and scores don't fit each other or are out of range, a class is
            missing or called like the other, or the threshold is none that the slider has.
    """
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    kinds = sorted(set(labels.ravel().tolist()))
    fit = labels.ndim == 1 and labels.shape == scores.shape and kinds == [0, 1]
    both = "0 and 1, at least one of both and as many as scores"
    expect(fit, "labels", both, f"{kinds}, shape {labels.shape} for {scores.shape}")
    inside = bool(((scores >= 0) & (scores <= 1)).all())
    expect(inside, "scores", "0 to 1", f"{scores.min()} to {scores.max()}")
    expect(len(set(names)) == len(names) == 2, "names", "two different ones", names)
    check_shares(threshold=threshold)
    percent = round(100 * threshold)
    step = percent in range(1, 100) and math.isclose(percent, 100 * threshold)
    expect(step, "threshold", "one of 0.01, 0.02, ..., 0.99", threshold)
    by_class = [scores[labels == kind] for kind in (0, 1)]
    # called[k][p]: how many of class k have a score from p / 100 on; at 0 that is all of them.
    called = [[int((s >= p / 100).sum()) for p in range(100)] for s in by_class]
    (negatives, wrong), (positives, right) = ((c[0], c[percent]) for c in called)
    precision, recall = right / max(wrong + right, 1), right / positives
    negative, positive = (html.escape(name) for name in names)
    matrix = {
        f"is {negative}": (negatives - wrong, wrong),
        f"is {positive}": (positives - right, right),
    }
    shares = {
        "Precision": precision,
        "Recall": recall,
        "F1": 2 * right / (wrong + right + positives),
        "Accuracy": (right + negatives - wrong) / len(labels),
    }
    return _fill(
        "threshold_explorer.html",
        {"called": called, "names": names, "threshold": percent},
        FIRST_BARS=_score_bars(by_class),
        FIRST_LINE=f"M{30 + 2.5 * percent:.1f} 10V190",
        FIRST_CURVE=_precision_recall_curve(labels, scores),
        FIRST_X=f"{30 + 250 * recall:.1f}",
        FIRST_Y=f"{190 - 180 * precision:.1f}",
        FIRST_MATRIX="".join(
            f'<tr><th scope="row">{name}</th><td>{a:,}</td><td>{b:,}</td></tr>'
            for name, (a, b) in matrix.items()
        ),
        FIRST_SCORES="".join(
            f'<tr><th scope="row">{name}</th><td>{_decimals(share, 3)}</td></tr>'
            for name, share in shares.items()
        ),
        FIRST_SUMMARY=f"From {threshold:.2f} on called {positive}: {wrong + right:,}, of which "
        f"{right:,} are. {positives - right:,} that are {positive} are missed.",
        NEGATIVE_NAME=negative,
        POSITIVE_NAME=positive,
    )


def _score_bars(by_class: Sequence[np.ndarray], n_bins: int = 25) -> str:
    """Return bars of the scores' histogram: class 1 upward, class 0 downward.

    Each class is drawn to its own largest bar: a rare one would be invisible beside the other.
    """
    counts = [np.histogram(scores, n_bins, (0, 1))[0] for scores in by_class]
    width, bars = 250 / n_bins, []
    for kind, name in enumerate(("negative", "positive")):
        for i, count in enumerate(counts[kind]):
            height = 80 * count / counts[kind].max()
            top = 100 - height if kind else 100
            bars.append(
                f'<rect class="{name}" x="{30 + i * width:.1f}" y="{top:.1f}" '
                f'width="{width - 1:.1f}" height="{height:.1f}"/>'
            )
    return "".join(bars)


def _precision_recall_curve(labels: np.ndarray, scores: np.ndarray, n_points: int = 200) -> str:
    """Return the path of precision against recall over all thresholds."""
    order = np.argsort(-scores, kind="stable")
    right = labels[order].cumsum()
    # Examples with one score are called together.
    last = np.append(np.diff(scores[order]) != 0, True)
    recall, precision = right[last] / right[-1], (right / np.arange(1, len(right) + 1))[last]
    picked = np.unique(np.linspace(0, len(recall) - 1, n_points).round().astype(int))
    return "M" + "L".join(
        f"{30 + 250 * recall[i]:.1f} {190 - 180 * precision[i]:.1f}" for i in picked
    )


def decoding_explorer(
    contexts: Mapping[str, Tensor], label: Callable[[int], str], *, shown: int = 12
) -> HTML:
    """Let the reader move temperature, top-k and top-p, and see what the next token is drawn from.

    The browser computes what ``Sampler.probabilities`` does, of the logits rounded to hundredths.
    Of all but the likeliest tokens it gets only how many have each logit.

    Args:
        contexts: texts so far, with the logits (V,) of the next token.
        label: token id to what is shown of it.
        shown: how many tokens have a row of their own, the likeliest first.

    Returns:
        A self-contained figure that opens with the model's own distribution after the first text.
        Its first state is written here, so that it is there where no script runs.

    Raises:
        ValueError: if there is no text, or the logits are not (V,) with V above ``shown``, or not
            finite.
    """
    check_sizes(shown=shown)
    expect(len(contexts) > 0, "contexts", "at least one text", "none")
    held = [_context(text, logits, label, shown) for text, logits in contexts.items()]
    choices = {
        "temperature": [step / 20 for step in range(41)],
        "k": [1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, None],
        "p": [*(step / 20 for step in range(1, 20)), 0.99, None],
    }
    first = {"temperature": 20, "k": len(choices["k"]) - 1, "p": len(choices["p"]) - 1}
    text, logits = next(iter(contexts.items()))
    probabilities = _hundredths(logits).div(100).softmax(-1).sort(descending=True).values
    top, count = probabilities[:shown], len(probabilities)
    names = [name for name, _ in held[0]["shown"]] + [f"{count - shown:,} other tokens"]
    return _fill(
        "decoding_explorer.html",
        {"contexts": held, "choices": choices, "first": first},
        FIRST_CONTEXT=html.escape(text),
        FIRST_SENTENCE=f"Kept: {count:,} of {count:,} tokens, which have 100.0 % of the probability"
        f" at this temperature. The draw is as open as one among "
        f"{torch.special.entr(probabilities).sum().exp():,.1f} equally likely tokens.",
        FIRST_ROWS="".join(
            map(_decoding_row, names, [*top.tolist(), probabilities[shown:].sum().item()])
        ),
    )


def _hundredths(logits: Tensor) -> Tensor:
    """Return the logits below the highest as whole numbers of hundredths, (V,).

    Below -1,000 they all are as good as never drawn.
    """
    logits = logits.double().cpu()
    return (100 * (logits - logits.max())).round().clamp(min=-100_000)


def _context(text: str, logits: Tensor, label: Callable[[int], str], shown: int) -> dict:
    """Return what the explorer's script needs of one text's next token."""
    fits = logits.dim() == 1 and len(logits) > shown
    expected = f"logits (V,) with V above {shown}"
    expect(fits, "contexts", expected, tuple(logits.shape))
    expect(bool(torch.isfinite(logits).all()), "contexts", "finite logits", "infinity or NaN")
    values, order = _hundredths(logits).sort(descending=True, stable=True)
    values, rest = values.int(), values[shown:].int()
    top = zip(order[:shown].tolist(), values[:shown].tolist(), strict=True)
    return {
        "text": text,
        "shown": [[label(token), value] for token, value in top],
        "from": rest[0].item(),
        "rest": torch.bincount(rest[0] - rest).tolist(),
    }


def _decoding_row(name: str, probability: float) -> str:
    """Return a row of the explorer's table where nothing is changed, as its script writes it."""
    share = f"{100 * probability:.1f} %"
    bar = f'<span style="width: {100 * probability:.3f}%"></span>'
    return (
        f'<tr><th scope="row">{html.escape(name)}</th><td>{share}</td><td>{share}</td>'
        f'<td class="bar">{bar}{bar}</td></tr>'
    )
