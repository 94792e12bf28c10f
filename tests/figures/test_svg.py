"""A figure in a page: one drawing for every look and width."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib import figures
from course_lib.figures import svg


@pytest.fixture(autouse=True)
def style():
    with plt.rc_context():
        figures.use_course_style()
        yield
    plt.close("all")


def lines(values=(1, 2), **settings):
    """Return a figure with one labeled line in the accent."""
    fig, ax = plt.subplots(**settings)
    ax.plot(values, color=figures.COLORS["accent"], label="a run")
    ax.set(ylabel="loss (nats)", title="a panel")
    figures.label_ends(ax, "{:.1f}")
    return fig


def shown(fig) -> str:
    return svg.figure_html(fig, "It falls", "Two steps.", alt='a "line" & more')


def texts(drawing: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", drawing)


def test_every_color_is_a_token_of_the_page_with_a_light_value_behind():
    drawing = svg.drawings(lines())
    assert "var(--lm-accent,#2b3a78)" in drawing
    assert not re.findall(r"(?<![,\w])#[0-9a-f]{6}\b", drawing), "a color that no look changes"


def test_writing_is_text_in_the_page_s_font():
    drawing = svg.drawings(lines())
    assert {"a run 2.0", "loss (nats)", "a panel"} <= set(texts(drawing))
    assert "DejaVu" not in drawing


def test_a_phone_gets_a_narrower_drawing_with_writing_of_the_same_size():
    wide, narrow = re.findall(r"<svg .*?</svg>", svg.drawings(lines()), re.S)
    assert re.search(r'viewBox="0 0 ([\d.]+)', wide)[1] == f"{72 * 6.8:g}"
    assert re.search(r'viewBox="0 0 ([\d.]+)', narrow)[1] == f"{72 * svg.NARROW:g}"
    sizes = [set(re.findall(r"font-size:([\d.]+)px", drawing)) for drawing in (wide, narrow)]
    assert sizes[0] == sizes[1] == {"11"}
    assert len(re.findall("<svg ", svg.drawings(lines(figsize=(3, 3))))) == 1


def test_panels_stand_below_each_other_on_a_phone():
    fig, axes = plt.subplots(1, 2, figsize=(6.8, 3), sharey=True)
    for ax in axes:
        ax.plot([1, 2])
    narrow = re.findall(r"<svg .*?</svg>", svg.drawings(fig), re.S)[1]
    assert f'viewBox="0 0 {72 * svg.NARROW:g} {72 * 6:g}"' in narrow


def test_the_same_figure_is_the_same_text_and_others_share_no_name():
    one, again, other = (svg.drawings(lines(v)) for v in ((1, 2), (1, 2), (2, 1)))
    assert one == again
    names = [set(re.findall(r' id="([^"]+)"', drawing)) for drawing in (one, other)]
    assert names[0]
    assert not names[0] & names[1]


def test_what_is_shown_has_a_title_a_caption_and_a_description():
    page = shown(lines())
    tree = ElementTree.fromstring(page.replace("&quot;", "&#34;"))
    assert tree.find("p").text == "It falls"
    assert tree.find("figcaption").text == "Two steps."
    assert tree.find("div").attrib == {"role": "img", "aria-label": 'a "line" & more'}
    assert not plt.get_fignums()


def test_a_heat_map_is_a_mask_in_front_of_its_hue():
    fig, ax = plt.subplots(figsize=(3, 3))
    figures.heat(ax, np.eye(2))
    drawing = svg.drawings(fig)
    assert "mask-type:alpha" in drawing
    assert "fill:var(--lm-attention," in drawing
    assert len(drawing) < 6000


def test_ticks_of_a_logarithmic_axis_are_numbers():
    written = [svg.plain(x) for x in (0.001, 0.5, 1, 1000, 1e9, 2e-6)]
    assert written == ["0.001", "0.5", "1", "1,000", "10⁹", "2 × 10⁻⁶"]


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [(30, 400, ["50", "100", "200"]), (2, 700, ["10", "100"])],
)
def test_a_logarithmic_axis_with_one_power_of_ten_has_ticks_between(low, high, wanted):
    fig, ax = plt.subplots()
    ax.plot([1, 2], [low, high])
    ax.set(yscale="log", ylim=(low, high))
    svg.drawings(fig)
    ticks = [tick for tick in ax.get_yticks() if low <= tick <= high]
    assert [svg.plain(tick) for tick in ticks] == wanted


def test_labels_at_ends_do_not_touch():
    _, ax = plt.subplots()
    for i in range(3):
        ax.plot([0, 1], [0, 1 + i / 1000], label=f"line {i}")
    ax.plot([0, 1], [0, 0.5])
    figures.label_ends(ax)
    boxes = [text.get_window_extent() for text in ax.texts]
    assert [text.get_text() for text in ax.texts] == ["line 0", "line 1", "line 2"]
    assert all(low.y1 <= high.y0 for low, high in pairwise(boxes))
