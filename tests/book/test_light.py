"""What a page loads: no search index, no theme's icons, MathJax only with a formula."""

import re
from pathlib import Path

import pytest
from project import PAGES, ROOT, skip_except_in_ci

SITE = ROOT / "_build" / "html"
pytestmark = pytest.mark.browser  # it looks at the built book


@pytest.fixture(scope="module")
def html():
    if not (SITE / "book" / "home.html").exists():
        skip_except_in_ci("the book is not built; `make book` builds it")
    return {name: (SITE / f"{name}.html").read_text(encoding="utf-8") for name in PAGES}


def waits(tag: str) -> bool:
    """Say whether a script lets the page be drawn first."""
    return "defer" in tag or "async" in tag


def test_scripts_wait_until_the_page_is_there(html):
    for name, text in html.items():
        head = text.partition("</head>")[0]
        tags = re.findall(r"<script[^>]* src=[^>]*>", head)
        files = {Path(re.search(r'src="([^"?]*)', tag)[1]).name for tag in tags if not waits(tag)}
        # the widgets' manager needs the others at once
        assert "embed-amd.js" in head or files == {"documentation_options.js"}, name


def test_mathjax_is_loaded_only_where_a_formula_is(html):
    loaded = {name for name, text in html.items() if "tex-mml-chtml.js" in text}
    assert loaded == {name for name, text in html.items() if re.search(r'class="math[ "]', text)}
    assert 0 < len(loaded) < len(html)


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
