"""Where this machine has a Chromium."""

import os
import shutil
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# Where they lie without being commands: on macOS, and on Windows, which brings Edge.
PLACES = [Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")]
for programs in filter(None, map(os.environ.get, ("PROGRAMFILES", "PROGRAMFILES(X86)"))):
    PLACES.append(Path(programs, "Google/Chrome/Application/chrome.exe"))
    PLACES.append(Path(programs, "Microsoft/Edge/Application/msedge.exe"))


def find_browser() -> str | None:
    """Return the program, or None where there is none."""
    found = (*map(shutil.which, NAMES), *(str(place) for place in PLACES if place.exists()))
    return next(filter(None, found), None)
