"""Bring envelopes to Sentry: a spool on disk, retries, rate limits, and counters that say what was not sent."""

from .bounds import Bounds
from .clock import Clock, SystemClock
from .outcomes import Outcome
from .transport import DeliveryTransport
from .trimming import trim_event

__all__ = ["Bounds", "Clock", "DeliveryTransport", "Outcome", "SystemClock", "trim_event"]
