"""Pages for the service's visitors: the error page and the thanks for feedback.

Their one style sheet is part of the page, so that it needs nothing of a server that has just failed; the policy names
it by its hash, so that nothing else inline is applied.
"""

from typing import Any

from starlette.responses import HTMLResponse

from .pages import read_style, render

_STYLE, _POLICY = read_style("visitor.css")
HEADERS = {
    "content-security-policy": _POLICY,
    # under the stricter `no-referrer` the form would be posted with `Origin: null`
    "referrer-policy": "same-origin",
}


def visitor_page(template: str, status_code: int, /, **values: Any) -> HTMLResponse:
    """Render a page for everybody; what it is given is escaped."""
    page = render(template, status_code, style=_STYLE, **values)
    page.headers.update(HEADERS)
    return page
