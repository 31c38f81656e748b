"""What is going on right now: the request, connection or message that this task or thread works for.

One context variable holds a `Flow`. Contexts are copied into tasks and threads while the object is shared, so
whatever an endpoint, a dependency or a child task learns is seen by everybody else of the same request.
Must not import anything that builds events.
"""

import asyncio
import itertools
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any

from sentry_sdk import Scope

from .routing import RouteTable
from .types import AsgiScope, Event, Hint

_next_serial = itertools.count(1).__next__
_SEEN = "__sentry_seen__"
CAPTURED = "captured"
"""Where the hint of a held event keeps the id of what the service captured itself."""
ESCAPED = "escaped"
MAX_CHAIN = 12
MAX_MARKS = 8
FRESH_S = 60.0


@dataclass(frozen=True, slots=True)
class UserContext:
    """Who is affected: an id, a subscription tier, and an e-mail that is sent only if settings allow it."""

    id: str
    tier: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class _Mark:
    serial: int
    event_id: str
    family: int
    marked_s: float


@dataclass(slots=True)
class Receipt:
    """Tells the caller of a capture which event stands for it, also when that event was folded away."""

    event_id: str | None = None
    removed: tuple[object, ...] = ()


@dataclass(eq=False)  # no slots: what is not set costs nothing, and one of these is made for every request
class Flow:
    """State of one HTTP request or of one WebSocket connection and its current message.

    `serial` changes with each message: an exception object that an application raises again in a later request
    (module-level instances exist) is a new failure. `family` ties the flow of a `message_transaction()` to its
    connection, where its exception may arrive later.
    """

    asgi: AsgiScope
    isolation: Scope
    routes: RouteTable | None = None
    inner: AsgiScope | None = None
    root_path: str = ""
    serial: int = field(default_factory=_next_serial)
    user: UserContext | None = None
    route: str | None = None
    is_quiet: bool = False
    failure_id: str | None = field(default=None, init=False)
    captured_id: str | None = field(default=None, init=False)
    raised: BaseException | None = field(default=None, init=False)
    held: list[tuple[Event, Hint]] | None = field(default=None, init=False)
    is_settled: bool = field(default=False, init=False)
    loop: asyncio.AbstractEventLoop | None = None
    connection_isolation: Scope | None = None
    connection: "Flow | None" = None
    family: int = 0
    removed: tuple[object, ...] = field(default=(), init=False)
    database_failures: list[tuple[BaseException, TracebackType | None]] | None = field(
        default=None, init=False
    )

    def template(self) -> str | None:
        """Full route template, looked up at most once; None while nothing matches."""
        if self.route is None and self.routes is not None:
            self.route = self.routes.match(self.asgi, self.root_path)
        return self.route

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> None:
        """Call something on the loop that this runs on, from whatever thread; never if the loop is gone."""
        loop = self.loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(partial(loop.call_later, delay_s, callback))

    def begin_message(self) -> None:
        """Forget what the previous message has seen; the user stays, he belongs to the connection."""
        self.serial = _next_serial()
        self.failure_id = None
        self.captured_id = None
        self.raised = None
        self.held = None
        self.is_settled = False
        self.database_failures = None


_flow: ContextVar[Flow | None] = ContextVar("sentry_flow", default=None)


def current_flow() -> Flow | None:
    """The request or connection that the calling task or thread works for, if any."""
    return _flow.get()


def enter_flow(flow: Flow | None) -> Flow | None:
    """Make a flow the current one and return the previous one, to be entered again afterwards."""
    previous = _flow.get()
    _flow.set(flow)
    return previous


_startup: ContextVar[Flow | None] = ContextVar("sentry_startup", default=None)


def undecided_flow() -> Flow | None:
    """The request, connection or start-up whose outcome is still open, if any: its failures may wait for it."""
    flow = _flow.get() or _startup.get()
    return flow if flow is not None and not flow.is_settled else None


def enter_startup(flow: Flow | None) -> None:
    """Make a flow that of the application's start-up or shutdown; unlike a request it is nobody's `current_flow()`."""
    _startup.set(flow)


def note_escape(event_id: str) -> None:
    """Learn that an exception went on unhandled after the service had captured it itself, as this event."""
    flow = undecided_flow()
    for _, hint in (flow.held if flow is not None else None) or ():
        if hint.get(CAPTURED) == event_id:
            hint[ESCAPED] = True


def causes_of(error: BaseException) -> list[BaseException]:
    """The exception and what it was raised `from`, at most `MAX_CHAIN` of them; chains may be circular."""
    found: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and len(found) < MAX_CHAIN:
        found.append(link)
        link = link.__cause__
    return found


def chain_of(error: BaseException) -> list[BaseException]:
    """The exception with its causes, contexts and group members, at most `MAX_CHAIN` of them, each once."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting and len(found) < MAX_CHAIN:
        link = waiting.pop(0)
        if link is None or any(link is other for other in found):
            continue
        found.append(link)
        waiting.append(link.__cause__)
        waiting.append(
            link.__context__
        )  # `from None` hides it from readers, it is the same failure all the same
        if isinstance(link, BaseExceptionGroup):
            waiting.extend(link.exceptions)
    return found


def event_that_saw(error: BaseException) -> str | None:
    """Id of the event that already reported this failure or a part of its chain, else None.

    Outside any request a fresh mark of any request counts, because servers log an exception again after the request
    has ended. An old one does not: a worker may raise one and the same exception object in every job.
    """
    flow = _flow.get()
    for link in chain_of(error):
        for mark in _marks_of(link):
            is_own = flow is not None and (mark.serial == flow.serial or 0 < mark.family == flow.family)
            is_fresh = (flow is None or mark.serial == 0) and time.monotonic() - mark.marked_s < FRESH_S
            if is_own or is_fresh:
                return mark.event_id
    return None


def notes_of(error: BaseException) -> dict[str, Any]:
    """The dictionary of an exception, also of a frozen one; what is written is lost if it gives none away."""
    try:
        notes: Any = error.__dict__
    except Exception:  # noqa: BLE001 - a foreign class may forbid even this
        return {}
    return notes if isinstance(notes, dict) else {}


def _marks_of(error: BaseException) -> tuple[_Mark, ...]:
    """What this object was reported as, latest first."""
    marks: tuple[_Mark, ...] = notes_of(error).get(_SEEN, ())
    return marks


def mark_seen(error: BaseException, event_id: str) -> None:
    """Remember on the exception objects themselves which event reported them."""
    flow = _flow.get()
    family = flow.family if flow and flow.connection else 0
    mark = _Mark(flow.serial if flow else 0, event_id, family, time.monotonic())
    for link in chain_of(error):
        # one object at module level may be raised in several requests at once
        notes_of(link)[_SEEN] = (mark, *_marks_of(link)[: MAX_MARKS - 1])


def renew_mark(error: BaseException) -> bool:
    """Whether an event ever reported this exception object; if so, its mark is made fresh."""
    marks = _marks_of(error)
    if marks:
        mark_seen(error, marks[0].event_id)
    return bool(marks)
