"""What limits a matrix product: the memory's speed or the arithmetic's."""

from IPython.display import HTML

from course_lib.checks import expect
from course_lib.costs import A100, GPU, GPUS, attainable_flops, matmul_intensity
from course_lib.figures import page
from course_lib.figures.page import digits, in_units, number, say

_WIDTHS = [2**power for power in range(7, 15)]
_TOKENS = [2**power for power in range(17)]
_X = page.Axis(10**-0.5, 1e4, 45, 430, log=True)
_Y = page.Axis(1e11, 10**15.5, 230, 15, log=True)


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
    # What the sliders can have.
    choices = {"width": _WIDTHS, "tokens": _TOKENS}
    for name, value in {"width": width, "tokens": tokens}.items():
        expect(value in choices[name], name, f"one of {choices[name]}", value)
    expect(gpu in GPUS, "gpu", f"one of {[g.name for g in GPUS]}", gpu)
    # The product: its operations, and how fast the GPU can do them.
    flops = 2 * tokens * width * 4 * width
    intensity = matmul_intensity(tokens, width, 4 * width, 2)
    ridge = gpu.peak / gpu.bandwidth
    speed = attainable_flops(intensity, gpu.peak, gpu.bandwidth)
    # The roof: the memory's speed up to the ridge, then the peak.
    left, right = _X.low, _X.high
    roof = [(left, left * gpu.bandwidth), (ridge, gpu.peak), (right, gpu.peak)]
    path = "M" + "L".join(f"{_X.place(x)} {_Y.place(y)}" for x, y in roof)
    at, high = _X.place(intensity), _Y.place(speed)
    # Axes in powers of ten.
    words = page.words("roofline")
    frame = page.axes(
        _X,
        _Y,
        (
            {10**power: f"{10**power:,}" for power in range(5)},
            {float(power): shown for power, shown in words["speeds"].items()},
        ),
        (words["x"], words["y"]),
    )
    # The facts and the sentence, as the script writes them.
    values = [
        number(flops, words),
        number(flops / intensity, words),
        digits(intensity),
        digits(ridge),
        in_units(flops / speed, words["seconds"], digits),
    ]
    names = [say(name, gpu=gpu.name) for name in words["rows"]]
    said = say(
        words["says"],
        tokens=f"{tokens:,}",
        width=f"{width:,}",
        wide=f"{4 * width:,}",
        gpu=gpu.name,
        limit=words["memory" if intensity < ridge else "arithmetic"],
        speed=digits(speed / 1e12),
        percent=digits(100 * speed / gpu.peak),
    )
    return page.figure(
        "roofline",
        {
            "gpus": [{"name": g.name, "peak": g.peak, "bandwidth": g.bandwidth} for g in GPUS],
            "first": {
                "width": _WIDTHS.index(width),
                "tokens": _TOKENS.index(tokens),
                "gpu": GPUS.index(gpu),
            },
            "choices": choices,
            "x": _X._asdict(),
            "y": _Y._asdict(),
        },
        f'<svg class="lm-axes" viewBox="0 -6 460 282" role="img" '
        f'aria-label="{page.text(words["label"])}">{frame}<path class="curve" d="{path}"/>'
        f'<path class="now" d="M{at} {high}V{_Y.start}"/>'
        f'<circle r="6" cx="{at}" cy="{high}"/></svg>',
        page.says(said),
        page.table(zip(names, values, strict=True), kind="lm-facts"),
    )
