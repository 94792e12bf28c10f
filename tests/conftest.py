"""What several test files need: the project's folder, its chapters, a browser."""

import os
import shutil
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
PAGES = [
    TOC["root"],
    *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"]),
]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
MAC_BROWSER = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


def read_notebook(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def skip_except_in_ci(message: str) -> None:
    """Skip for want of something that a reader may lack and CI must have."""
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium; skipped where there is none, except where CI must have one."""
    sync_api = pytest.importorskip("playwright.sync_api")
    found = next(filter(None, map(shutil.which, BROWSER_NAMES)), None)
    if found is None and MAC_BROWSER.exists():
        found = str(MAC_BROWSER)
    if found is None:
        skip_except_in_ci("no Chromium or Chrome found; install one to check the rendered pages")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=found,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield chromium
        chromium.close()
