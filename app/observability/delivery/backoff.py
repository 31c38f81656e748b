"""How long to wait after a failure: doubled each time, and half of it random, so that processes that failed together
come back one by one. Pure; not thread-safe: the schedule guards it.
"""

from collections.abc import Callable

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0
LAST_RETRY_OF_ONE_S = 3600.0
"""An envelope that Sentry answers with 5xx again and again waits longer than the rest, which may be fine."""
RETRY_WHILE_FLUSHING_S = 0.25


class Backoff:
    """Failures in a row, and when the next try is due.

    Args:
        jitter: a random number in [0, 1).
    """

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self.failures = 0
        self.retry_at = 0.0
        self.is_hurried = False
        """Somebody waits in a flush: retries come fast."""

    def failed(self, now: float) -> bool:
        """Note a failure; True if it is the first after a success."""
        self.failures += 1
        self.retry_at = now + self.delay_s(self.failures, LAST_RETRY_S)
        return self.failures == 1

    def recovered(self) -> bool:
        """Note a success; True if it is the first after a failure."""
        was_down = self.failures > 0
        self.failures, self.retry_at = 0, 0.0
        return was_down

    def delay_s(self, attempts: int, longest_s: float) -> float:
        """Return the seconds to wait after so many failed attempts."""
        if self.is_hurried:
            return RETRY_WHILE_FLUSHING_S
        delay_s = min(FIRST_RETRY_S * 2.0 ** min(attempts - 1, 30), longest_s)
        return delay_s * (0.5 + 0.5 * self._jitter())
