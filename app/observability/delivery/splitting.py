"""Cut in two what was too large for Sentry as a whole: several items, or a batch of logs, metrics or spans in one item.

Pure. Events are not cut but trimmed (`trimming`), and what belongs to an event stays with it.
"""

import json
from typing import Any

from .envelopes import BATCHED, RawEnvelope, RawItem, Tally, to_json

MOST_SPLITS = 7
"""How often a part is cut again. What is still too large then is given up: a server that refuses everything must not be
asked a thousand times."""


def halves_of(raw: RawEnvelope) -> tuple[RawEnvelope, RawEnvelope] | None:
    """Return two envelopes that hold together what the one holds; None if it cannot be cut."""
    if any(item.is_event for item in raw.items):
        return None
    items = raw.items
    if len(items) > 1:
        middle = len(items) // 2
        return RawEnvelope(raw.headers, items[:middle]), RawEnvelope(raw.headers, items[middle:])
    parts = _halves_of_item(items[0]) if items else None
    if parts is None:
        return None
    return RawEnvelope(raw.headers, [parts[0]]), RawEnvelope(raw.headers, [parts[1]])


def tally_of_parts(raw: RawEnvelope) -> Tally:
    """Count what the items of a part stand for, as `envelopes.quantities` does for whole envelopes."""
    return tuple((item.category, _count(item)) for item in raw.items)


def _halves_of_item(item: RawItem) -> tuple[RawItem, RawItem] | None:
    if item.category not in BATCHED:
        return None
    batch = json.loads(item.payload)
    entries = batch.get("items") if isinstance(batch, dict) else None
    if not isinstance(entries, list) or not 1 < len(entries) == item.headers.get("item_count"):
        return None
    middle = len(entries) // 2
    return _part(item, batch, entries[:middle]), _part(item, batch, entries[middle:])


def _part(item: RawItem, batch: dict[str, Any], entries: list[Any]) -> RawItem:
    return RawItem({**item.headers, "item_count": len(entries)}, to_json({**batch, "items": entries}))


def _count(item: RawItem) -> int:
    if item.category == "attachment":
        return len(item.payload) or 1
    count = item.headers.get("item_count") if item.category in BATCHED else None
    return count if isinstance(count, int) and count > 0 else 1
