"""The month's account: what may be spent by now, who holds how much of it. Pure, not thread-safe.

One ledger is shared by all processes that share a budget: it lives in memory, in the budget file, or as a row
of the service's database, and whoever holds it alone calls `settle`. Holders tell what they spent since their
birth and receive what they were granted since then; both only grow, so a settlement that is repeated after a
lost answer changes nothing. What a holder was granted counts as spent until it gives it back, also over the
end of a month, so the sum of all events can never exceed the budget.

Errors have three pools: `new` for the first event of a kind, free at any time; `steady` for everything else,
released evenly over the month; `final` for what must be said at the end (last counts, alarms).
"""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .accounts import Alarm, Grant, Holder, Request, View
from .pools import DAY_S, ERROR_POOLS, Limits, Month, Pool, no_units, read_units

__all__ = ["Alarm", "Grant", "Ledger", "Limits", "Month", "Request", "View"]

YOUNG_S = 600.0
"""Holders younger than this get small grants: many of them at once look like a crash loop."""
LOST_AFTER_S = 300.0
"""A holder not heard of for this long, while others were, has ended without goodbye."""
FORGET_LOST_AFTER_S = 2 * DAY_S
MAX_LOST = 64
OUTAGE_S = 150.0
"""Nobody settled for this long: the store was away, and silence says nothing about a holder."""
CRASH_LOOP_GRANT_EVERY_S = 3600.0
ONE_START_S = 2.0
"""Processes born within so many seconds are the workers of one start."""
MANY_STARTS = 8
"""More starts than that within `YOUNG_S` are a crash loop, also if each process ends in order."""
MAX_STARTS = 64
BURST = {Pool.STEADY: 0.05, Pool.SPANS: 0.02}
"""The part of a paced pool that is free on the first of the month."""


