"""The SDK's hooks: enrich, fold, scrub, and the last gate over every envelope.

The way out of the process for everything: hooks see events early and cheaply, the gate sees whatever has no hook
(sessions, attachments, feedback, check-ins, envelope headers). The hooks never raise: if anything fails, a minimal
event built from an allow-list is sent instead and counted; what cannot be reduced safely is dropped and counted.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from sentry_sdk.envelope import Envelope, Item, PayloadRef

from .counters import Counters, Fate
from .cutting import mend_cuts
from .fieldnames import entries_with_field_names
from .scrubbing import Scrubber, minimal_event
from .types import Event, Hint

logger = logging.getLogger(__name__)

Enricher: TypeAlias = Callable[[Event, Hint], Event | None]
"""Adds to an event that is about to be sent; None means that the event must not go out (it is counted)."""

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
    "client_report": "client_report",
}
PERSONAL_SESSION_FIELDS = ("did", "ip_address", "user_agent")
MAX_PERSONAL_CHARS = 254
DECISION = "decision"
"""Where the hint keeps what was decided about an event."""
NEUTRAL_SPAN: Event = {"name": "[Filtered]", "attributes": {}}


class ScrubbedEvent(dict[str, Any]):
    """An event that has been through the scrubber in this process; the gate need not scrub it again."""


class Decision(StrEnum):
    """What to do with an error event."""

    SEND = "send"
    FOLD = "fold"
    """A repeat: it is counted, and need not be described."""
    KEEP = "keep"
    """It should go out and cannot be paid now: its scrubbed form is kept for later."""


class Folding(Protocol):
    """Decides which error events go out."""

    def decide(self, event: Event, hint: Hint) -> Decision:
        """Judge the outline of an event; one to be sent then says how many failures it stands for."""

    def sent(self, event: Event, hint: Hint) -> None:
        """Learn the scrubbed form of an event that is sent or kept."""

    def pay_transaction(self, spans: int) -> bool:
        """Pay for a transaction with `spans` spans, itself included; False if it must not be sent."""


class Pipeline:
    """Holds the hooks for `sentry_sdk.init`; thread-safe, no I/O."""

    def __init__(
        self,
        *,
        scrubber: Scrubber,
        counters: Counters,
        filters: Iterable[Enricher] = (),
        enrichers: Iterable[Enricher] = (),
        folding: Folding | None = None,
        attributes: Callable[[], dict[str, str]] = dict,
        allowed_attachments: Iterable[str] = (),
        personal: Iterable[str] = (),
    ) -> None:
        self.scrubber = scrubber
        self.counters = counters
        self.filters = tuple(filters)
        self.enrichers = tuple(enrichers)
        self.folding = folding
        self.attributes = attributes
        self.allowed_attachments = frozenset(allowed_attachments)
        self.personal = tuple(personal)
        self.hook_failures = 0
        self._lock = threading.Lock()

    # hooks of the SDK

    def before_send(self, event: Event, hint: Hint) -> Event | None:
        """Enrich, fold and scrub an error, message, check-in or feedback event; None if it must not go out."""
        try:
            return self._process(event, hint)
        except Exception as failure:  # noqa: BLE001 - a hook is total; see the module's first lines
            return self._reduced(event, failure)

    def before_send_transaction(self, event: Event, hint: Hint) -> Event | None:
        """Pay for and scrub a transaction with its spans; a failure sends it without spans and data."""
        try:
            if self.folding is not None and not self.folding.pay_transaction(
                len(event.get("spans") or ()) + 1
            ):
                return None
            return self._scrub(event, "transaction")[0]
        except Exception as failure:  # noqa: BLE001 - a hook is total
            return self._reduced(event, failure)

    def before_send_log(self, log: Event, hint: Hint) -> Event | None:
        """Add user and tier to a log and scrub it; a log that cannot be scrubbed is dropped and counted."""
        return self._small("log", log, "log_item")

    def before_send_metric(self, metric: Event, hint: Hint) -> Event | None:
        """Add user and tier to a metric and scrub it; a metric that cannot be scrubbed is dropped and counted."""
        return self._small("metric", metric, "trace_metric")

    def before_send_span(self, span: Event, hint: Hint) -> Event:
        """Scrub a streamed span. Returning None or raising would send the original, so a failure neutralizes it."""
        return self._small("span", span, "span") or dict(NEUTRAL_SPAN)

    def before_breadcrumb(self, crumb: Event, hint: Hint) -> Event | None:
        """Let breadcrumbs pass as they are: they leave only inside events, which are scrubbed as a whole."""
        return crumb

    # the last gate

    def gate(self, envelope: Envelope) -> Envelope | None:
        """Return the envelope with every item scrubbed or dropped; None if nothing is left to send."""
        items = [kept for item in envelope.items if (kept := self._gate_item(item)) is not None]
        if not items:
            return None
        headers = dict(envelope.headers)
        if "trace" in headers and not isinstance(headers["trace"], ScrubbedEvent):
            headers["trace"] = self.scrubber.scrub(dict(headers["trace"]), "headers").payload
        return Envelope(headers=headers, items=items)

    def _gate_item(self, item: Item) -> Item | None:
        kind = GATED_KINDS.get(item.type or "")
        if kind is None:
            return self._gate_attachment(item)
        payload = item.payload.json
        if kind == "client_report" or isinstance(payload, ScrubbedEvent):
            return item
        if payload is None:
            payload = json.loads(item.get_bytes())
        try:
            if kind == "session":
                payload = _without_person(payload)
            scrubbed = self.scrubber.scrub(payload, kind).payload
        except Exception as failure:  # noqa: BLE001 - the gate is a hook as well: nothing unscrubbed, nothing silent
            self._note(failure)
            if kind not in ("event", "transaction", "feedback"):
                self.counters.count(Fate.SCRUB_FAILED, item.data_category)
                return None
            scrubbed = minimal_event(payload)
        return Item(payload=PayloadRef(json=scrubbed), headers=dict(item.headers))

    def _gate_attachment(self, item: Item) -> Item | None:
        if item.type == "attachment" and item.headers.get("filename") in self.allowed_attachments:
            return item
        self.counters.count(Fate.FILTERED, item.data_category)
        return None

    # steps

    def judge(self, event: Event, hint: Hint) -> bool:
        """Say whether an event is worth being built; `capture_error` asks before the SDK has done anything for it."""
        filtered = _apply(self.filters, event, hint)
        if filtered is None:
            return False
        folds = self.folding is not None and event.get("type") not in ("check_in", "feedback")
        decision = (
            self.folding.decide(filtered, hint) if folds and self.folding is not None else Decision.SEND
        )
        hint[DECISION] = decision
        return decision is not Decision.FOLD

    def _process(self, event: Event, hint: Hint) -> Event | None:
        folding = None if event.get("type") in ("check_in", "feedback") else self.folding
        if DECISION not in hint and not self.judge(event, hint):
            return None
        decision = hint[DECISION]
        enriched = _apply(self.enrichers, event, hint)
        if enriched is None:
            return None
        event = enriched
        kind = str(event.get("type") or "event")
        scrubbed, removed = self._scrub(event, kind)
        receipt = hint.get("receipt")
        if receipt is not None:
            receipt.removed = removed
        if folding is not None:
            folding.sent(scrubbed, hint)
        return scrubbed if decision is Decision.SEND else None

    def _scrub(self, event: Event, kind: str) -> tuple[ScrubbedEvent, tuple[Any, ...]]:
        """Scrub; of the user only the id goes on, and what settings allow of e-mail and address: never a name."""
        user = event.get("user")
        kept: Event = {}
        mend_cuts(event)
        if user is not None and not isinstance(user, dict):
            del event["user"]
        elif user is not None:
            event["user"] = {"id": user["id"]} if user.get("id") is not None else {}
            kept = {
                key: user[key][:MAX_PERSONAL_CHARS] for key in self.personal if isinstance(user.get(key), str)
            }
        result = self.scrubber.scrub(event, kind)
        scrubbed = ScrubbedEvent(result.payload)
        if kept:
            scrubbed["user"] = {**scrubbed["user"], **kept}
        return scrubbed, result.removed

    def _small(self, kind: str, payload: Event, category: str) -> Event | None:
        try:
            attributes = entries_with_field_names(dict(payload.get("attributes") or {})) | self.attributes()
            if attributes:
                payload = {**payload, "attributes": attributes}
            scrubbed: Event = self.scrubber.scrub(payload, kind).payload
            return scrubbed
        except Exception as failure:  # noqa: BLE001 - a hook is total
            self._note(failure)
            self.counters.count(Fate.SCRUB_FAILED, category)
            return None

    def _reduced(self, event: Event, failure: Exception) -> Event | None:
        self._note(failure)
        return ScrubbedEvent(minimal_event(event))

    def _note(self, failure: Exception) -> None:
        """Count a failed hook and say so once; the text of the failure may hold what was being scrubbed."""
        with self._lock:
            self.hook_failures += 1
            is_first = self.hook_failures == 1
        if is_first:
            logger.warning(
                "A Sentry hook failed with %s; minimal events are sent from here on where it fails",
                type(failure).__name__,
            )


def _apply(steps: Iterable[Enricher], event: Event, hint: Hint) -> Event | None:
    for step in steps:
        changed = step(event, hint)
        if changed is None:
            return None
        event = changed
    return event


def _without_person(payload: Event) -> Event:
    clean = {key: value for key, value in payload.items() if key not in PERSONAL_SESSION_FIELDS}
    if isinstance(clean.get("attrs"), dict):
        clean["attrs"] = {k: v for k, v in clean["attrs"].items() if k not in PERSONAL_SESSION_FIELDS}
    return clean


_default = Pipeline(scrubber=Scrubber(), counters=Counters())


def before_send(event: Event, hint: Hint) -> Event | None:
    """Scrub an event with the default rules: for a service that calls `sentry_sdk.init` itself."""
    return _default.before_send(event, hint)
