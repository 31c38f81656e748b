"""The budget of one process: folds repeats, spends what it was granted, keeps counts not yet reported.

Thread-safe; judging an event is O(1) and does no I/O. Alone, a budget owns its month (`Ledger`). With a file or
the service's database it holds units ahead of need, and the store settles with it in the background.
"""

from collections.abc import Mapping
from typing import Any

from .folding import OTHERS, FoldKey, Kind, Reason
from .forecast import Forecast, make_forecast
from .journal import Journal
from .ledger import Alarm
from .pools import Pool
from .settling import Settling
from .verdicts import FOLDED, HELD_BACK, Payment, Tally, Verdict

MAX_TALLIES = 256
MAX_TESTS_A_DAY = 50


class Budget(Settling):
    """Decides which errors are sent and which share of requests is traced, inside budgets for each UTC month.

    Args:
        monthly_errors: error events a month; 0 = unlimited (repeats still fold).
        monthly_spans: spans a month, a transaction being one itself; 0 = unlimited.
        clock: seconds since the epoch.
        is_shared: a store hands out the budget; without one this process has it all.
        schedule: when repeats become events.
        max_kinds: kinds of errors kept in memory.
    """

    # errors

    def judge(self, key: FoldKey, *, sample: Any = None, now: float | None = None) -> Verdict:
        """Count one occurrence and say whether it becomes an event, which stands for all since the last one.

        `sample` is kept (in memory only, a reference) for the tally that may be sent later.
        """
        now = self._clock() if now is None else now
        with self._lock:
            self._stock.volume += 1
            self.is_dirty = True
            kind = self._memory.see(key, now)
            if sample is not None:
                self._memory.keep(kind, latest=sample)
            before = kind.pending - 1
            verdict = self._decide(kind, now)
            journal, line = self._note(kind, kind.pending - before)
        _write(journal, [line])
        return verdict

    def _decide(self, kind: Kind, now: float) -> Verdict:
        reason = kind.due(now, self._schedule)
        if (
            reason is Reason.RESTARTED
            and self._stock.is_crash_loop
            and not kind.is_old_news(now, self._schedule)
        ):
            reason = None
        if reason is None:
            return FOLDED
        if not self._pay(kind, reason, now):
            return FOLDED if reason is Reason.RESTARTED else HELD_BACK
        if kind.unpaid:
            return Verdict(False, 0, Reason.FOLDED, instead=self._tally(kind, reason, now))
        return Verdict(True, self._report(kind, now), reason)

    def remember(self, key: FoldKey, sample: Mapping[str, Any]) -> None:
        """Keep the scrubbed, JSON-able form of an event for a later tally; it may be written to disk."""
        with self._lock:
            kind = self._memory.kinds.get(key)
            if kind is not None:
                self._memory.keep(kind, scrubbed=sample)

    def wait(self, key: FoldKey, event_id: str) -> bool:
        """Note that an event which was held back is on disk until it can be paid for; false if it need not be.

        It becomes the next event of its kind, under its own id, however that comes about.
        """
        with self._lock:
            kind = self._memory.kinds.get(key)
            if kind is None or not kind.pending or kind.unpaid:
                return False
            self._memory.wait(kind, event_id)
            journal, line = self._note(kind, 0, always=True)
        _write(journal, [line])
        return True

    def take_over(self, key: FoldKey, event_id: str, sample: Mapping[str, Any], at: float) -> bool:
        """Take over an event that waits on disk from a process that died; false if it need not be kept."""
        now = self._clock()
        with self._lock:
            before = self._memory.pending(key)
            kind = self._memory.take_over(key, event_id, min(at, now))
            is_kept = kind.pending > 0 and kind.unpaid in ("", event_id)
            if is_kept:
                self._memory.wait(kind, event_id)
                self._memory.keep(kind, scrubbed=sample)
                self.is_dirty = True
                self.is_urgent = self.is_urgent or not (kind.known or self._is_dry)
            journal, line = self._note(kind, kind.pending - before, always=is_kept)
        _write(journal, [line])
        return is_kept

    def strike(self, state: Mapping[str, Any]) -> None:
        """Take counts out of the `state` of a process that died, whose events were taken over from disk."""
        with self._lock:
            for entry in state.get("kinds", ()):
                self._memory.strike(entry)

    def take_samples(self) -> dict[str, Mapping[str, Any]]:
        """Return the scrubbed events remembered since the last call, by the digest of their kind."""
        with self._lock:
            return self._memory.take_samples()

    def due_tallies(self, now: float | None = None) -> list[Tally]:
        """Return the counts that should be sent now: kinds that went quiet, and new ones that had to wait."""
        now = self._clock() if now is None else now
        with self._lock:
            tallies: list[Tally] = []
            is_short = False
            # The count that has been open longest comes first.
            for kind in list(self._memory.open.values()):
                if is_short and kind.known and kind.pending < self._schedule.many:
                    continue
                reason = kind.tally_due(now, self._schedule)
                if reason is None or kind.is_awaited(now):
                    continue
                if self._pay(kind, reason, now):
                    tallies.append(self._tally(kind, reason, now))
                else:
                    is_short = True
                if len(tallies) == MAX_TALLIES:
                    break
            journal, lines = self._note_all(tallies)
        _write(journal, lines)
        return tallies

    def final_tallies(self, now: float | None = None) -> list[Tally]:
        """Return every count not yet reported, at the end of the process; may use up the reserves.

        Without a store, what cannot be paid one by one goes out together as one tally of `OTHERS`. With a store
        it stays in `state`; `close(tallies=True)` of the store does the whole.
        """
        now = self._clock() if now is None else now
        with self._lock:
            # A store leaves to the next process what delivery has not handed over yet.
            kinds = [k for k in self._memory.open.values() if not (self.is_shared and k.is_on_disk(now))]
            kinds.sort(key=lambda kind: kind.pending, reverse=True)
            self._stock.refill(now, {Pool.FINAL: len(kinds)})
            if self.limits.errors and not self.is_shared and 0 < self._stock.error_units() < len(kinds):
                kinds = self._merge_rest(kinds, self._stock.error_units())
            paid = (kind for kind in kinds if self._pay(kind, Reason.CLOSING, now))
            tallies = [self._tally(kind, Reason.CLOSING, now) for kind in paid]
            journal, lines = self._note_all(tallies)
        _write(journal, lines)
        return tallies

    def pay_test(self, now: float | None = None) -> Payment:
        """Pay for a test error, which is never folded, and say whether it may be sent.

        What a shared budget has spent is known as of the last settlement, so several processes may send a few more
        than `MAX_TESTS_A_DAY` between two of them; the month's limit holds exactly.
        """
        now = self._clock() if now is None else now
        with self._lock:
            stock = self._stock
            stock.refill(now)
            if stock.tests_today() >= MAX_TESTS_A_DAY:
                return Payment.DAY_IS_FULL
            if self.limits.errors and not (stock.take(Pool.STEADY, now) or stock.take(Pool.NEW, now)):
                self.is_urgent = self.is_urgent or not self._is_dry
                return Payment.NO_ROOM
            stock.tests += 1
            stock.volume += 1
            self.is_dirty = self.is_urgent = True  # the other processes should hear of it
            return Payment.PAID

    # spans

    def span_rate(self, set_rate: float, now: float | None = None) -> float:
        """Return the sample rate to use: the set rate, or less if that would not last the month."""
        now = self._clock() if now is None else now
        with self._lock:
            return self._stock.span_rate(set_rate, now)

    def spend_spans(self, count: int, *, rate: float | None = None, now: float | None = None) -> bool:
        """Pay for a transaction of `count` spans, itself included; False if it must not be sent.

        `rate` is what it was sampled at, 1 for one that was not left to chance; by default the last `span_rate`.
        """
        now = self._clock() if now is None else now
        with self._lock:
            self.is_dirty = True
            return self._stock.pay_spans(count, rate, now)

    # the month

    def alarms(self, now: float | None = None) -> list[Alarm]:
        """Return the alarms not yet sent: 80 % and 100 % of a budget, once a month each; already paid."""
        now = self._clock() if now is None else now
        with self._lock:
            self._stock.refill(now)
            alarms, self._stock.alarms = self._stock.alarms, []
            return alarms

    def forecast(self, now: float | None = None) -> Forecast:
        """Return what the month will cost at today's volume, over all processes that share the budget."""
        now = self._clock() if now is None else now
        with self._lock:
            stock = self._stock
            stock.refill(now)
            return make_forecast(stock.view, self.limits, stock.total_demand(now), stock.set_rate, now)

    def pending(self) -> int:
        """Return how many occurrences no event has reported yet."""
        with self._lock:
            return sum(kind.pending for kind in self._memory.open.values())

    @property
    def is_crash_loop(self) -> bool:
        """Whether the service starts again and again: then nothing is sent only because a process begins or ends."""
        return self._stock.is_crash_loop

    # with the lock held

    def _note(self, kind: Kind, change: int, *, always: bool = False) -> tuple[Journal | None, bytes]:
        """Return what is to be written to the journal once the lock is released: no I/O while it is held."""
        journal = self._journal
        if journal is None or not (change or always):
            return None, b""
        return journal, journal.line(kind, change)

    def _note_all(self, tallies: list[Tally]) -> tuple[Journal | None, list[bytes]]:
        kinds = ((self._memory.kinds.get(tally.key), tally.occurrences) for tally in tallies)
        return self._journal, [self._note(kind, -count)[1] for kind, count in kinds if kind is not None]

    def _pay(self, kind: Kind, reason: Reason, now: float) -> bool:
        if not self.limits.errors:
            return True
        stock = self._stock
        if reason is Reason.NEW:
            paid = stock.take(Pool.NEW, now) or stock.take(Pool.STEADY, now)
            self.is_urgent = self.is_urgent or not (paid or self._is_dry)
            return paid
        if reason is Reason.CLOSING:
            return any(stock.spend(pool) for pool in (Pool.STEADY, Pool.FINAL, Pool.NEW))
        # Some units stay in hand for what a developer wants to know at once.
        is_news = reason in (Reason.EARLY, Reason.RETURNED) or kind.is_surge(now, self._schedule)
        return stock.take(Pool.STEADY, now, 0 if is_news else stock.keep(Pool.STEADY))

    def _report(self, kind: Kind, now: float) -> int:
        if not kind.known:
            self.is_urgent = True
        return self._memory.report(kind, now)

    def _tally(self, kind: Kind, reason: Reason, now: float) -> Tally:
        sample = kind.scrubbed if kind.latest is None else kind.latest
        is_scrubbed = kind.latest is None and sample is not None
        self.is_dirty = True
        unpaid = kind.unpaid
        return Tally(kind.key, self._report(kind, now), reason, sample, is_scrubbed, unpaid)

    def _merge_rest(self, kinds: list[Kind], units: int) -> list[Kind]:
        """Fold the smallest counts into one, so that what is left of the budget covers every count."""
        singles = [kind for kind in kinds if kind.key != OTHERS][: units - 1]
        chosen = {kind.key for kind in singles}
        others = Kind(OTHERS, since=0.0, last_event=0.0, last_seen=0.0, known=True)
        for kind in kinds:
            if kind.key not in chosen:
                others.pending += kind.pending
                kind.pending = 0
                self._memory.open.pop(kind.key, None)
        return [*singles, others]


def _write(journal: Journal | None, lines: list[bytes]) -> None:
    if journal is not None:
        for line in lines:
            journal.write(line)
