"""One HTTP request as the instrumentation follows it: its answer, its transaction, what it failed with.

Request data is kept undecoded until an event needs it.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import sentry_sdk
from sentry_sdk import Scope
from sentry_sdk.tracing import Transaction

from .capture import capture_error
from .hangup import look_for_client
from .measures import distribution
from .outcome import conclude
from .routing import RouteTable
from .scopes import CleanScopes, SampledScope
from .state import Flow
from .tracing import Sampler, has_spans, start_transaction
from .types import AsgiScope, Message, Receive, Send

ORIGIN = "auto.http.fastapi"
MECHANISM = "fastapi"
EVENT_ID_HEADER = b"x-sentry-event-id"
MAX_BODY_BYTES = 16_384
EVENT_STREAM = b"text/event-stream"
BACKGROUND_OP = "background.task"
BACKGROUND_MIN_S = 0.05  # a busy machine alone makes 10 ms out of no work at all
MAX_QUEUE_MS = 600_000

Answer: TypeAlias = Callable[[AsgiScope, Receive, Send, "HttpFlow", BaseException], Awaitable[bool]]
"""May answer a failed request itself, once the failure was captured; True if it did."""


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """What the three layers of the HTTP instrumentation share; made once by `init_sentry`."""

    routes: RouteTable
    sampler: Sampler
    quiet_paths: frozenset[str]
    slow_request_ms: int
    scopes: CleanScopes
    on_outcome: Callable[[Flow, int], None] = lambda flow, status: None
    capture_422: bool = False
    answers: dict[str, Answer] = field(default_factory=dict)


@dataclass(eq=False, kw_only=True)
class HttpFlow(Flow):
    """One request: the flow plus what is needed to judge its outcome."""

    options: HttpOptions
    current: Scope
    outer_receive: Receive
    outer_send: Send
    started_s: float
    status: int = field(default=0, init=False)
    answer_headers: Iterable[tuple[bytes, bytes]] = field(default=(), init=False)
    body: bytearray | None = field(default=None, init=False)
    ended_s: float = field(default=0.0, init=False)
    left: float = field(default=0.0, init=False)
    transaction: Transaction | None = field(default=None, init=False)
    background: Transaction | None = field(default=None, init=False)
    is_client_gone: bool = field(default=False, init=False)
    is_sampled: bool = field(default=False, init=False)
    unread: list[Message] | None = field(default=None, init=False)

    async def receive(self) -> Message:
        """Pass a message on; the start of the body is kept, undecoded, in case an error event needs it."""
        message = self.unread.pop(0) if self.unread else await self.outer_receive()
        if message["type"] == "http.disconnect":
            self.is_client_gone = self.is_client_gone or not self.ended_s  # else it has what it came for
        elif message["type"] == "http.request":
            chunk = message.get("body", b"")
            if chunk:
                if self.body is None:
                    self.body = bytearray()
                room = MAX_BODY_BYTES + 1 - len(self.body)
                if room > 0:
                    self.body += chunk[:room]
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Note status and end of the answer; a failed answer gets the id of the event that stands for it."""
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            self.answer_headers = message.get("headers", ())
            if self.status >= 500 and not self.is_quiet:
                self._judge_failed_answer()
            if self.failure_id is not None:
                headers = [*self.answer_headers, (EVENT_ID_HEADER, self.failure_id.encode())]
                message = {**message, "headers": headers}
        elif kind == "http.response.body" and not message.get("more_body", False) and not self.ended_s:
            self.ended_s = time.perf_counter()
            if self.transaction is not None:
                return self._send_last(message)
            limit_ms = self.options.slow_request_ms
            if limit_ms and (self.ended_s - self.started_s) * 1000 >= limit_ms:
                return self._send_late(message)
        return self.outer_send(message)

    async def _send_last(self, message: Message) -> None:
        await self.outer_send(message)
        self._answered()

    async def _send_late(self, message: Message) -> None:
        """Learn whether anybody still waits for a slow answer before it goes out."""
        if not self.is_client_gone:
            self.is_client_gone, self.unread = await look_for_client(self.outer_receive)
        await self.outer_send(message)

    def _judge_failed_answer(self) -> None:
        """Report a 5xx that no event stands for: by an exception at hand, a swallowed or logged one, or its route."""
        if self.failure_id is not None or self.is_client_gone:
            return
        error = sys.exc_info()[1]
        if error is None:  # not `or`: an exception may be false, or refuse to tell
            error = self.raised
        if isinstance(error, Exception):
            self.failure_id = capture_error(error, handled=True, mechanism=MECHANISM)
        if conclude(self, failed=True) is None:
            # what the service captured itself in this request stands for the failure
            self.failure_id = self.captured_id or capture_failed_endpoint(self)

    def judge_missing_answer(self) -> None:
        """Report a request that the application left without an answer: the server writes a 500 in its place."""
        if not self.is_client_gone:
            self.status = 500
            self._judge_failed_answer()

    def _answered(self) -> None:
        """The client has everything: what runs from here on (background tasks) is not the request's duration."""
        transaction = self.transaction
        if transaction is None or self.current.span is not transaction:  # an open span still needs it
            return
        self.end_transaction(None)
        current = self.current
        current.span = None
        self.left = (
            time.time()
        )  # what a slow client and the transaction itself took is no work of the service
        if (
            isinstance(current, SampledScope) and self.failure_id is None
        ):  # after a crash there is only the way out
            current.make_span = partial(self._background_after, transaction)

    def _background_after(self, transaction: Transaction) -> Transaction:
        """The transaction of what runs after the answer; nearly always that is nothing, and nobody asks for it."""
        if self.background is None:
            self.background = start_transaction(
                self.isolation,
                name=transaction.name,
                op=BACKGROUND_OP,
                rate=transaction.sample_rate or 1.0,
                origin=ORIGIN,
                parent_span_id=transaction.span_id,
                started=self.left,
            )
        return self.background

    def end_transaction(self, error: BaseException | None) -> None:
        """Finish the request's transaction as of the last byte; it is dropped if the router found no endpoint."""
        transaction, self.transaction = self.transaction, None
        if transaction is None:
            return
        if self.inner is None or "endpoint" not in self.inner:
            return  # the router refused what the table took for a match
        if isinstance(error, asyncio.CancelledError):
            transaction.set_status("cancelled")
        if self.status:
            transaction.set_http_status(self.status)
        elif error is not None:
            transaction.set_status("internal_error")
        transaction.set_data("http.request.method", self.asgi["method"])
        waited_ms = queue_ms(self.asgi, transaction.start_timestamp.timestamp())
        if waited_ms is not None:
            transaction.set_data("http.queue_time_ms", waited_ms)
            distribution("http.server.queue_time", waited_ms, "millisecond", {"route": transaction.name})
        after_s = time.perf_counter() - self.ended_s if self.ended_s else 0.0
        transaction.finish(end_timestamp=time.time() - after_s)

    def end_background(self, error: BaseException | None) -> None:
        """Send the time after the answer as a transaction of its own, if there was work in it."""
        if not isinstance(self.current, SampledScope):
            return
        make, self.current.make_span = self.current.make_span, None
        has_worked = error is not None or time.time() - self.left >= BACKGROUND_MIN_S
        if make is not None and has_worked:
            make()
        background, self.background = self.background, None
        if background is not None and (has_worked or has_spans(background)):
            background.set_status("ok" if error is None else "internal_error")
            background.finish()


