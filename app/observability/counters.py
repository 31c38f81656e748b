"""Count what became of everything that was captured: one fate for each event, span, log entry, metric and so on.

Pure and thread-safe. Whoever drops or delivers something counts it, once: hooks count what they drop (the SDK's own
`before_send` report of the same drop is ignored by the transport), the transport counts what reached it. Items that
wait, in memory or on disk, have no fate yet: they are a gauge in the transport's `status()`.
"""

import os
import threading
from collections import defaultdict
from enum import StrEnum
from typing import TypeAlias


class Fate(StrEnum):
    """How the way of an item ended. The value is Sentry's own discard reason where Sentry has one.

    `REPORTED_AS` says which word a client report uses for the others; Sentry shows only reasons it knows.
    """

    ACCEPTED = "accepted"
    """Sentry answered 2xx."""
    FOLDED = "folded"
    """A repeat: another event carries it in its count of occurrences."""
    BUDGET = "budget"
    """The month's budget had no room left for it."""
    FILTERED = "before_send"
    """A hook or the last gate decided that it must not go out."""
    SCRUB_FAILED = "scrub_failed"
    """It could not be scrubbed, and no smaller safe form of it exists."""
    EVENT_PROCESSOR = "event_processor"
    """An event processor of the application dropped it."""
    SAMPLE_RATE = "sample_rate"
    """It lost the draw."""
    RATE_LIMITED = "ratelimit_backoff"
    """Sentry had said not to send this category, so it was not sent."""
    REFUSED_BY_QUOTA = "rate_limited"
    """Sentry answered 429 to it. Sentry has counted that itself."""
    QUEUE_OVERFLOW = "queue_overflow"
    """The memory queue was full."""
    CACHE_OVERFLOW = "cache_overflow"
    """The spool was full, or its file was damaged or taken away."""
    EXPIRED = "expired"
    """It waited longer than Sentry takes events for."""
    TOO_LARGE = "too_large"
    """Sentry answered 413, also to the trimmed form."""
    SEND_ERROR = "send_error"
    """Sentry refused it with another 4xx, which trying again cannot change."""
    NETWORK_ERROR = "network_error"
    """The process ended before it could be sent, and there was no disk to leave it on."""
    INTERNAL_ERROR = "internal_sdk_error"
    """A fault of ours: it could not be serialized, or the gate raised."""


REPORTED_AS: dict[str, str | None] = {
    Fate.ACCEPTED: None,
    Fate.REFUSED_BY_QUOTA: None,
    Fate.FOLDED: "before_send",
    Fate.BUDGET: "before_send",
    Fate.SCRUB_FAILED: "internal_sdk_error",
    Fate.EXPIRED: "cache_overflow",
    Fate.TOO_LARGE: "send_error",
}
"""Sentry's reason for a fate whose value is none; None is not reported. A fate that is missing is its own reason."""

Discard: TypeAlias = tuple[str, str, int]
"""Reason, category and quantity, as one entry of a client report."""


class Counters:
    """Count fates by category since this process began; a forked child begins at zero."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._fates: dict[tuple[str, str], int] = defaultdict(int)
        self._unreported: dict[tuple[str, str], int] = defaultdict(int)

    def count(self, fate: Fate | str, category: str = "error", quantity: int = 1) -> None:
        """Add to a fate. A reason that is no `Fate` (the SDK may know newer ones) is counted under its own name."""
        if quantity <= 0:
            return
        reason = REPORTED_AS.get(fate, str(fate))
        with self._own_lock():
            self._fates[category, str(fate)] += quantity
            if reason is not None:
                self._unreported[reason, category] += quantity

    def measure(self, fate: Fate | str, category: str, size: int) -> None:
        """Add to the next client report how large something was that `count` has counted: a size is no fate."""
        reason = REPORTED_AS.get(fate, str(fate))
        if size > 0 and reason is not None:
            with self._own_lock():
                self._unreported[reason, category] += size

    def snapshot(self) -> dict[str, dict[str, int]]:
        """Return category -> fate -> how many, as of now."""
        with self._own_lock():
            counts = sorted(self._fates.items())
        found: dict[str, dict[str, int]] = {}
        for (category, fate), quantity in counts:
            found.setdefault(category, {})[fate] = quantity
        return found

    def has_discarded(self) -> bool:
        """Say whether there is something to report to Sentry."""
        with self._own_lock():
            return bool(self._unreported)

    def drain_discarded(self) -> list[Discard]:
        """Take what was discarded since the last call, for a client report. `snapshot` keeps counting it."""
        with self._own_lock():
            drained, self._unreported = self._unreported, defaultdict(int)
        return [(reason, category, quantity) for (reason, category), quantity in sorted(drained.items())]

    def restore_discarded(self, discards: list[Discard]) -> None:
        """Put back what was drained for a client report that could not be sent."""
        with self._own_lock():
            for reason, category, quantity in discards:
                self._unreported[reason, category] += quantity

    def _own_lock(self) -> threading.Lock:
        """Return the lock; in a forked child, start again first: the parent reports what the parent counted.

        The lock that was copied may be held by a thread which the child does not have.
        """
        if self._pid != os.getpid():
            self._start()
        return self._lock
