"""WebSocket instrumentation, pure ASGI: a transaction a message, close codes understood.

No transaction for the connection: it would be sent hours later and hold everything until then. A message's
transaction starts when the handler receives it and ends when the handler next waits for one or leaves. Handlers that
hand messages to other tasks use `message_transaction()`. Nothing is kept for an open connection but counters.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sentry_sdk
from sentry_sdk import Scope
from sentry_sdk.tracing import Transaction

from .capture import capture_error
from .closing import MECHANISM, ConnectionFlow, is_disconnect, report_end
from .messages import MessageCurrentScope, MessageScope, SampledMessage, sample_message, status_of
from .outcome import conclude
from .outlines import Outline
from .routing import RouteTable
from .scopes import CleanScopes, LazyScope
from .state import Flow, current_flow, enter_flow
from .tracing import Sampler
from .types import AsgiApp, AsgiScope, Message, Receive, Send


@dataclass(frozen=True, slots=True)
class WebSocketOptions:
    """What all connections share; made once by `init_sentry`."""

    routes: RouteTable
    sampler: Sampler
    scopes: CleanScopes
    on_refused: Callable[[Flow, str], None] = lambda flow, reason: None
    with_metrics: bool = True


@dataclass(slots=True, eq=False, kw_only=True)
class WebSocketFlow(ConnectionFlow):
    """One connection and the message that is being worked on."""

    options: WebSocketOptions
    outer_receive: Receive
    outer_send: Send
    connection_scope: LazyScope
    first_isolation: LazyScope
    message_isolation: LazyScope
    message_current: LazyScope
    clean_current: Scope
    is_in_place: bool = False
    task: asyncio.Task[Any] | None = None
    message: SampledMessage | None = None
    outline: Outline | None = None
    is_manual: bool = False

    async def receive(self) -> Message:
        """End the message that was being handled, wait for the next one and begin it."""
        self.end_message()
        message = await self.outer_receive()
        kind = message["type"]
        if kind == "websocket.receive":
            self._begin(_size(message))
        elif kind == "websocket.disconnect" and self.close_code is None:
            self.close_code = message.get("code") or 1005
        return message

    async def send(self, message: Message) -> None:
        """Count what goes out and learn how the application ends the connection."""
        if message["type"] == "websocket.send":
            self.messages_out += 1
            self.bytes_out += _size(message)
        else:
            self.note_answer(message)
        try:
            await self.outer_send(message)
        except OSError:  # Starlette makes it a WebSocketDisconnect with 1006
            self.close_code = self.close_code or 1006
            raise

    def _begin(self, size: int) -> None:
        self.messages_in += 1
        self.bytes_in += size
        self.begin_message()
        if asyncio.current_task(self.loop) is self.task:
            isolation: LazyScope = MessageScope(self.connection_scope)
            current: LazyScope = MessageCurrentScope(self.clean_current)
            self.message_isolation = self.isolation = isolation
            self.message_current = current
            Scope.set_isolation_scope(isolation)
            Scope.set_current_scope(current)
        else:  # receive() runs in a child task: only the objects are shared, so they are reset in place
            self.is_in_place = True
            isolation, current = self.message_isolation, self.message_current
            isolation.renew(MessageScope, self.connection_scope)
            current.renew(MessageCurrentScope, self.clean_current)
        if not self.is_manual:
            rate = self.options.sampler.wins()
            if rate is not None:
                self.message = sample_message(self, rate, isolation, current, size=size)

    def end_message(self, error: BaseException | None = None) -> None:
        """Finish the message's transaction and send what its log lines are owed."""
        if self.held is not None or self.database_failures is not None:
            conclude(self, failed=self.failure_id is not None)
        message, self.message = self.message, None
        if message is None:
            return
        if self.is_manual:
            message.drop()
            return
        message.outline = self.outline
        message.finish(status_of(error, self.failure_id))
        self.outline = message.outline


def _size(message: Message) -> int:
    text = message.get("text")
    return len(text) if text is not None else len(message.get("bytes") or b"")


class WebSocketInstrumentation:
    """Runs connections for `SentryMiddleware`."""

    def __init__(self, options: WebSocketOptions) -> None:
        self.options = options

    async def __call__(self, app: AsgiApp, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Run one connection; exceptions of the application are captured and re-raised."""
        options = self.options
        connection = options.scopes.isolation(scope)
        first = LazyScope(connection)
        clean = options.scopes.clean_current()
        current = LazyScope(clean)
        flow = WebSocketFlow(
            scope,
            first,
            root_path=scope.get("root_path") or "",
            routes=options.routes,
            connection_isolation=connection,
            loop=asyncio.get_running_loop(),
            options=options,
            outer_receive=receive,
            outer_send=send,
            connection_scope=connection,
            first_isolation=first,
            message_isolation=first,
            message_current=current,
            clean_current=clean,
            task=asyncio.current_task(),
        )
        flow.family = flow.serial
        previous = (Scope.get_isolation_scope(), Scope.get_current_scope(), enter_flow(flow))
        Scope.set_isolation_scope(first)
        Scope.set_current_scope(current)
        try:
            await app(scope, flow.receive, flow.send)
        except Exception as error:
            flow.failed(error)
            raise
        finally:
            leaving = sys.exc_info()[1]
            flow.end_message(leaving)
            report_end(flow, leaving, options.on_refused, with_metrics=options.with_metrics)
            flow.is_settled = True
            _restore(previous)


def _restore(previous: tuple[Scope, Scope, Flow | None]) -> None:
    Scope.set_isolation_scope(previous[0])
    Scope.set_current_scope(previous[1])
    enter_flow(previous[2])


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
    isolation, current = MessageScope(parent.connection_scope), MessageCurrentScope(parent.clean_current)
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
    Scope.set_isolation_scope(isolation)
    Scope.set_current_scope(current)
    message = sample_message(flow, parent.options.sampler.wins(), isolation, current, name=name)
    try:
        yield message.start() if message is not None else None
    except Exception as error:
        if not is_disconnect(error):
            flow.failure_id = capture_error(error, handled=False, mechanism=MECHANISM) or flow.failure_id
        raise
    finally:
        conclude(flow, failed=flow.failure_id is not None)
        if message is not None:
            message.finish(status_of(sys.exc_info()[1], flow.failure_id))
        _restore(previous)
