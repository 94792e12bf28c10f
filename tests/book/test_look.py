"""Laws of the book's look: the contrast of its colors, and that they reach the pages."""

import re

import pytest
from project import ROOT, skip_except_in_ci

STYLE = (ROOT / "book" / "_static" / "course.css").read_text(encoding="utf-8")
HOME = ROOT / "_build" / "html" / "book" / "home.html"
CHAPTER = ROOT / "_build" / "html" / "notebooks" / "self_attention_mathematics.html"
# WCAG 2.2: text 4.5 (1.4.3), outlines of controls 3 (1.4.11).
TEXT = ["ink", "muted", "neutral", "accent", "right", "wrong"]
HUES = ["query", "key", "value", "attention", "mlp", "embedding", "position", "stream"]
CONTRAST = {**dict.fromkeys(TEXT + HUES, 4.5), "edge": 3.0}
KIT = (ROOT / "course_lib" / "figures" / "base.css").read_text(encoding="utf-8")


def tokens(theme: str) -> dict[str, str]:
    """Return the colors that the style sheet gives a theme."""
    block = re.search(rf'html\[data-theme="{theme}"\] \{{(.*?)\}}', STYLE, re.S)[1]
    return dict(re.findall(r"--lm-([\w-]+): (#[0-9a-f]{6});", block))


def luminance(color: str) -> float:
    """Return WCAG's relative luminance of #rrggbb."""
    shares = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return WCAG's contrast ratio of two colors."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_black_and_white_is_21():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colors_have_the_contrast_that_readers_need(theme):
    found = tokens(theme)
    for ground in ("paper", "surface"):
        for name, least in CONTRAST.items():
            assert contrast(found[name], found[ground]) >= least, f"{name} on {ground}"
    assert contrast(found["on-accent"], found["accent"]) >= 4.5


@pytest.mark.parametrize(("theme", "at"), [("light", 0), ("dark", 1)])
def test_figures_have_the_colors_of_the_pages(theme, at):
    pairs = re.findall(r"--lm-([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", KIT)
    assert {name: colors[at] for name, *colors in pairs} == tokens(theme)


def test_both_themes_and_paper_set_the_same_colors():
    printed = re.search(r"@media print \{(.*?)\n  \}", STYLE, re.S)[1]
    assert tokens("light").keys() == tokens("dark").keys()
    assert set(re.findall(r"--lm-([\w-]+): #", printed)) == tokens("light").keys()


@pytest.fixture(scope="module")
def open_page(browser):
    """Return a function that opens a built page in a look; closed at the end."""
    if not HOME.exists():
        skip_except_in_ci("the book is not built; `make book` builds it")
    contexts = []

    def load(path, scheme="light"):
        context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.goto(path.as_uri(), wait_until="load")
        return page

    yield load
    for context in contexts:
        context.close()


def test_the_book_s_own_fonts_are_used(open_page):
    page = open_page(HOME)
    page.evaluate("() => document.fonts.ready")
    loaded = page.evaluate("""() => [...document.fonts]
        .filter(f => f.status === 'loaded').map(f => f.family.replaceAll('"', ''))""")
    assert {"Course Serif", "Course Sans"} <= set(loaded)
    family = page.evaluate("() => getComputedStyle(document.querySelector('article p')).fontFamily")
    assert family.startswith('"Course Serif"')


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_figure_stands_on_the_page_without_a_ground_of_its_own(open_page, scheme):
    page = open_page(CHAPTER, scheme)
    grounds = page.evaluate("""() => {
        const found = [];
        for (let e = document.querySelector('.lm-attention'); e; e = e.parentElement) {
            if (e.tagName === 'MAIN' || e.tagName === 'BODY') break;
            found.push(getComputedStyle(e).backgroundColor);
        }
        return found;
    }""")
    assert set(grounds) == {"rgba(0, 0, 0, 0)"}


def test_the_link_past_the_navigation_has_the_book_s_colors(open_page):
    page = open_page(HOME)
    page.keyboard.press("Tab")
    style = """(link) => [
        getComputedStyle(link.parentElement).backgroundColor, getComputedStyle(link).color
    ]"""
    link = page.get_by_role("link", name="Skip to main content")
    assert link.evaluate("(link) => link === document.activeElement")
    assert link.evaluate(style) == ["rgb(43, 58, 120)", "rgb(255, 255, 255)"]


def test_a_dark_page_is_printed_light_with_wrapped_code_and_folded_solutions_left_out(
    open_page,
):
    page = open_page(CHAPTER, "dark")
    page.emulate_media(media="print")
    seen = page.evaluate("""() => ({
        ground: getComputedStyle(document.body).backgroundColor,
        ink: getComputedStyle(document.querySelector('article p')).color,
        code: getComputedStyle(document.querySelector('.cell_input pre')).whiteSpace,
        solution: getComputedStyle(document.querySelector('details.hide')).display,
    })""")
    assert seen == {
        "ground": "rgb(255, 255, 255)",
        "ink": "rgb(0, 0, 0)",
        "code": "pre-wrap",
        "solution": "none",
    }


def test_on_paper_the_parts_of_a_conversation_keep_their_grounds(open_page):
    page = open_page(CHAPTER.with_name("dialogue.html"))
    page.emulate_media(media="print")
    part = "getComputedStyle(document.querySelector('.lm-talk span')).printColorAdjust"
    assert page.evaluate(part) == "exact"


def test_a_choice_opens_what_happens_up_to_the_next_text_and_nothing_else(open_page):
    page = open_page(HOME.parent.parent / "notebooks" / "training.html")
    page.locator("details.choice.right summary").first.click()
    page.wait_for_function("() => document.querySelector('details.hide[open]')")
    wrong = page.evaluate("""() => {
        const asked = document.querySelector('details.choice.right').closest('blockquote');
        const below = [];
        let next = asked.nextElementSibling;
        for (; next?.matches('.cell'); next = next.nextElementSibling)
            below.push(...next.querySelectorAll('details.below-input, details.above-input'));
        const opened = [...document.querySelectorAll('details.hide[open]')];
        return [opened.filter(d => !below.includes(d)).length, below.filter(d => !d.open).length];
    }""")
    assert wrong == [0, 0]
