"""The project's folder, settings, pages and chapters, as many test files need them."""

import json
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
# 1: the tests are to pass without the sandbox, where it can't be built.
WITHOUT_SANDBOX = "COURSE_WITHOUT_SANDBOX"


def read_notebook(path: Path) -> nbformat.NotebookNode:
    try:
        text = path.read_text(encoding="utf-8")
        ids = [cell.get("id") for cell in json.loads(text)["cells"]]
        # nbformat would give such cells other ids at each reading
        twice = sorted({str(one) for one in ids if one is None or ids.count(one) > 1})
        assert not twice, f"{path.name}: give each cell an id of its own; these aren't: {twice}"
        return nbformat.reads(text, as_version=4)
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        said = str(error).split("\n")[0][:100] or type(error).__name__
        raise AssertionError(
            f"{path.name}: no notebook that can be read ({said}); restore it: git checkout {path}"
        ) from None


def skip_except_in_ci(message: str) -> None:
    """Skip for want of something that a reader may lack and CI must have."""
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
