"""The module's own pages in a browser: they fit a small phone, and their links work below a root path."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from playwright.sync_api import Page, expect

from tests.support.observability import local_sentry
from tests.support.served import served

pytest_plugins = ["tests.support.chromium"]
pytestmark = pytest.mark.browser

SMALL_PHONE: Any = {"width": 320, "height": 640}


@contextmanager
def pages(root_path: str = "") -> Iterator[str]:
    """The address of an application that has failed, been refused and spent a large part of its month."""
    app, site = FastAPI(), FastAPI()
    site.mount(root_path, app)

    @app.get("/boom")
    async def boom() -> None:
        raise LookupError("no such price")

    with local_sentry(app, monthly_errors=500_000_000, monthly_spans=500_000_000) as recorder:
        recorder.handle.counters.count("ratelimit_backoff", "trace_metric_byte", 12_345_678)
        with served(site) as address:
            httpx.get(f"http://{address}{root_path}/boom", trust_env=False)
            yield f"http://{address}{root_path}"


@pytest.mark.parametrize("path", ["/observability", "/test-sentry", "/boom"])
def test_no_page_scrolls_sideways_on_a_small_phone(browser_page: Page, path: str) -> None:
    browser_page.set_viewport_size(SMALL_PHONE)
    with pages() as address:
        browser_page.goto(address + path)
        expect(browser_page.get_by_role("heading", level=1)).to_be_visible()
        if path == "/observability":
            expect(browser_page.get_by_role("cell", name="500,000,000").first).to_be_visible()
        assert browser_page.evaluate("document.documentElement.scrollWidth") <= SMALL_PHONE["width"]


@pytest.mark.parametrize("root_path", ["", "/shop/api"])
def test_the_links_of_the_pages_lead_to_each_other(browser_page: Page, root_path: str) -> None:
    with pages(root_path) as address:
        browser_page.goto(address + "/test-sentry")
        browser_page.get_by_role("link", name="All recorded events").click()
        expect(browser_page).to_have_url(address + "/observability")
        expect(browser_page.get_by_role("heading", level=1)).to_have_text("Observability")
        for link in browser_page.get_by_role("link").all():
            assert httpx.get(str(link.evaluate("link => link.href")), trust_env=False).status_code != 404
