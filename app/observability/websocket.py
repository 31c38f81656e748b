"""WebSocket instrumentation, pure ASGI: a transaction a message, close codes understood.

No transaction for the connection: it would be sent hours later and hold everything until then. A message's
transaction starts when the handler receives it and ends when the handler next waits for one or leaves. Handlers that
hand messages to other tasks use `message_transaction()`. Nothing is kept for an open connection but counters.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sentry_sdk
from sentry_sdk import Scope
from sentry_sdk.tracing import Transaction
from starlette.websockets import WebSocketDisconnect

from .capture import capture_error
from .outcome import conclude
from .routing import RouteTable
from .state import Flow, current_flow, enter_flow
from .tracing import Sampler, incoming_trace, join_trace, start_transaction
from .types import AsgiApp, AsgiScope, Message, Receive, Send
from .user import apply_user

OP = "websocket.message"
ORIGIN = "auto.websocket.fastapi"
MECHANISM = "websocket"
CLEAN_CODES = frozenset({1000, 1001})
GONE_CODES = frozenset({1005, 1006})
"""Normal and abnormal ends cannot be told apart by these: a clean close during a send arrives as 1006."""
AUTH_CODES = frozenset({1008, 4401, 4403})


@dataclass(frozen=True, slots=True)
class WebSocketOptions:
    """What all connections share; made once by `init_sentry`."""

    routes: RouteTable
    sampler: Sampler
    base: Callable[[], Scope]
    on_refused: Callable[["WebSocketFlow", str], None] = lambda flow, reason: None


@dataclass(slots=True, eq=False, kw_only=True)
class WebSocketFlow(Flow):
    """One connection and the message that is being worked on."""

    sampler: Sampler
    outer_receive: Receive
    outer_send: Send
    connection_isolation: Scope
    base_current: Scope
    current: Scope
    task: asyncio.Task[Any] | None = None
    transaction: Transaction | None = None
    is_manual: bool = False
    is_accepted: bool = False
    is_denied: bool = False
    opened_s: float = field(default_factory=time.perf_counter)
    messages_in: int = 0
    messages_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    close_code: int | None = None
    is_closed_by_app: bool = False

    async def receive(self) -> Message:
        """End the message that was being handled, wait for the next one and begin it."""
        self.end_message()
        message = await self.outer_receive()
        if message["type"] == "websocket.receive":
            self._begin(_size(message))
        elif message["type"] == "websocket.disconnect" and self.close_code is None:
            self.close_code = message.get("code") or 1005
        return message

    async def send(self, message: Message) -> None:
        """Count what goes out and learn how the application ends the connection."""
        kind = message["type"]
        if kind == "websocket.send":
            self.messages_out += 1
            self.bytes_out += _size(message)
        elif kind == "websocket.accept":
            self.is_accepted = True
        elif kind == "websocket.close" and self.close_code is None:
            self.close_code = message.get("code") or 1000
            self.is_closed_by_app = True
        elif kind == "websocket.http.response.start":
            self.is_denied = message["status"] in (401, 403)
        await self.outer_send(message)

    def _begin(self, size: int) -> None:
        self.messages_in += 1
        self.bytes_in += size
        self.begin_message()
        if asyncio.current_task() is self.task:
            self.isolation = self.connection_isolation.fork()
            self.current = self.base_current.fork()
            Scope.set_isolation_scope(self.isolation)
            Scope.set_current_scope(self.current)
        else:  # receive() runs in a child task: only the objects are shared, so they are reset in place
            self.isolation.clear()
            self.isolation.update_from_scope(self.connection_isolation)
        self.isolation.set_new_propagation_context()
        if self.user is not None:
            apply_user(self.isolation, self.user)
        self.current.span = None
        if not self.is_manual:
            self.transaction = _start(self, self.sampler, None, size)
            self.current.span = self.transaction

    def end_message(self, error: BaseException | None = None) -> None:
        """Finish the message's transaction and send what its log lines are owed."""
        conclude(self, failed=self.failure_id is not None)
        transaction, self.transaction = self.transaction, None
        if transaction is None:
            return
        if self.is_manual:
            transaction.sampled = False
        _set_status(transaction, error, self.failure_id)
        transaction.finish()
        self.current.span = None


def _size(message: Message) -> int:
    text = message.get("text")
    return len(text) if text is not None else len(message.get("bytes") or b"")


def _start(flow: Flow, sampler: Sampler, name: str | None, size: int | None) -> Transaction | None:
    rate = sampler.wins()
    route = flow.template() if rate is not None else None
    if rate is None or route is None:
        return None
    transaction = start_transaction(flow.isolation, name=name or route, op=OP, rate=rate, origin=ORIGIN)
    transaction.set_data("network.protocol.name", "websocket")
    if size is not None:
        transaction.set_data("messaging.message.body.size", size)
    return transaction


def _set_status(transaction: Transaction, error: BaseException | None, failure_id: str | None) -> None:
    if isinstance(error, asyncio.CancelledError):
        transaction.set_status("cancelled")
    elif failure_id is not None or (error is not None and not isinstance(error, WebSocketDisconnect)):
        transaction.set_status("internal_error")
    else:
        transaction.set_status("ok")


