"""The explorer of DP-SGD's noise: the browser computes the epsilon that course_lib does."""

import pytest
from test_explorers import both_ways

from course_lib import figures
from course_lib.privacy import epsilon, roc_bound


def state(page):
    facts = dict(
        zip(
            page.locator("tbody th").all_text_contents(),
            page.locator("tbody td").all_text_contents(),
            strict=True,
        )
    )
    line = page.locator("svg .curve").get_attribute("d")
    dot = page.locator("circle").get_attribute("cy")
    return facts, page.locator(".lm-says").text_content(), line, dot


@pytest.mark.parametrize(
    "settings", [{}, {"records": 1315, "noise": 0.4, "steps": 150}, {"noise": 8.0, "batch": 16}]
)
def test_the_first_state_is_the_same_without_a_script(browser, settings):
    html = figures.privacy_explorer(**settings).data
    assert html == figures.privacy_explorer(**settings).data
    assert "http" not in html
    shown = []
    for script, page in both_ways(browser, html):
        shown.append(state(page))
        assert page.get_by_role("slider").count() == 3 * script
    assert shown[0] == shown[1]


def test_moved_it_computes_what_course_lib_does(browser):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_content(figures.privacy_explorer(records=5000, noise=1.0, batch=64, steps=200).data)
    _, _, before, dot = state(page)
    page.get_by_role("slider", name="Noise").press("ArrowRight")
    page.get_by_role("slider", name="Records").press("ArrowRight")
    page.get_by_role("slider", name="Steps").press("ArrowRight")
    spent = epsilon(1.2, 128 / 5000, 300, 1 / 5000)
    caught = 100 * float(roc_bound(0.01, spent, 1 / 5000))
    facts, says, after, _ = state(page)
    assert facts["ε"] == f"{spent:.3g}"
    assert facts["Times that a record is seen on average"] == "7.68"
    assert f"catches at most {caught:.3g} %" in says
    assert before != after
    page.get_by_role("slider", name="Noise").press("End")
    assert float(state(page)[3]) > float(dot), "more noise, fewer caught"
    page.close()


def test_its_numbers_can_be_read_on_the_narrowest_phone(browser):
    page = browser.new_page(viewport={"width": 320, "height": 800})
    page.set_content(f'<body style="margin:16px">{figures.privacy_explorer().data}</body>')
    sizes = page.evaluate("""() => [...document.querySelectorAll('svg text')].map(
        t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a)""")
    assert min(sizes) >= 10.5
    page.close()


@pytest.mark.parametrize(
    "wrong", [{"noise": 0.45}, {"batch": 100}, {"steps": 7}, {"records": 1000}]
)
def test_what_the_sliders_don_t_have_is_named(wrong):
    with pytest.raises(ValueError, match=rf"{next(iter(wrong))}: expected "):
        figures.privacy_explorer(**wrong)
