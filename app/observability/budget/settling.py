"""What a budget says to its store, a file or the service's database, and what it learns from it.

A store settles in the background: it brings what was spent, takes units ahead of need, keeps counts that must
outlive the process, and tells of the kinds that others reported. Thread-safe; no I/O.
"""

import os
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from .folding import Schedule
from .journal import NONE, Journal
from .ledger import Grant, Ledger, Request
from .memory import Memory, Report
from .pools import Limits, Pool, Units
from .stock import Stock

Clock: TypeAlias = Callable[[], float]

MAX_KEPT_KINDS = 1000


class Settling:
    """The state of a budget, and its side towards the store.

    A forked child starts anew: the counts and units in hand stay with the parent.
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
        self.limits = Limits(monthly_errors, monthly_spans)
        self.is_shared = is_shared
        self._clock = clock
        self._schedule = schedule or Schedule()
        self._max_kinds = max_kinds
        self._start()
        _alive.add(self)

    def _start(self) -> None:
        now = self._clock()
        self._lock = threading.Lock()
        self._memory = Memory(self._schedule, self._max_kinds)
        own = None if self.is_shared else Ledger(self.limits, now)
        self._stock = Stock(self.limits, uuid.uuid4().hex, own, now)
        self._journal: Journal | None = None
        self.is_dirty = False
        """Something happened that the store does not know."""
        self.is_urgent = False
        """A new kind waits for units, or the others should hear of one: settle as soon as possible."""
        self._is_dry = False
        """The last settlement brought nothing, so asking at once would not help."""

    @property
    def holder(self) -> str:
        """The name under which this process holds units."""
        return self._stock.holder

    def state(self, *, samples: bool = True) -> dict[str, Any]:
        """Return what must outlive the process, JSON-able: kinds, counts, and the month if it is our own."""
        with self._lock:
            return self._state(samples=samples)

    def _state(self, *, samples: bool) -> dict[str, Any]:
        kinds = []
        for place, entry in enumerate(self._memory.dump(samples=samples)):
            if place < MAX_KEPT_KINDS or entry["pending"]:
                kinds.append(entry)
        state: dict[str, Any] = {"kinds": kinds}
        if self._stock.ledger is not None:
            now = self._clock()
            left = Ledger.load(self.limits, self._stock.ledger.dump(), now)
            left.settle(self._stock.request(now, {}, leaving=True), now)
            state["ledger"] = left.dump()
        return state

    def snapshot(self, journal: Journal | None) -> dict[str, Any]:
        """Return the `state` and count in another journal from here on; None: what is counted is in memory only."""
        with self._lock:
            state = self._state(samples=True)
            self._journal = journal
            state["journal"] = journal.generation if journal is not None else NONE
            return state

    def open_state(self, *, samples: bool) -> dict[str, Any]:
        """Return the kinds with counts not yet reported, JSON-able, in the form of `state`."""
        with self._lock:
            return {"kinds": [entry for entry in self._memory.dump(samples=samples) if entry["pending"]]}

    def restore(self, state: Mapping[str, Any], now: float | None = None) -> int:
        """Take over a `state`, also another process's: counts add up. Return how many parts were unreadable."""
        now = self._clock() if now is None else now
        unreadable = 0
        with self._lock:
            for entry in state.get("kinds", ()):
                try:
                    self._memory.merge(entry, now)
                except (ValueError, TypeError, KeyError):
                    unreadable += 1
            self.is_dirty = True
            if self._stock.ledger is not None and "ledger" in state:
                try:
                    self._stock.ledger = Ledger.load(self.limits, state["ledger"], now)
                except (ValueError, TypeError, KeyError, AttributeError):
                    unreadable += 1
        return unreadable

    def forget(self, state: Mapping[str, Any]) -> None:
        """Give up counts of a `state` that another process reports: they are no longer ours."""
        with self._lock:
            for entry in state.get("kinds", ()):
                self._memory.forget(entry)

    def request(self, *, leaving: bool = False, closing: bool = False) -> Request:
        """Return what to bring to a settlement in a shared ledger."""
        with self._lock:
            self.is_urgent = False
            owed = {Pool.NEW: self._memory.count_new()}
            if closing:
                owed[Pool.FINAL] = len(self._memory.open)
            return self._stock.request(self._clock(), owed, leaving=leaving)

    def accept(self, grant: Grant) -> None:
        """Take over the result of a settlement, once it is safely stored."""
        with self._lock:
            self._stock.accept(grant)
            self._is_dry = self.limits.errors > 0 and self._stock.error_units() == 0

    def missing(self) -> Units:
        """Return the few units that would help now, if the store cannot be reached and nothing is in hand."""
        with self._lock:
            return self._stock.missing(self._memory.count_new())

    def add(self, units: Mapping[Pool, int]) -> None:
        """Add units that were granted outside the ledger; what is spent of them is reported to it later."""
        with self._lock:
            self._stock.add(units)

    def learn(self, reports: Mapping[str, Report]) -> None:
        """Take over when kinds were reported by others, so that they are no news here."""
        unknown = {
            digest: report for digest, report in reports.items() if self._memory.known.get(digest) != report
        }
        with self._lock:
            self._memory.learn(unknown)

    def reports(self) -> dict[str, Report]:
        """Return when kinds were reported here, as far as the others were not told yet."""
        with self._lock:
            return dict(self._memory.fresh)

    def told(self, reports: Mapping[str, Report]) -> None:
        """Note that the others were told of these reports."""
        with self._lock:
            for digest, report in reports.items():
                if self._memory.fresh.get(digest) == report:
                    del self._memory.fresh[digest]


_alive: "weakref.WeakSet[Settling]" = weakref.WeakSet()


def _restart_in_child() -> None:
    for budget in list(_alive):
        budget._start()  # noqa: SLF001 - the same module; a fork copies locks and units that are not the child's


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart_in_child)