def queue_ms(scope: AsgiScope, started: float) -> float | None:
    """Milliseconds between the proxy's `X-Request-Start` (s, ms or us since 1970) and our start, if it is credible."""
    for name, value in scope["headers"]:
        if name == b"x-request-start":
            try:
                sent = float(value.removeprefix(b"t="))
            except ValueError:
                return None
            for divisor in (1, 1e3, 1e6):
                waited = (started - sent / divisor) * 1000
                if 0 <= waited <= MAX_QUEUE_MS:
                    return round(waited, 1)
            return None
    return None


def capture_failed_endpoint(flow: HttpFlow) -> str | None:
    """Report a 5xx that was returned without any exception, grouped by route and status."""
    route = flow.template() or "unmatched"
    return sentry_sdk.capture_event(
        {
            "level": "error",
            "message": f"{flow.asgi['method']} {route} answered {flow.status}",
            "fingerprint": ["endpoint-failure", flow.asgi["method"], route, str(flow.status)],
            "tags": {"failure": "endpoint", "http.status_code": str(flow.status)},
        }
    )


def report_slow(flow: HttpFlow) -> None:
    """Count a slow request by route; one that neither a transaction nor a failure shows is an event, folded by route.

    Streams of server-sent events are meant to be long and are left out.
    """
    route = flow.template()
    if route is None or any(
        name.lower() == b"content-type" and value.startswith(EVENT_STREAM)
        for name, value in flow.answer_headers
    ):
        return
    method = flow.asgi["method"]
    duration_ms = round((flow.ended_s - flow.started_s) * 1000)
    attributes = {"route": route, "method": method, "sampled": flow.is_sampled}
    distribution("http.server.slow_request", duration_ms, "millisecond", attributes)
    is_cut_off = flow.is_client_gone or isinstance(sys.exc_info()[1], asyncio.CancelledError)
    if flow.is_sampled or flow.failure_id is not None or is_cut_off:
        return
    context: dict[str, object] = {
        "duration_ms": duration_ms,
        "limit_ms": flow.options.slow_request_ms,
        "status": flow.status,
    }
    waited_ms = queue_ms(flow.asgi, time.time() - (time.perf_counter() - flow.started_s))
    if waited_ms is not None:
        context["queue_time_ms"] = round(waited_ms)
    sentry_sdk.capture_event(
        {
            "level": "warning",
            "message": f"Slow request: {method} {route}",
            "fingerprint": ["slow-request", method, route],
            "tags": {"failure": "slow_request"},
            "contexts": {"slow_request": context},
        }
    )
