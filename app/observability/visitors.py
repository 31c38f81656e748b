"""Pages for the service's visitors: the error page and the thanks for feedback.

Their one style sheet is part of the page, so that it needs nothing of a server that has just failed; the policy names
it by its hash, so that nothing else inline is applied.
"""

import base64
import hashlib
from pathlib import Path
from typing import Any

from markupsafe import Markup
from starlette.responses import HTMLResponse

from .pages import render

_STYLE = (Path(__file__).parent / "static" / "visitor.css").read_text(encoding="utf-8")
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    # under the stricter `no-referrer` the form would be posted with `Origin: null`
    "referrer-policy": "same-origin",
}


def visitor_page(template: str, status_code: int, /, **values: Any) -> HTMLResponse:
    """Render a page for everybody; what it is given is escaped."""
    page = render(template, status_code, style=Markup(_STYLE), **values)  # noqa: S704 - a file of ours
    page.headers.update(HEADERS)
    return page
