"""A transaction that builds its own event: the SDK's way costs two to three times as much.

`finish()` of the SDK serializes every value twenty times over and forks scopes on the way; here the event is made of
plain values, the scrubber is its only walk, and it goes to the transport directly. It passes the same hook as any
other transaction. Reads one private field of the SDK, `_span_recorder` (SDK 2.75; contract test
`test_sdk_transaction`); with an SDK that has none, or for a transaction that is not sampled, the SDK's own way is
taken.
"""

from datetime import datetime
from typing import Any, cast

import sentry_sdk
from sentry_sdk import Scope
from sentry_sdk.client import SDK_INFO, BaseClient
from sentry_sdk.envelope import Envelope, Item, PayloadRef
from sentry_sdk.tracing import Span, Transaction
from sentry_sdk.transport import Transport

from .gate import ScrubbedEvent
from .ids import random_hex
from .types import Event


class LeanTransaction(Transaction):
    """Like the SDK's, cheaper to finish."""

    __slots__ = ()

    def update_active_thread(self) -> None:
        """Leave out which thread it began in: it ends in any, and the SDK asks each time."""

    def finish(
        self, scope: Scope | None = None, end_timestamp: float | datetime | None = None, **unused: Any
    ) -> str | None:
        """Send the transaction with its finished spans; return the event's id, None if it does not go out."""
        recorder = getattr(self, "_span_recorder", None)
        client = sentry_sdk.get_client()
        transport = client.transport
        hook = client.options.get("before_send_transaction")
        if (
            self.timestamp is not None
            or recorder is None
            or not self.sampled
            or transport is None
            or hook is None
        ):
            return super().finish(scope, end_timestamp)
        Span.finish(self, scope, end_timestamp)
        self._span_recorder = None  # breaks the cycle transaction, recorder, span, as the SDK does
        started, ended = self.start_timestamp, cast("datetime", self.timestamp)
        event: Any = {
            "type": "transaction",
            "transaction": self.name,
            "contexts": {**self._contexts, "trace": self._trace()},
            "tags": dict(self._tags),
            "spans": [describe_span(span) for span in recorder.spans if span.timestamp is not None],
        }
        if self._measurements:
            event["measurements"] = self._measurements
        if recorder.dropped_spans:
            transport.record_lost_event("buffer_overflow", "span", quantity=recorder.dropped_spans)
        described = apply_scopes(event, scope or Scope.get_isolation_scope(), client)
        if described is None:
            transport.record_lost_event("event_processor", "transaction")
            return None
        sent: Event | None = hook(described, {})
        if sent is None:
            return None
        # what no application can write to needs no scrubbing
        sent |= {
            **describe_process(client, str(self.source)),
            "event_id": random_hex(16),
            "start_timestamp": started.timestamp(),
            "timestamp": ended.timestamp(),
        }
        return post_transaction(transport, sent, self.get_baggage().sentry_items)

    def _trace(self) -> dict[str, Any]:
        trace: dict[str, Any] = {
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "op": self.op,
            "origin": self.origin,
            "status": self.status,
            "data": dict(self._data),
        }
        if self.parent_span_id:
            trace["parent_span_id"] = self.parent_span_id
        return trace


def apply_scopes(event: Any, isolation: Scope, client: BaseClient) -> Event | None:
    """Add what the scopes say; None if an event processor drops the event."""
    for scope in (Scope.get_global_scope(), isolation):
        event.pop("user", None)  # that of the global scope is not the request's
        event = scope.apply_to_event(event, {}, client.options)
        if event is None:
            return None
    if not event.get("user"):
        event.pop("user", None)
    described: Event = event
    return described


def describe_process(client: BaseClient, source: str) -> Event:
    """What all transactions of the process have in common, made of our own values."""
    return {
        "type": "transaction",
        "transaction_info": {"source": source},
        "platform": "python",
        "release": client.options["release"],
        "environment": client.options["environment"],
        "server_name": client.options["server_name"],
        "sdk": {**SDK_INFO, "integrations": sorted(client.integrations)},
    }


def post_transaction(transport: Transport, event: Event, trace: dict[str, Any]) -> str:
    """Hand a scrubbed transaction and its trace header, made of our own values, to the transport; return its id."""
    event_id: str = event["event_id"]
    item = Item(
        payload=PayloadRef(json=event), headers={"type": "transaction", "content_type": "application/json"}
    )
    headers = {"event_id": event_id, "trace": ScrubbedEvent(trace)}
    transport.capture_envelope(Envelope(headers=headers, items=[item]))
    return event_id


def describe_span(span: Span) -> dict[str, Any]:
    """One finished span as Sentry takes it, with times in seconds since the epoch."""
    timestamp = span.timestamp
    described: dict[str, Any] = {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_span_id": span.parent_span_id,
        "op": span.op,
        "description": span.description,
        "start_timestamp": span.start_timestamp.timestamp(),
        "timestamp": timestamp.timestamp() if timestamp is not None else None,
        "origin": span.origin,
        "data": {**span._flags, **span._data},  # noqa: SLF001 - what the SDK's own to_json() reads
    }
    if span.status:
        described["status"] = span.status
    if span._tags:  # noqa: SLF001 - see above
        described["tags"] = span._tags  # noqa: SLF001
    if span._measurements:  # noqa: SLF001
        described["measurements"] = span._measurements  # noqa: SLF001
    return described
