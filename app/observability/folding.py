"""Joins the budget to the pipeline: which error events go out, which are folded, which traces are paid for.

Judging happens before an event is described and scrubbed, so a repeat in a storm costs next to nothing. A background
thread, started with the first event, sends counts that no event has carried yet, says when a budget is nearly used
up, and keeps the budget on disk.
"""

import asyncio
import threading
import time
import uuid
from collections import OrderedDict, deque
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Protocol, cast

import sentry_sdk

from .budget import MAX_TESTS_A_DAY, Alarm, Budget, BudgetFile, FoldKey, Payment, Reason, Tally
from .budget.leases import SharedLeases
from .capture import is_in_app
from .counters import Counters, Fate
from .pipeline import DECISION, Decision
from .state import Receipt, current_flow, mark_seen
from .testerror import SentryTestError
from .types import Event, Hint

TICK_S = 1.0
RATE_KEPT_S = 1.0
MAX_REMEMBERED = 4096
EXEMPT = "exempt_from_folding"


class Disk(Protocol):
    """What the transport offers for events that are still to be paid for."""

    def keep_unpaid(self, event: Event, key: FoldKey) -> bool:
        """Put a scrubbed event on disk; false if there is no room."""

    def read_unpaid(self, event_id: str) -> Event | None:
        """Return it again; None if it is gone."""

    def forget_unpaid(self, event_id: str) -> None:
        """Remove it."""


