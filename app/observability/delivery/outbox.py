"""What waits to be sent, in memory and on disk: order, bounds, and who goes first when there is no room.

Pure bookkeeping without I/O. Not thread-safe: the transport guards it with its condition.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sentry_sdk.envelope import Envelope

from .envelopes import DURABLE, RawEnvelope, Tally
from .spoolfile import SpoolFile

OTHERS_TURN = 5
"""Every so many envelopes of durable categories, one of the others gets its turn, so that a backlog starves nobody."""


@dataclass(slots=True, eq=False)
class Pending:
    """One envelope on its way: in memory or on disk, never both."""

    category: str
    event_id: str | None
    captured_at: float
    tally: Tally
    weight: int = 1
    """How much it is in memory, in units of about a span or half a KB."""
    envelope: Envelope | RawEnvelope | None = None
    file: SpoolFile | None = None
    is_adopted: bool = False
    """It was written by another process, perhaps an older version with weaker rules: it must pass the gate again."""
    is_trimmed: bool = False
    splits: int = 0
    """How often it was cut in two because it was too large."""
    attempts: int = 0
    retry_at: float = 0.0


class Outbox:
    """Waiting envelopes by category, oldest first.

    Args:
        max_queued: envelopes in memory.
        max_weight: of what is in memory, see `Pending.weight`.
        max_disk_bytes: of files on disk.
    """

    def __init__(self, *, max_queued: int, max_weight: int, max_disk_bytes: int) -> None:
        self.max_queued = max_queued
        self.max_weight = max_weight
        self.max_disk_bytes = max_disk_bytes
        self.queued = 0
        self.weight = 0
        self.spooled = 0
        self.disk_bytes = 0
        self.in_flight: Pending | None = None
        self._lanes: dict[tuple[str, bool], deque[Pending]] = {}
        self._delayed: list[tuple[float, int, Pending]] = []
        self._sequence = itertools.count()
        self._durable_turns = 0

    def add(self, pending: Pending) -> list[Pending]:
        """Take an envelope in and return those that had to make room, in the order in which they were chosen.

        Traces, logs, metrics and sessions go first, check-ins next, errors and feedback last; the oldest of each.
        """
        self._lane(pending).append(pending)
        self._account(pending, 1)
        return [*self._overflow(on_disk=False), *self._overflow(on_disk=True)]

    def adopt(self, found: list[Pending]) -> list[Pending]:
        """Take in envelopes that are older than what waits here; return those that had to make room."""
        for pending in found:
            self._lane(pending).append(pending)
            self._account(pending, 1)
        for lane in self._lanes.values():
            if any(pending.is_adopted for pending in lane):
                ordered = sorted(lane, key=lambda pending: pending.captured_at)
                lane.clear()
                lane.extend(ordered)
        return self._overflow(on_disk=True)

    def take(self, now: float, is_limited: Callable[[str], bool]) -> Pending | None:
        """Hand out the next envelope to send and remember it as in flight; None if nothing can be sent now."""
        while self._delayed and self._delayed[0][0] <= now:
            pending = heapq.heappop(self._delayed)[2]
            self._lane(pending).append(pending)
        lane = self._next_lane(is_limited)
        if lane is None:
            return None
        self.in_flight = lane.popleft()
        return self.in_flight

    def put_back(self, pending: Pending, *, retry_at: float = 0.0) -> None:
        """Let the envelope in flight wait again: first in its lane, or until `retry_at` while others go ahead."""
        self.in_flight = None
        if retry_at:
            heapq.heappush(self._delayed, (retry_at, next(self._sequence), pending))
        else:
            self._lane(pending).appendleft(pending)

    def replace(self, pending: Pending, parts: Iterable[Pending]) -> None:
        """Put parts, in their order, in the place of the envelope in flight: they come next."""
        self.settle(pending)
        for part in reversed(list(parts)):
            self._lane(part).appendleft(part)
            self._account(part, 1)

    def settle(self, pending: Pending) -> None:
        """Forget an envelope whose fate is known."""
        if self.in_flight is pending:
            self.in_flight = None
        self._account(pending, -1)

    def drop(self, chosen: Callable[[Pending], bool]) -> list[Pending]:
        """Take out all waiting envelopes that are chosen, and return them."""
        dropped = [pending for pending in self if chosen(pending)]
        gone = set(map(id, dropped))
        for lane in self._lanes.values():
            kept = [pending for pending in lane if id(pending) not in gone]
            lane.clear()
            lane.extend(kept)
        self._delayed = [entry for entry in self._delayed if id(entry[2]) not in gone]
        heapq.heapify(self._delayed)
        for pending in dropped:
            self._account(pending, -1)
        return dropped

    def wakes_at(self) -> float | None:
        """Return when the first delayed envelope may be tried again."""
        return self._delayed[0][0] if self._delayed else None

    def waiting(self) -> set[str]:
        """Return the categories of which something waits and is not delayed."""
        return {category for (category, _), lane in self._lanes.items() if lane}

    def __iter__(self) -> Iterator[Pending]:
        """Go through what waits, without what is in flight."""
        for lane in self._lanes.values():
            yield from lane
        for _, _, pending in self._delayed:
            yield pending

    def _lane(self, pending: Pending) -> deque[Pending]:
        return self._lanes.setdefault((pending.category, pending.file is not None), deque())

    def _next_lane(self, is_limited: Callable[[str], bool]) -> deque[Pending] | None:
        ready = [(key, lane) for key, lane in self._lanes.items() if lane and not is_limited(key[0])]
        durable = [entry for entry in ready if entry[0][0] in DURABLE]
        others = [entry for entry in ready if entry[0][0] not in DURABLE]
        if durable and (not others or self._durable_turns < OTHERS_TURN):
            self._durable_turns += 1
            return min(durable, key=lambda e: (DURABLE.index(e[0][0]), e[1][0].captured_at))[1]
        self._durable_turns = 0
        return min(others, key=lambda e: e[1][0].captured_at)[1] if others else None

    def _overflow(self, *, on_disk: bool) -> list[Pending]:
        chosen = []
        while self._is_over(on_disk=on_disk):
            victim = self._victim(on_disk=on_disk)
            if victim is None:
                break
            self._account(victim, -1)
            chosen.append(victim)
        return chosen

    def _is_over(self, *, on_disk: bool) -> bool:
        if on_disk:
            return self.disk_bytes > self.max_disk_bytes
        return self.queued > self.max_queued or (self.weight > self.max_weight and self.queued > 1)

    def _victim(self, *, on_disk: bool) -> Pending | None:
        lanes = [(key[0], lane) for key, lane in self._lanes.items() if lane and key[1] == on_disk]
        if lanes:
            return min(lanes, key=lambda e: (_worth(e[0]), e[1][0].captured_at))[1].popleft()
        for place, (_, _, pending) in enumerate(self._delayed):
            if (pending.file is not None) == on_disk:
                del self._delayed[place]
                heapq.heapify(self._delayed)
                return pending
        return None

    def _account(self, pending: Pending, sign: int) -> None:
        if pending.file is not None:
            self.spooled += sign
            self.disk_bytes += sign * pending.file.disk_bytes
        else:
            self.queued += sign
            self.weight += sign * pending.weight


def _worth(category: str) -> int:
    """Rank for making room: the least goes first."""
    return {"error": 2, "feedback": 2, "monitor": 1}.get(category, 0)
