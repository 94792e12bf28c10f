"""The book in Firefox: laws that stand elsewhere for Chromium, and every page once.

A test that is imported here runs with this file's ``browser``.
"""

import io
from contextlib import ExitStack

import pypdf
import pytest
import torch
from browsers import find_firefox
from firefox import firefox
from playwright.sync_api import Error
from project import skip_except_in_ci
from test_assistant import (  # noqa: F401
    OPEN,
    fake,
    runtime,
    served,
    test_by_keys_an_answer_is_begun_and_stopped_and_the_focus_is_never_lost,
    test_from_a_disk_it_says_what_to_do,
    test_what_is_not_the_model_is_not_kept_and_the_next_try_fetches_it_again,
)
from test_export import test_a_model_of_one_s_own_is_one_page  # noqa: F401
from test_site import EVERY_PAGE, SIDEWAYS, SITE
from test_writer import (  # noqa: F401
    model,
    settled,
    test_a_head_that_is_off_rewrites_the_text_and_put_on_again_it_is_the_same,
    test_a_press_chooses_a_token,
    test_a_token_that_is_pressed_while_it_runs_is_the_one_under_the_finger,
    test_any_text_can_begin,
    test_arcs_are_as_wide_as_the_head_s_weights,
    test_one_look_is_shown_with_its_numbers,
    test_what_is_read_out_is_what_was_written_and_not_each_token_of_a_run,
    test_what_is_seen_stays_in_view_when_the_window_gets_narrow,
    test_what_was_pressed_by_keys_keeps_the_focus,
    view,
    write,
    written,
)

from course_lib.generation import generate
from course_lib.studies import writer

PROGRAM = find_firefox()
HOME = SITE / "book" / "home.html"


@pytest.fixture(scope="module")
def browser(playwright):
    """Firefox instead of Chromium."""
    if PROGRAM is None:
        pytest.skip("no Firefox found; install one to check the pages in it")
    with ExitStack() as stack:
        try:
            started = stack.enter_context(firefox(playwright, PROGRAM))
            started.new_page().close()
        except Error as error:  # it is too old, or kept in a box of its own
            pytest.skip(f"{PROGRAM} can't be driven: {error.message.splitlines()[0]}")
        yield started


@pytest.fixture(scope="module")
def book(browser):
    """Return a function that opens a built page, in one window for all, and what went wrong."""
    if not HOME.exists():
        skip_except_in_ci("the book is not built; `make book` builds it")
    page = browser.new_page()
    page.set_default_timeout(120_000)  # a busy machine
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))

    def opened(name, width=1280):
        page.set_viewport_size({"width": width, "height": 900})
        wrong.clear()
        page.goto((SITE / f"{name}.html").as_uri())
        return page, wrong

    yield opened
    page.close()


@pytest.fixture(scope="module")
def trained():
    """Return the home page's model, and its tokenizer."""
    return writer.load_trained()


@pytest.fixture
def home(book):
    """Return the home page with its model."""
    page, wrong = book("book/home")
    page.mouse.move(5, 5)  # a reader's first sign
    page.locator(".lm-writer .more summary").click()
    yield settled(page)
    assert wrong == []


def test_the_home_page_s_model_writes_what_the_package_s_writes(home, trained):
    home.get_by_role("slider", name="Temperature").press("Home")
    write(home, 30)
    prompt = home.get_by_label("Begin a verse").input_value()
    assert written(home) == prompt + generate(*trained, prompt, max_new_tokens=30)


def test_the_home_page_s_logits_are_pytorch_s(home, trained):
    gpt, tokenizer = trained
    prompts = ["O", "To be, or not to be", "漢字 😀", "Enter the King.\n\n", "a " * 60]
    for ids in map(tokenizer.encode, prompts):
        found = home.evaluate(
            """(ids) => {
                const model = new Transformer(courseModels.writer);
                return ids.map((id) => [...model.step(id).logits]).at(-1);
            }""",
            ids,
        )
        with torch.inference_mode():
            expected = gpt(torch.tensor([ids]))[0, -1]
        torch.testing.assert_close(torch.tensor(found), expected, atol=1e-3, rtol=0)


