"""Envelopes as bytes: their items, categories and quantities, and how they are written for the wire.

The SDK's own serializer refuses an envelope as a whole when one value in it is no JSON; here such a value becomes a
placeholder, because an event with a hole is better than none.
"""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from sentry_sdk.envelope import Envelope, Item

from ..types import Event

CATEGORIES = {
    "attachment": "attachment",
    "check_in": "monitor",
    "client_report": "internal",
    "event": "error",
    "feedback": "feedback",
    "log": "log_item",
    "profile": "profile",
    "profile_chunk": "profile_chunk",
    "session": "session",
    "sessions": "session",
    "span": "span",
    "trace_metric": "trace_metric",
    "transaction": "transaction",
    "user_report": "feedback",
}
"""Item type -> Sentry's data category, the word that rate limits and client reports use. SDK 2.75 lacks feedback."""

BYTES = {"log_item": "log_byte", "trace_metric": "trace_metric_byte"}
"""Category -> the one under which Sentry wants to know how many bytes of it were discarded."""

DURABLE = ("feedback", "error", "monitor")
"""Categories that are written to disk, in the order in which they are sent."""

BATCHED = ("log_item", "span", "trace_metric")
"""Categories of which one item may hold many; its header `item_count` says how many."""

COMPANIONS = ("attachment", "profile", "profile_chunk")
"""Categories of what an event can do without."""

DEEPEST_LEVEL = 50

Tally: TypeAlias = tuple[tuple[str, int], ...]
"""Category and quantity of everything in an envelope, as Sentry counts it."""


@dataclass(slots=True)
class RawItem:
    """An item of an envelope, its payload as the bytes that are sent."""

    headers: dict[str, Any]
    payload: bytes

    @property
    def category(self) -> str:
        """Sentry's data category."""
        return category_of(self.headers.get("type"))

    @property
    def is_event(self) -> bool:
        """Whether the payload is an event that can be trimmed."""
        return self.headers.get("type") in ("event", "transaction", "feedback")


@dataclass(slots=True)
class RawEnvelope:
    """An envelope whose payloads stay bytes: it can be read back, filtered and sent without decoding events."""

    headers: dict[str, Any]
    items: list[RawItem]

    @classmethod
    def of(cls, envelope: Envelope) -> "RawEnvelope":
        """Serialize the items of an envelope. Never fails because of a value in it; see `to_json`."""
        return cls(dict(envelope.headers), [RawItem(dict(i.headers), payload_of(i)) for i in envelope.items])

    @classmethod
    def parse(cls, data: bytes) -> "RawEnvelope":
        """Read what `to_bytes` wrote; ValueError if it is anything else."""
        headers, at = _line(data, 0)
        items = []
        while at < len(data):
            item_headers, at = _line(data, at)
            length = item_headers.get("length")
            if not isinstance(length, int) or length < 0 or at + length > len(data):
                raise ValueError("an item of the envelope has no length that fits")
            items.append(RawItem(item_headers, data[at : at + length]))
            at += length + 1
        return cls(headers, items)

    def to_bytes(self, *, sent_at: float | None = None) -> bytes:
        """Write the envelope; with `sent_at`, the time of this attempt replaces the one in the header.

        Sentry corrects the times of an event by the difference between `sent_at` and its own clock, so an old
        `sent_at` would date a resent event wrongly.
        """
        headers = self.headers
        if sent_at is not None:
            headers = {**headers, "sent_at": _timestamp(sent_at)}
        parts = [to_json(headers), b"\n"]
        for item in self.items:
            parts += (to_json({**item.headers, "length": len(item.payload)}), b"\n", item.payload, b"\n")
        return b"".join(parts)

    def trimmed(self, trim: Callable[[Event], Event]) -> "RawEnvelope":
        """Return a smaller envelope: events and transactions through `trim`, attachments and profiles left out."""
        items = []
        for item in self.items:
            if item.is_event:
                items.append(RawItem(item.headers, to_json(trim(json.loads(item.payload)))))
            elif item.category not in COMPANIONS:
                items.append(item)
        return RawEnvelope(self.headers, items)


def category_of(item_type: str | None) -> str:
    """Return Sentry's data category of an item type; an unknown one is `default`, as in the SDK."""
    return CATEGORIES.get(item_type or "", "default")


def main_category(envelope: Envelope) -> str:
    """Return the category that decides about the envelope as a whole: the first durable one, else the first."""
    categories = [category_of(item.type) for item in envelope.items]
    return next((c for c in categories if c in DURABLE), categories[0] if categories else "default")


def tally_of(items: Iterable[Item]) -> Tally:
    """Count what the items stand for. A transaction is also its spans and one more, which Sentry makes of itself."""
    return tuple(entry for item in items for entry in quantities(item))


def weight_of(tally: Tally) -> int:
    """Return about how much it is in memory, in units of a span or half a KB."""
    return sum(quantity // 500 if category == "attachment" else quantity for category, quantity in tally) or 1


def quantities(item: Item) -> list[tuple[str, int]]:
    """Return category and quantity of an item, with the by-products that Sentry counts apart (spans, bytes)."""
    category = category_of(item.type)
    if category == "transaction":
        spans = (item.payload.json or {}).get("spans") or []
        return [(category, 1), ("span", len(spans) + 1)]
    if category in BATCHED:
        count = item.headers.get("item_count")
        return [(category, count if isinstance(count, int) and count > 0 else 1)]
    if category == "attachment":
        return [(category, len(item.get_bytes()) or 1)]
    return [(category, 1)]


def sizes(items: "Iterable[Item | RawItem]") -> list[tuple[str, int]]:
    """Return the categories of `BYTES` and how many bytes of each there are."""
    found: dict[str, int] = {}
    for item in items:
        category = BYTES.get(item.category if isinstance(item, RawItem) else category_of(item.type))
        if category is not None:
            payload = item.payload if isinstance(item, RawItem) else payload_of(item)
            found[category] = found.get(category, 0) + len(payload)
    return list(found.items())


def payload_of(item: Item) -> bytes:
    """Return the bytes of an item's payload."""
    payload = item.payload
    if payload.bytes is None and payload.path is None and payload.json is not None:
        return to_json(payload.json)
    return item.get_bytes()


def to_json(value: Any) -> bytes:
    """Serialize compactly. A value that is no JSON becomes a placeholder: its type and nothing of its content."""
    try:
        return _dump(value)
    except (TypeError, ValueError, RecursionError):
        return _dump(_plain(value, DEEPEST_LEVEL))


_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":"), check_circular=False).encode
"""Made once: `json.dumps` makes one for each call. What refers to itself ends in a RecursionError."""


def _dump(value: Any) -> bytes:
    return _encode(value).encode()


def _plain(value: Any, levels: int) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if levels and isinstance(value, dict):
        return {k if isinstance(k, str) else _kind(k): _plain(v, levels - 1) for k, v in value.items()}
    if levels and isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each, levels - 1) for each in value]
    return _kind(value)


def _kind(value: Any) -> str:
    return f"<{type(value).__name__}>"


def _line(data: bytes, start: int) -> tuple[dict[str, Any], int]:
    end = data.find(b"\n", start)
    end = len(data) if end < 0 else end
    headers = json.loads(data[start:end])
    if not isinstance(headers, dict):
        raise ValueError("a header of the envelope is no object")
    return headers, end + 1


def _timestamp(seconds: float) -> str:
    return (
        datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
    )
