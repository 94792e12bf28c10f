"""Slides of the chapters: from the built pages, whole on the stage, without solutions."""

import pytest
import slides
from bs4 import BeautifulSoup
from project import skip_except_in_ci

NAMES = ["background", "self_attention_mathematics"]
# How far what is to be seen goes down and to the right, within a stage of 1280 x 720.
REACH = """() => {
    const slide = deck.getCurrentSlide().querySelector('.slide');
    const hidden = 'details.code, mjx-assistive-mml, .lm-sr, style, script, svg *';
    const boxes = [...slide.querySelectorAll('*')].filter(e => !e.closest(hidden))
        .map(e => e.getBoundingClientRect()).filter(r => r.width && r.height);
    const zoom = Number(slide.querySelector('.fit').style.zoom || 1);
    return [Math.max(...boxes.map(r => r.bottom)), Math.max(...boxes.map(r => r.right)), zoom];
}"""


def page(body: str) -> str:
    return (
        f"<html><body><article><section><h1>A chapter</h1>{body}</section></article></body></html>"
    )


def made(body: str) -> BeautifulSoup:
    return BeautifulSoup(slides.slides(page(body), "chapter", "The book")[1], "lxml")


def code(n: int) -> str:
    rows = "".join(f'<span class="line">line {i}\n</span>' for i in range(n))
    return f'<div class="highlight-python"><div class="highlight"><pre>{rows}</pre></div></div>'


def test_a_paragraph_gives_its_first_sentence_and_stands_whole_in_the_notes():
    first = "Vaswani et al. (2017) let each word look at all the others, at 0.5 of the cost."
    found = made(f"<p>{first} <em>More</em> is told.</p>")
    assert found.select_one(".slide.text p").get_text() == first
    assert "More is told." in found.select("aside.notes")[-1].get_text()


def test_long_code_goes_on_on_the_next_slide_and_no_line_is_lost():
    found = made(f'<div class="cell"><div class="cell_input">{code(40)}</div></div>')
    pieces = [[row.get_text() for row in pre.select(".line")] for pre in found.select("pre")]
    assert [row for piece in pieces for row in piece] == [f"line {i}\n" for i in range(40)]
    assert max(map(len, pieces)) <= slides.LINES


def test_a_question_is_answered_at_a_click():
    choices = (
        '<details class="choice"><summary>two</summary>It tempts.</details>'
        '<details class="choice right"><summary>three</summary>One for each.</details>'
    )
    found = made(
        f"<blockquote><div><p><strong>Predict.</strong> How many?</p>{choices}</div></blockquote>"
    )
    assert [each.get_text() for each in found.select(".choice")] == ["two", "three"]
    answer = found.select_one(".fragment").get_text()
    assert "three" in answer
    assert "One for each." in answer
    assert "tempts" not in answer


def test_a_piece_of_code_begins_with_code():
    rows = ["def f():", *["    pass"] * 14, "", "", "def g():", "    pass", "    pass"]
    lines = "".join(f'<span class="line">{row}\n</span>' for row in rows)
    found = made(
        '<div class="cell"><div class="cell_input"><div class="highlight"><pre>'
        f"{lines}</pre></div></div></div>"
    )
    pieces = [pre.get_text() for pre in found.select("pre")]
    assert [piece.split("\n")[0] for piece in pieces] == ["def f():", "def g():"]


def test_links_lead_to_the_book():
    found = made(
        '<p><a href="training.html#x">A</a> <a href="#y">B</a> <a href="../book/z.html">C</a></p>'
    )
    links = [a["href"] for a in found.select(".slide.text a")]
    assert links == [
        "../notebooks/training.html#x",
        "../notebooks/chapter.html#y",
        "../book/z.html",
    ]


# The same of every slide, its answers shown.
EVERY = f"""async () => {{
    await document.fonts.ready;
    return [...document.querySelectorAll('.slides > section > section')].map(section => {{
        deck.slide(...Object.values(deck.getIndices(section)).slice(0, 2), 99);
        return ({REACH})();
    }});
}}"""


@pytest.mark.long
@pytest.mark.parametrize("name", slides.chapters())
def test_every_slide_of_every_chapter_has_room(name, browser):
    file = slides.SITE / "slides" / f"{name}.html"
    if not file.exists():
        skip_except_in_ci("the slides are not built; `make slides` builds them")
    view = browser.new_page(viewport={"width": 1280, "height": 720})
    view.goto(file.as_uri(), wait_until="load")
    reaches = view.evaluate(EVERY)
    view.close()
    assert len(reaches) > 40
    for number, (low, right, zoom) in enumerate(reaches, 1):
        assert low <= 720.5, f"{name}, slide {number}"
        assert right <= 1280.5, f"{name}, slide {number}"
        assert zoom > 0.5, f"{name}, slide {number}: too small to read"


@pytest.fixture(scope="module", params=NAMES)
def walked(request, browser):
    """A deck, walked through by the keyboard: what was asked for, and each slide's reach."""
    file = slides.SITE / "slides" / f"{request.param}.html"
    if not file.exists():
        skip_except_in_ci("the slides are not built; `make slides` builds them")
    view = browser.new_page(viewport={"width": 1280, "height": 720})
    problems: list[str] = []
    view.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    view.on("pageerror", lambda error: problems.append(str(error)))
    view.on("requestfailed", lambda r: problems.append(f"failed: {r.url}"))
    view.on("request", lambda r: problems.append(r.url) if r.url.startswith("http") else None)
    view.goto(file.as_uri(), wait_until="load")
    reaches = [view.evaluate(REACH)]
    for _ in range(1000):
        before = view.evaluate("() => JSON.stringify(deck.getIndices())")
        view.keyboard.press("Space")
        if view.evaluate("() => JSON.stringify(deck.getIndices())") == before:
            break
        reaches.append(view.evaluate(REACH))
    last = view.evaluate("() => deck.isLastSlide()")
    yield file, problems, reaches, last
    view.close()


def test_space_walks_through_all_slides(walked):
    assert walked[3]


def test_no_slide_is_cut_off_or_too_small_to_read(walked):
    for number, (low, right, zoom) in enumerate(walked[2], 1):
        assert low <= 720, f"{walked[0].name}, step {number}"
        assert right <= 1280, f"{walked[0].name}, step {number}"
        assert zoom > 0.55, f"{walked[0].name}, step {number}"


def test_slides_ask_nothing_of_another_machine_and_have_no_error(walked):
    assert walked[1] == []


def test_slides_hold_no_solution_and_every_exercise(walked):
    text = walked[0].read_text(encoding="utf-8")
    assert "# @title Solution" not in text
    assert text.count('class="slide bd-article bd-content task"') >= 3
