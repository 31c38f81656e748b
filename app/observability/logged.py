"""Holds logged errors until their request is over, so that one failure makes one event.

`logger.exception(...)` followed by an unhandled exception is one failure. The logged event waits; if the request
fails, the failure's own event carries the log line as a breadcrumb and the held one is folded into it; if not, it
goes out as it was. It never waits longer than `HOLD_S`.
"""

from functools import partial

import sentry_sdk

from .state import Flow, current_flow, event_that_saw
from .types import Event, Hint

HOLD_S = 5.0
MAX_HELD = 20


def hold_logged(event: Event, hint: Hint) -> Event | None:
    """Enricher: keep an event made from a log record back while its request runs."""
    flow = current_flow()
    if "log_record" not in hint or "replayed" in hint:
        return event
    error = (hint.get("exc_info") or (None, None, None))[1]
    if error is not None and event_that_saw(error) is not None:
        return None
    if flow is None or flow.is_settled:
        return event
    if flow.held is None:
        flow.held = []
        if flow.loop is not None and not flow.loop.is_closed():
            flow.loop.call_soon_threadsafe(
                partial(flow.loop.call_later, HOLD_S, partial(_settle_late, flow, flow.serial))
            )
    if len(flow.held) >= MAX_HELD:
        return event
    flow.held.append((event, hint))
    return None


def _settle_late(flow: Flow, serial: int) -> None:
    if flow.serial == serial:  # not what a later message of the connection holds
        settle(flow, failed=False)


def settle(flow: Flow, *, failed: bool) -> str | None:
    """Decide about held events and return the id of the first that was sent.

    With `failed`, and an event that stands for the failure, those of the same failure are folded into it: all
    without an exception of their own, and those whose exception was reported. With `failed` and no such event yet,
    the last held event is the failure.
    """
    held, flow.held = flow.held, None
    if not held:
        return None
    if failed and flow.failure_id is not None:
        held = [
            (event, hint) for event, hint in held if (hint.get("exc_info") or (None, None))[1] is not None
        ]
    elif failed:
        held.sort(key=lambda pair: (pair[1].get("exc_info") or (None, None))[1] is None)
        held = held[:1] + [
            pair for pair in held[1:] if (pair[1].get("exc_info") or (None, None))[1] is not None
        ]
    first: str | None = None
    for event, hint in held:
        error = (hint.get("exc_info") or (None, None))[1]
        if error is not None and event_that_saw(error) is not None:
            continue
        sent = sentry_sdk.get_client().capture_event(event, {**hint, "replayed": True})
        first = first or sent
    return first
