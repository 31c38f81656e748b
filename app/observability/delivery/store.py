"""Keep envelopes until their fate is known: on disk where that is possible and worth it, else in memory.

Everything that touches the spool's files goes through here, and every fate of what reached the transport.
"""

import logging
from collections.abc import Callable, Iterable

from sentry_sdk.envelope import Envelope

from ..counters import Counters, Fate
from ..types import Event
from .bounds import Bounds
from .clock import Clock
from .envelopes import BYTES, RawEnvelope, sizes, tally_of
from .outbox import Pending
from .outcomes import Outcome, Outcomes
from .spool import Spool
from .spoolfile import DamagedFileError, SpoolFile
from .unpaid import OnUnpaid, Unpaid

logger = logging.getLogger(__name__)

DISK_REST_S = 60.0
"""After a failed write, how long the disk is left alone."""

BYTES_A_UNIT = 500


class Store:
    """Put envelopes into the spool, get them out again, and end their stay. Thread-safe."""

    def __init__(
        self,
        spool: Spool | None,
        *,
        gate: Callable[[Envelope], Envelope | None],
        trim: Callable[[Event], Event],
        counters: Counters,
        outcomes: Outcomes,
        bounds: Bounds,
        clock: Clock,
        on_unpaid: OnUnpaid | None = None,
    ) -> None:
        self.spool = spool
        self.unpaid = Unpaid(self, gate=gate, bounds=bounds, clock=clock, on_unpaid=on_unpaid)
        self._gate = gate
        self._trim = trim
        self._counters = counters
        self._outcomes = outcomes
        self._bounds = bounds
        self._clock = clock
        self._disk_rests_until = 0.0
        self._has_warned = False
        self._has_warned_of_damage = False

    def secure(self, pending: Pending, envelope: Envelope) -> None:
        """Write an envelope to disk, or keep it serialized in memory if the disk will not have it.

        An event that Sentry would refuse for its size is trimmed first.
        """
        raw = RawEnvelope.of(envelope)
        if any(len(item.payload) > self._bounds.max_event_bytes for item in raw.items if item.is_event):
            raw = raw.trimmed(self._trim)
            pending.is_trimmed = True
        self._put(pending, raw)

    def save(self, left: Iterable[Pending]) -> None:
        """Move to disk what is still in memory when the process ends; what cannot be is counted as lost."""
        for pending in left:
            if pending.envelope is not None and not isinstance(pending.envelope, RawEnvelope):
                self._put(pending, RawEnvelope.of(pending.envelope))
            elif pending.envelope is not None:
                self._put(pending, pending.envelope)
            if pending.file is None:
                self.finish(pending, Fate.NETWORK_ERROR)

    def load(self, pending: Pending) -> RawEnvelope | None:
        """Return an envelope ready to send; None if there is nothing to send, and its fate is counted.

        What another process left passes the gate again: it may be of an older version with weaker rules.
        """
        if pending.file is None:
            envelope = pending.envelope
            raw = envelope if isinstance(envelope, RawEnvelope) else RawEnvelope.of(envelope or Envelope())
        else:
            body = self._read(pending, pending.file)
            if body is None:
                return None
            if not pending.is_adopted:
                raw = RawEnvelope.parse(body)
            else:
                gated = self._gate(Envelope.deserialize(body))
                if gated is None or not gated.items:
                    self._outcomes.tell(pending.event_id, Outcome(False, Fate.FILTERED))
                    self._remove(pending)
                    return None
                pending.tally = tally_of(gated.items)
                raw = RawEnvelope.of(gated)
        return raw.trimmed(self._trim) if pending.is_trimmed else raw

    def trimmed(self, pending: Pending, raw: RawEnvelope) -> RawEnvelope | None:
        """Return a smaller form of what was too large; None if it was trimmed before or there is nothing to trim."""
        if pending.is_trimmed or not any(item.is_event for item in raw.items):
            return None
        pending.is_trimmed = True
        return raw.trimmed(self._trim)

    def adopt(self) -> list[Pending]:
        """Return what processes that died have left in the spool."""
        if self.spool is None or self._clock.monotonic() < self._disk_rests_until:
            return []
        try:
            found = self.spool.adopt()
        except OSError as failure:
            self._rest(failure)
            return []
        paid = {file.event_id for file in found if not self.unpaid.is_one(file)}
        return [
            Pending(
                file.category,
                file.event_id,
                file.captured_at,
                ((file.category, 1),),
                file=file,
                is_adopted=True,
            )
            for file in found
            if not self.unpaid.take_over(file, is_paid=file.event_id in paid)
        ]

    def finish(self, pending: Pending, fate: Fate) -> None:
        """End the stay of an envelope: its file goes, its fate is counted, and whoever asked is told."""
        self._remove(pending)
        for category, quantity in pending.tally:
            self._counters.count(fate, category, quantity)
        if fate is not Fate.ACCEPTED and pending.category in BYTES:
            for category, size in _sizes(pending):
                self._counters.measure(fate, category, size)
        self._outcomes.tell(pending.event_id, Outcome(fate is Fate.ACCEPTED, fate))

    def tell_waiting(self, pending: Pending, reason: str) -> None:
        """Tell whoever asked that the envelope waits, and why."""
        self._outcomes.tell(pending.event_id, Outcome(None, reason, spooled=pending.file is not None))

    def state(self) -> str:
        """Return "on", "off" (not wanted) or "unusable" (the disk refused lately)."""
        if self.spool is None:
            return "off"
        return "unusable" if self._clock.monotonic() < self._disk_rests_until else "on"

    def write(
        self, body: bytes, *, category: str, event_id: str | None, captured_at: float
    ) -> SpoolFile | None:
        """Write a file; None if there is no disk, or it refuses or has refused lately."""
        if self.spool is None or self._clock.monotonic() < self._disk_rests_until:
            return None
        try:
            return self.spool.write(body, category=category, event_id=event_id, captured_at=captured_at)
        except OSError as failure:
            self._rest(failure)
            return None

    def _put(self, pending: Pending, raw: RawEnvelope) -> None:
        body = raw.to_bytes()
        pending.weight = 1 + len(body) // BYTES_A_UNIT
        pending.file = self.write(
            body, category=pending.category, event_id=pending.event_id, captured_at=pending.captured_at
        )
        pending.envelope = raw if pending.file is None else None

    def _rest(self, failure: OSError) -> None:
        self._disk_rests_until = self._clock.monotonic() + DISK_REST_S
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "The spool folder cannot be used (%s): events wait in memory. Set SENTRY_SPOOL_DIR to a folder that "
                "can be written and has room",
                failure.strerror or type(failure).__name__,
            )

    def _read(self, pending: Pending, file: SpoolFile) -> bytes | None:
        if self.spool is None:
            return None
        try:
            return self.spool.read(file)
        except (DamagedFileError, OSError) as failure:
            if not self._has_warned_of_damage:
                self._has_warned_of_damage = True
                logger.warning(
                    "A file of the spool could not be read (%s) and is left out", type(failure).__name__
                )
            self.finish(pending, Fate.CACHE_OVERFLOW)
            return None

    def _remove(self, pending: Pending) -> None:
        if pending.file is not None and self.spool is not None:
            self.spool.remove(pending.file)


def _sizes(pending: Pending) -> list[tuple[str, int]]:
    """Return what was discarded in bytes; of a file, which is gone, what it took on disk."""
    if pending.envelope is not None:
        return sizes(pending.envelope.items)
    return [(BYTES[pending.category], pending.file.disk_bytes)] if pending.file is not None else []
