"""The budget of one process: folds repeats, spends what it was granted, keeps counts not yet reported.

Thread-safe; judging an event is O(1) and does no I/O. Alone, a budget owns its month (`Ledger`). With a file
or the service's database it holds units ahead of need, and the store settles with it in the background.
"""

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .demand import Demand
from .folding import OTHERS, FoldKey, Kind, Reason, Schedule
from .forecast import Forecast, make_forecast, span_cap
from .ledger import ERROR_POOLS, Alarm, Grant, Ledger, Limits, Pool, Request, no_units
from .memory import Memory

Clock: TypeAlias = Callable[[], float]

MAX_TALLIES = 256
MAX_KEPT_KINDS = 1000
RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with an error: `occurrences` goes on the event if it is admitted, and is 0 if not."""

    admit: bool
    occurrences: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Tally:
    """A count to be sent as one more event of its kind; already paid, and counted as reported.

    `sample` is what the caller last gave for this kind, or None (after a restart, or for `OTHERS`);
    `is_scrubbed` says that it came through `remember`.
    """

    key: FoldKey
    occurrences: int
    reason: Reason
    sample: Any
    is_scrubbed: bool


FOLDED = Verdict(admit=False, occurrences=0, reason=Reason.FOLDED)
HELD_BACK = Verdict(admit=False, occurrences=0, reason=Reason.BUDGET)


class Budget:
    """Decides which errors are sent and which share of requests is traced, inside budgets for each UTC month.

    Args:
        monthly_errors: error events a month; 0 = unlimited (repeats still fold).
        monthly_spans: spans a month, a transaction being one itself; 0 = unlimited.
        clock: seconds since the epoch.
        is_shared: a store hands out the budget; without one this process has it all.
        max_kinds: kinds of errors kept in memory.
    """

    def __init__(
        self,
        *,
        monthly_errors: int = 5000,
        monthly_spans: int = 5_000_000,
        clock: Clock = time.time,
        is_shared: bool = False,
        schedule: Schedule | None = None,
        max_kinds: int = 4096,
    ) -> None:
        now = clock()
        self.limits = Limits(monthly_errors, monthly_spans)
        self.holder = uuid.uuid4().hex
        self._clock = clock
        self._schedule = schedule or Schedule()
        self._lock = threading.Lock()
        self._memory = Memory(self._schedule, max_kinds)
        self._own = None if is_shared else Ledger(self.limits, now)
        self._granted = no_units()
        self._funded = no_units()
        self._spent = no_units()
        self._ahead = {pool: self.limits.block(pool) for pool in Pool}
        self._demand = Demand(now)
        self._reported_demand = 0.0
        self._volume = 0
        self._view = Ledger(self.limits, now).view(now)
        self._alarms: list[Alarm] = []
        self._set_rate = self._rate = self._cap = 1.0
        self._cap_until = now
        self._retry_at = now
        self._owed_spans = 0
        self._dirty = False
        self._urgent = False

    # errors

    def judge(self, key: FoldKey, *, sample: Any = None, now: float | None = None) -> Verdict:
        """Count one occurrence and say whether it becomes an event, which stands for all since the last one.

        `sample` is kept (in memory only, a reference) for the tally that may be sent later.
        """
        now = self._clock() if now is None else now
        with self._lock:
            self._volume += 1
            self._dirty = True
            kind = self._memory.see(key, now)
            if sample is not None:
                self._memory.keep(kind, latest=sample)
            reason = kind.due(now, self._schedule)
            if reason is None:
                return FOLDED
            if not self._pay(reason, now):
                return HELD_BACK
            return Verdict(True, self._report(kind, now), reason)

    def remember(self, key: FoldKey, sample: Mapping[str, Any]) -> None:
        """Keep the scrubbed, JSON-able form of an event for a later tally; it may be written to disk."""
        with self._lock:
            kind = self._memory.kinds.get(key)
            if kind is not None:
                self._memory.keep(kind, scrubbed=sample)

    def due_tallies(self, now: float | None = None) -> list[Tally]:
        """Return the counts that should be sent now: kinds that went quiet, and new ones that had to wait."""
        now = self._clock() if now is None else now
        with self._lock:
            tallies: list[Tally] = []
            for kind in list(self._memory.open.values()):
                reason = kind.tally_due(now, self._schedule)
                if reason is not None and self._pay(reason, now):
                    tallies.append(self._tally(kind, reason, now))
                    if len(tallies) == MAX_TALLIES:
                        break
            return tallies

    def final_tallies(self, now: float | None = None) -> list[Tally]:
        """Return every count not yet reported, at the end of the process; may use up the reserves.

        Without a store, what cannot be paid one by one goes out together as one tally of `OTHERS`. With one it
        stays in `state`; let the store settle with `closing` first.
        """
        now = self._clock() if now is None else now
        with self._lock:
            kinds = sorted(self._memory.open.values(), key=lambda kind: kind.pending, reverse=True)
            self._refill(now, {Pool.FINAL: len(kinds)})
            units = self._error_units()
            if units is not None and len(kinds) > units and self._own is not None and units > 0:
                kinds = self._merge_rest(kinds, units)
            return [
                self._tally(kind, Reason.CLOSING, now) for kind in kinds if self._pay(Reason.CLOSING, now)
            ]

    # spans

    def span_rate(self, set_rate: float, now: float | None = None) -> float:
        """Return the sample rate to use: the set rate, or less if that would not last the month."""
        now = self._clock() if now is None else now
        with self._lock:
            self._set_rate = set_rate
            if not self.limits.spans or set_rate <= 0.0:
                self._rate = set_rate
                return set_rate
            if not self._cap_until - RETRY_S <= now < self._cap_until:
                self._renew_cap(now)
            self._rate = min(set_rate, self._cap) if self._in_hand(Pool.SPANS) > 0 else 0.0
            return self._rate

    def spend_spans(self, count: int, now: float | None = None) -> bool:
        """Pay for a transaction of `count` spans, itself included; False if it must not be sent."""
        now = self._clock() if now is None else now
        with self._lock:
            self._dirty = True
            if self._rate > 0.0:
                self._demand.add(count, min(self._rate, 1.0), now)
            if self.limits.spans and self._in_hand(Pool.SPANS) < count:
                self._refill(now, {Pool.SPANS: count})
                if self._in_hand(Pool.SPANS) < count:
                    return False
            self._spent[Pool.SPANS] += count
            return True

    # the month

    def alarms(self, now: float | None = None) -> list[Alarm]:
        """Return the alarms not yet sent: 80 % and 100 % of a budget, once a month each; already paid."""
        now = self._clock() if now is None else now
        with self._lock:
            self._refill(now)
            alarms, self._alarms = self._alarms, []
            return alarms

    def forecast(self, now: float | None = None) -> Forecast:
        """Return what the month will cost at today's volume, over all processes that share the budget."""
        now = self._clock() if now is None else now
        with self._lock:
            self._refill(now)
            return make_forecast(self._view, self.limits, self._total_demand(now), self._set_rate, now)

    def pending(self) -> int:
        """Return how many occurrences no event has reported yet."""
        with self._lock:
            return sum(kind.pending for kind in self._memory.open.values())

    # state and stores

    def state(self, *, samples: bool = True) -> dict[str, Any]:
        """Return what must outlive the process, JSON-able: kinds, counts, and the month if it is our own."""
        with self._lock:
            kinds = []
            for place, entry in enumerate(self._memory.dump(samples=samples)):
                if place < MAX_KEPT_KINDS or entry["pending"]:
                    kinds.append(entry)
            state: dict[str, Any] = {"kinds": kinds}
            if self._own is not None:
                self._own.settle(self._request(), self._clock())
                state["ledger"] = self._own.dump()
            return state

    def restore(self, state: Mapping[str, Any], now: float | None = None) -> int:
        """Take over a `state`, also another process's: counts add up. Return how many entries were unreadable."""
        now = self._clock() if now is None else now
        unreadable = 0
        with self._lock:
            for entry in state.get("kinds", ()):
                try:
                    self._memory.merge(entry, now)
                except (ValueError, TypeError, KeyError):
                    unreadable += 1
            self._dirty = True
            if self._own is not None and "ledger" in state:
                try:
                    self._own = Ledger.load(self.limits, state["ledger"], now)
                except (ValueError, TypeError, KeyError, AttributeError):
                    unreadable += 1
        return unreadable

    def forget(self, state: Mapping[str, Any]) -> None:
        """Give up counts that another process took over while this one was thought dead."""
        with self._lock:
            for entry in state.get("kinds", ()):
                kind = self._memory.kinds.get(FoldKey(*entry["key"]))
                if kind is not None:
                    kind.pending -= min(kind.pending, entry["pending"])
                    if not kind.pending:
                        self._memory.open.pop(kind.key, None)

    def request(self, *, leaving: bool = False, closing: bool = False) -> Request:
        """Return what to bring to a settlement in a shared ledger."""
        with self._lock:
            self._urgent = False
            owed = {Pool.FINAL: len(self._memory.open)} if closing else None
            return self._request(owed, leaving=leaving)

    def accept(self, grant: Grant) -> None:
        """Take over the result of a settlement, once it is safely stored."""
        with self._lock:
            self._accept(grant)

    def fund(self, granted: Mapping[Pool, int]) -> None:
        """Add units from the outage fund: all that was granted from it since this process began."""
        with self._lock:
            self._funded = dict(granted)

    def fund_request(self) -> Request | None:
        """Return what to ask of the outage fund, spent as soon as granted; None if there is enough in hand."""
        with self._lock:
            wanted = no_units()
            wanted[Pool.NEW] = self._owed_new()
            if self._in_hand(Pool.NEW) + self._in_hand(Pool.STEADY) <= 0:
                wanted[Pool.NEW] += 1
                wanted[Pool.STEADY] = 1
            if self._in_hand(Pool.SPANS) <= 0:
                wanted[Pool.SPANS] = 100
            if not any(wanted.values()):
                return None
            return Request(self.holder, spent=dict(self._funded), ahead=no_units(), owed=wanted)

    def exchange(self, known: Mapping[str, float]) -> dict[str, float]:
        """Learn the kinds that others reported and return those reported here that they do not know yet."""
        with self._lock:
            self._memory.learn(known)
            self._memory.fresh = {
                digest: since for digest, since in self._memory.fresh.items() if digest not in known
            }
            return dict(self._memory.fresh)

    @property
    def is_urgent(self) -> bool:
        """A new kind waits for units, or others should hear of one: settle as soon as possible."""
        return self._urgent

    @property
    def is_dirty(self) -> bool:
        """Something happened since `clean`."""
        return self._dirty

    def clean(self) -> None:
        """Note that the state is being saved."""
        self._dirty = False

    # with the lock held

    def _pay(self, reason: Reason, now: float) -> bool:
        if not self.limits.errors:
            return True
        if reason is Reason.NEW:
            return self._take(Pool.NEW, now) or self._take(Pool.STEADY, now)
        if reason is Reason.CLOSING:
            return any(self._spend(pool) for pool in (Pool.STEADY, Pool.FINAL, Pool.NEW))
        keep = self._ahead[Pool.STEADY] // 4 if reason in (Reason.ROUTINE, Reason.STALE) else 0
        return self._take(Pool.STEADY, now, keep)

    def _take(self, pool: Pool, now: float, keep: int = 0) -> bool:
        if self._spend(pool, keep):
            return True
        self._urgent = self._urgent or pool is Pool.NEW
        if self._own is None or (pool is not Pool.NEW and self._retry_at - RETRY_S <= now < self._retry_at):
            return False
        self._refill(now)
        return self._spend(pool, keep)

    def _spend(self, pool: Pool, keep: int = 0) -> bool:
        if self._in_hand(pool) <= keep:
            return False
        self._spent[pool] += 1
        return True

    def _in_hand(self, pool: Pool) -> int:
        return self._granted[pool] + self._funded[pool] - self._spent[pool]

    def _error_units(self) -> int | None:
        if not self.limits.errors:
            return None
        return sum(max(0, self._in_hand(pool)) for pool in ERROR_POOLS)

    def _report(self, kind: Kind, now: float) -> int:
        if not kind.known:
            self._urgent = True
        return self._memory.report(kind, now)

    def _tally(self, kind: Kind, reason: Reason, now: float) -> Tally:
        sample = kind.scrubbed if kind.latest is None else kind.latest
        is_scrubbed = kind.latest is None and sample is not None
        self._dirty = True
        return Tally(kind.key, self._report(kind, now), reason, sample, is_scrubbed)

    def _merge_rest(self, kinds: list[Kind], units: int) -> list[Kind]:
        """Fold the smallest counts into one, so that what is left of the budget covers every count."""
        singles = [kind for kind in kinds if kind.key != OTHERS][: units - 1]
        rest = [kind for kind in kinds if kind not in singles]
        others = Kind(
            OTHERS, since=rest[0].since, last_event=rest[0].since, last_seen=rest[0].since, known=True
        )
        for kind in rest:
            others.pending += kind.pending
            kind.pending = 0
            self._memory.open.pop(kind.key, None)
        return [*singles, others]

    def _owed_new(self) -> int:
        if not self._memory.open:
            return 0
        return sum(1 for kind in self._memory.open.values() if not kind.known)

    def _request(self, owed: Mapping[Pool, int] | None = None, *, leaving: bool = False) -> Request:
        units = no_units() | {Pool.NEW: self._owed_new(), Pool.SPANS: self._owed_spans} | dict(owed or {})
        self._owed_spans = 0
        self._reported_demand = self._demand.per_second(self._clock())
        return Request(
            holder=self.holder,
            spent=dict(self._spent),
            ahead=dict(self._ahead),
            owed=units,
            demand=self._reported_demand,
            volume=self._volume,
            leaving=leaving,
        )

    def _refill(self, now: float, owed: Mapping[Pool, int] | None = None) -> None:
        """Settle with our own ledger; with a store only note that spans are missing."""
        if self._own is None:
            self._owed_spans = max(self._owed_spans, (owed or {}).get(Pool.SPANS, 0))
            return
        self._retry_at = now + RETRY_S
        self._accept(self._own.settle(self._request(owed), now))

    def _accept(self, grant: Grant) -> None:
        self._granted = dict(grant.granted)
        self._view = grant.view
        self._alarms.extend(grant.alarms)

    def _renew_cap(self, now: float) -> None:
        self._refill(now)
        self._cap_until = now + RETRY_S
        self._cap = span_cap(self._view, self.limits, self._total_demand(now), now)

    def _total_demand(self, now: float) -> float:
        own = self._demand.per_second(now)
        return max(own, self._view.demand - self._reported_demand + own)
