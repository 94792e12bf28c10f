"""The pages of the built book, in their order, as a headless Chromium shows them."""

import functools
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from browsers import find_browser
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "html"
HOME = "book/home.html"
# What lies beside the home page, and how it calls it.
BOUND = {"book.pdf": "one PDF", "book.epub": "an e-book (EPUB)"}


def settings() -> dict[str, Any]:
    """Return the book's settings: its title, its author and more."""
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


def parts() -> list[tuple[str, list[str]]]:
    """Return the parts of the book and the pages in each; the home page stands in none."""
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = [("", [contents["root"]])]
    for part in contents["parts"]:
        listed.append((part["caption"], [chapter["file"] for chapter in part["chapters"]]))
    return listed


def pages_in_order() -> list[str]:
    """Return the book's pages in their order."""
    return [name for _, names in parts() for name in names]


@functools.cache
def published() -> str:
    """Return the address that the built pages give as their own."""
    home = (SITE / HOME).read_text(encoding="utf-8")
    return re.search(rf'rel="canonical" href="(.*?){HOME}"', home)[1]


@contextmanager
def browsing(action: str) -> Iterator[Page]:
    """Open a page of a headless browser, or say in one line what the action lacks."""
    browser = find_browser()
    if browser is None:
        sys.exit(f"make: {action} needs Chromium or Chrome, and none was found; install one")
    if not (SITE / HOME).exists():
        sys.exit(f"make: {action} needs the built book, and {SITE} has none; make book first")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=browser, args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium.new_page()
        chromium.close()


def load(page: Page, name: str) -> None:
    """Open a page of the book, all its pictures, fonts and widgets loaded."""
    page.goto((SITE / f"{name}.html").as_uri(), wait_until="load")
    page.evaluate("() => document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
    page.wait_for_function("() => [...document.images].every(i => i.complete)")
    page.wait_for_function(
        "() => !document.querySelector('script[type$=\"widget-view+json\"]')"
        " || document.querySelector('.jupyter-widgets')"
    )
    page.evaluate("() => document.fonts.ready")


def run(bind: Callable[[], None], kind: str) -> None:
    """Bind the book, or say in one line why that can't be."""
    try:
        bind()
    except KeyboardInterrupt:
        sys.exit(f"make: stopped; no {kind} was written")
    except OSError as error:
        sys.exit(f"make: no {kind} was written: {error}")


def link_from_home(file: Path) -> None:
    """Let the home page lead to what was bound, where that lies among the built pages."""
    if file.resolve().parent != SITE:
        return
    there = {name: kind for name, kind in BOUND.items() if (SITE / name).exists()}
    links = [f'<a href="../{name}">as {kind}</a>' for name, kind in there.items()]
    line = f'<!-- bound --><p class="bound">The whole book {" or ".join(links)}.</p>'
    text = (SITE / HOME).read_text(encoding="utf-8")
    text = re.sub(r'<!-- bound -->(<p class="bound">.*?</p>)?', line, text)
    (SITE / HOME).write_text(text, encoding="utf-8")
