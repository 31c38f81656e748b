"""Folding of repeats: which occurrence of a kind of error deserves its own event. Pure, not thread-safe.

A kind's first occurrences pass; after that an event is due when the kind has grown by as much as was ever
reported of it, or when it goes on and the last report is as old as the kind was then (a minute at least, a
day at most). A storm of n identical errors thus makes about log2(n) events, and a trickle one a day.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Any, NamedTuple

DAY_S = 86_400.0
DESCRIBED_WITHIN_S = 5.0
"""So long the first event of a kind may take from being judged to being on disk, on a machine that is overloaded."""
HANDED_OVER_WITHIN_S = 90.0
"""So long it takes delivery at most to find what a dead process left: it looks once a minute."""


class FoldKey(NamedTuple):
    """What makes two errors the same kind: exception type, top in-app frame, route.

    Each is a short text without personal data: it is written to the budget file and the service's database.
    """

    exception: str
    frame: str
    route: str

    @property
    def digest(self) -> str:
        """The key as 16 hexadecimal digits, the same in every process."""
        return blake2b("\x1f".join(self).encode("utf-8", "replace"), digest_size=8).hexdigest()


OTHERS = FoldKey("(others)", "", "")
"""Stands for kinds that were pushed out of memory before their count was reported."""


class Reason(StrEnum):
    """Why an occurrence got an event of its own, or why not."""

    NEW = "new"
    """The first of its kind; paid from the reserve."""
    RESTARTED = "restarted"
    """The first of its kind in this process, reported before by another: whoever just deployed wants to see it."""
    EARLY = "early"
    """One of the first few."""
    RETURNED = "returned"
    """The first after a day of silence."""
    GROWTH = "growth"
    """As many again as were ever reported."""
    ROUTINE = "routine"
    """It goes on, and the last report is old."""
    QUIET = "quiet"
    """A tally: it went quiet with many occurrences not yet reported."""
    STALE = "stale"
    """A tally: it went quiet with few occurrences not yet reported, long ago."""
    CLOSING = "closing"
    """A tally: the process ends."""
    FOLDED = "folded"
    """Not sent: counted for the next event of its kind."""
    BUDGET = "budget"
    """Not sent: an event was due, but the budget is used up for now; counted for the next one."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When an event is due. Times are seconds."""

    first: int = 3
    young_s: float = 3600.0
    surge: float = 4.0
    """So many times the usual frequency is a surge, for which units stay in hand."""
    many: int = 20
    """An unreported count from which on a kind that went quiet is worth an event soon."""
    min_gap_s: float = 60.0
    max_gap_s: float = DAY_S
    quiet_s: float = 30.0
    returned_after_s: float = DAY_S


@dataclass(slots=True)
class Kind:
    """The memory of one kind of error: times are seconds since the epoch, `pending` is not yet reported."""

    key: FoldKey
    since: float
    """Start of the episode: first occurrence, or the first one after a day of silence."""
    last_event: float
    last_seen: float
    pending: int = 0
    reported: int = 0
    """Occurrences reported in this episode."""
    known: bool = False
    """Reported before, here or by another process: no longer news."""
    returned: bool = False
    unpaid: str = ""
    """Id of its first event, which is on disk and could not be paid for so far."""
    awaited: str = ""
    """Id of such an event of a process that died: delivery will hand it over, and no bare count may go before it."""
    awaited_until: float = 0.0
    seen_here: int = 0
    """Occurrences in this process."""
    digest: str = ""
    latest: Any = field(default=None, repr=False)
    """The caller's last sample, in memory only."""
    scrubbed: Any = field(default=None, repr=False)
    """The last event of this kind that was sent; may be written to disk."""

    def see(self, now: float, schedule: Schedule) -> None:
        """Count one more occurrence; after a long silence a new episode starts."""
        if self.known and now - max(self.last_seen, self.last_event) >= schedule.returned_after_s:
            self.since = now
            self.reported = 0
            self.returned = True
        self.last_seen = max(self.last_seen, now)
        self.pending += 1
        self.seen_here += 1

    def due(self, now: float, schedule: Schedule) -> Reason | None:
        """Say why the occurrence just seen should be an event of its own; None if it should fold."""
        if not self.known:
            return Reason.NEW
        if self.returned:
            return Reason.RETURNED
        if self.seen_here == 1:
            return Reason.RESTARTED
        if 0 < self.reported < schedule.first:
            return Reason.EARLY
        if self.pending >= max(schedule.first, self.reported):
            return Reason.GROWTH
        return Reason.ROUTINE if self.is_old_news(now, schedule) else None

    def is_old_news(self, now: float, schedule: Schedule) -> bool:
        """Say whether the last report is so old that one more is due if it goes on."""
        return now - self.last_event >= self.gap_s(schedule)

    def tally_due(self, now: float, schedule: Schedule) -> Reason | None:
        """Say why the unreported count should be sent without a new occurrence; None if it can wait."""
        if not self.pending:
            return None
        if not self.known:
            return Reason.NEW
        if now - self.last_seen < schedule.quiet_s:
            return None
        if self.pending >= schedule.many and self.pending * 2 >= self.reported:
            return Reason.QUIET
        return Reason.STALE if self.is_old_news(now, schedule) else None

    def is_surge(self, now: float, schedule: Schedule) -> bool:
        """Say whether the kind comes in numbers that are news: a young one, or far more often than so far."""
        if self.pending < schedule.many:
            return False
        if self.reported and now - self.since <= schedule.young_s:
            return True
        usual = (
            self.reported / max(self.last_event - self.since, schedule.min_gap_s) or 1 / schedule.min_gap_s
        )
        return self.pending >= schedule.surge * usual * (now - self.last_event)

    def is_awaited(self, now: float) -> bool:
        """Say whether the first event of this kind is still on its way here, from the hooks or from the disk."""
        if self.known or self.unpaid or self.latest is not None or self.scrubbed is not None:
            return False
        return now - self.since < DESCRIBED_WITHIN_S or self.is_on_disk(now)

    def is_on_disk(self, now: float) -> bool:
        """Say whether a process that died left the first event of this kind, and it was not handed over yet."""
        return bool(self.awaited) and now < self.awaited_until

    def gap_s(self, schedule: Schedule) -> float:
        """Return the time between routine reports: the age of the episode at the last one, within bounds."""
        return min(max(self.last_event - self.since, schedule.min_gap_s), schedule.max_gap_s)

    def report(self, now: float) -> int:
        """Note that an event is sent now and return how many occurrences it stands for."""
        occurrences, self.pending = self.pending, 0
        self.reported += occurrences
        self.last_event = now
        self.known = True
        self.returned = False
        self.unpaid = self.awaited = ""
        return occurrences
