"""A clock for tests, in the middle of a month."""

from datetime import UTC, datetime

MID_MONTH = datetime(2026, 11, 10, 9, tzinfo=UTC).timestamp()
MONTH_END = datetime(2026, 12, 1, tzinfo=UTC).timestamp()
DAY_S = 86_400.0


class FakeClock:
    def __init__(self, now: float = MID_MONTH) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
