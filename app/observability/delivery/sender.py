"""The thread that sends: what next, when again, and what an answer means.

All waiting is on one condition, all I/O is done without holding it. The thread starts with the first envelope, wakes
once a minute to look after the spool, and ends at `stop`.
"""

import contextvars
import http.client
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from ..counters import Counters, Fate
from .bounds import Bounds
from .client_reports import INTERVAL_S, make_client_report, take_discards
from .clock import Clock
from .connection import IngestConnection
from .envelopes import DURABLE, RawEnvelope, Tally
from .exchange import Answer
from .outbox import Outbox, Pending
from .ratelimits import RateLimits
from .store import Store

logger = logging.getLogger(__name__)

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0
LAST_RETRY_OF_ONE_S = 3600.0
"""An envelope that Sentry answers with 5xx again and again waits longer than the rest, which may be fine."""
RETRY_WHILE_FLUSHING_S = 0.25
MOST_ATTEMPTS_IN_MEMORY = 10
TIDY_EVERY_S = 60.0
JOIN_TIMEOUT_S = 2.0
RETRYABLE = (408, 425)


class Sender:
    """Send what is submitted, one after the other. Thread-safe.

    Args:
        connection: where to; used by this sender's thread alone.
        store: loads what is to be sent, and ends its stay.
        counters: their discards go to Sentry once a minute and at `flush`.
        bounds: of what may wait.
        clock: the time.
        jitter: a random number in [0, 1).
    """

    def __init__(
        self,
        connection: IngestConnection,
        store: Store,
        counters: Counters,
        *,
        bounds: Bounds,
        clock: Clock,
        jitter: Callable[[], float],
    ) -> None:
        self._connection = connection
        self._store = store
        self._counters = counters
        self._bounds = bounds
        self._clock = clock
        self._jitter = jitter
        self._changed = threading.Condition(threading.Lock())
        self._outbox = Outbox(
            max_queued=bounds.max_queued, max_weight=bounds.max_weight, max_disk_bytes=bounds.max_spool_bytes
        )
        self._limits = RateLimits()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._is_busy = False
        self._flushes = 0
        self._failures = 0
        self._retry_at = 0.0
        self._tidy_at = 0.0
        self._must_report = False
        self._report_at = clock.monotonic() + INTERVAL_S
        self._captured: dict[str, int] = {}
        self._adopted: dict[str, int] = {}
        self._last_error: str | None = None
        self._warned: set[int] = set()

    # for the capturing thread

    def submit(self, pending: Pending) -> None:
        """Take an envelope; what has to make room for it, or may not be sent now, gets its fate."""
        with self._changed:
            _add(self._captured, pending.tally)
            if self._closed:
                refused = [(pending, Fate.NETWORK_ERROR)]
            elif self._has_to_go(pending):
                refused = [(pending, Fate.RATE_LIMITED)]
            else:
                refused = [(victim, _overflow(victim)) for victim in self._outbox.add(pending)]
                self._ensure_thread()
                self._changed.notify_all()
        for victim, fate in refused:
            self._store.finish(victim, fate)

    def count_captured(self, tally: Tally) -> None:
        """Count what was captured but never comes to `submit`."""
        with self._changed:
            _add(self._captured, tally)

    def start(self) -> None:
        """Start the thread now: there is work from before."""
        with self._changed:
            self._ensure_thread()

    def flush(self, timeout_s: float, callback: Callable[[int, float], Any] | None = None) -> None:
        """Wait until everything is sent that can be, at most `timeout_s`. Retries come faster meanwhile.

        What a rate limit holds back for longer than that is not waited for.
        """
        if threading.current_thread() is self._thread:
            return
        start = self._clock.monotonic()
        with self._changed:
            if self._closed:
                return
            self._flushes += 1
            self._retry_at = 0.0
            self._must_report = True
            self._ensure_thread()
            self._changed.notify_all()
        try:
            left = self._wait_until_sent(start + min(timeout_s, 0.1))
            if left and callback is not None:
                callback(left, timeout_s)
            if left:
                self._wait_until_sent(start + timeout_s)
        finally:
            with self._changed:
                self._flushes -= 1

    def park(self, keep: Callable[[list[Pending]], None]) -> None:
        """Hand what waits in memory to `keep`, which moves it to disk, and let it wait on."""
        with self._changed:
            waiting = self._outbox.drop(lambda pending: pending.file is None)
        keep(waiting)
        with self._changed:
            for pending in waiting:
                if pending.file is not None:
                    self._outbox.add(pending)
            self._changed.notify_all()

    def stop(self) -> list[Pending]:
        """End the thread and the connection now, and return what is left in memory. Later calls do nothing."""
        with self._changed:
            if self._closed:
                return []
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is None:
            self._connection.close()
        elif thread is not threading.current_thread():
            self._connection.interrupt()
            thread.join(JOIN_TIMEOUT_S)
        with self._changed:
            in_flight = [self._outbox.in_flight] if self._outbox.in_flight is not None else []
            return [pending for pending in (*in_flight, *self._outbox) if pending.file is None]

    def status(self) -> dict[str, Any]:
        """Return gauges, limits and what was captured."""
        with self._changed:
            now = self._clock.monotonic()
            return {
                "healthy": self._failures == 0,
                "queued": self._outbox.queued,
                "spooled": self._outbox.spooled,
                "spooled_bytes": self._outbox.disk_bytes,
                "last_error": self._last_error,
                "retry_in_s": round(max(self._retry_at - now, 0.0), 3),
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

    # what next; the condition is held

    def _next_step(self) -> Callable[[], None] | None:
        now = self._clock.monotonic()
        if now >= self._tidy_at:
            self._tidy_at = now + TIDY_EVERY_S
            return self._tidy
        if now < self._retry_at:
            return None
        may_report = not self._limits.is_limited("internal", now)
        if may_report and now >= self._report_at and self._counters.has_discarded():
            return self._report
        pending = self._outbox.take(now, lambda category: self._limits.is_limited(category, now))
        if pending is not None:
            return partial(self._send, pending)
        # A flush reports last, so that what is dropped while it lasts is in the report.
        return self._report if may_report and self._must_report else None

    def _sleep_s(self) -> float:
        """Return how long nothing can be done unless something happens."""
        now = self._clock.monotonic()
        moments = [self._limits.until(category) for category in self._outbox.waiting()]
        moments += [moment for moment in (self._outbox.wakes_at(), self._report_at) if moment is not None]
        soonest = min(
            (max(moment, self._retry_at) for moment in moments if moment > now), default=self._tidy_at
        )
        if now < self._retry_at and (self._must_report or self._outbox.waiting()):
            soonest = min(soonest, self._retry_at)
        return max(min(soonest, self._tidy_at) - now, 0.0)

    def _is_sent(self, deadline: float) -> bool:
        if self._is_busy or self._tidy_at == 0.0:
            return False
        if self._must_report and not self._limits.is_limited("internal", deadline):
            return False
        wakes_at = self._outbox.wakes_at()
        if wakes_at is not None and wakes_at <= deadline:
            return False
        return all(self._limits.is_limited(category, deadline) for category in self._outbox.waiting())

    def _wait_until_sent(self, deadline: float) -> int:
        """Return how many envelopes wait at the end; 0 if everything is sent that can be."""
        with self._changed:
            while self._thread is not None and not self._closed and not self._is_sent(deadline):
                left_s = deadline - self._clock.monotonic()
                if left_s <= 0:
                    return max(self._outbox.queued + self._outbox.spooled, 1)
                self._clock.wait(self._changed, left_s)
        return 0

    def _has_to_go(self, pending: Pending) -> bool:
        """Say whether a limit ends its way: what is neither durable nor on disk does not wait for a limit's end."""
        if pending.file is not None or pending.category in DURABLE:
            return False
        return self._limits.is_limited(pending.category, self._clock.monotonic())

    def _ensure_thread(self) -> None:
        if self._closed or (self._thread is not None and self._thread.is_alive()):
            return
        thread = threading.Thread(target=self._run, name="sentry-delivery", daemon=True)
        try:
            # In a context of its own: ThreadingIntegration hands the starter's scope on, and its user with it.
            contextvars.Context().run(thread.start)
        except RuntimeError:
            return  # the interpreter is ending; the next process sends what is on disk
        self._thread = thread

    # the thread

    def _run(self) -> None:
        while (step := self._await_step()) is not None:
            try:
                step()
            except Exception as failure:  # noqa: BLE001 - the thread must outlive any fault in one envelope
                self._note_error(f"internal error: {type(failure).__name__}")
                self._warn_once(
                    0, "An envelope for Sentry failed with %s and is dropped", type(failure).__name__
                )
                pending = self._outbox.in_flight
                if pending is not None:
                    self._finish(pending, Fate.INTERNAL_ERROR)
        self._connection.close()

    def _await_step(self) -> Callable[[], None] | None:
        with self._changed:
            self._is_busy = False
            self._changed.notify_all()
            while not self._closed:
                step = self._next_step()
                if step is not None:
                    self._is_busy = True
                    return step
                self._clock.wait(self._changed, self._sleep_s())
        return None

    def _tidy(self) -> None:
        """Adopt what dead processes left, share the room on disk, and drop what Sentry would refuse for its age."""
        spool = self._store.spool
        now = self._clock.time()
        if spool is not None:
            found = self._store.adopt()
            spool.beat()
            spool.remove_expired(self._bounds.max_age_s)
            room = max(
                self._bounds.max_spool_bytes - spool.others_bytes(), self._bounds.max_spool_bytes // 10
            )
        with self._changed:
            expired = self._outbox.drop(lambda pending: now - pending.captured_at > self._bounds.max_age_s)
            victims = []
            if spool is not None:
                self._outbox.max_disk_bytes = room
                victims = self._outbox.adopt(found) if found else []
                for pending in found:
                    _add(self._adopted, pending.tally)
        for pending in expired:
            self._store.finish(pending, Fate.EXPIRED)
        for pending in victims:
            self._store.finish(pending, Fate.CACHE_OVERFLOW)

    def _report(self) -> None:
        discards = take_discards(self._counters)
        with self._changed:
            self._must_report = False
            self._report_at = self._clock.monotonic() + INTERVAL_S
        if not discards:
            return
        report = RawEnvelope.of(make_client_report(discards, at=self._clock.time()))
        answer = self._post(report)
        if answer is None or answer.status == 429 or answer.status >= 500:
            self._counters.restore_discarded(discards)
            if answer is None or answer.status >= 500:
                self._back_off()
        if answer is not None:
            self._learn(answer, "internal")

    def _send(self, pending: Pending) -> None:
        before = pending.tally
        raw = self._store.load(pending)
        if raw is None:
            self._settle(pending)
            return
        if pending.is_adopted and pending.tally != before:
            with self._changed:
                _add(self._adopted, before, -1)
                _add(self._adopted, pending.tally)
        self._leave_out_limited(pending, raw)
        answer = self._post(raw)
        if answer is not None and answer.status == 413:
            smaller = self._store.trimmed(pending, raw)
            answer = self._post(smaller) if smaller is not None else answer
        if answer is None:
            self._store.tell_waiting(pending, "network_error")
            self._back_off()
            self._put_back(pending)
        else:
            self._judge(pending, answer)

    def _judge(self, pending: Pending, answer: Answer) -> None:
        """Do what the answer asks. Learning limits comes before letting go, or the next one would be sent at once."""
        self._learn(answer, pending.category)
        status = answer.status
        if 200 <= status < 300:
            self._recovered()
            self._finish(pending, Fate.ACCEPTED)
        elif status == 429:
            if pending.file is None and pending.category not in DURABLE:
                self._finish(pending, Fate.REFUSED_BY_QUOTA)
            else:
                self._store.tell_waiting(pending, Fate.RATE_LIMITED)
                self._put_back(pending, retry_at=self._next_try(pending))
        elif status >= 500 or status in RETRYABLE:
            self._try_again(pending, status)
        else:
            self._warn_status(status)
            self._finish(pending, Fate.TOO_LARGE if status == 413 else Fate.SEND_ERROR)

    def _try_again(self, pending: Pending, status: int) -> None:
        """Let an envelope that met a fault of the server wait, while others go ahead: the fault may be its own."""
        self._note_error(f"HTTP {status}")
        self._back_off()
        retry_at = self._next_try(pending)
        if (
            pending.file is None
            and pending.category not in DURABLE
            and pending.attempts >= MOST_ATTEMPTS_IN_MEMORY
        ):
            self._finish(pending, Fate.SEND_ERROR)
            return
        self._store.tell_waiting(pending, f"HTTP {status}")
        self._put_back(pending, retry_at=retry_at)

    def _next_try(self, pending: Pending) -> float:
        pending.attempts += 1
        return self._clock.monotonic() + self._delay_s(pending.attempts, LAST_RETRY_OF_ONE_S)

    def _post(self, raw: RawEnvelope) -> Answer | None:
        body = raw.to_bytes(sent_at=self._clock.time())
        try:
            return self._connection.post(body)
        except (OSError, http.client.HTTPException) as failure:
            self._note_error(type(failure).__name__)
            return None

    def _leave_out_limited(self, pending: Pending, raw: RawEnvelope) -> None:
        """Leave out companions (attachments, profiles) whose own category is limited."""
        with self._changed:
            now = self._clock.monotonic()
            limited = {
                item.category
                for item in raw.items
                if item.category != pending.category and self._limits.is_limited(item.category, now)
            }
        if limited:
            raw.items = [item for item in raw.items if item.category not in limited]
            for category, quantity in pending.tally:
                if category in limited:
                    self._counters.count(Fate.RATE_LIMITED, category, quantity)
            pending.tally = tuple(entry for entry in pending.tally if entry[0] not in limited)

    def _learn(self, answer: Answer, category: str) -> None:
        with self._changed:
            has_limits = self._limits.learn(
                answer.status,
                answer.headers,
                sent=category,
                now=self._clock.monotonic(),
                wall=self._clock.time(),
            )
            dropped = self._outbox.drop(self._has_to_go) if has_limits else []
        if has_limits and answer.status == 429:
            self._note_error("HTTP 429")
            self._warn_status(429)
        for pending in dropped:
            self._store.finish(pending, Fate.RATE_LIMITED)

    # small changes of state

    def _back_off(self) -> None:
        with self._changed:
            self._failures += 1
            is_first = self._failures == 1 and not self._closed
            self._retry_at = self._clock.monotonic() + self._delay_s(self._failures, LAST_RETRY_S)
            error = self._last_error
        if is_first:
            logger.warning("Sentry cannot be reached (%s): events wait and are sent later", error)

    def _recovered(self) -> None:
        with self._changed:
            was_down = self._failures > 0
            self._failures, self._retry_at = 0, 0.0
        if was_down:
            logger.info("Sentry is reached again")

    def _delay_s(self, attempts: int, longest_s: float) -> float:
        """Double each time; half of the delay is random, so that processes that failed together spread."""
        if self._flushes:
            return RETRY_WHILE_FLUSHING_S
        delay_s = min(FIRST_RETRY_S * 2.0 ** min(attempts - 1, 30), longest_s)
        return delay_s * (0.5 + 0.5 * self._jitter())

    def _finish(self, pending: Pending, fate: Fate) -> None:
        self._store.finish(pending, fate)
        self._settle(pending)

    def _settle(self, pending: Pending) -> None:
        with self._changed:
            self._outbox.settle(pending)

    def _put_back(self, pending: Pending, *, retry_at: float = 0.0) -> None:
        with self._changed:
            self._outbox.put_back(pending, retry_at=retry_at)

    def _note_error(self, error: str) -> None:
        with self._changed:
            self._last_error = error

    def _warn_status(self, status: int) -> None:
        meaning = MEANINGS.get(status, "it will not take the event, which is dropped")
        self._warn_once(status, "Sentry answered HTTP %s: %s", status, meaning)

    def _warn_once(self, key: int, message: str, *arguments: object) -> None:
        if key not in self._warned:
            self._warned.add(key)
            logger.warning(message, *arguments)


MEANINGS = {
    401: "the DSN's key is not valid. Copy SENTRY_DSN from the project's settings; events are dropped",
    403: "the DSN's key or project is disabled. Look at the project's client keys; events are dropped",
    404: "there is no such project. Copy SENTRY_DSN from the project's settings; events are dropped",
    413: "an event was too large, also after trimming, and is dropped",
    429: "a rate limit or the quota is reached. Errors wait in the spool, the rest is dropped and counted",
}


def _overflow(pending: Pending) -> Fate:
    return Fate.QUEUE_OVERFLOW if pending.file is None else Fate.CACHE_OVERFLOW


def _add(counts: dict[str, int], tally: Tally, sign: int = 1) -> None:
    for category, quantity in tally:
        counts[category] = counts.get(category, 0) + sign * quantity
