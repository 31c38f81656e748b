"""Transports and envelopes for tests of delivery."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sentry_sdk.envelope import Envelope, Item, PayloadRef

from app.observability.counters import Counters
from app.observability.delivery import Bounds, Clock, DeliveryTransport


def as_it_is(envelope: Envelope) -> Envelope | None:
    """Let everything pass: a gate for tests that are not about scrubbing."""
    return envelope


def error(message: str = "boom", **more: Any) -> Envelope:
    event = {"event_id": uuid.uuid4().hex, "level": "error", "message": message, **more}
    envelope = Envelope(headers={"event_id": event["event_id"], "sent_at": "2020-01-01T00:00:00.000000Z"})
    envelope.add_event(event)  # type: ignore[arg-type]
    return envelope


def transaction(spans: int = 2) -> Envelope:
    event = {"event_id": uuid.uuid4().hex, "type": "transaction", "spans": [{"op": "db"}] * spans}
    envelope = Envelope(headers={"event_id": event["event_id"]})
    envelope.add_transaction(event)  # type: ignore[arg-type]
    return envelope


def item(kind: str, payload: Any, **headers: Any) -> Envelope:
    return Envelope(
        headers={"event_id": uuid.uuid4().hex},
        items=[Item(PayloadRef(json=payload), type=kind, headers=headers)],
    )


def id_of(envelope: Envelope) -> str:
    return str(envelope.headers["event_id"])


@contextmanager
def delivery(
    dsn: str,
    spool_dir: Path | None = None,
    *,
    gate: Callable[[Envelope], Envelope | None] = as_it_is,
    bounds: Bounds | None = None,
    clock: Clock | None = None,
) -> Iterator[DeliveryTransport]:
    """Make a transport and close it, and see to it that its thread has ended."""
    transport = DeliveryTransport(
        dsn,
        gate=gate,
        counters=Counters(),
        spool_dir=spool_dir,
        bounds=bounds,
        clock=clock,
        jitter=lambda: 1.0,
    )
    before = threading.active_count()
    try:
        yield transport
    finally:
        transport.kill()
        names = [thread.name for thread in threading.enumerate()]
        assert "sentry-delivery" not in names or threading.active_count() <= before, names


def is_balanced(status: dict[str, Any], category: str = "error") -> bool:
    """Say whether everything captured or adopted of a category has a fate or waits."""
    came = status["captured"].get(category, 0) + status["adopted"].get(category, 0)
    return bool(
        came == sum(status["fates"].get(category, {}).values()) + status["queued"] + status["spooled"]
    )