class ErrorFolding:
    """Judges every error event by its kind; thread-safe, no I/O in `decide`.

    Test errors are never folded: /test-sentry pays for them before it raises.

    Args:
        budget: Folds and pays.
        counters: Learns the fate of what was not admitted.
        store: Keeps the budget on disk.
        leases: Share it through the service's database instead; `SharedBudget` runs them on the loop. With neither,
            the budget is in memory only, without a thread.
    """

    def __init__(
        self,
        budget: Budget,
        counters: Counters,
        store: BudgetFile | None = None,
        leases: SharedLeases | None = None,
    ) -> None:
        self.budget = budget
        self.counters = counters
        self.store = store
        self.leases = leases
        self._rate = 0.0
        self._rate_until = 0.0
        self._last_ids: OrderedDict[FoldKey, str] = OrderedDict()
        self._instead: deque[Tally] = deque()
        """Events that waited and were paid for by a later one of their kind."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._wake = threading.Event()

    def decide(self, event: Event, hint: Hint) -> Decision:
        """Judge an event by its outline; one that is sent carries `occurrences`, how many failures it stands for."""
        error = (hint.get("exc_info") or (None, None))[1]
        if EXEMPT in hint or isinstance(error, SentryTestError):
            return Decision.SEND
        self.start()
        key = hint["fold_key"] = fold_key(event, error)
        verdict = self.budget.judge(key)
        if verdict.instead is not None:
            self._instead.append(verdict.instead)
            self._wake.set()
        if not verdict.admit:
            return self._fold(key, event, hint, is_owed=verdict.reason is Reason.BUDGET)
        self._stand(key, event["event_id"])
        _count_on(event, verdict.occurrences)
        return Decision.SEND

    def _stand(self, key: FoldKey, event_id: str) -> None:
        """Remember which event stands for a kind, so that repeats can be answered with its id."""
        with self._lock:
            self._last_ids[key] = event_id
            self._last_ids.move_to_end(key)
            if len(self._last_ids) > MAX_REMEMBERED:
                self._last_ids.popitem(last=False)

    def _fold(self, key: FoldKey, event: Event, hint: Hint, *, is_owed: bool) -> Decision:
        standing = self._last_ids.get(key)
        if standing is None and is_owed:
            # The first of its kind here, to be sent under its own id when it can be paid for: no fate yet.
            decision = Decision.KEEP
            standing = str(event["event_id"])
            self._stand(key, standing)
            self._wake.set()
        else:
            decision = Decision.FOLD
            self.counters.count(Fate.BUDGET if is_owed else Fate.FOLDED, "error")
        receipt = hint.get("receipt")
        if isinstance(receipt, Receipt):
            receipt.event_id = standing
        error = (hint.get("exc_info") or (None, None))[1]
        if error is not None and standing is not None:
            mark_seen(error, standing)
        return decision

    def sent(self, event: Event, hint: Hint) -> None:
        """Keep the scrubbed event, so that a tally of its kind looks like it; on disk if it is still to be paid for."""
        key = hint.get("fold_key")
        if key is None:
            return
        disk = _disk()
        if hint.get(DECISION) is Decision.KEEP and disk is not None and disk.keep_unpaid(event, key):
            # On disk before the budget knows what it looks like: else it could be paid for in between, and its file
            # removed while it is not sent yet.
            event_id = str(event["event_id"])
            if not self.budget.wait(key, event_id):
                self.counters.count(Fate.FOLDED, "error")
                disk.forget_unpaid(event_id)
        self.budget.remember(key, event)

    def take_over(self, key: tuple[str, ...], event_id: str, event: Event, captured_at: float) -> bool:
        """Take over an event that a dead process could not pay for; false if it need not be kept on disk."""
        if self._stop.is_set():
            return True  # for the next process
        if len(key) != len(FoldKey._fields):
            return False
        if not self.budget.take_over(FoldKey(*key), event_id, event, captured_at):
            return False
        self._stand(FoldKey(*key), event_id)
        self.start()
        self._wake.set()
        return True

    def pay_test(self) -> str | None:
        """Pay for a test error, which is never folded, or return in words why it must not be sent."""
        self.start()
        payment = self.budget.pay_test()
        if payment is Payment.PAID:
            return None
        if payment is Payment.DAY_IS_FULL:
            return f"{MAX_TESTS_A_DAY} test errors were sent today; the next can be sent after midnight UTC."
        month = self.budget.forecast()
        used = f"{month.errors_sent:,} of {month.errors_limit:,} errors of this month are used"
        return f"The budget has no room for a test error now (SENTRY_MONTHLY_ERRORS): {used}. See /observability."

    def pay_transaction(self, spans: int) -> bool:
        """Pay for a transaction with `spans` spans, itself included; False if the month has no room for it."""
        self.start()
        if self.budget.spend_spans(spans):
            return True
        self.counters.count(Fate.BUDGET, "transaction")
        self.counters.count(Fate.BUDGET, "span", spans)
        return False

    def span_rate(self, set_rate: float) -> float:
        """The set rate, or less if the month's spans would not last; asked by every request, so kept for a second."""
        if set_rate == 0.0:
            return 0.0
        now = time.monotonic()
        if now >= self._rate_until:
            self._rate = self.budget.span_rate(set_rate)
            self._rate_until = now + RATE_KEPT_S
        return min(self._rate, set_rate)

    # the background

    def start(self) -> None:
        """Start the thread if it does not run; also after a fork, which leaves threads behind."""
        if (self.store is None and self.leases is None) or self._stop.is_set():
            return
        if self._thread is not None and self._thread.is_alive():
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="sentry-budget", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(TICK_S)
            self._wake.clear()
            if not self._stop.is_set():
                self.tick()

    def tick(self) -> None:
        """Send due tallies and alarms, and settle with the store; nothing while there is no client to send with."""
        if not sentry_sdk.get_client().is_active():
            return
        while self._instead:
            self._send(self._instead.popleft())
        for tally in self.budget.due_tallies():
            self._send(tally)
        for alarm in self.budget.alarms():
            send_alarm(alarm)
        if self.store is not None and self.store.save_if_due():
            self._wake.set()  # there may be units now for what waits
        if self.leases is not None:
            self.leases.draw_if_away()

    def close(self, *, with_tallies: bool) -> None:
        """Stop the thread; with `with_tallies` send every count not yet reported, else leave it to the next process."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._wake.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(TICK_S)
        if self.store is not None:
            tallies = self.store.close(tallies=with_tallies)
        elif self.leases is not None:
            tallies = []  # `SharedBudget.stop` has left them to the other replicas
        else:
            tallies = self.budget.final_tallies() if with_tallies else []
        for tally in (*self._instead, *tallies):
            self._send(tally)
        self._instead.clear()

    def _send(self, tally: Tally) -> None:
        """Send a tally; one that a process left behind looks like an event which that process has sent."""
        is_bare = tally.sample is None and not tally.unpaid
        send_tally(tally, self.store.sample_of(tally.key) if is_bare and self.store is not None else None)


class SharedBudget:
    """Runs the leases of a budget that replicas share, on the application's loop."""

    def __init__(self, leases: SharedLeases) -> None:
        self.leases = leases
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to settle with the database in the background."""
        self._task = asyncio.create_task(self.leases.run())

    async def stop(self) -> None:
        """Send every count not yet reported and give the lease back; what cannot be paid is left to other replicas."""
        if self._task is not None:
            self._task.cancel()
        await asyncio.to_thread(self.leases.draw_if_away)
        for tally in await self.leases.close(tallies=True):
            send_tally(tally)


def fold_key(event: Event, error: BaseException | None) -> FoldKey:
    """The kind of an event: exception type and top in-app frame, else its fingerprint or message template; route."""
    flow = current_flow()
    route = str((flow.template() if flow is not None else None) or event.get("transaction") or "")
    if error is None:
        logentry = event.get("logentry") or {}
        template = logentry.get("message") or event.get("message") or ""
        fingerprint = "/".join(str(part) for part in event.get("fingerprint") or ())
        # Written to disk, where only scrubbed text may go: a message is told apart by its digest.
        text = (fingerprint or str(template)).encode("utf-8", "replace")
        return FoldKey(
            str(event.get("logger") or event.get("level") or "message"),
            blake2b(text, digest_size=8).hexdigest(),
            route,
        )
    kind = type(error)
    return FoldKey(f"{kind.__module__}.{kind.__qualname__}", _top_frame(error), route)


def _top_frame(error: BaseException) -> str:
    place = ""
    in_app = ""
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        place = f"{traceback.tb_frame.f_globals.get('__name__')}:{code.co_name}"  # no line: a deploy moves it
        if is_in_app(code.co_filename):
            in_app = place
        traceback = traceback.tb_next
    return in_app or place


def _count_on(event: Event, occurrences: int) -> None:
    extra = event.get("extra")
    event["extra"] = {**(extra if isinstance(extra, dict) else {}), "occurrences": occurrences}
    if occurrences > 1:
        tags = event.get("tags")
        event["tags"] = {**(tags if isinstance(tags, dict) else {}), "occurrences": str(occurrences)}


def send_tally(tally: Tally, sample: Event | None = None) -> None:
    """Send a count that no event has carried yet: the first of its kind that had to wait, or one more of a kind."""
    disk = _disk() if tally.unpaid else None
    unpaid = disk.read_unpaid(tally.unpaid) if disk is not None else None
    event: Event = dict(
        unpaid or tally.sample or sample or {"level": "error", "message": f"Repeats of {tally.key.exception}"}
    )
    if "event_id" not in event or sample or not (unpaid or tally.reason is Reason.NEW):
        event["event_id"] = uuid.uuid4().hex
        event["timestamp"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    _count_on(event, tally.occurrences)
    _capture(event)
    if disk is not None:
        disk.forget_unpaid(tally.unpaid)


def send_alarm(alarm: Alarm) -> None:
    """Say once that a month's budget is at 80 % or used up."""
    _capture(
        {
            "level": "warning",
            "message": (
                f"Sentry budget: {alarm.spent} of {alarm.limit} {alarm.category} of {alarm.month} are used "
                f"({alarm.percent} %)"
            ),
            "fingerprint": ["sentry-budget", alarm.category, str(alarm.percent)],
            "tags": {
                "failure": "budget",
                "budget.category": alarm.category,
                "budget.percent": str(alarm.percent),
            },
        }
    )


def _capture(event: dict[str, Any]) -> None:
    sentry_sdk.get_client().capture_event(event, {EXEMPT: True})


def _disk() -> Disk | None:
    transport = sentry_sdk.get_client().transport
    return cast(Disk, transport) if hasattr(transport, "keep_unpaid") else None
