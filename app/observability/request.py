"""HTTP instrumentation, pure ASGI: isolation, transaction, outcome and request data.

Three layers of one stack: `SentryMiddleware` around everything (the final answer), `FailureMiddleware` just inside
Starlette's ServerErrorMiddleware (captures before the 500 is written), `OutcomeMiddleware` innermost (sees handled
exceptions while they are being handled, and the scope that routing writes to). Request data is decoded only when an
event needs it. Never swallows an exception of the application.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import sentry_sdk
from sentry_sdk import Scope
from sentry_sdk.tracing import Transaction
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import ClientDisconnect

from .capture import capture_error
from .outcome import conclude
from .routing import RouteTable
from .state import Flow, current_flow, enter_flow
from .tracing import Sampler, incoming_trace, join_trace, start_transaction
from .types import AsgiApp, AsgiScope, Message, Receive, Send

ORIGIN = "auto.http.fastapi"
MECHANISM = "fastapi"
EVENT_ID_HEADER = b"x-sentry-event-id"
MAX_BODY_BYTES = 16_384
_LATE_ANSWER = "Caught handled exception, but response already started."

Answer: TypeAlias = Callable[[AsgiScope, Receive, Send, "HttpFlow", BaseException], Awaitable[bool]]
"""May answer a failed request itself, once the failure was captured; True if it did."""

Instrumentation: TypeAlias = Callable[[AsgiApp, AsgiScope, Receive, Send], Awaitable[None]]
"""Runs one WebSocket connection, or the lifespan, of an application."""


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """What the three layers share; made once by `init_sentry`."""

    routes: RouteTable
    sampler: Sampler
    quiet_paths: frozenset[str]
    slow_request_ms: int
    base: Callable[[], Scope]
    on_outcome: Callable[["HttpFlow", int], None] = lambda flow, status: None
    answers: dict[str, Answer] = field(default_factory=dict)


@dataclass(slots=True, eq=False, kw_only=True)
class HttpFlow(Flow):
    """One request: the flow plus what is needed to judge its outcome."""

    outer_receive: Receive
    outer_send: Send
    started_s: float
    status: int = 0
    body: bytearray | None = None
    ended_s: float = 0.0
    transaction: Transaction | None = None
    is_client_gone: bool = False

    async def receive(self) -> Message:
        """Pass a message on; the start of the body is kept, undecoded, in case an error event needs it."""
        message = await self.outer_receive()
        if message["type"] == "http.request":
            chunk = message.get("body", b"")
            if chunk:
                if self.body is None:
                    self.body = bytearray()
                room = MAX_BODY_BYTES + 1 - len(self.body)
                if room > 0:
                    self.body += chunk[:room]
        return message

    async def send(self, message: Message) -> None:
        """Note status and end of the answer; a failed answer gets the id of the event that stands for it."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.status >= 500 and not self.is_quiet:
                self._judge_failed_answer()
            if self.failure_id is not None:
                headers = [*message.get("headers", ()), (EVENT_ID_HEADER, self.failure_id.encode())]
                message = {**message, "headers": headers}
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self.ended_s = time.perf_counter()
        await self.outer_send(message)

    def _judge_failed_answer(self) -> None:
        """Report a 5xx that no event stands for: by a swallowed or logged exception, else by its route."""
        if self.failure_id is not None or self.is_client_gone:
            return
        if self.raised is not None:
            self.failure_id = capture_error(self.raised, handled=True, mechanism=MECHANISM)
        if conclude(self, failed=True) is None:
            self.failure_id = capture_failed_endpoint(self)


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


