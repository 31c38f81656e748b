"""What browsers send from pages: whether a post may come from there, its bounded body, and the CORS answer.

Reads ASGI scopes only. A page cannot write `Origin` or `Sec-Fetch-Site`; whoever is no browser can send what he
likes, and is held back by the limits on rate and size instead.
"""

from typing import Any
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request

from .access import header
from .settings import ObservabilitySettings
from .types import AsgiScope

EXPOSED_HEADERS = "retry-after, x-sentry-rate-limits"


def is_allowed_origin(scope: AsgiScope, settings: ObservabilitySettings) -> bool:
    """Whether a post comes from our own pages, from an allowed origin, or from no browser at all.

    `Sec-Fetch-Site` is believed first: under `Referrer-Policy: no-referrer` a form of our own page is posted with
    `Origin: null`, as is one of a foreign sandboxed frame, and only this header tells them apart. Browsers leave it
    out on plain HTTP; there the host of `Origin` has to be ours.
    """
    origin = header(scope, b"origin")
    if allowed_origin(scope, settings) is not None:
        return True
    site = header(scope, b"sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    if origin is None:
        return True
    return netloc_of(origin) == (header(scope, b"host") or "").lower() != ""


def netloc_of(address: str) -> str:
    """Host and port of an address in lower case, without user; empty if it is no address."""
    try:
        return urlsplit(address).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


def allowed_origin(scope: AsgiScope, settings: ObservabilitySettings) -> str | None:
    """The foreign origin of a request, if SENTRY_FEEDBACK_ORIGINS lists it."""
    origin = header(scope, b"origin")
    listed = {each.rstrip("/").lower() for each in settings.feedback_origins} - {"null"}
    return origin if origin is not None and origin.lower() in listed else None


def cors_headers(scope: AsgiScope, settings: ObservabilitySettings) -> dict[str, str]:
    """Headers that let a page of an allowed origin read the answer; never with credentials."""
    headers = {"vary": "Origin"}
    origin = allowed_origin(scope, settings)
    if origin is not None:
        headers |= {
            "access-control-allow-origin": origin,
            "access-control-allow-methods": "POST",
            "access-control-expose-headers": EXPOSED_HEADERS,
            "cross-origin-resource-policy": "cross-origin",
        }
    return headers


async def read_body(request: Request, max_bytes: int) -> bytes | None:
    """The body, None if it has more than `max_bytes`; empty if the client hung up."""
    try:
        if int(header(request.scope, b"content-length") or 0) > max_bytes:
            return None
    except ValueError:
        return b""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                return None
    except ClientDisconnect:
        return b""
    return bytes(body)


def rate_headers(wait_s: float) -> dict[str, str]:
    """`Retry-After` in whole seconds, rounded up; nothing if there is nothing to wait for."""
    return {"retry-after": str(int(wait_s) + 1)} if wait_s > 0 else {}


def first(values: dict[str, list[str]], *names: str) -> str:
    """The first value that is not empty among several fields of a form."""
    found: Any = next((values[name][0] for name in names if values.get(name)), "")
    return str(found)
