"""What 'Training on a GPU' says in words of the measured card, held against every run that is kept.

The chapter's cells read the runs, so their outputs follow; words don't. A new run under
``studies/runs`` that contradicts a sentence, or a changed sentence, fails here.
"""

import json
from collections.abc import Callable

import pytest
from project import ROOT, read_notebook

from course_lib import costs

FILES = sorted((ROOT / "course_lib" / "studies" / "runs").glob("gpu_*.json"))
RUNS = [json.loads(path.read_text(encoding="utf-8")) for path in FILES]
NOTEBOOK = read_notebook(ROOT / "notebooks" / "training_on_gpu.ipynb")
WORDS = "\n".join(cell.source for cell in NOTEBOOK.cells if cell.cell_type == "markdown")
PEAK = costs.H200.peak / 1e9
Figures = Callable[[dict], list[float]]


def of(part: str, key: str, **labels: object) -> Figures:
    """Return what finds a figure of a part's rows with these labels; a list may hold a label."""

    def fits(row: dict, label: str) -> bool:
        wanted = labels[label]
        return row[label] in wanted if isinstance(wanted, list) else row[label] == wanted

    def found(run: dict) -> list[float]:
        rows = run["parts"].get(part, {"rows": []})["rows"]
        return [row[key] for row in rows if key in row and all(fits(row, at) for at in labels)]

    return found


def quotient(above: Figures, below: Figures) -> Figures:
    """Return what divides one figure by another, where a run has both."""
    return lambda run: [a / b for a, b in zip(above(run), below(run), strict=False)]


def product(precision: str, tokens: int) -> Figures:
    """Return what finds the speed of a product."""
    return of("roofline", "GFLOP/s", what="product", precision=precision, tokens=tokens)


def trained(batch: int, device: str = "cuda") -> Figures:
    """Return what finds the speed of training the small model."""
    return of("batches", "tokens/s", batch=batch, device=device)


def step(captured: bool, *batches: int) -> Figures:
    """Return what finds a bare step's milliseconds."""
    return of("graphs", "ms", captured=captured, batch=list(batches))


def recipes(precision: str, compiled: bool = False) -> Figures:
    """Return what finds the speeds of the three recipes on the card."""
    labels = {"device": "cuda", "precision": precision, "compiled": compiled}
    return of("shakespeare", "tokens/s", **labels)


def large(key: str, compiled: bool, against: str = "lean loop") -> Figures:
    """Return what finds a figure of the model of GPT-2's size."""
    return of("large", key, compiled=compiled, against=against)


def attention(way: str) -> Figures:
    """Return what finds the time of the longest attention."""
    return of("attention", "ms", way=way, length=16_384)


def written(batch: int) -> Figures:
    """Return what finds the speed of writing."""
    return of("generation", "ours, tokens/s", batch=batch)


def predicted_memory(run: dict) -> list[float]:
    """Return today's predictions by what was measured, where the loop holds the logits."""
    numbers, found = costs.gpt_parameters(12, 768, 50257, 1024), []
    for row in run["parts"]["memory"]["rows"]:
        if row.get("logits held", True):
            tokens, mixed = 1024 * row["batch"], row["precision"] == "bfloat16"
            kept = costs.activation_bytes(12, 12, 768, 50257, tokens, mixed)
            tables = costs.loss_bytes(50257, tokens, mixed, held=True)
            predicted = costs.training_memory(numbers, kept, tables).total
            found.append(predicted / 1e6 / row["measured MB"])
    return found


# Words of the chapter, what they are about, and between which numbers they are true.
SAID: list[tuple[str, Figures, float, float]] = [
    ("fast and wrong is worth nothing", of("tests", "failed"), 0, 0),
    ("more than 99 % of the multipliers idle", product("bfloat16", 1), 0, 0.01 * PEAK),
    ("200 operations per byte", of("roofline", "GB/s", what="copy"), PEAK / 240, PEAK / 200),
    (
        "16 bits are worth a factor of 15",
        quotient(product("bfloat16", 4096), product("float32", 4096)),
        14.5,
        16,
    ),
    ("269 MB at 4.3 TB/s", of("roofline", "GB/s", what="copy"), 4250, 4350),
    ("Less than twice</summary>", quotient(trained(12), trained(12, "cpu")), 1, 2),
    ("nearly 130 times as many tokens", quotient(trained(3072), trained(12)), 125, 130),
    ("7 to 9 milliseconds of asking", step(False, 12, 48, 192, 768), 6.5, 9.5),
    ("Captured, 12 rows take 1 millisecond", step(True, 12), 0.95, 1.1),
    ("takes a seventh of the time", quotient(step(False, 12), step(True, 12)), 6.5, 8),
    ("At 3,072 rows both ways take 20", of("graphs", "ms", batch=3072), 19.5, 21),
    ("None gains from 16 bits", quotient(recipes("bfloat16"), recipes("float32")), 0, 1),
    (
        "Compiling wins it back, or most",
        quotient(recipes("bfloat16", True), recipes("bfloat16")),
        1.1,
        1.5,
    ),
    (
        "Compiling buys a factor of 1.7",
        quotient(large("ours, tokens/s", True), large("ours, tokens/s", False)),
        1.65,
        1.75,
    ),
    ("and a third of the peak", large("share of peak", True), 0.32, 0.35),
    ("loses 2 to 4 %", of("large", "ours by theirs", against="lean loop"), 0.955, 0.985),
    (
        "slower than both; compiling takes most",
        large("ours by theirs", False, "Transformers"),
        1.3,
        1.5,
    ),
    ("compiling takes most", large("ours by theirs", True, "Transformers"), 1.02, 1.15),
    ("a 25th of the time", quotient(attention("written out"), attention("fused")), 24.5, 25.5),
    ("within 2 % of what was measured", predicted_memory, 0.98, 1.02),
    ("Less than 100</summary>", written(1), 0, 100),
    ("1.5 to 1.7 times as fast", of("generation", "ours by theirs"), 1.5, 1.75),
    ("Eight texts are written in the time of one", quotient(written(8), written(1)), 7.5, 8.5),
]


@pytest.mark.parametrize(("words", "figures", "low", "high"), SAID, ids=[said[0] for said in SAID])
def test_words_about_the_card_hold_in_every_run(words, figures, low, high):
    assert words in WORDS, f"the chapter no longer says {words!r}: change or drop it here"
    found = {path.name: figures(run) for path, run in zip(FILES, RUNS, strict=True)}
    assert any(found.values()), f"no run says anything about {words!r}"
    wrong = {
        name: values for name, values in found.items() if not all(low <= v <= high for v in values)
    }
    assert not wrong, f"{words!r} holds between {low:g} and {high:g}; found {wrong}"


def test_the_card_that_the_chapter_names_is_the_one_measured():
    assert {run["machine"]["card"] for run in RUNS} == {"NVIDIA H200"}
    assert "It ran on an NVIDIA H200" in WORDS