class SentryMiddleware:
    """Outermost layer: a flow, an isolation scope and, if the draw was won, a transaction for each request."""

    def __init__(
        self, app: AsgiApp, options: HttpOptions, *, websocket: Instrumentation, lifespan: Instrumentation
    ) -> None:
        self.app = app
        self.options = options
        self.websocket = websocket
        self.lifespan = lifespan

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Hand each kind of connection to its instrumentation."""
        kind = scope["type"]
        if kind == "http":
            await self.http(scope, receive, send)
        elif kind == "websocket":
            await self.websocket(self.app, scope, receive, send)
        else:
            await self.lifespan(self.app, scope, receive, send)

    async def http(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Run one request inside its own scopes and judge how it ended."""
        isolation = self.options.base()
        join_trace(isolation, incoming_trace(scope))
        flow = HttpFlow(
            scope,
            isolation,
            routes=self.options.routes,
            outer_receive=receive,
            outer_send=send,
            started_s=time.perf_counter(),
            is_quiet=scope["path"] in self.options.quiet_paths,
            route=scope["path"] if scope["path"] in self.options.answers else None,
            loop=asyncio.get_running_loop(),
        )
        previous = (Scope.get_isolation_scope(), Scope.get_current_scope(), enter_flow(flow))
        Scope.set_isolation_scope(isolation)
        Scope.set_current_scope(previous[1].fork())
        self._start_transaction(flow)
        try:
            await self.app(scope, flow.receive, flow.send)
        finally:
            self._finish(flow)
            Scope.set_isolation_scope(previous[0])
            Scope.set_current_scope(previous[1])
            enter_flow(previous[2])

    def _start_transaction(self, flow: HttpFlow) -> None:
        if flow.is_quiet:
            return
        rate = self.options.sampler.wins()
        if rate is None:
            return
        name = flow.template()
        if name is None:
            return
        flow.transaction = start_transaction(
            flow.isolation, name=name, op="http.server", rate=rate, origin=ORIGIN
        )
        Scope.get_current_scope().span = flow.transaction

    def _finish(self, flow: HttpFlow) -> None:
        if not flow.ended_s:
            flow.ended_s = time.perf_counter()
        conclude(flow, failed=flow.failure_id is not None)
        transaction = flow.transaction
        if transaction is not None:
            if flow.inner is not None and "endpoint" not in flow.inner:
                transaction.sampled = False  # the router refused what the table took for a match
            error = sys.exc_info()[1]
            if isinstance(error, asyncio.CancelledError):
                transaction.set_status("cancelled")
            if flow.status:
                transaction.set_http_status(flow.status)
            elif error is not None:
                transaction.set_status("internal_error")
            transaction.set_data("http.request.method", flow.asgi["method"])
            transaction.finish()
        if not flow.is_quiet:
            self._report_slow(flow)
            self.options.on_outcome(flow, flow.status)

    def _report_slow(self, flow: HttpFlow) -> None:
        duration_ms = (flow.ended_s - flow.started_s) * 1000
        if not self.options.slow_request_ms or duration_ms < self.options.slow_request_ms:
            return
        route = flow.template()
        if route is None or flow.transaction is not None:
            return
        sentry_sdk.capture_event(
            {
                "level": "warning",
                "message": f"Slow request: {flow.asgi['method']} {route}",
                "fingerprint": ["slow-request", flow.asgi["method"], route],
                "tags": {"failure": "slow_request"},
                "contexts": {"slow_request": {"duration_ms": round(duration_ms)}},
            }
        )


class FailureMiddleware:
    """Just inside ServerErrorMiddleware: captures what nobody handled, before the 500 is written."""

    def __init__(self, app: AsgiApp, options: HttpOptions) -> None:
        self.app = app
        self.options = options

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Capture what the application raises, then let it go on its way."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            flow = current_flow()
            if isinstance(flow, HttpFlow) and await self._answered(scope, receive, send, flow, error):
                return
            raise

    async def _answered(
        self, scope: AsgiScope, receive: Receive, send: Send, flow: HttpFlow, error: Exception
    ) -> bool:
        if is_client_gone(error):
            flow.is_client_gone = True
            return False
        if not flow.is_quiet or scope["path"] in self.options.answers:
            cause = error.__cause__
            failure = cause if cause is not None and str(error) == _LATE_ANSWER else error
            flow.failure_id = capture_error(failure, handled=False, mechanism=MECHANISM) or flow.failure_id
        answer = self.options.answers.get(scope["path"])
        return answer is not None and await answer(scope, receive, send, flow, error)


def is_client_gone(error: BaseException) -> bool:
    """Whether the failure is nothing but a client that hung up, also if wrapped on purpose."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, ClientDisconnect):
            return True
        link = link.__cause__
    return False


class OutcomeMiddleware:
    """Innermost: in the handlers' own task, so that an exception being handled is still at hand."""

    def __init__(self, app: AsgiApp) -> None:
        self.app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Watch how the handlers answer."""
        flow = current_flow()
        if scope["type"] != "http" or not isinstance(flow, HttpFlow):
            if flow is not None:
                flow.inner = scope
            await self.app(scope, receive, send)
            return
        flow.inner = scope
        inside: HttpFlow = flow

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 500:
                _capture_handled(inside)
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception as error:
            flow.raised = error
            raise


def _capture_handled(flow: HttpFlow) -> None:
    error = sys.exc_info()[1]
    if error is None or flow.failure_id is not None or flow.is_quiet:
        return
    if isinstance(error, Exception) and not is_client_gone(error):
        unhandled = not isinstance(error, HTTPException) and frames_contain_server_error(error)
        flow.failure_id = capture_error(error, handled=not unhandled, mechanism=MECHANISM)


def frames_contain_server_error(error: BaseException) -> bool:
    """Whether a mounted application's own ServerErrorMiddleware is answering: the failure was not handled."""
    frame = sys._getframe()
    code = ServerErrorMiddleware.__call__.__code__
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code is code and frame.f_locals.get("exc") is error:
            return True
    return False
