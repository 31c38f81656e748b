"""Transactions of work that nobody added anything to: built from an outline that was scrubbed once.

A message that was handled without a tag, a breadcrumb, a span or a look at its transaction differs from the one before
in ids and times only. Such a transaction needs no object of the SDK and no walk of the scrubber. The outline is made
the usual way, by the scopes and the hook, and made again when user or global scope have changed. Work that an event
processor might want to see has no outline. Reads private fields of the global scope (SDK 2.75; contract test
`test_sdk_scopes`).
"""

from copy import deepcopy
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from sentry_sdk import Scope
from sentry_sdk.client import BaseClient
from sentry_sdk.scope import global_event_processors

from .gate import ScrubbedEvent
from .pipeline import OUTLINE
from .state import UserContext
from .tracing import draw_items, trace_items
from .transaction import apply_scopes, describe_process, post_transaction
from .types import Event

_state_of = attrgetter("_tags", "_contexts", "_extras", "_user", "_level", "_fingerprint", "_transaction")
FAILED_TAG = "scrub.failed"
_SOURCE = "route"


@dataclass(frozen=True, slots=True)
class Outline:
    """What the transactions of one connection have in common, scrubbed, and what that was made of."""

    event: ScrubbedEvent
    client: BaseClient
    user: UserContext | None
    global_state: Any
    trace_items: dict[str, str]

    @classmethod
    def of(
        cls, name: str, client: BaseClient, isolation: Scope, current: Scope, user: UserContext | None
    ) -> "Outline | None":
        """Let the scopes and the hook make it; None if that is no use."""
        hook = client.options.get("before_send_transaction")
        global_scope = Scope.get_global_scope()
        if hook is None or any(map(_is_processed, (global_scope, isolation, current))):
            return None
        try:
            state = deepcopy(_state_of(global_scope))
        except Exception:  # noqa: BLE001 - what an application keeps in a scope may refuse to be copied in any way
            return None
        event = {
            "transaction": name,
            "contexts": {"trace": {}},
            "tags": {},
            "spans": [],
            "type": "transaction",
        }
        scrubbed: Event = hook(apply_scopes(event, isolation, client), {OUTLINE: True})
        if FAILED_TAG in scrubbed.get("tags", {}):
            return None
        return cls(
            ScrubbedEvent(scrubbed | describe_process(client, _SOURCE)),
            client,
            user,
            state,
            trace_items(client, "", 1.0),
        )

    def fits(self, client: BaseClient, user: UserContext | None) -> bool:
        """Whether it would be made the same way now."""
        scope = Scope.get_global_scope()
        return (
            client is self.client
            and user is self.user
            and not _is_processed(scope)
            and bool(_state_of(scope) == self.global_state)
        )

    def send(self, trace: Event, rate: float, started: float, ended: float, event_id: str) -> None:
        """Pay for a transaction and send it; times in seconds since the epoch."""
        options, transport = self.client.options, self.client.transport
        event = ScrubbedEvent(self.event)
        event["contexts"] = {**event["contexts"], "trace": trace}
        event["event_id"] = event_id
        event["start_timestamp"] = started
        event["timestamp"] = ended
        if options["before_send_transaction"](event, {}) is not None and transport is not None:
            items = ScrubbedEvent(self.trace_items)
            items.update(draw_items(trace["trace_id"], rate))
            post_transaction(transport, event, items)


def _is_processed(scope: Scope) -> bool:
    return bool(global_event_processors or scope._event_processors)  # noqa: SLF001 - see the first lines
