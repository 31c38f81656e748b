"""A clock that stands still until a test moves it: an outage of an hour takes no time."""

import threading
import time


class VirtualClock:
    """What delivery calls a clock. Threads that wait on it wake when they are notified or when time has come."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._changed = threading.Condition()
        self._wall = start
        self._passed = 0.0
        self._waiting: dict[threading.Condition, float | None] = {}

    def time(self) -> float:
        return self._wall + self._passed

    def monotonic(self) -> float:
        return 1_000.0 + self._passed

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        until = None if timeout_s is None else self.monotonic() + timeout_s
        if until is not None and timeout_s == 0:
            return
        with self._changed:
            self._waiting[condition] = until
            self._changed.notify_all()
        try:
            condition.wait(30.0)
        finally:
            with self._changed:
                self._waiting.pop(condition, None)

    def advance(self, seconds: float) -> None:
        """Let time pass at once and wake everybody who waits."""
        with self._changed:
            self._passed += seconds
            waiting = list(self._waiting)
        for condition in waiting:
            with condition:
                condition.notify_all()

    def wait_for_idle(self, timeout: float = 10.0) -> None:
        """Wait until somebody waits on the clock: the sender has nothing to do at this time."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not self._waiting:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError("nobody came to rest")
                self._changed.wait(left)
