"""Renders the module's own pages; everything is escaped, no script, no foreign resource."""

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from .access import header
from .types import AsgiScope

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent


def _read_style() -> tuple[Markup, str]:
    """The style sheet, a part of each page so that it needs nothing of a server that has just failed; and the policy
    that lets it be applied and nothing else inline.
    """
    style = (_FOLDER / "static" / "pages.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"style-src 'sha256-{digest}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    return Markup(style), f"default-src 'none'; {policy}"  # noqa: S704 - a file of ours


_STYLE, _POLICY = _read_style()
SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": _POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
}


@cache
def _templates() -> "Environment":
    """Load the template engine at the first page: most processes never show one."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["digits"] = lambda number: f"{number:,}"
    environment.filters["pretty"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return environment


def render(template: str, status_code: int, /, **values: Any) -> HTMLResponse:
    """Render a template of this folder as a page that nothing may cache or frame.

    Templates that link to a page of the module need `root_path`, the prefix under which the service is reached.
    """
    text = _templates().get_template(template).render(style=_STYLE, **values)
    return HTMLResponse(text, status_code=status_code, headers=SECURITY_HEADERS)


def refusal(
    scope: AsgiScope, status_code: int, detail: str, headers: dict[str, str] | None = None
) -> Response:
    """Refuse a request in one sentence: text for a browser, JSON in FastAPI's form for everybody else."""
    if wants_html(scope):
        return PlainTextResponse(detail, status_code, headers)
    return JSONResponse({"detail": detail}, status_code, headers)


def wants_html(scope: AsgiScope) -> bool:
    """Whether the client is a browser: it names text/html before JSON, `*/*` alone does not count."""
    accepted = (header(scope, b"accept") or "").lower()
    html, data = accepted.find("text/html"), accepted.find("application/json")
    return html >= 0 and (data < 0 or html < data)
