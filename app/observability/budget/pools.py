"""Months, and how a month's budgets are split into pools. Pure."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeAlias

DAY_S = 86_400.0


class Pool(StrEnum):
    """The separate purses of a month."""

    NEW = "new"
    STEADY = "steady"
    FINAL = "final"
    SPANS = "spans"


Units: TypeAlias = dict[Pool, int]
ERROR_POOLS = (Pool.NEW, Pool.STEADY, Pool.FINAL)


def no_units() -> Units:
    """Return zero for each pool."""
    return dict.fromkeys(Pool, 0)


def read_units(raw: Any) -> Units:
    """Read units as JSON keeps them; missing pools are zero."""
    return {pool: int(raw.get(pool, 0)) for pool in Pool}


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in UTC; `start` and `end` are seconds since the epoch."""

    name: str
    start: float
    end: float

    @classmethod
    def of(cls, now: float) -> "Month":
        """Return the month that `now` lies in."""
        day = datetime.fromtimestamp(now, UTC)
        start = datetime(day.year, day.month, 1, tzinfo=UTC)
        end = datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=UTC)
        return cls(f"{day.year:04}-{day.month:02}", start.timestamp(), end.timestamp())

    def released(self, now: float) -> float:
        """Return the part of a month's budget that may be spent by now, in [0, 1]: all of it on the last day."""
        return min(max((now - self.start) / (self.end - self.start - DAY_S), 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """The month's budgets; 0 = unlimited. `share` is the part of them that this ledger may hand out."""

    errors: int
    spans: int
    share: float = 1.0

    def pools(self) -> Units:
        """Split the budgets into pools: a fifth of the errors for new kinds, a tenth for the end."""
        errors = math.floor(self.errors * self.share)
        new = min(errors, max(1, errors // 5))
        final = min(errors - new, errors // 10)
        steady = errors - new - final
        return {
            Pool.NEW: new,
            Pool.STEADY: steady,
            Pool.FINAL: final,
            Pool.SPANS: math.floor(self.spans * self.share),
        }

    def block(self, pool: Pool) -> int:
        """Return how many units of a pool one process holds ahead of need."""
        if pool is Pool.FINAL:
            return 0
        whole = self.spans if pool is Pool.SPANS else self.errors
        return max(1, math.floor(whole * self.share) // (1000 if pool is Pool.SPANS else 200))
