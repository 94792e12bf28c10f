"""The project's folder, settings, pages and chapters, as many test files need them."""

import os
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


def read_notebook(path: Path) -> nbformat.NotebookNode:
    try:
        notebook = nbformat.read(path, as_version=4)
    except (OSError, ValueError, AttributeError, KeyError) as error:
        said = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise AssertionError(
            f"{path.name}: no notebook that can be read ({said}); restore it: git checkout {path}"
        ) from None
    if any("id" not in cell for cell in notebook.cells):
        raise AssertionError(
            f"{path.name}: its cells have no ids; set nbformat_minor to 5, and run "
            f"make check CHAPTER={path.stem}"
        )
    return notebook


def skip_except_in_ci(message: str) -> None:
    """Skip for want of something that a reader may lack and CI must have."""
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
