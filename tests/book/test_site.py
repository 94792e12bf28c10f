"""Laws of the rendered book, checked in headless Chromium on the pages as files, without a server.

Screenshots of every page go to ``_build/screenshots``.
"""

import functools
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from project import CONFIG, PAGES, ROOT, skip_except_in_ci

SITE = ROOT / "_build" / "html"
SCREENSHOTS = ROOT / "_build" / "screenshots"
EVERY_PAGE = [*PAGES, "search", "genindex"]
LOOKS = [(1280, "light"), (390, "dark")]
CHAPTERS = [page for page in PAGES if page.startswith("notebooks/")]

# What is wider than its box and can be scrolled sideways, outside code, tables and sentences under
# arcs.
SIDEWAYS = """() => [...document.querySelectorAll('body, body *')]
    .filter(e => e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1)
    .filter(e => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX)
                 || e === document.body)
    .filter(e => !e.closest('table, .pst-scrollable-table-container, mjx-assistive-mml'))
    .filter(e => !e.closest('.lm-scroll'))
    .filter(e => getComputedStyle(e).visibility !== 'hidden')
    .map(e => e.tagName + '.' + e.className + ': ' + e.scrollWidth + ' > ' + e.clientWidth)"""
# Formulas in a line that are wider than it: the theme hides what goes beyond, and nothing scrolls.
CUT_OFF = """() => [...document.querySelectorAll('mjx-container:not([display])')]
    .filter(e => e.getBoundingClientRect().right
                 > e.parentElement.getBoundingClientRect().right + 1)
    .map(e => e.textContent)"""
IMAGES = """() => [...document.querySelectorAll('article img')].map(
    i => ({src: i.src.slice(0, 120), alt: i.alt, loaded: i.complete && i.naturalWidth > 0}))"""
# docutils gives a bibliography's entries a role that this rule doesn't know.
WITHIN = {"exclude": [[".citation-list"]]}
WIDGETS_ARE_THERE = """() => document.querySelector('.jupyter-widgets button')
    || !document.querySelector('script[type="application/vnd.jupyter.widget-view+json"]')"""
UNMARKED_CHINESE = """() => {
    const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const {data, parentElement} = walker.currentNode;
        if (/\\p{Script=Han}/u.test(data)
            && !parentElement.closest('[lang=zh], script, noscript, style, textarea, select'))
            found.push(data.trim().slice(0, 60));
    }
    return found;
}"""
LINKS = "() => [...document.querySelectorAll('a[href]')].map(a => a.href)"
IDS = "() => [...document.querySelectorAll('[id]')].map(e => e.id)"