class WebSocketInstrumentation:
    """Runs connections for `SentryMiddleware`."""

    def __init__(self, options: WebSocketOptions) -> None:
        self.options = options

    async def __call__(self, app: AsgiApp, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Run one connection; exceptions of the application are captured and re-raised."""
        connection = self.options.base()
        join_trace(connection, incoming_trace(scope))
        previous = (Scope.get_isolation_scope(), Scope.get_current_scope())
        flow = WebSocketFlow(
            scope,
            connection.fork(),
            routes=self.options.routes,
            sampler=self.options.sampler,
            connection_isolation=connection,
            outer_receive=receive,
            outer_send=send,
            task=asyncio.current_task(),
            base_current=previous[1].fork(),
            current=previous[1].fork(),
            loop=asyncio.get_running_loop(),
        )
        outer_flow = enter_flow(flow)
        Scope.set_isolation_scope(flow.isolation)
        Scope.set_current_scope(flow.current)
        try:
            await app(scope, flow.receive, flow.send)
        except Exception as error:
            self._failed(flow, error)
            raise
        finally:
            flow.end_message(sys.exc_info()[1])
            self._closed(flow)
            Scope.set_isolation_scope(previous[0])
            Scope.set_current_scope(previous[1])
            enter_flow(outer_flow)

    @staticmethod
    def _failed(flow: WebSocketFlow, error: Exception) -> None:
        """Capture what left the handler; a disconnect is how plain handlers end."""
        if isinstance(error, WebSocketDisconnect):
            flow.close_code = flow.close_code or error.code
            return
        flow.failure_id = capture_error(error, handled=False, mechanism=MECHANISM) or flow.failure_id

    def _closed(self, flow: WebSocketFlow) -> None:
        code = flow.close_code
        route = flow.template()
        if route is None:
            return
        attributes = {"route": route, "code": str(code or 1006)}
        metrics = sentry_sdk.metrics
        metrics.count("websocket.closed", 1, attributes=attributes)
        metrics.distribution(
            "websocket.connection.duration",
            time.perf_counter() - flow.opened_s,
            unit="second",
            attributes=attributes,
        )
        for name, value in (("messages.in", flow.messages_in), ("messages.out", flow.messages_out)):
            metrics.distribution(f"websocket.{name}", value, attributes={"route": route})
        for name, value in (("bytes.in", flow.bytes_in), ("bytes.out", flow.bytes_out)):
            metrics.distribution(f"websocket.{name}", value, unit="byte", attributes={"route": route})
        refused = not flow.is_accepted and (flow.is_denied or flow.is_closed_by_app)
        if code in AUTH_CODES or refused:
            self.options.on_refused(flow, str(code or "denied"))
        elif code is not None and code not in CLEAN_CODES and code not in GONE_CODES and not flow.failure_id:
            capture_close(route, code, by_app=flow.is_closed_by_app)


def capture_close(route: str, code: int, *, by_app: bool) -> None:
    """Report a close code that means trouble as a warning grouped by route and code."""
    sentry_sdk.capture_event(
        {
            "level": "warning",
            "message": f"WebSocket {route} closed with {code}",
            "fingerprint": ["websocket-close", route, str(code)],
            "tags": {
                "failure": "websocket_close",
                "websocket.code": str(code),
                "websocket.closed_by": "app" if by_app else "client",
            },
        }
    )


@contextmanager
def message_transaction(name: str | None = None) -> Iterator[Transaction | None]:
    """Treat the block as the handling of one WebSocket message, in whatever task it runs.

    For handlers whose reader task hands messages to workers, and for tasks that outlive their message. The
    block gets its own isolation scope (user and tier of the connection), breadcrumbs and transaction; an
    exception that leaves it is captured once. The automatic transactions of this connection stop. Does nothing
    when OFF.

    Args:
        name: Transaction name; default is the route template of the connection.

    Yields:
        The transaction, or None if it is not sampled.
    """
    parent = current_flow()
    if not sentry_sdk.get_client().is_active() or not isinstance(parent, WebSocketFlow):
        yield None
        return
    parent.is_manual = True
    isolation = parent.connection_isolation.fork()
    isolation.set_new_propagation_context()
    flow = Flow(
        parent.asgi,
        isolation,
        routes=parent.routes,
        inner=parent.inner,
        connection_isolation=parent.connection_isolation,
        route=parent.template(),
        user=parent.user,
        loop=parent.loop,
    )
    previous = (Scope.get_isolation_scope(), Scope.get_current_scope(), enter_flow(flow))
    current = previous[1].fork()
    Scope.set_isolation_scope(isolation)
    Scope.set_current_scope(current)
    transaction = _start(flow, parent.sampler, name, None)
    current.span = transaction
    try:
        yield transaction
    except Exception as error:
        flow.failure_id = capture_error(error, handled=False, mechanism=MECHANISM) or flow.failure_id
        raise
    finally:
        conclude(flow, failed=flow.failure_id is not None)
        if transaction is not None:
            _set_status(transaction, sys.exc_info()[1], flow.failure_id)
            transaction.finish()
        Scope.set_isolation_scope(previous[0])
        Scope.set_current_scope(previous[1])
        enter_flow(previous[2])
