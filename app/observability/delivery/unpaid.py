"""Events on disk that are due, and for which the budget has no unit in hand yet.

Written in the capturing call like any other error, so that a killed process loses none. They are not sent from here:
the budget pays for them later, then they are captured again under their own id. What a dead process left is handed
to the budget of the next.
"""

import contextlib
import json
import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from sentry_sdk.envelope import Envelope

from ..types import Event
from .bounds import Bounds
from .clock import Clock
from .envelopes import RawEnvelope, RawItem, to_json
from .spoolfile import DamagedFileError, SpoolFile

if TYPE_CHECKING:
    from .store import Store

logger = logging.getLogger(__name__)

CATEGORY = "unpaid"
MOST_FILES = 1_000
SHARE_OF_SPOOL = 5
KEY = "fold_key"

OnUnpaid: TypeAlias = Callable[[tuple[str, ...], str, Event, float], bool]
"""Takes over an event by fold key, id, payload and time of capture; false if it need not be kept."""


class Unpaid:
    """The files by event id. Thread-safe; `keep` writes one small file, the rest belongs in the background."""

    def __init__(
        self,
        store: "Store",
        *,
        gate: Callable[[Envelope], Envelope | None],
        bounds: Bounds,
        clock: Clock,
        on_unpaid: OnUnpaid | None,
    ) -> None:
        self._store = store
        self._gate = gate
        self._most_bytes = bounds.max_spool_bytes // SHARE_OF_SPOOL
        self._max_age_s = bounds.max_age_s
        self._clock = clock
        self._on_unpaid = on_unpaid
        self._files: dict[str, SpoolFile] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many events wait."""
        return len(self._files)

    def keep(self, event: Event, key: Sequence[str]) -> bool:
        """Put a scrubbed event on disk; false if there is no room for it."""
        if len(self._files) >= MOST_FILES or self._bytes > self._most_bytes:
            return False
        event_id = str(event["event_id"])
        headers = {"event_id": event_id, KEY: list(key)}
        body = RawEnvelope(headers, [RawItem({"type": "event"}, to_json(event))]).to_bytes()
        file = self._store.write(body, category=CATEGORY, event_id=event_id, captured_at=self._clock.time())
        if file is not None:
            self._add(file)
        return file is not None

    def read(self, event_id: str) -> Event | None:
        """Return an event that waits; None if it is not there or cannot be read."""
        file = self._files.get(event_id)
        raw = self._load(file) if file is not None else None
        if raw is None:
            return None
        event: Event = json.loads(raw.items[0].payload)
        return event

    def forget(self, event_id: str) -> None:
        """Remove an event: it was captured again, or stands in the count of another."""
        with self._lock:
            file = self._files.pop(event_id, None)
            self._bytes -= file.disk_bytes if file is not None else 0
        if file is not None and self._store.spool is not None:
            self._store.spool.remove(file)

    @staticmethod
    def is_one(file: SpoolFile) -> bool:
        """Say whether a file is one of these."""
        return file.category == CATEGORY

    def take_over(self, file: SpoolFile, *, is_paid: bool) -> bool:
        """Hand an adopted file to the budget; false if it is not one of these, or there is no budget to pay for it.

        `is_paid` says that the same event was captured again just before its process died.
        """
        if not self.is_one(file) or self._on_unpaid is None:
            return False
        self._add(file)
        is_expired = self._clock.time() - file.captured_at > self._max_age_s
        if is_paid or is_expired or not self._hand_on(file):
            self.forget(file.event_id)
        return True

    def _hand_on(self, file: SpoolFile) -> bool:
        """Say whether the file is still needed. What an older version wrote is scrubbed by today's rules."""
        raw = self._load(file)
        try:
            gated = self._gate(Envelope.deserialize(raw.to_bytes())) if raw is not None else None
        except Exception as failure:  # noqa: BLE001 - one event must not cost the others; a next version may read it
            logger.warning("An event that waits on disk could not be scrubbed: %s", type(failure).__name__)
            return True
        event = gated.get_event() if gated is not None else None
        if raw is None or event is None or self._on_unpaid is None:
            return False
        key = tuple(str(part) for part in raw.headers.get(KEY, ()))
        return self._on_unpaid(key, file.event_id, dict(event), file.captured_at)

    def _add(self, file: SpoolFile) -> None:
        with self._lock:
            self._files[file.event_id] = file
            self._bytes += file.disk_bytes

    def _load(self, file: SpoolFile) -> RawEnvelope | None:
        if self._store.spool is not None:
            with contextlib.suppress(DamagedFileError, OSError, ValueError):
                return RawEnvelope.parse(self._store.spool.read(file))
        return None
