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
from fastapi.exceptions import WebSocketRequestValidationError
from sentry_sdk import Scope
from sentry_sdk.tracing import Transaction
from starlette.exceptions import WebSocketException
from starlette.websockets import WebSocketDisconnect

from .authentication import STATUSES
from .capture import capture_error
from .outcome import conclude
from .routing import RouteTable
from .scopes import CleanScopes, LazyScope
from .state import Flow, current_flow, enter_flow
from .tracing import Sampler, start_transaction
from .types import AsgiApp, AsgiScope, Message, Receive, Send
from .user import apply_user

OP = "websocket.message"
ORIGIN = "auto.websocket.fastapi"
MECHANISM = "websocket"
CLEAN_CODES = frozenset({1000, 1001})
GONE_CODES = frozenset({1005, 1006})
"""Normal and abnormal ends cannot be told apart by these: a clean close during a send arrives as 1006."""
AUTH_CODES = frozenset({1008, 4401, 4403})
_TOO_LATE = ("Unexpected ASGI message", 'Cannot call "send"', "Cannot call 'send'")


@dataclass(frozen=True, slots=True)
class WebSocketOptions:
    """What all connections share; made once by `init_sentry`."""

    routes: RouteTable
    sampler: Sampler
    scopes: CleanScopes
    on_refused: Callable[[Flow, str], None] = lambda flow, reason: None


@dataclass(slots=True, eq=False, kw_only=True)
class WebSocketFlow(Flow):
    """One connection and the message that is being worked on."""

    sampler: Sampler
    outer_receive: Receive
    outer_send: Send
    connection_isolation: Scope
    base_current: Scope
    current: Scope
    first_isolation: Scope
    is_in_place: bool = False
    task: asyncio.Task[Any] | None = None
    transaction: Transaction | None = None
    is_manual: bool = False
    is_accepted: bool = False
    denied_status: int = 0
    is_invalid: bool = False
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
            self._judge(sys.exc_info()[1], failed=not is_harmless(self.close_code))
        elif kind == "websocket.http.response.start":
            self.denied_status = message["status"]
            self._judge(sys.exc_info()[1], failed=self.denied_status >= 500)
        try:
            await self.outer_send(message)
        except OSError:  # Starlette makes it a WebSocketDisconnect with 1006
            self.close_code = self.close_code or 1006
            raise

    def _judge(self, error: BaseException | None, *, failed: bool) -> None:
        """Keep the exception that an end is the answer to, while it is still at hand."""
        if not isinstance(error, Exception) or is_disconnect(error):
            return
        self.is_invalid = isinstance(error, WebSocketRequestValidationError)
        if failed and self.failure_id is None and not isinstance(error, WebSocketException):
            self.failure_id = capture_error(error, handled=True, mechanism=MECHANISM, tags=self.end_tags())

    def end_tags(self) -> dict[str, str]:
        """How the connection ended, for an event about it."""
        if self.close_code is None:
            return {"http.status_code": str(self.denied_status)}
        by = "app" if self.is_closed_by_app else "client"
        return {"websocket.code": str(self.close_code), "websocket.closed_by": by}

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
            self.is_in_place = True
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
        if self.held is not None or self.database_failures is not None:
            conclude(self, failed=self.failure_id is not None)
        transaction, self.transaction = self.transaction, None
        if transaction is None:
            return
        if self.is_manual:
            self.current.span = None
            return
        _set_status(transaction, error, self.failure_id)
        transaction.finish()
        self.current.span = None


def is_harmless(code: int) -> bool:
    """Whether a close code is no event of its own: clean, gone, or counted as refused authentication."""
    return code in CLEAN_CODES or code in GONE_CODES or code in AUTH_CODES


