"""Tell Sentry in its own words what was not sent, so that its statistics are true."""

from sentry_sdk.envelope import Envelope, Item, PayloadRef

from ..counters import Counters, Discard

INTERVAL_S = 60.0

MOST_ENTRIES = 40
"""Sentry takes client reports of 4 KiB."""


def make_client_report(discards: list[Discard], *, at: float) -> Envelope:
    """Return the envelope of one client report."""
    events = [{"reason": r, "category": c, "quantity": q} for r, c, q in discards]
    payload = PayloadRef(json={"timestamp": at, "discarded_events": events})
    return Envelope(items=[Item(payload, type="client_report")])


def take_discards(counters: Counters) -> list[Discard]:
    """Take as much from the counters as one report holds; the rest waits for the next."""
    discards = counters.drain_discarded()
    if len(discards) > MOST_ENTRIES:
        counters.restore_discarded(discards[MOST_ENTRIES:])
    return discards[:MOST_ENTRIES]
