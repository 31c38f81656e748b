"""Pages for the service's visitors: the error page and the thanks for feedback."""

from typing import Any

from starlette.responses import HTMLResponse

from .pages import render

REFERRER_POLICY = "same-origin"
"""Under the stricter `no-referrer` of the other pages the form would be posted with `Origin: null`."""


def visitor_page(template: str, status_code: int, /, **values: Any) -> HTMLResponse:
    """Render a page for everybody; what it is given is escaped."""
    page = render(template, status_code, **values)
    page.headers["referrer-policy"] = REFERRER_POLICY
    return page
