"""Reports failures of the database, each once: at the end of its request or start-up, unless another event shows it.

A failure is marked when it is seen, with the engine and the state of its pool at that moment; whatever event is later
about its exception, or was made up in its place, gets the tag `db.failure` and a stable fingerprint.
"""

import asyncio
import functools
from types import TracebackType
from typing import Any

from .capture import capture_error, describe_exception, is_in_app
from .dbfailures import PER_STATEMENT, DatabaseFailure, classify
from .dbqueries import calling_traceback, facts_of
from .state import Flow, chain_of, current_flow, event_that_saw, mark_seen, notes_of, undecided_flow
from .types import Event, Hint

MECHANISM = "sqlalchemy"
STARTUP_S = 5.0
_MARK = "__sentry_database__"
_POOL_FIGURES = ("size", "checkedin", "checkedout", "overflow", "timeout")


class Mark:
    """Rides on the exception object: what failed, and the state of the pool at that moment."""

    __slots__ = ("database", "kind", "pool")

    def __init__(self, kind: DatabaseFailure, engine: Any, pool: Any = None) -> None:
        self.kind = kind
        self.database: dict[str, Any] = {}
        if engine is not None:
            facts = facts_of(engine)
            self.database = {key.rpartition(".")[2]: value for key, value in facts.items()}
            pool = engine.pool
        self.pool: dict[str, Any] = _pool_state(pool) if pool is not None else {}


def _pool_state(pool: Any) -> dict[str, Any]:
    state = {"kind": type(pool).__name__, "status": pool.status()}
    for name in _POOL_FIGURES:
        figure = getattr(pool, name, None)
        if callable(figure):
            state[name] = figure()
    return state


def mark_of(error: BaseException) -> Mark | None:
    """What is known about a database failure in an exception's chain; None if there is none."""
    for link in chain_of(error):
        mark = notes_of(link).get(_MARK)
        if isinstance(mark, Mark):
            return mark
    kind = classify(error)
    return Mark(kind, None) if kind is not None else None


def _is_consequence(error: BaseException) -> bool:
    """Whether the failure matters only if the request fails: a duplicate key may be expected, so may a time limit."""
    kind = classify(error)
    return kind is DatabaseFailure.INTEGRITY or isinstance(error, asyncio.CancelledError)


def note_failure(error: BaseException, engine: Any, pool: Any = None) -> None:
    """Remember a database failure; it is reported when its request ends unless another event stands for it.

    Outside a request, and in a task that outlives its request, it is reported at once.
    """
    kind = classify(error)
    if kind is None:
        return
    notes_of(error).setdefault(_MARK, Mark(kind, engine, pool))
    traceback = calling_traceback(error.__traceback__)
    flow = undecided_flow()
    quiet = current_flow()
    if quiet is not None and quiet.is_quiet:
        return  # a probe that finds the database down is answered; the routes that need it are the news
    if flow is None:  # nobody will ask later
        if not _is_consequence(error) and event_that_saw(error) is None:
            _capture(error, traceback, level="error")
        return
    earlier = _pending_of(flow, kind)
    if earlier is None or event_that_saw(earlier) is None:
        if current_flow() is None and flow.database_failures is None:  # a start-up that tries on and on
            flow.call_later(STARTUP_S, functools.partial(_report_late, flow))
        _set_pending(flow, kind, error, traceback)


def _report_late(flow: Flow) -> None:
    if not flow.is_settled:
        report_swallowed(flow, failed=True)


def _pending_of(flow: Flow, kind: DatabaseFailure) -> BaseException | None:
    for error, _ in flow.database_failures or ():
        mark = mark_of(error)
        if mark is not None and mark.kind is kind:
            return error
    return None


def _set_pending(
    flow: Flow, kind: DatabaseFailure, error: BaseException, traceback: TracebackType | None
) -> None:
    """Let one exception stand for its kind: the last one, or the one that an event has reported."""
    replaced = _pending_of(flow, kind)
    others = [pair for pair in flow.database_failures or () if pair[0] is not replaced]
    flow.database_failures = [*others, (error, traceback)]


def report_swallowed(flow: Flow, *, failed: bool) -> str | None:
    """Report failures that the application swallowed, one event for each kind however often it was tried.

    Integrity errors and the service's own time limits are reported only if the request failed because of them.

    Returns:
        Id of the event that stands for the last failure, to be shown with a failed answer.
    """
    pending = flow.database_failures
    if not pending:
        return None
    is_answer_bad = failed or getattr(flow, "status", 0) >= 500
    event_id: str | None = None
    for error, traceback in reversed(pending):
        earlier = event_that_saw(error)
        if earlier is None and (is_answer_bad or not _is_consequence(error)):
            earlier = _capture(error, traceback, level="error" if is_answer_bad else "warning")
        event_id = event_id or earlier
    flow.database_failures = [(error, None) for error, _ in pending]
    return event_id


def _capture(error: BaseException, traceback: TracebackType | None, *, level: str) -> str | None:
    """Capture with the frames that the exception has passed, or would have passed had it not been caught."""
    own = error.__traceback__
    if not _has_in_app_frame(own):
        error.__traceback__ = traceback or own
    try:
        return capture_error(error, handled=True, mechanism=MECHANISM, level=level)
    finally:
        error.__traceback__ = own


def _has_in_app_frame(traceback: TracebackType | None) -> bool:
    while traceback is not None:
        if is_in_app(traceback.tb_frame.f_code.co_filename):
            return True
        traceback = traceback.tb_next
    return False


def tag_database_failure(event: Event, hint: Hint) -> Event:
    """Enricher: tag `db.failure`, a stable fingerprint, the database and its pool on every event of a failure.

    An exception that the service made up to answer 5xx, such as `HTTPException(503)`, without naming its cause is
    linked to the database failure that came before it in the same request, so that both make one event.
    """
    error = (hint.get("exc_info") or (None, None))[1]
    if error is None:
        return event
    mark = mark_of(error)
    flow = current_flow()
    if mark is not None and flow is not None:
        _set_pending(flow, mark.kind, error, None)
    mark = mark or _link_to_pending(event, error)
    if mark is None:
        return event
    kind = str(mark.kind)
    event.setdefault("tags", {})["db.failure"] = kind
    fingerprint = ["db-failure", kind]
    if mark.kind in PER_STATEMENT:
        fingerprint.append(str(event.get("transaction") or "outside a request"))
    event.setdefault("fingerprint", fingerprint)
    contexts = event.setdefault("contexts", {})
    if mark.database:
        contexts["database"] = {**mark.database, "failure": kind}
    if mark.pool:
        contexts["db_pool"] = mark.pool
    return event


def _link_to_pending(event: Event, error: BaseException) -> Mark | None:
    flow = current_flow()
    status = getattr(error, "status_code", None)
    if flow is None or not flow.database_failures or not isinstance(status, int) or status < 500:
        return None
    cause, traceback = flow.database_failures[-1]
    if event_that_saw(cause) is not None:
        return None
    own = cause.__traceback__
    if not _has_in_app_frame(own):
        cause.__traceback__ = traceback or own
    try:
        described = describe_exception(cause, {"type": MECHANISM, "handled": True}, with_locals=False)
    finally:
        cause.__traceback__ = own
    values = (event.get("exception") or {}).get("values") or []
    event["exception"] = {"values": [*described, *values]}
    mark_seen(cause, str(event["event_id"]))
    return mark_of(cause)
