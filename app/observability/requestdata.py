"""Turns what a flow kept, undecoded, into the request data of an event that is really going out.

Cookies and uploads never leave; headers only from an allow-list; body, query and path parameters on error events
only, and the scrubber sees all of it afterwards. What is too long is cut where no half of a secret is left.
"""

import ipaddress
import json
import os
from typing import Any
from urllib.parse import parse_qsl, quote_plus, unquote_plus

from .access import header
from .cutting import ELLIPSIS, cut, without_torn_end
from .httpflow import MAX_BODY_BYTES, HttpFlow
from .state import Flow, current_flow
from .types import AsgiScope, Event, Hint

HEADERS = frozenset(
    {
        "accept",
        "accept-language",
        "cache-control",
        "content-length",
        "content-type",
        "host",
        "origin",
        "referer",
        "sec-ch-ua",
        "sec-ch-ua-mobile",
        "sec-ch-ua-platform",
        "sec-fetch-mode",
        "sec-fetch-site",
        "upgrade",
        "user-agent",
        "x-forwarded-proto",
        "x-railway-edge",
        "x-railway-request-id",
        "x-request-id",
    }
)
BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
PLATFORM_TAGS = {
    "railway.replica": "RAILWAY_REPLICA_ID",
    "railway.region": "RAILWAY_REPLICA_REGION",
    "railway.deployment": "RAILWAY_DEPLOYMENT_ID",
    "railway.service": "RAILWAY_SERVICE_NAME",
}
MAX_TAG_CHARS = 200
MAX_HEADER_CHARS = 1024
MAX_QUERY_CHARS = 2048
MAX_REQUEST_ID_CHARS = 64
MAX_VERSION_CHARS = 8
CUT = " [cut]"


class RequestEnricher:
    """Names the transaction by its route template and adds request data from the current flow.

    Args:
        client_ip_header: The header that a trusted proxy puts the visitor's address into; None: it is never read.
    """

    def __init__(self, client_ip_header: str | None = None) -> None:
        self.client_ip_header = client_ip_header.lower().encode("latin-1") if client_ip_header else None

    def __call__(self, event: Event, hint: Hint) -> Event:
        """Add what is missing; what the application set itself stays."""
        flow = current_flow()
        if flow is not None:
            route = flow.template()
            if not event.get("transaction"):
                event["transaction"] = route or "unmatched"
                event["transaction_info"] = {"source": "route"}
            request = event.setdefault("request", request_data(flow))
            agent = (request.get("headers") or {}).get("user-agent")
            if isinstance(agent, str):
                _describe_client(event.setdefault("contexts", {}), agent)
            path_params = (flow.inner or flow.asgi).get("path_params")
            if path_params:
                described = {str(name): str(value) for name, value in path_params.items()}
                event.setdefault("contexts", {}).setdefault("path_params", described)
            self._tag(event, flow)
            self._locate(event, flow)
        return event

    def _locate(self, event: Event, flow: Flow) -> None:
        address = header(flow.asgi, self.client_ip_header) if self.client_ip_header else None
        try:
            ip = str(ipaddress.ip_address((address or "").strip()))
        except ValueError:
            return
        event["user"] = {**(event.get("user") or {}), "ip_address": ip}

    @staticmethod
    def _tag(event: Event, flow: Flow) -> None:
        tags = event.setdefault("tags", {})
        if isinstance(tags, dict):
            if flow.user is not None and flow.user.tier:
                tags.setdefault("user.tier", flow.user.tier)
            for name, value in flow.asgi["headers"]:
                if name == b"x-railway-request-id":
                    tags.setdefault("railway.request_id", cut(value.decode("latin-1"), MAX_REQUEST_ID_CHARS))
        if not event.get("user"):  # scopes.py sets an empty one
            event.pop("user", None)
            if flow.user is not None:
                event["user"] = {"id": flow.user.id}


def _describe_client(contexts: dict[str, Any], agent: str) -> None:
    """Name browser (with its major version) and system, so that Sentry need not split them by every build."""
    if not agent.startswith("Mozilla/"):
        name, _, version = agent.partition(" ")[0].partition("/")
        contexts.setdefault("browser", {"name": name, "version": _major(version)})
        return
    for mark, name in BROWSERS:
        _, found, rest = agent.partition(mark)
        if found:
            contexts.setdefault("browser", {"name": name, "version": _major(rest)})
            break
    for mark, name in SYSTEMS:
        if mark in agent:
            contexts.setdefault("os", {"name": name})
            break


def _major(version: str) -> str:
    """The part before the first dot; nothing of what is too long to be one."""
    major = version.partition(".")[0]
    return major if len(major) <= MAX_VERSION_CHARS else ""


def platform_tags() -> dict[str, str]:
    """Tags that say where this process runs, from Railway's variables; empty elsewhere."""
    found = {tag: os.environ.get(variable, "").strip() for tag, variable in PLATFORM_TAGS.items()}
    return {tag: cut(value, MAX_TAG_CHARS) for tag, value in found.items() if value}


def request_data(flow: Flow) -> dict[str, Any]:
    """Sentry's request interface for an HTTP request or a WebSocket handshake."""
    scope = flow.asgi
    headers = allowed_headers(scope)
    host = headers.get("host") or ":".join(str(part) for part in scope.get("server") or ("unknown",))
    scheme = scope.get("scheme", "http")
    data: dict[str, Any] = {
        "method": scope.get("method", "GET"),
        "url": f"{scheme}://{host}{scope['path']}",
        "headers": headers,
    }
    query = scope.get("query_string", b"")
    if query:
        data["query_string"] = cut_query(query.decode("latin-1"))
    if isinstance(flow, HttpFlow) and flow.body:
        data["data"] = body_data(bytes(flow.body), headers.get("content-type", ""))
    return data


def allowed_headers(scope: AsgiScope) -> dict[str, str]:
    """Decode the headers that may leave; `authorization`, `cookie` and all unknown ones are not among them."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1").lower()
        if name in HEADERS:
            headers[name] = cut(raw_value.decode("latin-1"), MAX_HEADER_CHARS)
    return headers


def cut_query(query: str) -> str:
    """Return a query of at most `MAX_QUERY_CHARS` characters, but for what encoding its last value again adds."""
    if len(query) <= MAX_QUERY_CHARS:
        return query
    return _without_torn_value(query[:MAX_QUERY_CHARS])


def _without_torn_value(pairs: str) -> str:
    """Mend the end of a query or form that was cut: its last value is cut again as the words it stands for."""
    whole, separator, torn = pairs.rpartition("&")
    name, equals, value = torn.partition("=")
    if equals:
        value = quote_plus(without_torn_end(unquote_plus(value)))
    else:
        name = without_torn_end(name)
    return f"{whole}{separator}{name}{equals}{value}{ELLIPSIS}"


def body_data(body: bytes, content_type: str) -> Any:
    """Parse the kept part of a body: JSON and forms by field, text as text, everything else by size only."""
    kind = content_type.partition(";")[0].strip().lower()
    is_cut = len(body) > MAX_BODY_BYTES
    body = body[:MAX_BODY_BYTES]
    if kind == "multipart/form-data":
        return "[multipart form, not sent]"
    text = body.decode("utf-8", "replace")
    as_text = without_torn_end(text) + CUT if is_cut else text
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return as_text
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl(_without_torn_value(text) if is_cut else text, keep_blank_values=True))
    if kind.startswith("text/") or not kind:
        return as_text
    return f"[{kind or 'body'}, {len(body)} bytes, not sent]"