class Ledger:
    """Hands out a month's budgets, never more than the budget and never faster than the month passes."""

    def __init__(self, limits: Limits, now: float) -> None:
        self.limits = limits
        self.month = Month.of(now)
        self.gone = no_units()
        """Spent or written off by holders that are no longer listed."""
        self.holders: dict[str, Holder] = {}
        self.said: set[str] = set()
        self.touched = now
        self.outage_until = 0.0
        self.crash_loop_grant = 0.0
        self.starts: list[float] = []
        self.day = int(now // DAY_S)
        self.totals = {"volume": 0, "errors": 0, "spans": 0, "tests": 0}
        self.day_start = dict(self.totals)
        self._pools = limits.pools()

    def settle(self, request: Request, now: float) -> Grant:
        """Take over what the holder reports and grant what the pools allow; repeating it changes nothing."""
        self._roll(now)
        self._notice_lost(now, request.holder)
        holder = self.holders.get(request.holder)
        if holder is None:
            holder = self.holders[request.holder] = Holder(born=now, seen=now)
            self._note_start(now)
        self._take_over(holder, request, now)
        alarms = self._alarms()
        if request.leaving:
            self._dismiss(request.holder)
            holder.granted = dict(holder.spent)
        else:
            self._grant(holder, request, now)
        return Grant(dict(holder.granted), alarms, self.view(now))

    def is_gone(self, name: str) -> bool:
        """Say whether a process has left or was not heard of for too long."""
        return name not in self.holders or self.holders[name].lost

    def left(self, pool: Pool) -> int:
        """Return the units of the month that nobody holds or has spent, whether released already or not."""
        held = sum(holder.charged(pool) for holder in self.holders.values())
        return self._pools[pool] - self.gone[pool] - held

    def view(self, now: float) -> View:
        """Sum the month up over all holders."""
        errors = sum(self._used(pool) for pool in ERROR_POOLS)
        spans = self._used(Pool.SPANS)
        alive = [holder for holder in self.holders.values() if not holder.lost]
        return View(
            month=self.month,
            errors=errors,
            spans=spans,
            demand=sum(holder.demand for holder in alive),
            holders=len(alive),
            starts=self._recent_starts(now),
            volume_today=self.totals["volume"] - self.day_start["volume"],
            errors_today=self.totals["errors"] - self.day_start["errors"],
            spans_today=self.totals["spans"] - self.day_start["spans"],
            tests_today=self.totals["tests"] - self.day_start["tests"],
            spans_free=self._pools[Pool.SPANS] - spans,
        )

    def _used(self, pool: Pool) -> int:
        return self.gone[pool] + sum(holder.used(pool) for holder in self.holders.values())

    def _roll(self, now: float) -> None:
        """Start a new month; what holders have in hand is charged to it, what they spent is not."""
        self._roll_day(now)
        if now < self.month.end:
            return
        self.month = Month.of(now)
        self.gone = no_units()
        self.said = set()
        for holder in self.holders.values():
            holder.before = dict(holder.spent)

    def _roll_day(self, now: float) -> None:
        day = int(now // DAY_S)
        if day != self.day:
            self.day = day
            self.day_start = dict(self.totals)

    def _note_start(self, now: float) -> None:
        if not self.starts or now - self.starts[-1] >= ONE_START_S:
            self.starts = [*self.starts[1 - MAX_STARTS :], now]

    def _recent_starts(self, now: float) -> int:
        return sum(1 for start in self.starts if now - start < YOUNG_S)

    def _notice_lost(self, now: float, caller: str) -> None:
        """Mark holders that fell silent; what they were granted stays charged, should they still be alive."""
        if now - self.touched > OUTAGE_S:
            self.outage_until = now
        self.touched = now
        for name, holder in self.holders.items():
            silent_since = max(holder.seen, self.outage_until)
            holder.lost = name != caller and now - silent_since > LOST_AFTER_S
        lost = sorted((holder.seen, name) for name, holder in self.holders.items() if holder.lost)
        for place, (seen, name) in enumerate(lost):
            if now - seen > FORGET_LOST_AFTER_S or place < len(lost) - MAX_LOST:
                for pool in Pool:
                    self.gone[pool] += self.holders[name].charged(pool)
                del self.holders[name]

    def _take_over(self, holder: Holder, request: Request, now: float) -> None:
        for pool in Pool:
            more = max(0, request.spent[pool] - holder.spent[pool])
            holder.spent[pool] += more
            self.totals["spans" if pool is Pool.SPANS else "errors"] += more
        self.totals["volume"] += max(0, request.volume - holder.volume)
        holder.volume = max(holder.volume, request.volume)
        self.totals["tests"] += max(0, request.tests - holder.tests)
        holder.tests = max(holder.tests, request.tests)
        holder.demand = request.demand
        holder.seen = now

    def _dismiss(self, name: str) -> None:
        holder = self.holders.pop(name)
        for pool in Pool:
            self.gone[pool] += holder.spent[pool] - holder.before[pool]

    def _grant(self, holder: Holder, request: Request, now: float) -> None:
        for pool in Pool:
            in_hand = max(0, holder.granted[pool] - holder.spent[pool])
            missing = self._allowance(holder, pool, request, now) - in_hand
            given = min(missing, self._free(pool, now))
            if given > 0:
                holder.granted[pool] = max(holder.granted[pool], holder.spent[pool]) + given

    def _allowance(self, holder: Holder, pool: Pool, request: Request, now: float) -> int:
        """Return what this holder may have in hand; newborns get less the more of them there are.

        A process that dies without goodbye takes its units along: a crash loop must not waste the month so.
        """
        ahead, owed = request.ahead[pool], request.owed[pool]
        if now - holder.born >= YOUNG_S:
            return ahead + owed
        newborns = sum(1 for other in self.holders.values() if now - other.born < YOUNG_S)
        if pool is Pool.STEADY:
            newborns = max(newborns, self._recent_starts(now))
        if newborns <= 32:
            return min(ahead, max(1, ahead >> (1 if newborns <= 8 else 3 if newborns <= 16 else 5))) + owed
        if pool is Pool.NEW and now - self.crash_loop_grant >= CRASH_LOOP_GRANT_EVERY_S:
            self.crash_loop_grant = now
            return 1
        return 0

    def _free(self, pool: Pool, now: float) -> int:
        whole = self._pools[pool]
        burst = BURST.get(pool)
        if burst is None:
            return self.left(pool)
        start = min(whole, max(1, math.ceil(whole * burst)))
        released = start + math.floor((whole - start) * self.month.released(now))
        return self.left(pool) - (whole - released)

    def _alarms(self) -> tuple[Alarm, ...]:
        """Return the alarms that are due and pay for their events.

        Measured on what can be spent without the reserves for new kinds and the end.
        """
        errors = sum(self._used(pool) for pool in ERROR_POOLS)
        spans = self._used(Pool.SPANS)
        alarms = []
        for category, limit, spent, left in (
            ("error", self.limits.errors, errors, self._pools[Pool.STEADY] - self._used(Pool.STEADY)),
            ("span", self.limits.spans, spans, self._pools[Pool.SPANS] - spans),
        ):
            for percent in (80, 100):
                mark = f"{category}{percent}"
                crossed = spent > 0 and spent * 100 >= percent * (spent + max(left, 0))
                if limit and crossed and mark not in self.said and self._pay_alarm():
                    self.said.add(mark)
                    alarms.append(Alarm(category, percent, self.month.name, spent, limit))
        return tuple(alarms)

    def _pay_alarm(self) -> bool:
        if not self.limits.errors:
            return True
        for pool in (Pool.FINAL, Pool.NEW, Pool.STEADY):
            if self.left(pool) > 0:
                self.gone[pool] += 1
                self.totals["errors"] += 1
                return True
        return False

    def dump(self) -> dict[str, Any]:
        """Return the ledger as JSON-able data."""
        return {
            "month": self.month.name,
            "gone": dict(self.gone),
            "said": sorted(self.said),
            "touched": self.touched,
            "outage_until": self.outage_until,
            "crash_loop_grant": self.crash_loop_grant,
            "starts": self.starts,
            "day": self.day,
            "day_start": self.day_start,
            "totals": self.totals,
            "holders": {
                name: {
                    "born": holder.born,
                    "seen": holder.seen,
                    "granted": dict(holder.granted),
                    "spent": dict(holder.spent),
                    "before": dict(holder.before),
                    "demand": holder.demand,
                    "volume": holder.volume,
                    "tests": holder.tests,
                }
                for name, holder in self.holders.items()
            },
        }

    @classmethod
    def load(cls, limits: Limits, raw: Mapping[str, Any], now: float) -> "Ledger":
        """Read what `dump` wrote.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: if it is not a ledger.
        """
        ledger = cls(limits, now)
        if not raw:
            return ledger
        ledger.month = Month.of(datetime.strptime(str(raw["month"]) + "+0000", "%Y-%m%z").timestamp())
        ledger.gone = read_units(raw["gone"])
        ledger.said = {str(mark) for mark in raw["said"]}
        ledger.touched = float(raw["touched"])
        ledger.outage_until = float(raw["outage_until"])
        ledger.crash_loop_grant = float(raw["crash_loop_grant"])
        ledger.starts = [float(start) for start in raw.get("starts", ())]
        ledger.day = int(raw["day"])
        ledger.day_start = {name: int(raw["day_start"].get(name, 0)) for name in ledger.totals}
        ledger.totals = {name: int(raw["totals"].get(name, 0)) for name in ledger.totals}
        for name, entry in raw["holders"].items():
            ledger.holders[str(name)] = Holder(
                born=float(entry["born"]),
                seen=float(entry["seen"]),
                granted=read_units(entry["granted"]),
                spent=read_units(entry["spent"]),
                before=read_units(entry["before"]),
                demand=float(entry["demand"]),
                volume=int(entry["volume"]),
                tests=int(entry.get("tests", 0)),
            )
        return ledger
