"""Where this machine has a Chromium, and a Firefox."""

import os
import shutil
from pathlib import Path

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
FIREFOX = ("firefox-esr", "firefox")
# Where they lie without being commands: on macOS, and on Windows, which brings Edge.
APPLICATIONS = Path("/Applications")
PLACES = [APPLICATIONS / "Google Chrome.app/Contents/MacOS/Google Chrome"]
for programs in filter(None, map(os.environ.get, ("PROGRAMFILES", "PROGRAMFILES(X86)"))):
    PLACES.append(Path(programs, "Google/Chrome/Application/chrome.exe"))
    PLACES.append(Path(programs, "Microsoft/Edge/Application/msedge.exe"))
FIREFOX_PLACES = [APPLICATIONS / "Firefox.app/Contents/MacOS/firefox"]


def first(names: tuple[str, ...], places: list[Path]) -> str | None:
    """Return the first program that is there."""
    found = (*map(shutil.which, names), *(str(place) for place in places if place.exists()))
    return next(filter(None, found), None)


def find_browser() -> str | None:
    """Return Chromium or its like, or None where there is none."""
    return first(CHROMIUM, PLACES)


def find_firefox() -> str | None:
    """Return Firefox, or None where there is none."""
    return first(FIREFOX, FIREFOX_PLACES)