def test_what_is_typed_becomes_tokens(home, trained):
    box = home.get_by_label("Begin a verse")
    box.press("Control+A")
    home.keyboard.type("My lord, the")
    settled(home)
    shown = [piece.replace("␣", " ") for piece in home.locator(".lm-tokens li").all_inner_texts()]
    tokenizer = trained[1]
    assert shown == [tokenizer.decode([each]) for each in tokenizer.encode("My lord, the")]


def test_by_the_tab_key_one_passes_every_control_of_the_model_and_leaves_it(home):
    home.get_by_label("Begin a verse").focus()
    controls = home.locator(".lm-writer").locator("input:enabled, button:enabled")
    # Of a group of choices only the chosen one is a stop.
    controls.evaluate_all("""all => {
        window.left = new Set(all.filter(
            (it) => it.checkVisibility() && (it.type !== "radio" || it.checked)));
    }""")
    for _ in range(100):
        home.evaluate("left.delete(document.activeElement)")
        if not home.evaluate("document.activeElement.closest('.lm-writer')"):
            break
        home.keyboard.press("Tab")
    assert home.evaluate("[...left].map((it) => it.outerHTML)") == []
    assert home.evaluate("document.activeElement.tagName") == "A", "what follows in the page"


def test_a_page_is_as_dark_as_the_reader_s_system(playwright, browser):
    looks_as(browser, "light")
    with firefox(playwright, PROGRAM, "dark") as other:
        looks_as(other, "dark")


def looks_as(browser, look):
    with browser.new_page(color_scheme=look) as page:
        page.goto(HOME.as_uri())
        shades = page.evaluate("""() => {
            const shade = (text) => Math.max(...text.match(/\\d+/g).slice(0, 3));
            const ink = (part) => shade(getComputedStyle(document.querySelector(part)).color);
            const ground = shade(getComputedStyle(document.body).backgroundColor);
            return [ground, ink("article p"), ink(".lm-writer input")];
        }""")
        assert [shade < 128 for shade in shades] == [look == "dark", *2 * [look == "light"]]


def test_on_paper_the_model_is_a_still(home):
    # Playwright takes the inches for centimeters: this is A4.
    paper = home.pdf(width="21in", height="29.7in")
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(paper)).pages)
    assert "The likeliest next token is" in text
    assert "Write the next token" not in text


def test_smollm2_itself_answers(served, runtime):  # noqa: F811
    page = served(runtime)
    page.get_by_role("button", name=OPEN).click()
    page.get_by_role("button", name="Send").wait_for(timeout=120_000)
    page.get_by_label("Your message").press("Enter")  # What is the capital of Norway?
    page.locator(".log").get_by_text("Oslo").wait_for(timeout=120_000)


CONTROLS = "input, select, textarea, button"


def answers(figure):
    """Try one control after the other, by keys, until what is seen changes."""
    before = figure.inner_html()
    for control in figure.locator(CONTROLS).all():
        if control.is_visible() and control.is_enabled():
            kind = control.evaluate("it => it.type")
            keys = {"range": ["ArrowLeft", "ArrowRight", "ArrowRight"], "button": ["Enter"]}
            for key in keys.get(kind, ["ArrowDown", "a"]):
                control.press(key)
                if figure.inner_html() != before:
                    return True
    return False


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_a_page_has_no_fault_and_each_figure_that_can_be_changed_answers(book, name):
    page, wrong = book(name)
    assert page.evaluate(SIDEWAYS) == []
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.evaluate(SIDEWAYS) == []
    page.evaluate("() => document.querySelectorAll('details').forEach(it => it.open = true)")
    for figure in page.locator(".lm-tool:not(.lm-assistant)").all():
        figure.hover(position={"x": 5, "y": 5})
        assert answers(figure), figure.locator("figcaption").first.inner_text()
    assert wrong == []
