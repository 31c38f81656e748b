"""The outage fund: a hundredth of the month's budgets for each disk, to speak with while the database is away.

The shared ledger holds a twentieth of the budgets back for it, so five disks can use theirs up without the sum
exceeding the budget. What is drawn counts as spent at once and is kept in a file, so that a process that restarts
again and again while the database is away draws no more than one that keeps running. Without a disk the fund is
counted in memory.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from .core import Budget
from .document import Document
from .ledger import Ledger, Request
from .pools import Pool, no_units

logger = logging.getLogger(__name__)

FUND_SHARE = 0.01
HELD_BACK_SHARE = 0.05
RETRY_S = 1.0


class OutageFund:
    """Draws a few units for a budget that has none in hand. Thread-safe; blocks for the disk."""

    def __init__(self, path: Path, budget: Budget, *, clock: Callable[[], float] = time.time) -> None:
        self._document = Document(path)
        self._budget = budget
        self._clock = clock
        self._lock = threading.Lock()
        self._content: dict[str, Any] = {}
        self._drawn = no_units()
        self._drawn_at = 0.0
        self._holder = budget.holder

    def draw_if_needed(self) -> bool:
        """Draw what would help now, at most once a second; true if the budget got anything."""
        with self._lock:
            wanted = self._budget.missing()
            if not any(wanted.values()) or 0.0 <= self._clock() - self._drawn_at < RETRY_S:
                return False
            self._drawn_at = self._clock()
            if self._holder != self._budget.holder:
                self._holder, self._drawn = self._budget.holder, no_units()
            given = self._draw(wanted)
            self._budget.add(given)
            return any(given.values())

    def _draw(self, wanted: dict[Pool, int]) -> dict[Pool, int]:
        try:
            with self._document.locked():
                try:
                    changed, given = self._change(self._document.read(), wanted)
                except (ValueError, TypeError, KeyError, AttributeError):
                    self._document.set_aside()
                    changed, given = self._change({}, wanted)
                self._document.write(changed)
        except BlockingIOError:
            return no_units()
        except OSError as failure:
            logger.debug("The outage fund is counted in memory: %s", failure)
            changed, given = self._change(self._content, wanted)
        self._content = changed
        self._drawn = {pool: self._drawn[pool] + given[pool] for pool in Pool}
        return given

    def _change(
        self, content: dict[str, Any], wanted: dict[Pool, int]
    ) -> tuple[dict[str, Any], dict[Pool, int]]:
        now = self._clock()
        limits = replace(self._budget.limits, share=FUND_SHARE)
        ledger = Ledger.load(limits, content.get("ledger", {}), now)
        request = Request(self._holder, spent=self._drawn, ahead=no_units(), owed=wanted)
        grant = ledger.settle(request, now)
        given = {pool: max(0, grant.granted[pool] - self._drawn[pool]) for pool in Pool}
        spent = {pool: self._drawn[pool] + given[pool] for pool in Pool}
        ledger.settle(replace(request, spent=spent, owed=no_units()), now)
        return {"ledger": ledger.dump()}, given
