"""The thread that sends: takes what the schedule says is next, and does what Sentry's answer asks.

It starts with the first envelope, wakes once a minute to look after the spool, and ends at `stop`.
"""

import contextvars
import http.client
import threading
from collections.abc import Callable, Collection
from typing import Any

from ..counters import Counters, Fate
from .bounds import Bounds
from .client_reports import make_client_report, take_discards
from .clock import Clock
from .connection import IngestConnection
from .envelopes import COMPANIONS, DURABLE, RawEnvelope, Tally
from .exchange import Answer
from .notices import Notices
from .outbox import Pending
from .schedule import Schedule, Task
from .splitting import MOST_SPLITS, halves_of, tally_of_parts
from .store import BYTES_A_UNIT, Store

MOST_ATTEMPTS_IN_MEMORY = 10
JOIN_TIMEOUT_S = 2.0
AT_ONCE_S = 0.1
"""A flush that takes longer says so to whoever asked for it."""
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
        self._schedule = Schedule(
            bounds=bounds, clock=clock, jitter=jitter, has_discarded=counters.has_discarded
        )
        # asked of the sender, known to the schedule
        self.status = self._schedule.status
        self.is_healthy = self._schedule.is_healthy
        self.count_captured = self._schedule.count_captured
        self._notices = Notices()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_stopped = False

    # for the capturing thread

    def submit(self, pending: Pending) -> None:
        """Take an envelope; what has to make room for it, or may not be sent now, gets its fate."""
        refused = self._schedule.add(pending)
        self.start()
        for victim, fate in refused:
            self._store.finish(victim, fate)

    def start(self) -> None:
        """Start the thread if it does not run."""
        if self._thread is not None and self._thread.is_alive():
            return
        with self._starting:
            if self._is_stopped or (self._thread is not None and self._thread.is_alive()):
                return
            thread = threading.Thread(target=self._run, name="sentry-delivery", daemon=True)
            try:
                # In a context of its own: ThreadingIntegration hands the starter's scope on, and its user with it.
                contextvars.Context().run(thread.start)
            except RuntimeError:
                return  # the interpreter is ending; the next process sends what is on disk
            self._thread = thread

    def flush(self, timeout_s: float, callback: Callable[[int, float], Any] | None = None) -> None:
        """Wait until everything is sent that can be, at most `timeout_s`. Retries come faster meanwhile.

        What a rate limit holds back for longer than that is not waited for.
        """
        if threading.current_thread() is self._thread:
            return
        start = self._clock.monotonic()
        self.start()
        if self._thread is None or not self._schedule.begin_flush():
            return
        try:
            deadline = start + timeout_s
            left = self._schedule.wait_until_sent(deadline, at_most_until=start + AT_ONCE_S)
            if left and callback is not None:
                callback(left, timeout_s)
            if left:
                self._schedule.wait_until_sent(deadline)
        finally:
            self._schedule.end_flush()

    def park(self, keep: Callable[[list[Pending]], None]) -> None:
        """Hand what waits in memory to `keep`, which moves it to disk, and let it wait on."""
        waiting = self._schedule.take_from_memory()
        keep(waiting)
        self._schedule.take_back(pending for pending in waiting if pending.file is not None)

    def stop(self) -> list[Pending]:
        """End the thread and the connection now, and return what is left in memory. Later calls do nothing."""
        with self._starting:
            self._is_stopped = True
            thread = self._thread
        if not self._schedule.close():
            return []
        if thread is None:
            self._connection.close()
        elif thread is not threading.current_thread():
            self._connection.interrupt()
            thread.join(JOIN_TIMEOUT_S)
        return self._schedule.left()

    # the thread

    def _run(self) -> None:
        while (work := self._schedule.next_work()) is not None:
            try:
                if work is Task.TIDY:
                    self._tidy()
                elif work is Task.REPORT:
                    self._report()
                else:
                    self._send(work)
            except Exception as failure:  # noqa: BLE001 - the thread must outlive any fault in one envelope
                self._schedule.note_error(f"internal error: {type(failure).__name__}")
                self._notices.failed(failure)
                pending = self._schedule.in_flight()
                if pending is not None:
                    self._finish(pending, Fate.INTERNAL_ERROR)
        self._connection.close()

    def _tidy(self) -> None:
        """Adopt what dead processes left, share the room on disk, and drop what Sentry would refuse for its age."""
        spool = self._store.spool
        victims = []
        if spool is not None:
            found = self._store.adopt()
            spool.beat()
            spool.remove_expired(self._bounds.max_age_s)
            most = self._bounds.max_spool_bytes
            victims = self._schedule.adopt(found, max(most - spool.others_bytes(), most // 10))
        for pending in victims:
            self._store.finish(pending, Fate.CACHE_OVERFLOW)
        for pending in self._schedule.expired(self._clock.time() - self._bounds.max_age_s):
            self._store.finish(pending, Fate.EXPIRED)

    def _report(self) -> None:
        discards = take_discards(self._counters)
        self._schedule.reporting()
        if not discards:
            return
        answer = self._post(RawEnvelope.of(make_client_report(discards, at=self._clock.time())))
        if answer is None or answer.status == 429 or answer.status >= 500:
            self._counters.restore_discarded(discards)
            if answer is None or answer.status >= 500:
                self._back_off()
        if answer is not None:
            self._learn(answer, "internal")

    def _send(self, pending: Pending) -> None:
        raw = self._load(pending)
        if raw is None:
            self._schedule.settle(pending)
            return
        answer = self._post(raw)
        if answer is not None and answer.status == 413:
            halves = halves_of(raw) if pending.splits < MOST_SPLITS else None
            if halves is not None:
                self._learn(answer, pending.category)
                self._replace(pending, halves)
                return
            smaller = self._store.trimmed(pending, raw)
            if smaller is not None:
                self._count_trimmed(pending, smaller)
                answer = self._post(smaller)
        if answer is None:
            self._store.tell_waiting(pending, "network_error")
            self._back_off()
            self._schedule.put_back(pending)
        else:
            self._judge(pending, answer)

    def _load(self, pending: Pending) -> RawEnvelope | None:
        """Return what is to be sent of an envelope now; None if there is nothing, and its fate is counted."""
        before = pending.tally
        raw = self._store.load(pending)
        if raw is None:
            return None
        if pending.is_adopted and pending.tally != before:
            self._schedule.correct_adopted(before, pending.tally)
        if pending.is_trimmed:
            self._count_trimmed(pending, raw)
        if len(raw.items) > 1:
            # Companions (attachments, profiles) may be limited while the event is not.
            companions = {item.category for item in raw.items} - {pending.category}
            limited = self._schedule.limited(companions)
            raw.items = [item for item in raw.items if item.category not in limited]
            self._count_parts(pending, limited, Fate.RATE_LIMITED)
        return raw

    def _post(self, raw: RawEnvelope) -> Answer | None:
        try:
            return self._connection.post(raw.to_bytes(sent_at=self._clock.time()))
        except (OSError, http.client.HTTPException) as failure:
            self._schedule.note_error(type(failure).__name__)
            return None

    # what an answer asks for

    def _judge(self, pending: Pending, answer: Answer) -> None:
        """Do what the answer asks. Learning limits comes before letting go, or the next one would be sent at once."""
        self._learn(answer, pending.category)
        status = answer.status
        if 200 <= status < 300:
            self._store.finish(pending, Fate.ACCEPTED)
            if self._schedule.accepted(pending):
                self._notices.reached()
        elif status == 429:
            if _may_be_dropped(pending):
                self._finish(pending, Fate.REFUSED_BY_QUOTA)
            else:
                self._store.tell_waiting(pending, Fate.RATE_LIMITED)
                self._schedule.put_back(pending, retry_at=self._schedule.next_try(pending))
        elif status >= 500 or status in RETRYABLE:
            self._try_again(pending, status)
        else:
            self._notices.refused(status)
            self._finish(pending, Fate.TOO_LARGE if status == 413 else Fate.SEND_ERROR)

    def _learn(self, answer: Answer, category: str) -> None:
        has_limits, dropped = self._schedule.learn(answer, category)
        if has_limits and answer.status == 429:
            self._schedule.note_error("HTTP 429")
            self._notices.refused(429)
        for pending in dropped:
            self._store.finish(pending, Fate.RATE_LIMITED)

    def _try_again(self, pending: Pending, status: int) -> None:
        """Let an envelope that met a fault of the server wait, while others go ahead: the fault may be its own."""
        self._schedule.note_error(f"HTTP {status}")
        self._back_off()
        retry_at = self._schedule.next_try(pending)
        if _may_be_dropped(pending) and pending.attempts >= MOST_ATTEMPTS_IN_MEMORY:
            self._finish(pending, Fate.SEND_ERROR)
            return
        self._store.tell_waiting(pending, f"HTTP {status}")
        self._schedule.put_back(pending, retry_at=retry_at)

    def _back_off(self) -> None:
        is_first, error = self._schedule.failed()
        if is_first:
            self._notices.unreachable(error)

    def _replace(self, pending: Pending, halves: tuple[RawEnvelope, RawEnvelope]) -> None:
        """Let the halves of what was too large come next, each with its own fate."""
        parts = [
            Pending(
                pending.category,
                pending.event_id,
                pending.captured_at,
                tally_of_parts(half),
                weight=1 + sum(len(item.payload) for item in half.items) // BYTES_A_UNIT,
                envelope=half,
                splits=pending.splits + 1,
            )
            for half in halves
        ]
        self._schedule.replace(pending, parts)
        if pending.file is not None and self._store.spool is not None:
            self._store.spool.remove(pending.file)

    def _count_trimmed(self, pending: Pending, smaller: RawEnvelope) -> None:
        """Count what an event had to leave behind to be small enough."""
        self._count_parts(
            pending, set(COMPANIONS) - {item.category for item in smaller.items}, Fate.TOO_LARGE
        )

    def _count_parts(self, pending: Pending, categories: Collection[str], fate: Fate) -> None:
        """Count what goes no further, while the rest of the envelope does."""
        gone: Tally = tuple(entry for entry in pending.tally if entry[0] in categories)
        for category, quantity in gone:
            self._counters.count(fate, category, quantity)
        if gone:
            pending.tally = tuple(entry for entry in pending.tally if entry not in gone)

    def _finish(self, pending: Pending, fate: Fate) -> None:
        self._store.finish(pending, fate)
        self._schedule.settle(pending)


def _may_be_dropped(pending: Pending) -> bool:
    return pending.file is None and pending.category not in DURABLE
