"""What the module promises to cost, and whether this run shows it.

Ratios are of added CPU: what the module adds to the uninstrumented application as a part of what
`sentry_sdk.init(dsn, traces_sample_rate)` with its defaults adds at the same rate.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from .measure import BY_HAND, ON_POSTGRES
from .results import Figure, Results
from .variants import NONE, OFF, RIVALS

OFF_ALLOWED = 0.02
"""OFF passes one more route on the way to each endpoint; what it adds must be lost in this part of a request."""


@dataclass(frozen=True)
class Verdict:
    """One goal and what was measured."""

    goal: str
    limit: float
    figure: Figure
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the median keeps the limit."""
        if self.at_least:
            return self.figure.median >= self.limit
        return self.figure.median <= self.limit


_GOALS = [
    ("GET, rate 0", "GET", "0.0", 0.12),
    ("GET, rate 0.1", "GET", "0.1", 0.30),
    ("GET, rate 1.0, scrubbed, no-op transport", "GET", "1.0", 0.40),
    ("GET with a query, rate 0.1", "GET with a query", "0.1", 0.45),
    ("GET with a query, rate 1.0", "GET with a query", "1.0", 0.70),
    ("the same on PostgreSQL, rate 0.1", ON_POSTGRES, "0.1", 0.45),
    ("the same on PostgreSQL, rate 1.0", ON_POSTGRES, "1.0", 0.70),
    ("POST with body, rate 0.1", "POST, 2 KB body", "0.1", 0.30),
    ("GET, rate 1.0, sent to a sink", "GET", "1.0, sent", 0.50),
    ("crash, scrubbed, spooled and sent", "crash", "1.0, sent", 0.25),
]


_IGNORED = {("100 ws messages", "elastic-apm")}
"""Records nothing of WebSockets, so there is nothing to compare."""


def judge(results: Results) -> Iterator[Verdict]:
    """Return a verdict for each goal that was measured."""
    for goal, work, rate, limit in _GOALS:
        if results.has(work, f"ours {rate}"):
            yield Verdict(goal, limit, results.ratio(work, f"ours {rate}", f"sentry-sdk {rate}"))
    for rate in ("0.1", "1.0"):
        if results.has(BY_HAND, f"sentry-sdk {rate}"):
            figure = results.ratio("100 ws messages", f"ours {rate}", f"sentry-sdk {rate}", BY_HAND)
            yield Verdict(f"100 WebSocket messages, rate {rate}, against bare and by hand", 0.50, figure)
    for work in ("GET", "100 ws messages"):
        for rival in RIVALS:
            if (work, rival) in _IGNORED:
                continue
            for rate in ("0.1", "1.0"):
                if results.has(work, f"{rival} {rate}"):
                    figure = results.ratio(work, f"ours {rate}", f"{rival} {rate}")
                    yield Verdict(f"{work}, rate {rate}, against {rival}", 1.0, figure)
    for work in results.cpu_us:
        if results.has(work, OFF.name):
            none = results.cpu_us[work][NONE.name]
            parts = [part / base for part, base in zip(results.added(work, OFF.name), none, strict=True)]
            limit = max(OFF_ALLOWED, results.noise(work))
            yield Verdict(f"OFF, {work}: part of the work itself, at most the noise", limit, Figure.of(parts))
