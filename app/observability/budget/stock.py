"""What one process may still spend. Pure, not thread-safe.

Units in hand are the difference of two numbers that only grow: the ceiling that was granted, and what was spent.
A process on its own fills up from its own ledger at once; one with a store waits until the store has settled.
"""

from collections.abc import Mapping

from .demand import Demand
from .forecast import span_cap
from .ledger import MANY_STARTS, Alarm, Grant, Ledger, Request
from .pools import ERROR_POOLS, Limits, Pool, Units, no_units

RETRY_S = 1.0
MIN_RATE = 1e-5


class Stock:
    """Units in hand for each pool, the view of the month, and the alarms that are not yet sent."""

    def __init__(self, limits: Limits, holder: str, ledger: Ledger | None, now: float) -> None:
        self.limits = limits
        self.holder = holder
        self.ledger = ledger
        self.alarms: list[Alarm] = []
        self.volume = 0
        self.tests = 0
        """Test errors paid for."""
        self.demand = Demand(now)
        self.view = Ledger(limits, now).view(now)
        self.set_rate = 1.0
        self.rate = 1.0
        self._ceiling = no_units()
        self._spent = no_units()
        self._ahead = {pool: limits.block(pool) for pool in Pool}
        self._owed_spans = 0
        self._told_demand = 0.0
        self._brought_tests = 0
        self._told_tests = 0
        self._retry_at = dict.fromkeys(Pool, now)
        self._cap = 1.0
        self._cap_until = now

    @property
    def is_crash_loop(self) -> bool:
        """Whether the service started again and again lately."""
        return self.view.starts > MANY_STARTS

    def in_hand(self, pool: Pool) -> int:
        """Return the units of a pool that may be spent now."""
        return self._ceiling[pool] - self._spent[pool]

    def error_units(self) -> int:
        """Return the units of all error pools that may be spent now."""
        return sum(max(0, self.in_hand(pool)) for pool in ERROR_POOLS)

    def keep(self, pool: Pool) -> int:
        """Return how many units routine events leave for news."""
        return self._ahead[pool] // 4

    def spend(self, pool: Pool, count: int = 1, keep: int = 0) -> bool:
        """Pay if there is enough in hand."""
        if self.in_hand(pool) < count + keep:
            return False
        self._spent[pool] += count
        return True

    def take(self, pool: Pool, now: float, keep: int = 0) -> bool:
        """Pay one unit, filling up first if need be; after it was in vain, not again for a second."""
        if self.spend(pool, keep=keep):
            return True
        if self.ledger is None or self._retry_at[pool] - RETRY_S <= now < self._retry_at[pool]:
            return False
        self.refill(now)
        if self.spend(pool, keep=keep):
            return True
        self._retry_at[pool] = now + RETRY_S
        return False

    def pay_spans(self, count: int, rate: float | None, now: float) -> bool:
        """Pay for spans, or note how many were missing."""
        rate = self.rate if rate is None else rate
        if rate > 0.0:
            # Spans that were not drawn by our rate must not make it fall without end.
            self.demand.add(count, min(max(rate, MIN_RATE), 1.0), now)
        if not self.limits.spans:
            self._spent[Pool.SPANS] += count
            return True
        if self.in_hand(Pool.SPANS) < count:
            self._owed_spans = max(self._owed_spans, count)
            self.refill(now)
        return self.spend(Pool.SPANS, count)

    def span_rate(self, set_rate: float, now: float) -> float:
        """Return the set rate, capped so that the month's spans last; the cap is renewed once a second."""
        self.set_rate = self.rate = set_rate
        if self.limits.spans and set_rate > 0.0:
            if not self._cap_until - RETRY_S <= now < self._cap_until:
                self.refill(now)
                self._cap_until = now + RETRY_S
                self._cap = span_cap(self.view, self.limits, self.total_demand(now), now)
            self.rate = min(set_rate, self._cap) if self.in_hand(Pool.SPANS) > 0 else 0.0
        return self.rate

    def total_demand(self, now: float) -> float:
        """Return spans a second at a sample rate of 1, over all processes."""
        own = self.demand.per_second(now)
        return max(own, self.view.demand - self._told_demand + own)

    def tests_today(self) -> int:
        """Return the test errors of this UTC day: all of them as of the last settlement, and ours since."""
        return self.view.tests_today + self.tests - self._told_tests

    def request(self, now: float, owed: Mapping[Pool, int], *, leaving: bool = False) -> Request:
        """Return what to bring to a settlement."""
        units = no_units() | {Pool.SPANS: self._owed_spans} | dict(owed)
        self._owed_spans = 0
        self._told_demand = self.demand.per_second(now)
        self._brought_tests = self.tests
        return Request(
            holder=self.holder,
            spent=dict(self._spent),
            ahead=dict(self._ahead),
            owed=units,
            demand=self._told_demand,
            volume=self.volume,
            tests=self.tests,
            leaving=leaving,
        )

    def accept(self, grant: Grant) -> None:
        """Take over the result of a settlement."""
        self._ceiling = dict(grant.granted)
        self.view = grant.view
        self._told_tests = self._brought_tests
        self.alarms.extend(grant.alarms)

    def refill(self, now: float, owed: Mapping[Pool, int] | None = None) -> None:
        """Settle with our own ledger; with a store this is done in the background."""
        if self.ledger is not None:
            self.accept(self.ledger.settle(self.request(now, owed or {}), now))

    def add(self, units: Mapping[Pool, int]) -> None:
        """Add units that were granted outside the ledger."""
        for pool, count in units.items():
            self._ceiling[pool] = max(self._ceiling[pool], self._spent[pool]) + count

    def missing(self, owed_new: int) -> Units:
        """Return the few units that would help now, if there is nothing in hand."""
        wanted = no_units()
        wanted[Pool.NEW] = max(0, owed_new - max(0, self.in_hand(Pool.NEW)))
        if self.error_units() == 0:
            wanted[Pool.NEW] += 1
            wanted[Pool.STEADY] = 1
        if self.limits.spans and self.in_hand(Pool.SPANS) <= 0:
            wanted[Pool.SPANS] = max(1, self.limits.block(Pool.SPANS) // 50)
        return wanted
