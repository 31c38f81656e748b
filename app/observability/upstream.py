"""External calls over httpx: a span and a latency for each, a breadcrumb, and what kind of failure it was.

Only method, host and status are recorded: a path, a query or credentials of a partner's address are never read. The
SDK's own integration reads all of them, builds a span for every call and costs several times as much. A failed call
leaves the context `upstream` on the request, so that an event can say so even if the application swallowed it.
"""

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import sentry_sdk
from sentry_sdk.integrations import Integration
from sentry_sdk.tracing import Span

from .measures import distribution
from .state import current_flow
from .tracing import current_span
from .types import Event, Hint
from .upstreamfailures import (
    STABLE,
    FailedCall,
    UpstreamFailure,
    classify,
    failed_call,
    failure_of_status,
    host_of,
)

ORIGIN = "auto.http.httpx"
CONTEXT = "upstream"
MAX_HOSTS = 100
OTHER_HOSTS = "other"
_CALL = "sentry_call"
"""Key among a request's extensions; httpx hands them on to the request that follows a redirect."""

Send = TypeVar("Send", bound=Callable[..., Any])


class HttpxIntegration(Integration):
    """Ours, under the SDK's name.

    Args:
        trace_targets: Hosts, lower case, that are sent trace headers; nobody else is, redirects included.
    """

    identifier = "httpx"

    def __init__(self, trace_targets: Iterable[str] = ()) -> None:
        self.trace_targets = frozenset(trace_targets)
        self.hosts: set[str] = set()

    @staticmethod
    def setup_once() -> None:
        """Wrap `send` of both clients, through which every call goes; without httpx there is nothing to do."""
        try:
            import httpx  # a service that calls nobody need not have it
        except ImportError:
            return
        httpx.Client.send = _wrap_send(httpx.Client.send)  # type: ignore[method-assign]
        httpx.AsyncClient.send = _wrap_async_send(httpx.AsyncClient.send)  # type: ignore[method-assign]

    def host_label(self, host: str) -> str:
        """The host, or "other" once there are too many: addresses may come from customers."""
        if host not in self.hosts:
            if len(self.hosts) >= MAX_HOSTS:
                return OTHER_HOSTS
            self.hosts.add(host)
        return host


def _wrap_send(send: Send) -> Send:
    @functools.wraps(send)
    def watched(client: Any, request: Any, **options: Any) -> Any:
        integration = sentry_sdk.get_client().get_integration(HttpxIntegration)
        if integration is None:
            return send(client, request, **options)
        call = Call(integration, request)
        if integration.trace_targets:
            _guard(client, _add_trace)
        try:
            response = send(client, request, **options)
        except BaseException as error:
            call.end(None, error)
            raise
        call.end(response.status_code, None)
        return response

    return watched  # type: ignore[return-value]  # same signature, by functools.wraps


def _wrap_async_send(send: Send) -> Send:
    @functools.wraps(send)
    async def watched(client: Any, request: Any, **options: Any) -> Any:
        integration = sentry_sdk.get_client().get_integration(HttpxIntegration)
        if integration is None:
            return await send(client, request, **options)
        call = Call(integration, request)
        if integration.trace_targets:
            _guard(client, _add_trace_async)
        try:
            response = await send(client, request, **options)
        except BaseException as error:
            call.end(None, error)
            raise
        call.end(response.status_code, None)
        return response

    return watched  # type: ignore[return-value]  # same signature, by functools.wraps


