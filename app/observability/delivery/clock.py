"""The time that delivery goes by, in one place, so that tests can run an outage of an hour in a second."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """What delivery needs to know of time. `wait` is called with the condition's lock held."""

    def time(self) -> float:
        """Return the seconds since the epoch, for what is written down: `sent_at` and the age of files."""

    def monotonic(self) -> float:
        """Return seconds that never go back, for delays."""

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        """Wait until the condition is notified or `timeout_s` has passed (None: without end)."""


class SystemClock:
    """The time of this machine."""

    def time(self) -> float:
        """Return the seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        """Wait for a notification, at most `timeout_s`. Python refuses timeouts of centuries, so it is capped."""
        condition.wait(timeout=None if timeout_s is None else min(timeout_s, threading.TIMEOUT_MAX))
