"""The SDK's hooks: enrich, fold, scrub.

Hooks see events early and cheaply; whatever has no hook is seen by the gate (gate.py). They never raise: if scrubbing
fails, a minimal event built from an allow-list is sent instead and counted; what cannot be reduced safely is dropped
and counted. An enricher that fails costs the event only what it would have added.
"""

import logging
import math
import threading
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

import sentry_sdk
from sentry_sdk.envelope import Envelope

from .counters import Counters, Fate
from .cutting import mend_cuts
from .fieldnames import entries_with_field_names
from .gate import Gate, ScrubbedEvent
from .scrubbing import Scrubber, minimal_event
from .shape import put_into_shape
from .types import Event, Hint

logger = logging.getLogger(__name__)

Enricher: TypeAlias = Callable[[Event, Hint], Event | None]
"""Adds to an event that is about to be sent; None means that the event must not go out (it is counted)."""

MAX_PERSONAL_CHARS = 254
DECISION = "decision"
"""Where the hint keeps what was decided about an event."""
OUTLINE = "outline"
"""In the hint of a transaction that is only scrubbed, for others to be made from it."""
NEUTRAL_SPAN: Event = {"name": "[Filtered]", "attributes": {}}


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
    """Holds the hooks for `sentry_sdk.init`, and `gate` for the transport; thread-safe, no I/O."""

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
        self.personal = tuple(personal)
        self.hook_failures = 0
        self._lock = threading.Lock()
        self._gate = Gate(
            scrubber=scrubber,
            counters=counters,
            allowed_attachments=allowed_attachments,
            on_failure=self._note,
        )

    # hooks of the SDK

    def before_send(self, event: Event, hint: Hint) -> Event | None:
        """Enrich, fold and scrub an error, message, check-in or feedback event; None if it must not go out."""
        try:
            put_into_shape(event)
            return self._process(event, hint)
        except Exception as failure:  # noqa: BLE001 - a hook is total; see the module's first lines
            return self._reduced(event, failure)

    def before_send_transaction(self, event: Event, hint: Hint) -> Event | None:
        """Pay for and scrub a transaction with its spans; a failure sends it without spans and data."""
        try:
            if OUTLINE not in hint and not self._pay(event):
                return None
            if isinstance(event, ScrubbedEvent):  # made from an outline
                return event
            put_into_shape(event)
            return self._scrub(event, "transaction")[0]
        except Exception as failure:  # noqa: BLE001 - a hook is total
            return self._reduced(event, failure)

    def _pay(self, transaction: Event) -> bool:
        return self.folding is None or self.folding.pay_transaction(len(transaction.get("spans") or ()) + 1)

    def before_send_log(self, log: Event, hint: Hint) -> Event | None:
        """Add user and tier to a log and scrub it; a log that cannot be scrubbed is dropped and counted."""
        return self._small("log", log, "log_item")

    def before_send_metric(self, metric: Event, hint: Hint) -> Event | None:
        """Add user and tier to a metric and scrub it; one that cannot be scrubbed or sent is dropped and counted."""
        value = metric.get("value")
        if isinstance(value, float) and not math.isfinite(value):
            self.counters.count(Fate.FILTERED, "trace_metric")
            return None
        return self._small("metric", metric, "trace_metric")

    def scrub_attributes(self, attributes: Event) -> Event:
        """Attributes of metrics that pass no hook, scrubbed as the hook would.

        Raises:
            Exception: They cannot be scrubbed and must not be sent.
        """
        clean: Event = self.scrubber.scrub({"attributes": attributes}, "metric").payload["attributes"]
        return clean

    def before_send_span(self, span: Event, hint: Hint) -> Event:
        """Scrub a streamed span. Returning None or raising would send the original, so a failure neutralizes it."""
        return self._small("span", span, "span") or dict(NEUTRAL_SPAN)

    # the last gate

    def gate(self, envelope: Envelope) -> Envelope | None:
        """Return the envelope with every item scrubbed or dropped; None if nothing is left to send."""
        return self._gate(envelope)

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
        if DECISION not in hint and not self._is_worthy(event, hint):
            return None
        decision = hint[DECISION]
        enriched = self._enrich(event, hint)
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

    def _is_worthy(self, event: Event, hint: Hint) -> bool:
        try:
            return self.judge(event, hint)
        except Exception as failure:  # noqa: BLE001 - what cannot be judged is worth being seen
            self._note(failure)
            hint[DECISION] = Decision.SEND
            return True

    def _enrich(self, event: Event, hint: Hint) -> Event | None:
        for step in self.enrichers:
            try:
                changed = step(event, hint)
            except Exception as failure:  # noqa: BLE001 - a detail is missing; the event is worth more
                self._note(failure)
                continue
            if changed is None:
                return None
            event = changed
        return event

    def _scrub(self, event: Event, kind: str) -> tuple[ScrubbedEvent, tuple[Any, ...]]:
        """Scrub; of the user only the id goes on, and what settings allow of e-mail and address: never a name."""
        user = event.get("user")
        kept: Event = {}
        if user is not None and not isinstance(user, dict):
            del event["user"]
        elif user is not None:
            event["user"] = {"id": user["id"]} if user.get("id") is not None else {}
            kept = {
                key: user[key][:MAX_PERSONAL_CHARS] for key in self.personal if isinstance(user.get(key), str)
            }
        mend_cuts(event)
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
        own = (
            sentry_sdk.get_client().options
        )  # what the settings say is no secret, and the event may be without it
        named = {key: own[key] for key in ("release", "environment") if own.get(key)}
        return ScrubbedEvent(minimal_event(event) | named)

    def _note(self, failure: Exception) -> None:
        """Count a failed hook and say so once; the text of the failure may hold what was being scrubbed."""
        with self._lock:
            self.hook_failures += 1
            is_first = self.hook_failures == 1
        if is_first:
            logger.warning(
                "A Sentry hook failed with %s; where it fails, events are sent without what it adds",
                type(failure).__name__,
            )


def _apply(steps: Iterable[Enricher], event: Event, hint: Hint) -> Event | None:
    for step in steps:
        changed = step(event, hint)
        if changed is None:
            return None
        event = changed
    return event


_default = Pipeline(scrubber=Scrubber(), counters=Counters())


def before_send(event: Event, hint: Hint) -> Event | None:
    """Scrub an event with the default rules: for a service that calls `sentry_sdk.init` itself."""
    return _default.before_send(event, hint)
