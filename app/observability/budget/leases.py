"""The budget shared between replicas, exactly, through the service's database. Knows no SDK.

Each replica holds units ahead of need (a lease) and settles in the background, never on the request path: one short
transaction that locks the ledger's row first, so replicas come one after the other.

If the database cannot be reached, the lease in hand goes on, also over the end of a month (it stays charged until
it is given back). When it is used up, a few units come from the outage fund (`OutageFund`); after that errors are
only counted, and reported when the database is back. So the sum over all replicas never exceeds the budget, as
long as no more than five disks use their fund up unheard.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .core import Budget
from .fund import FUND_SHARE, HELD_BACK_SHARE, OutageFund
from .ledger import Grant, Ledger
from .memory import Report
from .pools import Limits
from .verdicts import Tally

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from .tables import Rows

logger = logging.getLogger(__name__)

SETTLE_EVERY_S = 10.0
URGENT_EVERY_S = 1.0
BEAT_EVERY_S = 60.0
SAVE_EVERY_S = 10.0
"""With SETTLE_EVERY_S, how long ago the counts were last saved at most: so much a killed replica takes along."""
TIMEOUT_S = 10.0
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)

_is_own_work: ContextVar[bool] = ContextVar("observability_budget_work", default=False)


def is_own_work() -> bool:
    """Say whether the current task is settling the budget: its queries are not the service's own."""
    return _is_own_work.get()


def shared_limits(limits: Limits) -> Limits:
    """Return what the shared ledger may hand out: all but what is held back for outage funds, if those have any."""
    has_fund = limits.errors * FUND_SHARE >= 1 or limits.spans * FUND_SHARE >= 1
    return replace(limits, share=1.0 - HELD_BACK_SHARE) if has_fund else limits


