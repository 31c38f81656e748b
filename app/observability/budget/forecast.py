"""What the month will cost, and the sample rate that keeps it inside the budget. Pure."""

from dataclasses import dataclass

from .ledger import View
from .pools import DAY_S, Limits

HOUR_S = 3600.0
SPAN_MARGIN = 0.99
"""A little stays unplanned, so that a rounding never costs the last day its traces."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The month at today's volume. A limit of 0 is unlimited; a rate of None: there was nothing to sample."""

    month: str
    errors_sent: int
    errors_limit: int
    errors_by_month_end: int
    occurrences_today: int
    spans_sent: int
    spans_limit: int
    spans_by_month_end: int
    spans_by_month_end_at_set_rate: int
    sample_rate_within_budget: float | None


def span_cap(view: View, limits: Limits, demand: float, now: float) -> float:
    """Return the sample rate in [0, 1] at which the rest of the span budget lasts to the end of the month."""
    if not limits.spans or demand <= 0.0:
        return 1.0
    left_s = max(view.month.end - now, 1.0)
    return min(1.0, max(0.0, view.spans_free * SPAN_MARGIN / left_s / demand))


def make_forecast(view: View, limits: Limits, demand: float, set_rate: float, now: float) -> Forecast:
    """Carry today's volume on to the end of the month; within the first hour of a day an hour is assumed."""
    left_s = max(view.month.end - now, 0.0)
    per_second = 1.0 / max(now % DAY_S, HOUR_S)
    errors = view.errors + round(view.errors_today * per_second * left_s)
    return Forecast(
        month=view.month.name,
        errors_sent=view.errors,
        errors_limit=limits.errors,
        errors_by_month_end=min(errors, limits.errors) if limits.errors else errors,
        occurrences_today=view.volume_today,
        spans_sent=view.spans,
        spans_limit=limits.spans,
        spans_by_month_end=view.spans + round(view.spans_today * per_second * left_s),
        spans_by_month_end_at_set_rate=view.spans + round(demand * set_rate * left_s),
        sample_rate_within_budget=span_cap(view, limits, demand, now) if demand > 0.0 else None,
    )
