"""What memory a model needs to answer, to be adapted, or to be trained."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from IPython.display import HTML

from course_lib.checks import expect
from course_lib.costs import H100, cache_bytes, training_memory
from course_lib.figures import page
from course_lib.figures.page import digits, in_units, say

_RANK = 8  # of LoRA's two matrices beside those of queries and values
_BITS = [16, 8, 4]
_CONTEXTS = [2**power for power in range(9, 18)]
_TEXTS = [2**power for power in range(9)]
_CARDS = [24e9, 80e9]


class Shape(NamedTuple):
    """A published model: its parameters, and what its memory depends on."""

    parameters: float
    n_layers: int
    d_model: int
    n_heads: int
    n_kv_heads: int


# Allal et al. (2025); Brown et al. (2020), table 2.1; Grattafiori et al. (2024), table 3.
SHAPES: Mapping[str, Shape] = {
    "SmolLM2 135M": Shape(134.515e6, 30, 576, 9, 3),
    "Llama 3.1 8B": Shape(8.0303e9, 32, 4096, 32, 8),
    "Llama 3.1 70B": Shape(70.554e9, 80, 8192, 64, 8),
    "GPT-3": Shape(174.6e9, 96, 12288, 96, 96),
    "Llama 3.1 405B": Shape(405.85e9, 126, 16384, 128, 8),
}
USES = ("answer", "adapt", "train")


def memory_parts(shape: Shape, use: str, bits: int, context: int, texts: int) -> list[float]:
    """Return the bytes of weights, of what training adds, and of keys and values.

    Args:
        shape: of the model.
        use: ``answer``; ``adapt``, by LoRA of rank 8 beside each block's queries and values; or
            ``train``, which takes 16 bytes for each parameter, whatever the bits.
        bits: of each weight.
        context: tokens of each text.
        texts: answered at once.
    """
    n = shape.parameters
    if use == "train":
        whole = training_memory(n)
        return [whole.weights, whole.gradients + whole.optimizer, 0]
    learned = shape.n_layers * 2 * 2 * _RANK * shape.d_model
    more = training_memory(learned).total if use == "adapt" else 0
    kept = cache_bytes(shape, context, texts) if use == "answer" else 0
    return [n * bits / 8, more, kept]


def memory_calculator(
    *, model: str = "Llama 3.1 8B", use: str = "answer", bits: int = 16, context: int = 8192
) -> HTML:
    """Let the reader pick a model and a use, and see the memory that it takes.

    Args:
        model: one of ``SHAPES``, shown first.
        use: one of ``USES``, shown first.
        bits: of each weight, shown first: 16, 8 or 4.
        context: tokens, shown first: a power of 2 from 512 to 131,072.

    Returns:
        A self-contained figure. Its first state is written here, so that it is there where no
        script runs.

    Raises:
        ValueError: if a setting is none that can be picked.
    """
    # Only what the sliders can show.
    given = {"model": model, "use": use, "bits": bits, "context": context}
    choices: dict[str, list[Any]] = {"model": list(SHAPES), "use": list(USES)}
    choices |= {"bits": _BITS, "context": _CONTEXTS}
    for name, value in given.items():
        expect(value in choices[name], name, f"one of {choices[name]}", value)
    words = page.words("memory")
    parts = memory_parts(SHAPES[model], use, bits, context, 1)

    def size(n: float) -> str:
        return in_units(n, words["sizes"], digits) if n else words["none"]

    # The first state: each part, their sum, the cards that hold it, and the speed.
    total = sum(parts)
    speed = H100.bandwidth / total if use == "answer" else 0
    values = [
        *map(size, parts),
        size(total),
        *(f"{math.ceil(total / card):,}" for card in _CARDS),
        say(words["speed"], n=digits(speed)) if speed else words["none"],
    ]
    return page.figure(
        "memory",
        {
            "shapes": [[name, *shape] for name, shape in SHAPES.items()],
            "choices": {"bits": _BITS, "context": _CONTEXTS, "texts": _TEXTS},
            "first": {
                "model": list(SHAPES).index(model),
                "use": USES.index(use),
                "bits": _BITS.index(bits),
                "context": _CONTEXTS.index(context),
                "texts": 0,
            },
            "rank": _RANK,
            "cards": _CARDS,
            "bandwidth": H100.bandwidth,
        },
        page.says(say(words["says"][USES.index(use)], model=model, size=size(total))),
        page.table(zip(words["rows"], values, strict=True), kind="lm-facts"),
    )
