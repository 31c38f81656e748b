"""Tell whoever asks what happened to one event."""

import contextlib
import threading
from collections import OrderedDict
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass

MOST_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Outcome:
    """The first verdict on an event.

    `accepted` is None while it waits (`reason` says why, `spooled` whether it is safe on disk); it may yet be accepted.
    """

    accepted: bool | None
    reason: str
    spooled: bool = False


class Outcomes:
    """A bounded registry of events and their outcomes. Thread-safe; asking before or after the event works."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: OrderedDict[str, Future[Outcome]] = OrderedDict()
        self._known: OrderedDict[str, Outcome] = OrderedDict()

    def ask(self, event_id: str) -> "Future[Outcome]":
        """Return a future for the event's outcome; done already if it is known.

        The future of an event that never reaches the transport is never done: wait with a timeout.
        """
        with self._lock:
            future = self._asked.get(event_id)
            if future is None or future.cancelled():
                future = Future()
                known = self._known.get(event_id)
                if known is not None:
                    future.set_result(known)
                    return future
                self._asked[event_id] = future
            forgotten = self._asked.popitem(last=False)[1] if len(self._asked) > MOST_REMEMBERED else None
        _answer(forgotten, Outcome(None, "too many events were asked about"))
        return future

    def tell(self, event_id: str | None, outcome: Outcome) -> None:
        """Record an outcome and answer whoever asked."""
        if not event_id:
            return
        with self._lock:
            self._known[event_id] = outcome
            self._known.move_to_end(event_id)
            if len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)
            future = self._asked.pop(event_id, None)
        _answer(future, outcome)


def _answer(future: "Future[Outcome] | None", outcome: Outcome) -> None:
    """Answer unless whoever asked has stopped waiting."""
    if future is not None:
        with contextlib.suppress(InvalidStateError):
            future.set_result(outcome)
