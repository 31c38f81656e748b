"""Renders the module's own pages; everything is escaped, no script, no foreign resource."""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from starlette.responses import HTMLResponse

from .access import header
from .types import AsgiScope

SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
}

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["pretty"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False, default=str)


def render(template: str, status_code: int, /, **values: Any) -> HTMLResponse:
    """Render a template of this folder as a page that nothing may cache or frame."""
    text = _templates.get_template(template).render(**values)
    return HTMLResponse(text, status_code=status_code, headers=SECURITY_HEADERS)


def wants_html(scope: AsgiScope) -> bool:
    """Whether the client is a browser: it names text/html before JSON, `*/*` alone does not count."""
    accepted = (header(scope, b"accept") or "").lower()
    html, data = accepted.find("text/html"), accepted.find("application/json")
    return html >= 0 and (data < 0 or html < data)