class SharedLeases:
    """Settles a shared `Budget` with a database. For one event loop; never raises for want of the database.

    Args:
        engine: PostgreSQL or SQLite.
        budget: a budget with `is_shared=True`.
        destination: what the events are sent to; only replicas that send to the same share a month.
        fund: units for the time before the database was reached and while it is away.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        engine: "AsyncEngine",
        budget: Budget,
        *,
        destination: str,
        fund: OutageFund | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.is_reachable = False
        """The database answered last time."""
        self._engine = engine
        self._destination = destination
        self._budget = budget
        self._fund = fund
        self._clock = clock
        self._limits = shared_limits(budget.limits)
        self._has_tables = False
        self._stamp = 0
        self._holder = budget.holder
        self._saved: dict[str, Any] | None = None
        self._saved_at = 0.0
        self._settled_at = 0.0
        self._failures = 0
        self._is_closed = False
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Settle again and again until cancelled."""
        while True:
            await self.settle_if_due()
            await asyncio.sleep(URGENT_EVERY_S)

    def draw_if_away(self) -> None:
        """Draw from the outage fund if the database did not answer last time. Any thread; blocks for the disk."""
        if self._fund is not None and not self.is_reachable and not self._is_closed:
            self._fund.draw_if_needed()

    async def settle_if_due(self) -> bool:
        """Settle if it is time or a new kind waits; true if the database answered."""
        budget = self._budget
        every_s = URGENT_EVERY_S if budget.is_urgent else SETTLE_EVERY_S if budget.is_dirty else BEAT_EVERY_S
        if self._failures:
            every_s = min(BEAT_EVERY_S, 2.0**self._failures)
        if 0.0 <= self._clock() - self._settled_at < every_s:
            return False
        return await self.settle()

    async def close(self, *, tallies: bool = False) -> list[Tally]:
        """Give the lease back and leave the counts to the other replicas; return those that must be sent instead.

        These are all of them with `tallies` (for the last replica of all), and if the database is away as many as
        the lease in hand pays for.
        """
        found: list[Tally] = []
        # In a crash loop the next process finds them.
        if tallies and await self.settle() and not self._budget.is_crash_loop:
            found = self._budget.final_tallies(self._clock()) if await self.settle(closing=True) else []
        if not await self.settle(leaving=True) and not self._is_closed:
            found += self._budget.final_tallies(self._clock())
        self._is_closed = True
        return found

    async def settle(self, *, leaving: bool = False, closing: bool = False) -> bool:
        """Settle now; true if the database answered."""
        async with self._turn:
            if self._is_closed:
                return False
            self._settled_at = self._clock()
            self._notice_fork()
            self._budget.is_dirty = False
            with own_work():
                self.is_reachable = await self._try(leaving=leaving, closing=closing)
            return self.is_reachable

    async def _try(self, *, leaving: bool, closing: bool) -> bool:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._make_tables()
                await self._settle(leaving=leaving, closing=closing)
        except (SQLAlchemyError, OSError) as failure:
            self._budget.is_dirty = True
            self._failures = min(self._failures + 1, 10)
            level = logging.WARNING if self._failures == 1 else logging.DEBUG
            logger.log(
                level, "The shared budget cannot be reached, going on with the lease in hand: %r", failure
            )
            return False
        self._failures = 0
        return True

    async def _make_tables(self) -> None:
        if not self._has_tables:
            from . import tables

            await tables.create(self._engine, self._destination)
            self._has_tables = True

    async def _settle(self, *, leaving: bool, closing: bool) -> None:
        """Bring what this replica spent, take units and what others learned; nothing counts before the commit."""
        from .tables import Rows

        budget, now = self._budget, self._clock()
        async with self._engine.begin() as connection:
            rows = Rows(connection, self._destination)
            stamp, content = await rows.lock_ledger()
            # Learned before units are asked for: a kind that another replica reported needs none.
            budget.learn(await rows.reports_since(self._stamp))
            ledger = self._load(content, now)
            grant = ledger.settle(budget.request(leaving=leaving, closing=closing), now)
            # Taken over after the commit, so by nobody who saves its own counts for the last time.
            orphans = [] if leaving else await rows.take_counts(ledger, self._holder)
            reports = budget.reports()
            await rows.write_reports(reports, stamp)
            is_saving = leaving or now - self._saved_at >= SAVE_EVERY_S
            state = budget.open_state(samples=leaving) if is_saving else None
            is_taken = state is not None and await self._save(rows, state, stamp)
            await rows.write_ledger(ledger.dump())
        self._finish(grant, stamp, reports, orphans)
        self._note_saved(state, now, is_taken=is_taken, leaving=leaving)

    def _load(self, content: dict[str, Any], now: float) -> Ledger:
        try:
            return Ledger.load(self._limits, content, now)
        except UNREADABLE:
            logger.warning("The shared budget in the database is not readable, its month starts anew")
            return Ledger(self._limits, now)

    async def _save(self, rows: "Rows", state: dict[str, Any], stamp: int) -> bool:
        """Save the counts for the others; true if others took over what was saved before, thinking us dead."""
        was_there = await rows.save_counts(self._holder, state, stamp)
        return self._saved is not None and not was_there

    def _finish(
        self, grant: Grant, stamp: int, reports: dict[str, Report], orphans: list[dict[str, Any]]
    ) -> None:
        self._stamp = stamp
        self._budget.accept(grant)
        self._budget.told(reports)
        for orphan in orphans:
            self._budget.restore(orphan, self._clock())
            self._saved_at = 0.0

    def _note_saved(self, state: dict[str, Any] | None, now: float, *, is_taken: bool, leaving: bool) -> None:
        if is_taken and self._saved is not None:
            self._budget.forget(self._saved)
        if state is not None:
            self._saved, self._saved_at = state, now
            if is_taken:
                self._saved_at = 0.0
        if leaving and state is not None:
            self._is_closed = True
            self._budget.forget(state)

    def _notice_fork(self) -> None:
        if self._holder != self._budget.holder:
            self._holder = self._budget.holder
            self._saved = None


@contextlib.contextmanager
def own_work() -> Iterator[None]:
    """Mark the queries inside as the module's own."""
    token = _is_own_work.set(True)
    try:
        yield
    finally:
        _is_own_work.reset(token)
