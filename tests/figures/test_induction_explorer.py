"""The explorer of a head that grows: its maps, scores and losses are those of course_lib."""

import re

import pytest
import torch
from test_explorers import both_ways

from course_lib import figures
from course_lib.interpret import prefix_matching

PERIOD = 3
TOKENS = [*"ab<"] * 2
LOSSES, OTHERS = [3.4, 2.0, 0.1], [3.5, 2.9, 2.7]
MAPS = [
    (100 * torch.rand(2, 2, 6, 6, generator=torch.Generator().manual_seed(i))).round().int().tril()
    for i in range(3)
]


def explorer(**changes):
    given = {"tokens": TOKENS, "period": PERIOD, "every": 25, "maps": MAPS, "losses": LOSSES}
    return figures.induction_explorer(**{**given, "others": OTHERS, **changes}).data


def state(page):
    cells = page.evaluate("""() => [...document.querySelectorAll('.map rect')].map(
        cell => cell.style.getPropertyValue('--weight'))""")
    dot = [float(page.locator("circle").get_attribute(name)) for name in ("cx", "cy")]
    return page.locator(".lm-says").text_content(), cells, dot


def test_each_step_and_head_shows_its_map_its_score_and_the_loss(browser):
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.set_content(explorer())
    for at in range(3):
        page.get_by_role("slider").fill(str(at))
        for i in range(4):
            page.get_by_role("radio").nth(i).check()
            says, cells, dot = state(page)
            weights = MAPS[at][i // 2, i % 2]
            score = prefix_matching(weights.double(), PERIOD).item()
            assert f"After {25 * at} steps head {i // 2}.{i % 2} puts {score:.0f} %" in says
            assert f"second copies is {LOSSES[at]:.2f} nats" in says
            assert cells == [f"{weights[q, k]}%" for q in range(6) for k in range(q + 1)]
            assert dot == pytest.approx([34 + 123 * at, 214 - 194 * LOSSES[at] / 4], abs=0.06)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


def test_the_frames_stand_where_the_score_looks(browser):
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.set_content(explorer())
    frames = page.locator(".map path").get_attribute("d")
    corners = [tuple(map(float, m)) for m in re.findall(r"M([\d.]+) ([\d.]+)", frames)]
    places = [((x - 30) / 40, (y - 26) / 40) for x, y in corners]
    only = torch.zeros(6, 6)
    for key, query in places:
        only[int(query), int(key)] = 1
    assert prefix_matching(only, PERIOD) == 1
    assert only.sum() == len(places) == 3
    page.close()


@pytest.mark.parametrize("at", [0, 2])
def test_the_first_state_is_the_same_without_a_script(browser, at):
    html = explorer(shown=at, head=3)
    assert "http" not in html
    shown = []
    for script, page in both_ways(browser, html):
        shown.append(state(page))
        assert page.get_by_role("slider").count() == script
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"losses": [1.0]}, "losses: expected 3, one a map, got 1"),
        ({"others": [1.0]}, "others: expected 3, one a map, got 1"),
        ({"tokens": ["a"]}, r"maps: expected of 1 tokens, got \(2, 2, 6, 6\)"),
        ({"shown": 3}, "shown: expected a place from 0 to 2, got 3"),
        ({"head": 4}, "head: expected a place from 0 to 3, got 4"),
        ({"period": 0}, "period: expected"),
    ],
)
def test_what_cannot_be_shown_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        explorer(**changes)
