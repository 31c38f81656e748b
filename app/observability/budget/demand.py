"""How many spans a second the process would send if every request were sampled. Pure, not thread-safe."""

import math

WINDOW_S = 900.0
SETTLED_S = 30.0


class Demand:
    """A moving average over a quarter of an hour, true from the first half minute on."""

    def __init__(self, now: float) -> None:
        self._sum = 0.0
        self._start = now
        self._at = now

    def add(self, spans: int, rate: float, now: float) -> None:
        """Count spans that were sampled at `rate`, which is in (0, 1]."""
        self._decay(now)
        self._sum += spans / rate

    def per_second(self, now: float) -> float:
        """Return spans a second at a sample rate of 1; 0 until there is enough to tell."""
        self._decay(now)
        age = now - self._start
        if age < SETTLED_S:
            return 0.0
        return self._sum / (WINDOW_S * -math.expm1(-age / WINDOW_S))

    def _decay(self, now: float) -> None:
        if now > self._at:
            self._sum *= math.exp((self._at - now) / WINDOW_S)
            self._at = now
