"""The last gate before disk and network: every envelope passes it, whoever made it.

What the hooks have scrubbed goes through as it is; whatever has no hook (sessions, attachments, feedback, headers,
items that somebody handed to the transport) is scrubbed here or dropped and counted. Never raises.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sentry_sdk.envelope import Envelope, Item, PayloadRef

from .counters import Counters, Fate
from .scrubbing import Scrubber, minimal_event
from .types import Event

GATED_KINDS = {
    "event": "event",
    "transaction": "transaction",
    "feedback": "feedback",
    "check_in": "check_in",
    "log": "log",
    "trace_metric": "metric",
    "span": "span",
    "session": "session",
    "sessions": "session",
    "client_report": "event",
}
REDUCIBLE = ("event", "transaction", "feedback")
PERSONAL_SESSION_FIELDS = ("did", "ip_address", "user_agent")
HEADERS = frozenset({"event_id", "sent_at", "sdk", "trace"})
OWN_HEADERS = frozenset({"event_id", "trace"})
ITEM_HEADERS = frozenset({"type", "length", "content_type", "item_count", "platform"})
ATTACHMENT_HEADERS = ITEM_HEADERS | {"filename", "attachment_type"}


class ScrubbedEvent(dict[str, Any]):
    """An event that has been through the scrubber in this process; the gate need not scrub it again."""


class Gate:
    """Callable: an envelope in, what may leave of it out.

    Args:
        scrubber: For what has not been scrubbed yet.
        counters: Learn what is dropped.
        allowed_attachments: Names of files that may leave as they are.
        on_failure: Called with what went wrong when something could not be scrubbed.
    """

    def __init__(
        self,
        *,
        scrubber: Scrubber,
        counters: Counters,
        allowed_attachments: Iterable[str],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self.scrubber = scrubber
        self.counters = counters
        self.allowed_attachments = frozenset(allowed_attachments)
        self.on_failure = on_failure

    def __call__(self, envelope: Envelope) -> Envelope | None:
        """Return the envelope with every item scrubbed or dropped; None if nothing is left to send."""
        if _is_ours(envelope):
            return envelope
        items = [kept for item in envelope.items if (kept := self._item(item)) is not None]
        if not items:
            return None
        headers = {key: value for key, value in envelope.headers.items() if key in HEADERS}
        for key in ("trace", "sdk"):
            if key in headers and not isinstance(headers[key], ScrubbedEvent):
                self._scrub_header(headers, key)
        return Envelope(headers=headers, items=items)

    def _scrub_header(self, headers: dict[str, Any], key: str) -> None:
        """Scrub a header of several fields, or leave it out: Sentry takes an envelope without it."""
        value = headers.pop(key)
        if isinstance(value, Mapping):
            try:
                headers[key] = self.scrubber.scrub(dict(value), "headers").payload
            except Exception as failure:  # noqa: BLE001 - see the module's first lines
                self.on_failure(failure)

    def _item(self, item: Item) -> Item | None:
        kind = GATED_KINDS.get(item.type or "")
        if kind is None:
            return self._attachment(item)
        payload: Any = item.payload.json
        if isinstance(payload, ScrubbedEvent):
            return item
        try:
            if payload is None:
                payload = json.loads(item.get_bytes())
            if not isinstance(payload, dict):
                raise TypeError("the payload of an item is no object")
            if kind == "session":
                payload = without_person(payload)
            scrubbed = (
                self._batch(payload) if kind == "metric" else self.scrubber.scrub(payload, kind).payload
            )
        except Exception as failure:  # noqa: BLE001 - see the module's first lines
            self.on_failure(failure)
            if item.type not in REDUCIBLE:
                self.counters.count(Fate.SCRUB_FAILED, item.data_category)
                return None
            scrubbed = minimal_event(payload)
        return Item(payload=PayloadRef(json=scrubbed), headers=_only(ITEM_HEADERS, item))

    def _batch(self, payload: Event) -> Event:
        """Scrub metrics, except those that were made of scrubbed parts (measures.py)."""
        items = payload.get("items")
        ready = [each for each in items if isinstance(each, ScrubbedEvent)] if type(items) is list else []
        if not ready:
            scrubbed: Event = self.scrubber.scrub(payload, "metric").payload
            return scrubbed
        others = [each for each in items or () if not isinstance(each, ScrubbedEvent)]
        scrubbed = self.scrubber.scrub({**payload, "items": []}, "metric").payload
        rest = self.scrubber.scrub({"items": others}, "metric").payload["items"] if others else []
        return {**scrubbed, "items": [*ready, *rest]}

    def _attachment(self, item: Item) -> Item | None:
        if item.type == "attachment" and item.headers.get("filename") in self.allowed_attachments:
            return Item(payload=item.payload, headers=_only(ATTACHMENT_HEADERS, item))
        self.counters.count(Fate.FILTERED, item.data_category)
        return None


def _is_ours(envelope: Envelope) -> bool:
    """Whether all of it is scrubbed, and its header made of our own values."""
    headers = envelope.headers
    if not isinstance(headers.get("trace"), ScrubbedEvent) or not headers.keys() <= OWN_HEADERS:
        return False
    for item in envelope.items:
        if not isinstance(item.payload.json, ScrubbedEvent):
            return False
    return bool(envelope.items)


def _only(names: frozenset[str], item: Item) -> dict[str, Any]:
    return {key: value for key, value in item.headers.items() if key in names}


def without_person(payload: Event) -> Event:
    """A session without who had it, from where and with which browser."""
    clean = {key: value for key, value in payload.items() if key not in PERSONAL_SESSION_FIELDS}
    if isinstance(clean.get("attrs"), dict):
        clean["attrs"] = {k: v for k, v in clean["attrs"].items() if k not in PERSONAL_SESSION_FIELDS}
    return clean
