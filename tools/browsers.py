"""Where this machine has a Chromium."""

import shutil
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ON_MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


def find_browser() -> str | None:
    """Return the program, or None where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return str(ON_MAC) if found is None and ON_MAC.exists() else found
