"""What holders bring to the ledger and take from it: accounts, requests, grants, alarms. Pure data."""

from dataclasses import dataclass, field

from .pools import Month, Pool, Units, no_units


@dataclass(frozen=True, slots=True)
class Alarm:
    """A budget crossed 80 % or 100 %: said once a month for each."""

    category: str
    percent: int
    month: str
    spent: int
    limit: int


@dataclass(slots=True)
class Holder:
    """One process's account: units since its birth, and what of it belongs to earlier months."""

    born: float
    seen: float
    granted: Units = field(default_factory=no_units)
    spent: Units = field(default_factory=no_units)
    before: Units = field(default_factory=no_units)
    demand: float = 0.0
    volume: int = 0
    tests: int = 0
    lost: bool = False

    def charged(self, pool: Pool) -> int:
        """Return what this holder costs the running month: granted counts as spent."""
        return max(self.granted[pool], self.spent[pool]) - self.before[pool]

    def used(self, pool: Pool) -> int:
        """Return what was really spent, as far as known; the last of an old month may count in the new one."""
        return max(0, self.spent[pool] - self.before[pool])


@dataclass(frozen=True, slots=True)
class Request:
    """What a holder brings to a settlement."""

    holder: str
    spent: Units
    ahead: Units
    """Units it would like to have in hand ahead of need."""
    owed: Units
    """Units for events that wait already."""
    demand: float = 0.0
    """Spans a second it would spend at a sample rate of 1."""
    volume: int = 0
    """Error occurrences since its birth, reported or not."""
    tests: int = 0
    """Test errors since its birth."""
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """How the month stands, over all holders."""

    month: Month
    errors: int
    spans: int
    demand: float
    holders: int
    starts: int
    """Starts of the service in the last ten minutes."""
    volume_today: int
    errors_today: int
    spans_today: int
    tests_today: int
    spans_free: int


@dataclass(frozen=True, slots=True)
class Grant:
    """What a settlement gives: units since the holder's birth, and the alarms that fell to it."""

    granted: Units
    alarms: tuple[Alarm, ...]
    view: View
