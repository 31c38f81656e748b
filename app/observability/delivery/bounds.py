"""How much may wait to be sent, and for how long."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of what delivery keeps. A unit of weight is about a span or half a KB."""

    max_queued: int = 1_000
    """Envelopes in memory."""
    max_weight: int = 20_000
    """Weight of what is in memory."""
    max_spool_bytes: int = 50 << 20
    """Size of the spool, all processes together."""
    max_event_bytes: int = 1_000_000
    """A larger event is trimmed before it is sent: Sentry refuses events of more than 1 MiB."""
    max_age_s: float = 30 * 86400.0
    """Sentry refuses older events."""