@pytest.fixture(scope="module")
def visit(browser):
    """Return a function that loads a page once per look and says what was found."""
    if not (SITE / "book" / "home.html").exists():
        skip_except_in_ci("the book is not built; `make book` builds it")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    @functools.cache
    def load(name: str, width: int = 1280, scheme: str = "light") -> dict:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )
        page = context.new_page()
        problems: list[str] = []
        outside: list[str] = []
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
        page.on(
            "request",
            lambda r: outside.append(r.url) if r.url.startswith(("http", "ws")) else None,
        )
        page.goto((SITE / f"{name}.html").as_uri(), wait_until="load")
        page.wait_for_function(WIDGETS_ARE_THERE, timeout=60_000)
        # Figures are loaded when scrolled to.
        page.evaluate("() => document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
        page.wait_for_function("() => [...document.images].every(i => i.complete)")
        shot = SCREENSHOTS / f"{name.replace('/', '_')}-{width}-{scheme}.png"
        page.screenshot(path=shot, full_page=True)
        before = list(problems)  # a copy: what follows is the checker's own doing
        # What is folded is checked, too.
        page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
        found = {
            "problems": before,
            "outside": list(outside),
            "images": page.evaluate(IMAGES),
            "links": page.evaluate(LINKS),
            "ids": set(page.evaluate(IDS)),
            "sideways": page.evaluate(SIDEWAYS),
            "unmarked": page.evaluate(UNMARKED_CHINESE),
            "accessibility": [
                f"{violation['id']}: {node['html'][:200]} ({node['target']})"
                for violation in Axe().run(page, WITHIN, {"preload": False}).response["violations"]
                if violation["impact"] in ("serious", "critical")
                for node in violation["nodes"]
            ],
        }
        # The narrowest screen that WCAG 2.2 asks for (1.4.10).
        page.set_viewport_size({"width": 320, "height": 900})
        found["sideways at 320"] = page.evaluate(SIDEWAYS)
        found["cut off at 320"] = page.evaluate(CUT_OFF)
        context.close()
        return found

    return load


def has_widget(name: str) -> bool:
    html = (SITE / f"{name}.html").read_text(encoding="utf-8")
    return "application/vnd.jupyter.widget-view+json" in html


@pytest.mark.parametrize("page", EVERY_PAGE)
class TestEveryPage:
    def test_asks_nothing_of_another_machine(self, visit, page):
        assert visit(page)["outside"] == []

    def test_has_no_error_in_the_console(self, visit, page):
        assert visit(page)["problems"] == []

    def test_images_are_there_and_described(self, visit, page):
        for image in visit(page)["images"]:
            assert image["loaded"], f"not loaded: {image['src']}"
            assert len(image["alt"]) > 15, f"no alt text: {image['src']}"

    def test_links_within_the_book_lead_somewhere(self, visit, page):
        for link in visit(page)["links"]:
            parts = urlsplit(link)
            if parts.scheme != "file":
                continue
            target = SITE / unquote(parts.path)
            assert target.exists(), f"broken link: {link}"
            if parts.fragment and target.suffix == ".html":
                name = str(target.relative_to(SITE).with_suffix(""))
                if name in EVERY_PAGE:
                    assert unquote(parts.fragment) in visit(name)["ids"], f"no such place: {link}"

    @pytest.mark.parametrize(("width", "scheme"), LOOKS)
    def test_is_accessible(self, visit, page, width, scheme):
        assert visit(page, width, scheme)["accessibility"] == []

    def test_chinese_is_marked_as_such_for_a_screen_reader(self, visit, page):
        assert visit(page)["unmarked"] == []

    def test_scrolls_sideways_neither_on_a_desk_nor_on_a_phone(self, visit, page):
        assert visit(page)["sideways"] == []
        assert visit(page, 390, "dark")["sideways"] == []
        assert visit(page, 390, "dark")["sideways at 320"] == []

    def test_formulas_in_a_line_are_whole_on_a_narrow_screen(self, visit, page):
        assert visit(page, 390, "dark")["cut off at 320"] == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_buttons_of_a_chapter_lead_to_its_notebook(visit, chapter):
    repository, branch = CONFIG["repository"]["url"], CONFIG["repository"]["branch"]
    links = visit(chapter)["links"]
    owner_and_name = repository.removeprefix("https://github.com/")
    colab = CONFIG["launch_buttons"]["colab_url"]
    assert f"{colab}/github/{owner_and_name}/blob/{branch}/{chapter}.ipynb" in links
    assert f"{repository}/blob/{branch}/{chapter}.ipynb?plain=1" in links
    download = SITE / "_sources" / f"{chapter}.ipynb"
    assert download.as_uri() in links
    assert download.read_bytes() == (ROOT / f"{chapter}.ipynb").read_bytes()


def test_index_leads_to_the_home_page(visit, browser):
    page = browser.new_page()
    page.goto((SITE / "index.html").as_uri())
    page.wait_for_url("**/book/home.html")
    page.close()


def test_search_finds_a_chapter_by_a_word_in_it(visit, browser):
    page = browser.new_page()
    page.goto((SITE / "search.html").as_uri() + "?q=softmax")
    page.wait_for_selector("#search-results li a", timeout=60_000)
    found = page.eval_on_selector_all("#search-results li a", "all => all.map(a => a.href)")
    assert any("self_attention_mathematics" in link for link in found)
    page.close()


def test_widgets_manager_is_loaded_only_where_a_widget_is(visit):
    for name in PAGES:
        html = (SITE / f"{name}.html").read_text(encoding="utf-8")
        assert ("widgets.js" in html) == has_widget(name), name


def test_a_slider_moves_its_chart_without_a_kernel(visit, browser):
    """At least one page has one; the arrow keys change which drawing is seen."""
    moved = 0
    for name in CHAPTERS:
        if "lm-frames" not in (SITE / f"{name}.html").read_text(encoding="utf-8"):
            continue
        page = browser.new_page(viewport={"width": 390, "height": 900})
        page.goto((SITE / f"{name}.html").as_uri())
        page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
        figure = page.locator(".lm-frames").first
        seen = figure.locator(".lm-frame[aria-hidden=false]")
        first = seen.get_attribute("aria-label")
        for key in ("Home", "End"):
            figure.get_by_role("slider").press(key)
            moved += seen.get_attribute("aria-label") != first
        page.close()
    assert moved > 0


def test_the_attention_explorer_s_bars_have_room_on_a_phone(visit, browser):
    """In the page, not by itself: the theme's fonts and margins take their part of the width."""
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.goto((SITE / "notebooks" / "self_attention_mathematics.html").as_uri())
    assert page.locator(".lm-attention td.bar").first.bounding_box()["width"] >= 50
    page.close()
