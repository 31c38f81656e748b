"""The budget kept beside the spool: across restarts, and shared by the processes of one disk.

The file holds the month's ledger, when each kind was last reported, and for each process the counts it has not yet
reported; what came after its last save is in its journal. Every settlement takes the lock, changes all of it and
writes it back, in a background thread. A process that is killed loses what it was granted (a block); its counts go to
the next process that settles, or where there are no file locks to one that settles after five minutes of silence.

If the disk cannot be used, the process goes on with a month of its own in memory, with one warning.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .core import Budget
from .document import Document
from .folding import FoldKey
from .journal import DeadJournals, Journals
from .ledger import Ledger
from .memory import MAX_KNOWN, Report
from .samples import Samples
from .verdicts import Tally

logger = logging.getLogger(__name__)

SAVE_EVERY_S = 5.0
URGENT_EVERY_S = 0.5
BEAT_EVERY_S = 60.0
MAX_TAKEN = 64
MAX_SAMPLE_CHARS = 16_384
MAX_SAMPLES_CHARS = 1_048_576
READ_FAULTS = (ValueError, TypeError, KeyError, AttributeError)


class BudgetFile:
    """Settles a shared `Budget` with a file. Thread-safe; blocks for the disk, so call it in the background.

    Args:
        path: the file; its folder is made if missing.
        budget: a budget with `is_shared=True`.
        clock: seconds since the epoch.
    """

    def __init__(self, path: Path, budget: Budget, *, clock: Callable[[], float] = time.time) -> None:
        self._document = Document(path)
        self._budget = budget
        self._clock = clock
        self._lock = threading.Lock()
        self._holder = budget.holder
        self._saved: dict[str, Any] | None = None
        self._saved_at = 0.0
        self._content: dict[str, Any] = {}
        """The last content, to go on with if the disk fails."""
        self._samples = Samples(path.with_name("samples"))
        self._journals = Journals(path.parent)
        self._dead: list[DeadJournals] = []
        self._adopted: set[str] = set()
        """Whose counts we took over, but could not strike out of the file yet."""
        self._has_warned = False
        self._is_closed = False

    def open(self) -> None:
        """Take over what earlier processes left and fill up; call it once before the first event."""
        with self._lock:
            self._settle()

    def save_if_due(self) -> bool:
        """Settle if something happened and the last time is long enough ago; true if it did."""
        budget = self._budget
        every_s = URGENT_EVERY_S if budget.is_urgent else SAVE_EVERY_S if budget.is_dirty else BEAT_EVERY_S
        with self._lock:
            if 0.0 <= self._clock() - self._saved_at < every_s:
                return False
            self._settle()
            return True

    def close(self, *, tallies: bool = False) -> list[Tally]:
        """Give back what is in hand and leave the counts to the next process.

        With `tallies`, for a disk that may not outlive the process, or one that failed, the counts are returned
        instead, to be sent; not in a crash loop, whose next process finds them.
        """
        with self._lock:
            found: list[Tally] = []
            if (tallies or self._has_warned) and not self._is_closed:
                self._settle()
            is_wanted = self._has_warned or (tallies and not self._budget.is_crash_loop)
            if is_wanted and not self._is_closed:
                self._settle(closing=True)
                found = self._budget.final_tallies(self._clock())
            self._settle(leaving=True)
            return found

    def sample_of(self, key: FoldKey) -> dict[str, Any] | None:
        """Return an event of a kind as it was once sent, by whatever process; None if there is none."""
        with self._lock:
            return self._samples.load(key.digest)

    def _settle(self, *, leaving: bool = False, closing: bool = False) -> None:
        if self._is_closed:
            return
        self._is_closed = leaving
        self._saved_at = self._clock()
        self._notice_fork()
        self._budget.is_dirty = False
        self._samples.save(self._budget.take_samples())
        has_changed = False
        try:
            with self._document.locked():
                content = self._document.read()
                self._content = self._change_readable(content, leaving=leaving, closing=closing)
                has_changed = True
                self._document.write(self._content)
                self._adopted.clear()
                self._let_go_of_dead(remove=True)
                self._journals.forget_old(all_of_them=leaving)
                if leaving and self._saved is not None:
                    self._budget.forget(self._saved)
        except BlockingIOError:
            self._budget.is_dirty = True
        except OSError as failure:
            self._warn(failure)
            if not has_changed:
                self._content = self._change(self._content, leaving=leaving, closing=closing)
        finally:
            self._let_go_of_dead(remove=False)
            if leaving:
                self._journals.leave()

    def _change_readable(self, content: dict[str, Any], *, leaving: bool, closing: bool) -> dict[str, Any]:
        try:
            return self._change(content, leaving=leaving, closing=closing)
        except READ_FAULTS:
            self._document.set_aside()
            return self._change({}, leaving=leaving, closing=closing)

    def _change(self, content: dict[str, Any], *, leaving: bool, closing: bool) -> dict[str, Any]:
        now, budget = self._clock(), self._budget
        ledger = Ledger.load(budget.limits, content.get("ledger", {}), now)
        kinds = read_reports(content.get("kinds", {}))
        left = dict(content.get("left", {}))
        if self._saved is not None and content and self._holder not in left:
            budget.forget(self._saved)
        budget.learn(kinds)
        grant = ledger.settle(budget.request(leaving=leaving, closing=closing), now)
        taken = [str(name) for name in content.get("taken", ())]
        self._take_over_killed(left, taken, now)
        self._adopt(left, ledger, now)
        reports = budget.reports()
        kinds.update(reports)
        journal = None if leaving else self._journals.current(self._holder)
        self._saved = left[self._holder] = with_small_samples(budget.snapshot(journal))
        budget.accept(grant)
        budget.told(reports)
        newest = sorted(kinds.items(), key=lambda item: item[1][1])[-MAX_KNOWN:]
        return {"ledger": ledger.dump(), "kinds": dict(newest), "left": left, "taken": taken[-MAX_TAKEN:]}

    def _take_over_killed(self, left: dict[str, Any], taken: list[str], now: float) -> None:
        """Take over the counts of processes that died without goodbye: what they saved, and their journals."""
        for dead in self._journals.dead(self._holder):
            self._dead.append(dead)
            if dead.holder not in taken and dead.holder not in self._adopted:
                state = left.pop(dead.holder, None) or {"kinds": []}
                dead.apply_to(state)
                self._budget.restore(state, now)
                taken.append(dead.holder)
                self._adopted.add(dead.holder)

    def _let_go_of_dead(self, *, remove: bool) -> None:
        for dead in self._dead:
            dead.close(remove=remove)
        self._dead = []

    def _adopt(self, left: dict[str, Any], ledger: Ledger, now: float) -> None:
        """Take over the counts of processes that are gone; only once, should the file keep them for want of disk."""
        for name, state in left.items():
            if name != self._holder:
                self._budget.strike(state)
        for name in [name for name in left if name != self._holder and ledger.is_gone(name)]:
            state = left.pop(name)
            if name not in self._adopted:
                self._adopted.add(name)
                self._budget.restore(state, now)

    def _notice_fork(self) -> None:
        if self._holder != self._budget.holder:
            self._holder = self._budget.holder
            self._saved = None
            self._journals.leave()

    def _warn(self, failure: OSError) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning("The budget file cannot be used, the month is counted in memory only: %s", failure)


def read_reports(raw: Mapping[str, Any]) -> dict[str, Report]:
    """Read when kinds were reported, as JSON keeps it.

    Raises:
        ValueError, TypeError, AttributeError: if it is something else.
    """
    return {str(digest): (float(since), float(last)) for digest, (since, last) in raw.items()}


def with_small_samples(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state without samples that are large or no JSON, and no more than a megabyte of them."""
    room = MAX_SAMPLES_CHARS
    for entry in state["kinds"]:
        if "sample" in entry:
            try:
                length = len(json.dumps(entry["sample"]))
            except (TypeError, ValueError, RecursionError):
                length = room + 1
            if length > min(room, MAX_SAMPLE_CHARS):
                del entry["sample"]
            else:
                room -= length
    return state
