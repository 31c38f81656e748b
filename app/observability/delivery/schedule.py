"""What is to be done next, and when: all that delivery knows, behind one condition.

Capturing threads and the sender's thread meet here. No I/O, and none is done while the condition is held.
"""

import threading
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

from ..counters import Fate
from .backoff import LAST_RETRY_OF_ONE_S, Backoff
from .bounds import Bounds
from .client_reports import INTERVAL_S
from .clock import Clock
from .envelopes import DURABLE, Tally
from .exchange import Answer
from .outbox import Outbox, Pending
from .ratelimits import RateLimits

TIDY_EVERY_S = 60.0


class Task(StrEnum):
    """What the thread has to do besides sending."""

    TIDY = "tidy"
    REPORT = "report"


class Schedule:
    """Thread-safe. `next_work` waits; everything else returns at once, but for `wait_until_sent`.

    Args:
        bounds: of what may wait.
        clock: the time.
        jitter: a random number in [0, 1).
        has_discarded: whether there is something to report to Sentry.
    """

    def __init__(
        self,
        *,
        bounds: Bounds,
        clock: Clock,
        jitter: Callable[[], float],
        has_discarded: Callable[[], bool],
    ) -> None:
        self._bounds = bounds
        self._clock = clock
        self._has_discarded = has_discarded
        self._changed = threading.Condition(threading.Lock())
        self._outbox = Outbox(
            max_queued=bounds.max_queued, max_weight=bounds.max_weight, max_disk_bytes=bounds.max_spool_bytes
        )
        self._limits = RateLimits()
        self._backoff = Backoff(jitter)
        self._is_closed = False
        self._is_busy = False
        self._flushes = 0
        self._tidy_at = 0.0
        self._must_report = False
        self._report_at = clock.monotonic() + INTERVAL_S
        self._captured: dict[str, int] = {}
        self._adopted: dict[str, int] = {}
        self._last_error: str | None = None

    # what comes in

    def add(self, pending: Pending) -> list[tuple[Pending, Fate]]:
        """Take an envelope; return what has to make room for it, or may not be sent now, with its fate."""
        with self._changed:
            _add(self._captured, pending.tally)
            if self._is_closed:
                return [(pending, Fate.NETWORK_ERROR)]
            if self._has_to_go(pending):
                return [(pending, Fate.RATE_LIMITED)]
            victims = self._outbox.add(pending)
            self._changed.notify_all()
        return [(v, Fate.QUEUE_OVERFLOW if v.file is None else Fate.CACHE_OVERFLOW) for v in victims]

    def count_captured(self, tally: Tally) -> None:
        """Count what was captured but never comes to `add`."""
        with self._changed:
            _add(self._captured, tally)

    def adopt(self, found: list[Pending], max_disk_bytes: int) -> list[Pending]:
        """Take in what other processes left, within the room that is on disk; return what has to make room."""
        with self._changed:
            self._outbox.max_disk_bytes = max_disk_bytes
            for pending in found:
                _add(self._adopted, pending.tally)
            return self._outbox.adopt(found) if found else []

    def correct_adopted(self, before: Tally, after: Tally) -> None:
        """Count an adopted envelope as what was found in it, not as what its name said."""
        with self._changed:
            _add(self._adopted, before, -1)
            _add(self._adopted, after)

    def take_from_memory(self) -> list[Pending]:
        """Take out what waits in memory alone."""
        with self._changed:
            return self._outbox.drop(lambda pending: pending.file is None)

    def take_back(self, pendings: Iterable[Pending]) -> None:
        """Let envelopes wait again that `take_from_memory` took out."""
        with self._changed:
            for pending in pendings:
                self._outbox.add(pending)
            self._changed.notify_all()

    def close(self) -> bool:
        """End all waiting; False if that was done before."""
        with self._changed:
            was_closed, self._is_closed = self._is_closed, True
            self._changed.notify_all()
            return not was_closed

    def left(self) -> list[Pending]:
        """Return what is in memory alone, in flight or waiting."""
        with self._changed:
            in_flight = [self._outbox.in_flight] if self._outbox.in_flight is not None else []
            return [pending for pending in (*in_flight, *self._outbox) if pending.file is None]

    # flushing

    def begin_flush(self) -> bool:
        """Let retries come faster and discards be reported; False if it is closed."""
        with self._changed:
            if self._is_closed:
                return False
            self._flushes += 1
            self._backoff.is_hurried = True
            self._backoff.retry_at = 0.0
            self._must_report = True
            self._changed.notify_all()
            return True

    def end_flush(self) -> None:
        """Go on as usual once the last flush has ended."""
        with self._changed:
            self._flushes -= 1
            self._backoff.is_hurried = self._flushes > 0

    def wait_until_sent(self, deadline: float, *, at_most_until: float | None = None) -> int:
        """Return 0 as soon as everything is sent that can be sent before the deadline.

        At the deadline, or at `at_most_until` if that is sooner, return how many envelopes wait.
        """
        until = deadline if at_most_until is None else min(at_most_until, deadline)
        with self._changed:
            while not self._is_closed and not self._is_sent(deadline):
                left_s = until - self._clock.monotonic()
                if left_s <= 0:
                    return max(self._outbox.queued + self._outbox.spooled, 1)
                self._clock.wait(self._changed, left_s)
        return 0

    def _is_sent(self, deadline: float) -> bool:
        if self._is_busy or self._tidy_at == 0.0:
            return False
        if self._must_report and not self._limits.is_limited("internal", deadline):
            return False
        wakes_at = self._outbox.wakes_at()
        if wakes_at is not None and wakes_at <= deadline:
            return False
        return all(self._limits.is_limited(category, deadline) for category in self._outbox.waiting())

    # what next

    def next_work(self) -> Pending | Task | None:
        """Wait for something to do; None if it is closed. Asking again says that the last piece is done."""
        with self._changed:
            self._is_busy = False
            self._changed.notify_all()
            while not self._is_closed:
                work = self._next()
                if work is not None:
                    self._is_busy = True
                    return work
                self._clock.wait(self._changed, self._sleep_s())
        return None

    def _next(self) -> Pending | Task | None:
        now = self._clock.monotonic()
        if now >= self._tidy_at:
            self._tidy_at = now + TIDY_EVERY_S
            return Task.TIDY
        if now < self._backoff.retry_at:
            return None
        if now >= self._report_at and self._may_report(now) and self._has_discarded():
            return Task.REPORT
        pending = self._outbox.take(now, lambda category: self._limits.is_limited(category, now))
        if pending is not None:
            return pending
        # A flush reports last, so that what is dropped while it lasts is in the report.
        return Task.REPORT if self._must_report and self._may_report(now) else None

    def _may_report(self, now: float) -> bool:
        return not self._limits.is_limited("internal", now)

    def _sleep_s(self) -> float:
        """Return how long nothing can be done unless something happens."""
        now, retry_at = self._clock.monotonic(), self._backoff.retry_at
        moments = [self._limits.until(category) for category in self._outbox.waiting()]
        moments += [moment for moment in (self._outbox.wakes_at(), self._report_at) if moment is not None]
        soonest = min((max(moment, retry_at) for moment in moments if moment > now), default=self._tidy_at)
        if now < retry_at and (self._must_report or self._outbox.waiting()):
            soonest = min(soonest, retry_at)
        return max(min(soonest, self._tidy_at) - now, 0.0)

    # what came of it

    def learn(self, answer: Answer, category: str) -> tuple[bool, list[Pending]]:
        """Learn limits from an answer: whether there are any, and what cannot wait for their end."""
        if answer.status != 429 and "x-sentry-rate-limits" not in answer.headers:
            return False, []
        with self._changed:
            has_limits = self._limits.learn(
                answer.status,
                answer.headers,
                sent=category,
                now=self._clock.monotonic(),
                wall=self._clock.time(),
            )
            return has_limits, self._outbox.drop(self._has_to_go) if has_limits else []

    def limited(self, categories: Iterable[str]) -> set[str]:
        """Return those of the categories that are limited now."""
        with self._changed:
            now = self._clock.monotonic()
            return {category for category in categories if self._limits.is_limited(category, now)}

    def failed(self) -> tuple[bool, str | None]:
        """Let everything wait after a failure: whether it is worth a notice, and what failed."""
        with self._changed:
            is_first = self._backoff.failed(self._clock.monotonic()) and not self._is_closed
            return is_first, self._last_error

    def accepted(self, pending: Pending) -> bool:
        """Forget an envelope that has arrived; True if that ends an outage."""
        with self._changed:
            self._outbox.settle(pending)
            return self._backoff.recovered()

    def settle(self, pending: Pending) -> None:
        """Forget an envelope whose fate is known."""
        with self._changed:
            self._outbox.settle(pending)

    def put_back(self, pending: Pending, *, retry_at: float = 0.0) -> None:
        """Let the envelope in flight wait again, with `retry_at` while others go ahead."""
        with self._changed:
            self._outbox.put_back(pending, retry_at=retry_at)

    def replace(self, pending: Pending, parts: Iterable[Pending]) -> None:
        """Put parts in the place of the envelope in flight."""
        with self._changed:
            self._outbox.replace(pending, parts)

    def next_try(self, pending: Pending) -> float:
        """Count an attempt in vain, and return when the next one is due."""
        with self._changed:
            pending.attempts += 1
            return self._clock.monotonic() + self._backoff.delay_s(pending.attempts, LAST_RETRY_OF_ONE_S)

    def expired(self, captured_before: float) -> list[Pending]:
        """Take out what waits for too long."""
        with self._changed:
            return self._outbox.drop(lambda pending: pending.captured_at < captured_before)

    def reporting(self) -> None:
        """Note that discards are being reported."""
        with self._changed:
            self._must_report = False
            self._report_at = self._clock.monotonic() + INTERVAL_S

    def note_error(self, error: str) -> None:
        """Remember what went wrong last."""
        with self._changed:
            self._last_error = error

    def in_flight(self) -> Pending | None:
        """Return the envelope that the thread has in hand."""
        with self._changed:
            return self._outbox.in_flight

    # how it stands

    def status(self) -> dict[str, Any]:
        """Return gauges, limits and what was captured."""
        with self._changed:
            now = self._clock.monotonic()
            return {
                "healthy": self._backoff.failures == 0,
                "queued": self._outbox.queued,
                "spooled": self._outbox.spooled,
                "spooled_bytes": self._outbox.disk_bytes,
                "last_error": self._last_error,
                "retry_in_s": round(max(self._backoff.retry_at - now, 0.0), 3),
                "rate_limits": self._limits.active(now),
                "captured": dict(self._captured),
                "adopted": dict(self._adopted),
            }

    def is_healthy(self) -> bool:
        """Return False while the memory queue is nearly full or Sentry limits errors or traces."""
        with self._changed:
            now = self._clock.monotonic()
            limited = any(self._limits.is_limited(c, now) for c in ("error", "transaction", "span"))
            return not limited and self._outbox.queued < 0.8 * self._bounds.max_queued

    def _has_to_go(self, pending: Pending) -> bool:
        """Say whether a limit ends its way: what is neither durable nor on disk does not wait for a limit's end."""
        if pending.file is not None or pending.category in DURABLE:
            return False
        return self._limits.is_limited(pending.category, self._clock.monotonic())


def _add(counts: dict[str, int], tally: Tally, sign: int = 1) -> None:
    for category, quantity in tally:
        counts[category] = counts.get(category, 0) + sign * quantity
