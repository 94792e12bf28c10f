"""What tests run in: a browser, the network, or without either.

A test that uses the fixture ``browser`` or ``network``, itself or through another fixture, carries
the marker of the same name, so that ``make quick`` leaves it out. Every other test is kept from
texts, models and packages, even where they have been fetched: it must not need them.
"""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browsers import find_browser
from project import WITHOUT_SANDBOX, skip_except_in_ci

from course_lib.assignments import sandbox

TESTS = Path(__file__).parent


def pytest_report_header():
    """Say where the sandbox's tests are left out, since there is none."""
    if os.environ.get(WITHOUT_SANDBOX) == "1":
        built, said = sandbox.probe()
        return [] if built else [f"THE SANDBOX CAN'T BE BUILT HERE, its tests are left out: {said}"]
    return []


@contextmanager
def offline() -> Iterator[None]:
    """Within it nothing that was fetched can be seen, and nothing can be fetched."""
    with tempfile.TemporaryDirectory() as empty, pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", empty)
        patch.setenv("PIP_NO_INDEX", "1")
        yield


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """No test file loads data when it is imported."""
    with offline():
        return (yield)


def pytest_itemcollected(item):
    """Give a test the markers of the fixtures that it uses."""
    for name in {"browser", "network"} & set(item.fixturenames):
        item.add_marker(name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
    """Only tests marked ``network``, and the cells of notebooks, see what was fetched."""
    # pytest asks every conftest here, also for what was collected outside its folder
    if item.get_closest_marker("network") or not item.path.is_relative_to(TESTS):
        return (yield)
    with offline():
        return (yield)


@pytest.fixture(autouse=True)
def ctrl_c():
    """Let Ctrl-C interrupt, also where the tests run in a background that ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def network():
    """Let a test, or a fixture, load texts and models, which are fetched at the first use."""


@pytest.fixture(scope="session")
def playwright():
    """What drives the browsers, once for all of them."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(playwright):
    """Headless Chromium; skipped where there is none, except where CI must have one."""
    found = find_browser()
    if found is None:
        skip_except_in_ci("no Chromium or Chrome found; install one to check the rendered pages")
    chromium = playwright.chromium.launch(
        executable_path=found,
        args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    )
    yield chromium
    chromium.close()
