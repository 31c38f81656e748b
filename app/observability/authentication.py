"""Refused authentication: counted by route, reason and tier; the first of a kind and a spike are events.

A refusal that is no novelty costs one metric and no event, so that somebody who tries keys cannot spend the budget.
Thread-safe; nothing is kept about who was refused.
"""

import contextvars
import threading
import time
from collections import Counter, deque
from collections.abc import Callable

import sentry_sdk

from .measures import count
from .state import Flow
from .user import TIER_TAG

METRIC = "auth.refused"
STATUSES = frozenset({401, 403})
WINDOW_S = 60.0
NEWS_AGAIN_S = 3600.0
MAX_KINDS = 1024


class Refusals:
    """Learns of every refusal of one process.

    Args:
        spike_per_minute: So many refusals within a minute, over all routes, are a spike.
        clock: Monotonic seconds.
    """

    def __init__(self, spike_per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.spike_per_minute = spike_per_minute
        self.clock = clock
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], float] = {}
        self._recent: deque[tuple[float, str]] = deque(maxlen=spike_per_minute)
        self._is_spiking = False

    def on_outcome(self, flow: Flow, status: int) -> None:
        """Take note if an HTTP request was answered 401 or 403."""
        if status in STATUSES:
            self.refused(flow, str(status))

    def refused(self, flow: Flow, reason: str) -> None:
        """Take note of a refusal; `reason` is the HTTP status, the WebSocket close code, or "denied"."""
        route = flow.template() or "unmatched"
        tier = flow.user.tier if flow.user is not None and flow.user.tier else "unknown"
        count(METRIC, {"route": route, "reason": reason, TIER_TAG: tier})
        is_new, spike = self._judge(route, reason)
        if is_new:
            _capture_first(route, reason)
        if spike:
            contextvars.Context().run(_capture_spike, spike)  # about nobody in particular

    def _judge(self, route: str, reason: str) -> tuple[bool, list[str]]:
        now = self.clock()
        with self._lock:
            last = self._known.get((route, reason))
            is_new = last is None or now - last >= NEWS_AGAIN_S
            if is_new:
                if len(self._known) >= MAX_KINDS:
                    self._known.pop(next(iter(self._known)))
                self._known.pop((route, reason), None)
                self._known[route, reason] = now
            self._recent.append((now, f"{route} ({reason})"))
            is_full = len(self._recent) == self.spike_per_minute
            was_spiking, self._is_spiking = self._is_spiking, is_full and now - self._recent[0][0] <= WINDOW_S
            if self._is_spiking and not was_spiking:
                return is_new, [kind for _, kind in self._recent]
        return is_new, []


def _capture_first(route: str, reason: str) -> None:
    sentry_sdk.capture_event(
        {
            "level": "warning",
            "message": f"Authentication refused: {route} ({reason})",
            "fingerprint": ["auth-refused", route, reason],
            "tags": {"failure": "auth_refused", "auth.reason": reason},
        }
    )


def _capture_spike(kinds: list[str]) -> None:
    """Report the whole attack once."""
    sentry_sdk.capture_event(
        {
            "level": "error",
            "message": "Spike of refused authentication",
            "fingerprint": ["auth-spike"],
            "tags": {"failure": "auth_spike"},
            "contexts": {
                "auth_spike": {
                    "refused": len(kinds),
                    "within_s": WINDOW_S,
                    **dict(Counter(kinds).most_common(10)),
                }
            },
        }
    )
