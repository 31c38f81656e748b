"""Remember which categories Sentry has asked us not to send, and until when.

Rules: Sentry's page "Rate Limiting" for SDKs. Where SDK 2.75 falls short we do not: fractional seconds are read, the
category of user feedback is known, and a header that names only other categories does not switch off the fallback.
"""

import math
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime

ALL = ""
"""The category of a limit that names none: it applies to everything."""

UNTOLD_LIMIT_S = 60.0
"""What a 429 without any header means."""

LONGEST_LIMIT_S = 31 * 86400.0
MOST_CATEGORIES = 64


class RateLimits:
    """Limits by category. Not thread-safe: the transport guards it. Times are the caller's monotonic seconds."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def learn(self, status: int, headers: Mapping[str, str], *, sent: str, now: float, wall: float) -> bool:
        """Take the limits out of an answer; return True if there were any.

        Args:
            status: the HTTP status; limits may come with any of them.
            headers: lower-case names.
            sent: category of what was sent. After a 429 it is limited in any case, or it would be sent again at once.
            now: monotonic seconds.
            wall: seconds since the epoch, for a `Retry-After` that is a date.
        """
        limits = list(parse_limits(headers.get("x-sentry-rate-limits", "")))
        for category, seconds in limits:
            self._extend(category, now + seconds)
        if status == 429 and not self.is_limited(sent, now):
            told = parse_retry_after(headers.get("retry-after", ""), wall)
            self._extend(sent if limits else ALL, now + (UNTOLD_LIMIT_S if told is None else told))
        return bool(limits) or status == 429

    def until(self, category: str) -> float:
        """Return the monotonic time from which the category may be sent; 0 if it was never limited."""
        return max(self._until.get(category, 0.0), self._until.get(ALL, 0.0))

    def is_limited(self, category: str, now: float) -> bool:
        """Say whether the category must wait."""
        return self.until(category) > now

    def active(self, now: float) -> dict[str, float]:
        """Return category -> seconds left; "all" stands for every category."""
        return {
            category or "all": round(until - now, 3)
            for category, until in sorted(self._until.items())
            if until > now
        }

    def _extend(self, category: str, until: float) -> None:
        """Keep the longer one, as Sentry asks; a server that invents categories cannot fill the memory."""
        if category in self._until or len(self._until) < MOST_CATEGORIES:
            self._until[category] = max(self._until.get(category, 0.0), until)


def parse_limits(header: str) -> Iterator[tuple[str, float]]:
    """Yield category and seconds of each limit in an X-Sentry-Rate-Limits header; what cannot be read is left out.

    A limit is `seconds:categories:scope:reason:...`, categories are separated by semicolons, none means all.
    """
    for limit in header.split(","):
        fields = [part.strip() for part in limit.split(":")]
        seconds = _seconds(fields[0])
        if seconds is None or len(fields) < 2:
            continue
        for category in fields[1].split(";"):
            yield category.strip(), seconds


def parse_retry_after(header: str, wall: float) -> float | None:
    """Return the seconds that a Retry-After header asks for, as a number or a date; None if it cannot be read."""
    seconds = _seconds(header.strip())
    if seconds is not None:
        return seconds
    try:
        at = parsedate_to_datetime(header).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(at - wall, 0.0), LONGEST_LIMIT_S)


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    if not math.isfinite(seconds) or seconds < 0:
        return None
    return min(seconds, LONGEST_LIMIT_S)
