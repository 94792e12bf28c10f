"""The slider of bits: its levels, errors and losses are those of course_lib."""

import pytest
import torch

from course_lib import figures
from course_lib.efficiency import bits_per_weight, quantize, rounded

ROW = 0.05 * torch.randn(96, generator=torch.Generator().manual_seed(0))
ROW[70] = 0.6
LOSSES = {"row": {8: 3.8, 4: 4.6, 2: 9.9}, "group": {8: 3.75, 4: 3.9, 2: 8.1}}


def state(page):
    moved = page.locator("path.moved").get_attribute("d")
    dot = [page.locator("circle").get_attribute(name) for name in ("cx", "cy")]
    levels = page.locator("path.all").get_attribute("d")
    return page.locator(".lm-says").text_content(), moved, levels, dot


def test_the_slider_rounds_as_course_lib_does(browser):
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.set_content(figures.bits_explorer(ROW, LOSSES, shown=1).data)
    for i, group in enumerate((None, 32)):
        page.get_by_role("radio").nth(i).check()
        way = ("row", "group")[i]
        for at, bits in enumerate((8, 4, 2)):
            page.get_by_role("slider").fill(str(at))
            says, moved, levels, dot = state(page)
            wanted = rounded(ROW[None], bits, group)[0, 32:64]
            error = (wanted - ROW[32:64]).abs().mean().item()
            size = group or len(ROW)
            count = len(quantize(ROW[None], bits, group).codes.flatten()[32:64].unique())
            assert f"{bits_per_weight(bits, size):.2f} bits a weight" in says
            assert f"use {count} levels" in says
            assert f"move by {1000 * error:.1f} thousandths" in says
            assert f"loss is {LOSSES[way][bits]:.2f} bits per byte" in says
            low, high = ROW.min().item(), ROW.max().item()
            ends = [float(line.split("L")[1].split()[0]) for line in moved.split("M")[1:]]
            places = [10 + 280 * (w - low) / (high - low) for w in wanted.tolist()]
            assert ends == pytest.approx(places, abs=0.06)
            assert levels.count("M") == 2**bits
            assert float(dot[0]) == pytest.approx(40 + 240 * (8 - bits) / 6, abs=0.06)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


@pytest.mark.parametrize("at", ["row", "group"])
def test_the_first_state_is_the_same_without_a_script(browser, at):
    html = figures.bits_explorer(ROW, LOSSES, shown=2, bits=2, at=at).data
    assert "http" not in html
    shown = []
    for script in (False, True):
        context = browser.new_context(java_script_enabled=script)
        page = context.new_page()
        page.set_content(html)
        shown.append(state(page))
        assert page.get_by_role("slider").count() == script
        context.close()
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bits": 3}, r"bits: expected one of \[8, 4, 2\], got 3"),
        ({"at": "column"}, "at: expected row or group, got 'column'"),
        ({"shown": 3}, "shown: expected a place from 0 to 2, got 3"),
        ({"losses": {"row": {4: 1.0}, "group": {}}}, "losses: expected row and group, with a"),
    ],
)
def test_what_cannot_be_shown_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        figures.bits_explorer(**{"row": ROW, "losses": LOSSES, **changes})
