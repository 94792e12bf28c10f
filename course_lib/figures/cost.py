"""What a training run costs: time, energy, rent."""

from bisect import insort

from IPython.display import HTML

from course_lib.checks import check_sizes, expect
from course_lib.costs import (
    A100,
    DOLLARS_PER_GPU_HOUR,
    GPU,
    GPUS,
    PUE,
    energy_mwh,
    gpu_hours,
    training_flops,
)
from course_lib.figures import page
from course_lib.figures.page import digits, in_units, number, say

_STEPS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
_ON_MANY = 4  # the row that one GPU does not need


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
    expect(gpu in GPUS, "gpu", f"one of {[g.name for g in GPUS]}", gpu)
    check_sizes(n_gpus=n_gpus)
    expect(percent in range(1, 101), "percent", "a whole number from 1 to 100", percent)
    for name, size in {"parameters": parameters, "tokens": tokens}.items():
        expect(1 <= size <= 1e18, name, "a number from 1 to 1e18", size)
    # The run: its operations, time and energy.
    flops = training_flops(parameters, tokens)
    hours = gpu_hours(flops, gpu.peak, percent / 100)
    low, high = (
        energy_mwh(hours, watts, pue)
        for watts, pue in zip((gpu.watts, gpu.server_watts), PUE, strict=True)
    )
    # The numbers as the script writes them.
    words = page.words("cost")

    def energy(mwh: float) -> str:
        return in_units(1000 * mwh, words["energies"], digits)

    def time(seconds: float) -> str:
        return in_units(seconds, words["times"], lambda x: number(x, words))

    cheap, dear = (number(hours * price, words) for price in DOLLARS_PER_GPU_HOUR)
    many = in_units(n_gpus, words["gpus"], lambda x: f"{x:,.0f}")
    # The facts.
    run = {"n": number(parameters, words), "d": number(tokens, words), "gpu": gpu.name}
    run |= {"percent": str(percent), "many": many, "time": time(hours * 3600 / n_gpus)}
    values = [
        f"{_scientific(flops)} FLOP",
        number(tokens / parameters, words),
        number(hours, words),
        time(hours * 3600),
        run["time"],
        say(words["range"], low=energy(low), high=energy(high)),
        say(words["dollars"], low=cheap, high=dear),
    ]
    # The sliders: round numbers, and the ones that are shown first.
    first: dict[str, float] = {
        "parameters": parameters,
        "tokens": tokens,
        "percent": percent,
        "n": n_gpus,
    }
    choices: dict[str, list[float]] = {
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
    names = [say(name, many=many) for name in words["rows"]]
    facts = list(zip(names, values, strict=True))
    if n_gpus == 1:  # its time stands in the row before
        del facts[_ON_MANY]
    return page.figure(
        "cost",
        data,
        page.says(say(words["says"], **run)),
        page.table(facts, kind="lm-facts"),
        caption={
            "pue": PUE[0],
            "high_pue": PUE[1],
            "rent": f"{DOLLARS_PER_GPU_HOUR[0]:.2f}",
            "high_rent": f"{DOLLARS_PER_GPU_HOUR[1]:.2f}",
        },
    )


def _scientific(x: float) -> str:
    mantissa, exponent = f"{x:.2e}".split("e+")
    exponent = str(int(exponent))  # the script writes no 0 before it
    return f"{mantissa} × 10{exponent.translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