class Call:
    """One call while it lasts, redirects included."""

    __slots__ = ("carries_trace", "host", "integration", "method", "span", "started_s")

    def __init__(self, integration: HttpxIntegration, request: Any) -> None:
        url = request.url
        self.integration = integration
        self.carries_trace = False
        self.host: str = host_of(url)
        self.method: str = request.method
        parent = current_span()
        self.span: Span | None = None
        if parent is not None:
            origin = f"{url.scheme}://{self.host}"
            self.span = parent.start_child(op="http.client", name=f"{self.method} {origin}", origin=ORIGIN)
            self.span.set_data("http.request.method", self.method)
            self.span.set_data("server.address", url.host)
            if url.port is not None:
                self.span.set_data("server.port", url.port)
        if integration.trace_targets:
            request.extensions = {**request.extensions, _CALL: self}
        self.started_s = time.perf_counter()

    def end(self, status: int | None, error: BaseException | None) -> None:
        """Finish the span, measure, and leave a breadcrumb; a failure stays on the request as a context."""
        duration_ms = (time.perf_counter() - self.started_s) * 1000
        failure = failure_of_status(status) if error is None else classify(error)
        if self.span is not None:
            if status is not None:
                self.span.set_http_status(status)
                self.span.set_data("http.response.status_code", status)
            else:
                self.span.set_status("internal_error" if isinstance(error, Exception) else "cancelled")
            self.span.finish()
        if status is None and failure is None:
            return  # cancelled by the service itself
        outcome = str(failure) if failure is not None else "ok"
        label = self.integration.host_label(self.host)
        distribution("upstream.duration", duration_ms, "millisecond", {"upstream": label, "outcome": outcome})
        scope = sentry_sdk.get_isolation_scope()
        data: dict[str, Any] = {"http.request.method": self.method, "server.address": self.host}
        if status is not None:
            data["http.response.status_code"] = status
        crumb = {"type": "http", "category": "httpx", "data": data}
        if failure is not None:
            crumb["level"] = "warning"
            data["failure"] = outcome
            if current_flow() is not None:  # elsewhere the scope is shared with whatever comes later
                call = {"host": self.host, "method": self.method, "failure": outcome}
                scope.set_context(CONTEXT, call if status is None else {**call, "status_code": status})
        scope.add_breadcrumb(crumb)


def _guard(client: Any, hook: Callable[[Any], Any]) -> None:
    """Have httpx ask us before each request of this client, redirects included, after the service's own hooks."""
    hooks = client.event_hooks
    if hook not in hooks["request"]:
        client.event_hooks = {**hooks, "request": [*hooks["request"], hook]}


def _add_trace(request: Any) -> None:
    """Request hook: trace headers for hosts on the list; takes them off a redirect that leaves the list.

    Headers that the application wrote itself stay.
    """
    call = request.extensions.get(_CALL)
    if not isinstance(call, Call):
        return
    is_target = request.url.host.lower() in call.integration.trace_targets
    if not is_target and not call.carries_trace:
        return
    request.headers.pop("sentry-trace", None)
    baggage = _without_ours(request.headers.pop("baggage", ""))
    if is_target:
        call.carries_trace = True
        for name, value in _trace_headers(call.span):
            if name == "baggage":
                baggage.append(value)
            else:
                request.headers[name] = value
    if baggage:
        request.headers["baggage"] = ",".join(baggage)


async def _add_trace_async(request: Any) -> None:
    _add_trace(request)


def _trace_headers(span: Span | None) -> Iterator[tuple[str, str]]:
    if span is None:
        yield from sentry_sdk.get_current_scope().iter_trace_propagation_headers()
    else:
        yield from span.iter_headers()


def _without_ours(baggage: str) -> list[str]:
    """The items that the application itself wrote into the header."""
    items = (item.strip() for item in baggage.split(","))
    return [item for item in items if item and not item.startswith("sentry-")]


def tag_upstream_failure(event: Event, hint: Hint) -> Event:
    """Enricher: tags `upstream` and `upstream.failure` on every event that a failed external call explains.

    That is an exception with an httpx error in its chain, or a failed answer that the service made up after a call
    had failed in the same request.
    """
    error = (hint.get("exc_info") or (None, None))[1]
    found = failed_call(error) if error is not None else None
    if found is not None:
        host, kind = found.host, found.kind
        event.setdefault("contexts", {}).setdefault(CONTEXT, {"host": host, "failure": str(kind)})
        if kind in STABLE:
            event.setdefault("fingerprint", ["upstream-failure", host, str(kind)])
        _shorten_address(event, found)
    elif _is_made_up(event, error):
        context = (event.get("contexts") or {}).get(CONTEXT) or {}
        if "host" not in context:
            return event
        host, kind = context["host"], UpstreamFailure(context["failure"])
    else:
        return event
    event.setdefault("tags", {}).update({"upstream": host[:200], "upstream.failure": str(kind)})
    return event


def _shorten_address(event: Event, call: FailedCall) -> None:
    """Take path and query of the partner's address out of httpx's own texts."""
    for value in (event.get("exception") or {}).get("values") or ():
        text = value.get("value")
        if call.address and isinstance(text, str):
            value["value"] = text.replace(call.address, call.origin)


def _is_made_up(event: Event, error: BaseException | None) -> bool:
    if error is None:
        return (event.get("tags") or {}).get("failure") == "endpoint"
    status = getattr(error, "status_code", None)
    return isinstance(status, int) and status >= 500