def is_disconnect(error: BaseException) -> bool:
    """Whether an exception says only that the client is gone, also from a task group."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_disconnect, error.exceptions))
    return isinstance(error, WebSocketDisconnect)


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
    elif failure_id is not None or (error is not None and not is_disconnect(error)):
        transaction.set_status("internal_error")
    else:
        transaction.set_status("ok")


class WebSocketInstrumentation:
    """Runs connections for `SentryMiddleware`."""

    def __init__(self, options: WebSocketOptions) -> None:
        self.options = options

    async def __call__(self, app: AsgiApp, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Run one connection; exceptions of the application are captured and re-raised."""
        connection = self.options.scopes.isolation(scope)
        previous = (Scope.get_isolation_scope(), Scope.get_current_scope())
        first: Scope = LazyScope(connection)
        flow = WebSocketFlow(
            scope,
            first,
            root_path=scope.get("root_path") or "",
            first_isolation=first,
            routes=self.options.routes,
            sampler=self.options.sampler,
            connection_isolation=connection,
            outer_receive=receive,
            outer_send=send,
            task=asyncio.current_task(),
            base_current=self.options.scopes.current(),
            current=self.options.scopes.current(),
            loop=asyncio.get_running_loop(),
        )
        flow.family = flow.serial
        outer_flow = enter_flow(flow)
        Scope.set_isolation_scope(flow.isolation)
        Scope.set_current_scope(flow.current)
        try:
            await app(scope, flow.receive, flow.send)
        except Exception as error:
            self._failed(flow, error)
            raise
        finally:
            leaving = sys.exc_info()[1]
            flow.end_message(leaving)
            self._closed(flow, leaving)
            flow.is_settled = True
            Scope.set_isolation_scope(previous[0])
            Scope.set_current_scope(previous[1])
            enter_flow(outer_flow)

    @staticmethod
    def _failed(flow: WebSocketFlow, error: Exception) -> None:
        """Capture what left the handler; a disconnect is how plain handlers end."""
        if isinstance(error, WebSocketDisconnect):
            flow.close_code = flow.close_code or error.code
        is_late = (
            isinstance(error, RuntimeError)
            and flow.close_code is not None
            and not flow.is_closed_by_app
            and str(error).startswith(_TOO_LATE)
        )
        if is_late or is_disconnect(error):  # sending to, or closing, what the client has closed
            flow.close_code = flow.close_code or 1006
            return
        flow.failure_id = capture_error(error, handled=False, mechanism=MECHANISM) or flow.failure_id

    def _closed(self, flow: WebSocketFlow, error: BaseException | None) -> None:
        route = flow.template()
        if route is None:
            return
        is_answered = flow.is_accepted or flow.denied_status or flow.close_code is not None
        code = flow.close_code or (1000 if error is None else 1011)
        self._count(flow, route, str(flow.denied_status or code))
        refused = not flow.is_accepted and (flow.denied_status in STATUSES or flow.is_closed_by_app)
        if (refused or (code in AUTH_CODES and flow.is_closed_by_app)) and not flow.is_invalid:
            reason = str(flow.denied_status or (code if code in AUTH_CODES else "denied"))
            self.options.on_refused(flow, reason)
        elif flow.failure_id is not None or isinstance(error, asyncio.CancelledError):
            return
        elif not is_answered:
            capture_end(flow, route, f"WebSocket {route} left the handshake unanswered", "unanswered")
        elif flow.denied_status >= 500:
            capture_end(flow, route, f"WebSocket {route} answered {flow.denied_status}", "denied")
        elif not is_harmless(code) and not flow.is_invalid:
            capture_end(flow, route, f"WebSocket {route} closed with {code}", str(code))

    @staticmethod
    def _count(flow: WebSocketFlow, route: str, code: str) -> None:
        metrics = sentry_sdk.metrics
        attributes = {"route": route, "code": code}
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


def capture_end(flow: WebSocketFlow, route: str, message: str, kind: str) -> None:
    """Report an end that means trouble as a warning grouped by route and kind of end."""
    sentry_sdk.capture_event(
        {
            "level": "warning",
            "message": message,
            "fingerprint": ["websocket-close", route, kind],
            "tags": {"failure": "websocket_close", **flow.end_tags()},
        }
    )


@contextmanager
def message_transaction(name: str | None = None) -> Iterator[Transaction | None]:
    """Treat the block as the handling of one WebSocket message, in whatever task it runs.

    For handlers whose reader task hands messages to workers, and for tasks that outlive their message. The
    block gets its own isolation scope (user and tier of the connection), breadcrumbs and transaction; an
    exception that leaves it is captured once. The automatic transactions of this connection stop, except where a
    task that was started while a message was handled calls it: that message has its own. Does nothing when OFF.

    Args:
        name: Transaction name; default is the route template of the connection.

    Yields:
        The transaction, or None if it is not sampled.
    """
    parent = current_flow()
    if not sentry_sdk.get_client().is_active() or not isinstance(parent, WebSocketFlow):
        yield None
        return
    is_offspring = asyncio.current_task() is not parent.task and Scope.get_isolation_scope() not in (
        parent.first_isolation,
        parent.isolation if parent.is_in_place else None,
    )
    if not is_offspring:
        parent.is_manual = True
    isolation = parent.connection_isolation.fork()
    isolation.set_new_propagation_context()
    flow = Flow(
        parent.asgi,
        isolation,
        root_path=parent.root_path,
        routes=parent.routes,
        inner=parent.inner,
        connection_isolation=parent.connection_isolation,
        connection=parent,
        family=parent.family,
        route=parent.template(),
        user=parent.user,
        loop=parent.loop,
    )
    previous = (Scope.get_isolation_scope(), Scope.get_current_scope(), enter_flow(flow))
    current = parent.base_current.fork()
    Scope.set_isolation_scope(isolation)
    Scope.set_current_scope(current)
    transaction = _start(flow, parent.sampler, name, None)
    current.span = transaction
    try:
        yield transaction
    except Exception as error:
        if not is_disconnect(error):
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
