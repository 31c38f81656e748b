"""What is going on right now: the request, connection or message that this task or thread works for.

One context variable holds a `Flow`. Contexts are copied into tasks and threads while the object is shared, so
whatever an endpoint, a dependency or a child task learns is seen by everybody else of the same request.
Must not import anything that builds events.
"""

import asyncio
import itertools
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType

from sentry_sdk import Scope

from .routing import RouteTable
from .types import AsgiScope, Event, Hint

_serials = itertools.count(1)
_SEEN = "__sentry_seen__"
MAX_CHAIN = 12


@dataclass(frozen=True, slots=True)
class UserContext:
    """Who is affected: an id, a subscription tier, and an e-mail that is sent only if settings allow it."""

    id: str
    tier: str | None = None
    email: str | None = None


@dataclass(slots=True)
class Receipt:
    """Tells the caller of a capture which event stands for it, also when that event was folded away."""

    event_id: str | None = None
    removed: tuple[object, ...] = ()


@dataclass(slots=True, eq=False)
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
    serial: int = field(default_factory=lambda: next(_serials))
    user: UserContext | None = None
    route: str | None = None
    is_quiet: bool = False
    failure_id: str | None = None
    raised: BaseException | None = None
    held: list[tuple[Event, Hint]] | None = None
    is_settled: bool = False
    loop: asyncio.AbstractEventLoop | None = None
    connection_isolation: Scope | None = None
    connection: "Flow | None" = None
    family: int = 0
    removed: tuple[object, ...] = ()
    query_counts: dict[str, int] | None = None
    database_failures: list[tuple[BaseException, TracebackType | None]] | None = None

    def template(self) -> str | None:
        """Full route template, looked up at most once; None while nothing matches."""
        if self.route is None and self.routes is not None:
            self.route = self.routes.match(self.asgi, self.root_path)
        return self.route

    def begin_message(self) -> None:
        """Forget what the previous message has seen; the user stays, he belongs to the connection."""
        self.serial = next(_serials)
        self.failure_id = None
        self.raised = None
        self.held = None
        self.is_settled = False
        self.query_counts = None
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
        waiting.append(None if link.__suppress_context__ else link.__context__)
        if isinstance(link, BaseExceptionGroup):
            waiting.extend(link.exceptions)
    return found


def event_that_saw(error: BaseException) -> str | None:
    """Id of the event that already reported this failure or a part of its chain, else None.

    Outside any request every mark counts: servers log an exception again after the request has ended.
    """
    flow = _flow.get()
    for link in chain_of(error):
        mark = link.__dict__.get(_SEEN)
        if mark is None:
            continue
        serial, event_id, family = mark
        if flow is None or serial in (0, flow.serial) or (family and family == flow.family):
            return str(event_id)
    return None


def mark_seen(error: BaseException, event_id: str) -> None:
    """Remember on the exception objects themselves which event reported them."""
    flow = _flow.get()
    serial = flow.serial if flow else 0
    family = flow.family if flow and flow.connection else 0
    for link in chain_of(error):
        link.__dict__[_SEEN] = (serial, event_id, family)
