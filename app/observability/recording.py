"""LOCAL mode's transport: the last envelopes stay in memory and nothing leaves the process."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from sentry_sdk.envelope import Envelope, Item
from sentry_sdk.transport import Transport

from .counters import Counters
from .types import Event

CAPACITY = 50
RECORDED = "recorded"


class RecordingTransport(Transport):
    """Keeps the last `CAPACITY` envelopes, scrubbed by the same gate as those that are sent. Thread-safe."""

    def __init__(
        self, *, gate: Callable[[Envelope], Envelope | None], counters: Counters, capacity: int = CAPACITY
    ) -> None:
        super().__init__({"dsn": None})
        self.gate = gate
        self.counters = counters
        self._envelopes: deque[Envelope] = deque(maxlen=capacity)
        self._lock = threading.Lock()

    def capture_envelope(self, envelope: Envelope) -> None:
        """Scrub and keep an envelope."""
        gated = self.gate(envelope)
        if gated is None:
            return
        for item in gated.items:
            self.counters.count(RECORDED, item.data_category)
        with self._lock:
            self._envelopes.append(gated)

    def record_lost_event(
        self, reason: str, data_category: Any = None, item: Item | None = None, *, quantity: int = 1
    ) -> None:
        """Count what the SDK dropped; drops by our own hooks have been counted by them."""
        if reason != "before_send":
            category = data_category or (item.data_category if item is not None else "error")
            self.counters.count(reason, category, quantity)

    def envelopes(self) -> list[Envelope]:
        """The kept envelopes, oldest first."""
        with self._lock:
            return list(self._envelopes)

    def items(self) -> list[tuple[str, Event]]:
        """Type and payload of every kept item, oldest first."""
        return [
            (item.type or "", payload)
            for envelope in self.envelopes()
            for item in envelope.items
            if (payload := item.payload.json) is not None
        ]

    def event(self, event_id: str) -> Event | None:
        """The recorded event with this id, if it is still kept."""
        for _, payload in reversed(self.items()):
            if payload.get("event_id") == event_id:
                return payload
        return None
