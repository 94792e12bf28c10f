"""Charts: their style, and what an attention map shows."""

import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from project import ROOT

from course_lib import figures
from course_lib.figures import style


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


STYLE_SHEET = ROOT / "book" / "_static" / "course.css"


def test_style_can_be_read_on_a_phone():
    with plt.rc_context():
        figures.use_course_style()
        _, ax = plt.subplots()
        ax.set(xlabel="x")
        texts = [ax.xaxis.label, ax.title, *ax.get_xticklabels(), *ax.legend([], []).get_texts()]
        assert min(text.get_size() for text in texts) >= 10


def test_charts_and_pages_have_the_same_colors():
    light = re.search(r'html\[data-theme="light"\] \{(.*?)\}', STYLE_SHEET.read_text("utf-8"), re.S)
    assert light
    page = dict(re.findall(r"--lm-([\w-]+): (#[0-9a-f]{6});", light[1]))
    assert {name: page.get(name) for name in figures.COLORS} == figures.COLORS
    assert set(figures.PAIR + figures.SERIES) <= set(figures.COLORS.values())


def test_attention_map_draws_every_weight_and_label():
    ax = figures.attention_map(torch.eye(2), ["a", "b"], ["c", "d"], title="T")
    assert [text.get_text() for text in ax.texts] == ["1.00", "0.00", "0.00", "1.00"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["c", "d"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]


def test_attention_map_says_what_does_not_fit():
    with pytest.raises(ValueError, match=r"weights: expected shape \(1, 2\) .*, got \(2, 2\)"):
        figures.attention_map(torch.eye(2), ["a"], ["c", "d"])


@pytest.mark.parametrize(
    "weights",
    [
        np.eye(2),
        torch.eye(2, requires_grad=True),
        torch.eye(2, dtype=torch.bfloat16),
    ],
    ids=["numpy", "gradient", "bfloat16"],
)
def test_attention_map_takes_any_kind_of_weights(weights):
    ax = figures.attention_map(weights, ["a", "b"], ["c", "d"])
    opacity = np.asarray(ax.images[0].get_array())[..., 3]
    np.testing.assert_array_equal(opacity / style.PALE, np.eye(2))


def test_large_attention_map_has_no_numbers_in_its_cells():
    labels = [str(i) for i in range(9)]
    assert not figures.attention_map(np.eye(9), labels, labels).texts


MARKUP = [
    "$x$",
    "$",
    "$$",
    "a_b^c",
    "%s",
    "<b>&amp;",
    "\\alpha",
    "\\$5",
    "{",
    "_a",
    "#",
    "|",
    "$\\frac$",
]


def shown(text):
    """What matplotlib draws: the text, and whether it reads it as a formula."""
    return text._preprocess_math(text.get_text())


@mpl.rc_context({"axes.titlelocation": "center"})  # whatever an earlier test has set
def test_labels_that_look_like_formulas_are_shown_as_they_are():
    size = len(MARKUP)
    ax = figures.attention_map(np.full((size, size), 1 / size), MARKUP, MARKUP, title="$\\frac$")
    ax.figure.canvas.draw()
    for labels in (ax.get_xticklabels(), ax.get_yticklabels()):
        assert [shown(label) for label in labels] == [(text, False) for text in MARKUP]
    assert shown(ax.title) == ("$\\frac$", False)


def test_signs_that_the_font_lacks_come_from_one_that_is_installed(monkeypatch):
    names = ["DejaVu Sans", style.FALLBACKS[1]]
    monkeypatch.setattr(style.font_manager, "get_font_names", lambda: names)
    with plt.rc_context():
        figures.use_course_style()
        assert plt.rcParams["font.family"] == ["sans-serif", style.FALLBACKS[1]]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([[1.5]], "weights: expected 0 to 1, got 1.5 to 1.5"),
        ([[-0.5]], "weights: expected 0 to 1, got -0.5 to -0.5"),
        ([[np.nan]], "weights: expected 0 to 1, got nan to nan"),
        (np.empty((0, 0)), "weights: expected at least one query and one key, got none"),
    ],
)
def test_attention_map_refuses_what_are_no_weights(weights, message):
    labels = ["a"] * len(weights)
    with pytest.raises(ValueError, match=message):
        figures.attention_map(np.array(weights), labels, labels)
