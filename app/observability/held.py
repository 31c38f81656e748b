"""Holds what a request reports of itself until its outcome is known, so that one failure makes one event.

`logger.exception(...)` followed by an unhandled exception is one failure: the logged event waits; if the request fails,
the failure's own event carries the log line as a breadcrumb and the held one is folded into it; if not, it goes out as
it was. `capture_exception(...)` followed by the same is one failure too: the service has been given an id by then, so
that event is the one that goes out, marked unhandled if its exception left the request after all. Neither waits
longer than its `..._S`; the second kind, which is scrubbed and paid for by then, waits at the transport.
"""

import threading
from collections.abc import Callable
from functools import partial

import sentry_sdk
from sentry_sdk.envelope import Envelope

from .capture import is_unhandled
from .state import CAPTURED, ESCAPED, Flow, event_that_saw, undecided_flow
from .types import Event, Hint

LOGGED_S = 5.0
CAPTURED_S = 1.0
MAX_HELD = 20
_ENVELOPE = "envelope"
_lock = threading.Lock()

Gate = Callable[[Envelope], Envelope | None]


def hold_logged(event: Event, hint: Hint) -> Event | None:
    """Filter: keep an event made from a log record back while its request runs."""
    if "log_record" not in hint or "replayed" in hint:
        return event
    error = _error_of(hint)
    if error is not None and event_that_saw(error) is not None:
        return None
    flow = undecided_flow()
    return None if flow is not None and _hold(flow, (event, hint), LOGGED_S) else event


def expect_captured(event: Event, hint: Hint) -> Event:
    """Filter: note that an event which the service captured itself is to wait for the end of its request."""
    flow = undecided_flow()
    is_own = "receipt" in hint or "log_record" in hint  # ours, or on its way out
    if flow is not None and not is_own and _error_of(hint) is not None and not is_unhandled(event):
        _hold(flow, ({}, {CAPTURED: event["event_id"]}), CAPTURED_S)
    return event


def holding(gate: Gate) -> Gate:
    """Let the transport's gate keep back the envelopes that `expect_captured` has noted."""

    def hold_or_pass(envelope: Envelope) -> Envelope | None:
        gated = gate(envelope)
        flow = undecided_flow()
        if gated is None or flow is None or flow.held is None:
            return gated
        with _lock:
            for _, hint in flow.held or ():
                if hint.get(CAPTURED) == envelope.headers.get("event_id") and _ENVELOPE not in hint:
                    hint[_ENVELOPE] = gated
                    return None
        return gated

    return hold_or_pass


def _error_of(hint: Hint) -> BaseException | None:
    error: BaseException | None = (hint.get("exc_info") or (None, None))[1]
    return error


def _hold(flow: Flow, held: tuple[Event, Hint], seconds: float) -> bool:
    with _lock:
        if flow.held is None:
            flow.held = []
        if len(flow.held) >= MAX_HELD:
            return False
        flow.held.append(held)
    flow.call_later(seconds, partial(_settle_late, flow, flow.serial, held))
    return True


def _settle_late(flow: Flow, serial: int, held: tuple[Event, Hint]) -> None:
    with _lock:
        # not what a later message of the connection holds, nor what was sent in the meantime
        is_waiting = flow.serial == serial and any(each is held for each in flow.held or ())
    if is_waiting and CAPTURED in held[1]:
        release(flow)
    elif is_waiting:
        settle(flow, failed=False)


def _take(flow: Flow, *, captured: bool) -> list[tuple[Event, Hint]]:
    with _lock:
        held = flow.held or []
        flow.held = [pair for pair in held if (CAPTURED in pair[1]) is not captured] or None
    return [pair for pair in held if (CAPTURED in pair[1]) is captured]


def release(flow: Flow) -> None:
    """Send what the service captured itself; it is unhandled if the exception has left the request since."""
    for _, hint in _take(flow, captured=True):
        envelope = hint.get(_ENVELOPE)
        transport = sentry_sdk.get_client().transport
        if envelope is None or transport is None:  # a repeat that was folded away
            continue
        event = envelope.get_event()
        if ESCAPED in hint and event is not None:
            for value in (event.get("exception") or {}).get("values") or ():
                value["mechanism"] = {**(value.get("mechanism") or {}), "handled": False}
        transport.capture_envelope(envelope)


def settle(flow: Flow, *, failed: bool) -> str | None:
    """Decide about logged events and return the id of the first that was sent.

    With `failed`, and an event that stands for the failure, those of the same failure are folded into it: all
    without an exception of their own, and those whose exception was reported. With `failed` and no such event yet,
    the last held event is the failure.
    """
    held = _take(flow, captured=False)
    if failed and flow.failure_id is not None:
        held = [pair for pair in held if _error_of(pair[1]) is not None]
    elif failed:
        held.sort(key=lambda pair: _error_of(pair[1]) is None)
        held = held[:1] + [pair for pair in held[1:] if _error_of(pair[1]) is not None]
    first: str | None = None
    for event, hint in held:
        error = _error_of(hint)
        if error is not None and event_that_saw(error) is not None:
            continue
        sent = sentry_sdk.get_client().capture_event(event, {**hint, "replayed": True})
        first = first or sent
    return first
