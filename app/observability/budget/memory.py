"""The kinds of errors a process remembers, bounded; a kind that is pushed out leaves its count behind. Pure.

Not thread-safe. Costs O(1) for each occurrence.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from .folding import HANDED_OVER_WITHIN_S, OTHERS, FoldKey, Kind, Schedule

Report: TypeAlias = tuple[float, float]
"""When a kind was first seen and when it was last reported."""

MAX_KNOWN = 8192
MAX_SAMPLES = 512
MAX_COUNTED = 8192


class Memory:
    """Kinds by key, the oldest first; those with unreported counts; and digests of kinds known anywhere."""

    def __init__(self, schedule: Schedule, max_kinds: int) -> None:
        self.schedule = schedule
        self.kinds: OrderedDict[FoldKey, Kind] = OrderedDict()
        self.open: dict[FoldKey, Kind] = {}
        self.known: OrderedDict[str, Report] = OrderedDict()
        """By digest, every kind that was reported here or elsewhere."""
        self.fresh: dict[str, Report] = {}
        """Reports made here that the others were not told of."""
        self._by_digest: dict[str, Kind] = {}
        self._counted: OrderedDict[str, None] = OrderedDict()
        """Ids of events on disk whose occurrence is in our counts: the event and its count may come apart."""
        self._new_samples: dict[str, Mapping[str, Any]] = {}
        self._sampled: OrderedDict[FoldKey, Kind] = OrderedDict()
        self._max_kinds = max_kinds

    def see(self, key: FoldKey, now: float) -> Kind:
        """Count one occurrence of a kind."""
        kind = self.kinds.get(key)
        if kind is None:
            kind = self._add(key, now)
        else:
            self.kinds.move_to_end(key)
        kind.see(now, self.schedule)
        self.open[key] = kind
        return kind

    def report(self, kind: Kind, now: float) -> int:
        """Note that an event of this kind is sent and return how many occurrences it stands for."""
        if kind.key != OTHERS:
            self.fresh[kind.digest] = (kind.since, now)
            self._know(kind.digest, (kind.since, now))
        self.open.pop(kind.key, None)
        return kind.report(now)

    def wait(self, kind: Kind, event_id: str) -> None:
        """Note that the first event of a kind is on disk; its occurrence is counted as pending."""
        kind.unpaid, kind.awaited = event_id, ""
        self._count_once(event_id)

    def take_over(self, key: FoldKey, event_id: str, at: float) -> Kind:
        """Count an event that a dead process left on disk, unless its count came before."""
        kind = self.kinds.get(key) or self._add(key, at)
        if event_id not in self._counted:
            self._count_once(event_id)
            kind.pending += 1
            kind.last_seen = max(kind.last_seen, at)
            self.open[key] = kind
        return kind

    def strike(self, entry: dict[str, Any]) -> None:
        """Take out of an entry what was counted by its event on disk."""
        if entry.get("unpaid") in self._counted:
            entry["pending"] = max(0, int(entry["pending"]) - 1)
            del entry["unpaid"]

    def _count_once(self, event_id: str) -> None:
        self._counted[event_id] = None
        if len(self._counted) > MAX_COUNTED:
            self._counted.popitem(last=False)

    def keep(self, kind: Kind, *, latest: Any = None, scrubbed: Any = None) -> None:
        """Keep a sample of a kind; only the last some hundred kinds have one."""
        if latest is not None:
            kind.latest = latest
        if scrubbed is not None:
            if kind.scrubbed is None and len(self._new_samples) < MAX_SAMPLES:
                self._new_samples[kind.digest] = scrubbed
            kind.scrubbed = scrubbed
            kind.latest = None
        self._sampled[kind.key] = kind
        self._sampled.move_to_end(kind.key)
        if len(self._sampled) > MAX_SAMPLES:
            _, oldest = self._sampled.popitem(last=False)
            oldest.latest = oldest.scrubbed = None

    def take_samples(self) -> dict[str, Mapping[str, Any]]:
        """Return the first samples of kinds since the last call, by digest."""
        taken, self._new_samples = self._new_samples, {}
        return taken

    def learn(self, reports: Mapping[str, Report]) -> None:
        """Take over what others reported."""
        for digest, (since, reported_at) in reports.items():
            if digest in self.known:
                first, last = self.known[digest]
                since, reported_at = min(first, since), max(last, reported_at)
            self._know(digest, (since, reported_at))
            kind = self._by_digest.get(digest)
            if kind is not None:
                kind.known = True
                kind.last_event = max(kind.last_event, reported_at)

    def pending(self, key: FoldKey) -> int:
        """Return how many occurrences of a kind no event has reported yet."""
        kind = self.kinds.get(key)
        return kind.pending if kind is not None else 0

    def count_new(self) -> int:
        """Return how many kinds wait for their first event."""
        return sum(1 for kind in self.open.values() if not kind.known)

    def forget(self, entry: Mapping[str, Any]) -> None:
        """Give up the count of an entry that `dump` yielded here, as far as it was not reported since."""
        kind = self.kinds.get(FoldKey(*entry["key"]))
        if kind is not None:
            kind.pending -= min(kind.pending, int(entry["pending"]))
            if not kind.pending:
                self.open.pop(kind.key, None)

    def dump(self, *, samples: bool) -> Iterator[dict[str, Any]]:
        """Yield every kind as JSON-able data, those used last first; samples only where counts are open."""
        for kind in reversed(self.kinds.values()):
            entry: dict[str, Any] = {
                "key": list(kind.key),
                "since": kind.since,
                "event": kind.last_event,
                "seen": kind.last_seen,
                "pending": kind.pending,
                "reported": kind.reported,
                "known": kind.known,
            }
            if kind.unpaid or kind.awaited:
                entry["unpaid"] = kind.unpaid or kind.awaited
            if samples and kind.pending and kind.scrubbed is not None:
                entry["sample"] = kind.scrubbed
            yield entry

    def merge(self, entry: Mapping[str, Any], now: float) -> None:
        """Take over what `dump` yielded, here or in another process; counts add up.

        Raises:
            ValueError, TypeError, KeyError: if it is not such an entry; nothing is taken over then.
        """
        exception, frame, route = (str(part) for part in entry["key"])
        since, event, seen = (min(float(entry[name]), now) for name in ("since", "event", "seen"))
        pending, reported = max(0, int(entry["pending"])), max(0, int(entry["reported"]))
        awaited = str(entry.get("unpaid", ""))
        if awaited in self._counted:
            awaited, pending = "", max(0, pending - 1)
        elif awaited:
            self._count_once(awaited)
        key = FoldKey(exception, frame, route)
        kind = self.kinds.get(key) or self._add(key, since)
        kind.since = min(kind.since, since)
        kind.last_event = max(kind.last_event, event)
        kind.last_seen = max(kind.last_seen, seen)
        kind.reported = max(kind.reported, reported)
        kind.pending += pending
        if kind.pending:
            self.open[key] = kind
            if awaited and not kind.unpaid:
                kind.awaited, kind.awaited_until = awaited, now + HANDED_OVER_WITHIN_S
        if entry["known"]:
            kind.known = True
            self.learn({kind.digest: (kind.since, kind.last_event)})
        if isinstance(entry.get("sample"), dict) and kind.scrubbed is None:
            self.keep(kind, scrubbed=entry["sample"])

    def _add(self, key: FoldKey, now: float) -> Kind:
        digest = key.digest
        kind = Kind(key, since=now, last_event=now, last_seen=now, digest=digest)
        if digest in self.known:
            kind.known = True
            kind.since, kind.last_event = (min(now, moment) for moment in self.known[digest])
            kind.last_seen = kind.last_event
        self.kinds[key] = kind
        self._by_digest[digest] = kind
        if len(self.kinds) > self._max_kinds:
            self._push_out_oldest()
        return kind

    def _push_out_oldest(self) -> None:
        evictable = (key for key, kind in self.kinds.items() if key != OTHERS and not kind.unpaid)
        oldest_key = next(evictable, None) or next(key for key in self.kinds if key != OTHERS)
        oldest = self.kinds.pop(oldest_key)
        self._by_digest.pop(oldest.digest, None)
        self._sampled.pop(oldest_key, None)
        if self.open.pop(oldest_key, None) is None:
            return
        others = self.kinds.get(OTHERS)
        if others is None:
            others = self.kinds[OTHERS] = Kind(
                OTHERS, oldest.since, oldest.last_seen, oldest.last_seen, known=True
            )
        others.pending += oldest.pending
        others.last_seen = max(others.last_seen, oldest.last_seen)
        self.open[OTHERS] = others

    def _know(self, digest: str, report: Report) -> None:
        self.known[digest] = report
        if len(self.known) > MAX_KNOWN:
            self.known.popitem(last=False)
