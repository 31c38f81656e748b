"""The fixture `browser_page`: a page of the system's Chromium, headless.

It reaches this machine only::

    def test_a_person_sees_it(browser_page, start_server):
        browser_page.goto(start_server().url + "/test-sentry")
        assert browser_page.get_by_role("heading").first.inner_text() == ...
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, sync_playwright

from .requirements import is_missing

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PLACES = ("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",)
# Without most of these Chromium calls home at every start.
_FLAGS = (
    "--headless",
    "--no-sandbox",  # root, as in containers, cannot have one; every page it opens is our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)


def find_chromium() -> str | None:
    """Return the path of a Chromium or Chrome: $CHROMIUM, PATH, the usual places; None without one."""
    named = os.environ.get("CHROMIUM")
    found = [named] if named else [shutil.which(name) for name in _NAMES]
    found.extend(place for place in _PLACES if Path(place).exists())
    return next((path for path in found if path), None)


@pytest.fixture
def browser_context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """Give a browser with an empty profile.

    One for each test: Playwright keeps a loop running in this thread while it is open, and an asynchronous test
    that came next could not run its own.
    """
    path = find_chromium()
    if path is None:
        is_missing("no Chromium here ($CHROMIUM, PATH)")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("chromium"), executable_path=path, headless=True, args=list(_FLAGS)
        )
        yield context
        context.close()


@pytest.fixture
def browser_page(browser_context: BrowserContext) -> Iterator[Page]:
    """Give a fresh page."""
    page = browser_context.new_page()
    yield page
    page.close()
