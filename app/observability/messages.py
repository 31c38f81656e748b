"""One WebSocket message: its scopes and its transaction, made when something needs them.

Most messages are handled without a tag, a breadcrumb, a span or an event. Such a message costs two empty scopes, and
if it won the draw a transaction built from an outline (`outlines.py`). Whatever looks at its scopes finds them as if
they had been forked, and the transaction started, when the message arrived.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from sentry_sdk import Scope
from sentry_sdk.tracing import Transaction

from .closing import is_disconnect
from .ids import random_hex
from .outlines import Outline
from .scopes import LazyScope
from .state import Flow
from .tracing import start_transaction
from .types import Event

OP = "websocket.message"
ORIGIN = "auto.websocket.fastapi"


class MessageScope(LazyScope):
    """Isolation scope of one message, in a trace of its own; `origin` is the trace's id once it has one."""

    __slots__ = ()

    def prepare(self, fork: Scope) -> None:
        """Leave the connection's trace."""
        fork.set_new_propagation_context()
        if self.origin is not None:
            fork.get_active_propagation_context().trace_id = self.origin


class MessageCurrentScope(LazyScope):
    """Current scope of one message; `origin` is the message while it is sampled and not over."""

    __slots__ = ()

    def prepare(self, fork: Scope) -> None:
        """Start the transaction."""
        if self.origin is not None:
            fork.span = self.origin.start()


@dataclass(slots=True, eq=False)
class SampledMessage:
    """A message that won the draw.

    Attributes:
        outline: What was made for an earlier message of the same connection, if anything.
    """

    flow: Flow
    name: str
    rate: float
    size: int | None
    isolation: LazyScope
    current: LazyScope
    started: float
    transaction: Transaction | None = None
    outline: Outline | None = None

    def start(self) -> Transaction:
        """The transaction, started when the message arrived."""
        if self.transaction is None:
            transaction = start_transaction(
                self.isolation, name=self.name, op=OP, rate=self.rate, origin=ORIGIN
            )
            transaction.start_timestamp = datetime.fromtimestamp(self.started, UTC)
            for key, value in self._data().items():
                transaction.set_data(key, value)
            self.transaction = transaction
        return self.transaction

    def _data(self) -> Event:
        data: Event = {"network.protocol.name": "websocket"}
        if self.size is not None:
            data["messaging.message.body.size"] = self.size
        return data

    def drop(self) -> None:
        """End without sending anything."""
        if self.current.is_untouched:
            self.current.attach(None)
        else:
            self.current.span = None

    def finish(self, status: str) -> None:
        """Send the transaction."""
        is_plain = self.transaction is None and self.isolation.is_untouched and self.current.is_untouched
        if is_plain and self._send_plain(status):
            return
        transaction = self.start()
        transaction.set_status(status)
        transaction.finish(self.isolation, end_timestamp=time.time())
        self.drop()

    def _send_plain(self, status: str) -> bool:
        """Send it by an outline; False if there can be none."""
        ids = random_hex(40)
        self.isolation.attach(ids[:32])  # for tasks that outlive the message
        self.current.attach(None)  # it is over, and making an outline reads the scopes of the moment
        client, user, outline = Scope.get_client(), self.flow.user, self.outline
        if outline is None or not outline.fits(client, user):
            templates = self.isolation.template, self.current.template
            self.outline = outline = Outline.of(self.name, client, *templates, user)
            if outline is None:
                return False
        trace: Event = {
            "trace_id": ids[:32],
            "span_id": ids[32:48],
            "op": OP,
            "origin": ORIGIN,
            "status": status,
            "data": self._data(),
        }
        outline.send(trace, self.rate, self.started, time.time(), ids[48:])
        return True


def sample_message(
    flow: Flow,
    rate: float | None,
    isolation: LazyScope,
    current: LazyScope,
    *,
    name: str | None = None,
    size: int | None = None,
) -> SampledMessage | None:
    """Sample a message at the rate that it won the draw at, if it did and its route is known."""
    route = flow.template() if rate is not None else None
    if rate is None or route is None:
        return None
    message = SampledMessage(flow, name or route, rate, size, isolation, current, time.time())
    current.attach(message)
    return message


def status_of(error: BaseException | None, failure_id: str | None) -> str:
    """Sentry's status of a message that was left with this exception, if any."""
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    if failure_id is not None or (error is not None and not is_disconnect(error)):
        return "internal_error"
    return "ok"
