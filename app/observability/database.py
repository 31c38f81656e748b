"""SQLAlchemy wiring: a span a query, slow queries with their source line, failures also when they are swallowed.

Listens on the `Engine` class, so every engine of the process is seen, asyncpg and aiosqlite alike. A refused
connection, a DNS failure and an exhausted pool fire no SQLAlchemy event at all; for the engines handed to
`watch_engine` the pool's `connect` is wrapped on the instance. Never changes what the application sees.
"""

import sys
import time
from typing import Any

import sentry_sdk
from greenlet import getcurrent  # type: ignore[import-untyped]  # comes with SQLAlchemy's asyncio extra
from sentry_sdk.integrations import Integration
from sqlalchemy import event
from sqlalchemy.engine import Engine

from .capture import capture_error, is_in_app
from .dbfailures import PER_STATEMENT, DatabaseFailure, classify
from .state import Flow, chain_of, current_flow, event_that_saw
from .tracing import current_span
from .types import Event, Hint

ORIGIN = "auto.db.sqlalchemy"
MECHANISM = "sqlalchemy"
REPEATED_QUERIES = 10
MAX_STATEMENT_CHARS = 2048
_POOL_STATE = "__sentry_pool__"
_SYSTEMS = {"postgresql": "postgresql", "sqlite": "sqlite", "mysql": "mysql", "mariadb": "mariadb"}


class SqlalchemyIntegration(Integration):
    """Ours, under the SDK's name: `sdk.integrations` on an event shows `sqlalchemy`."""

    identifier = "sqlalchemy"

    def __init__(self, slow_query_ms: int = 200) -> None:
        self.slow_query_ms = slow_query_ms

    @staticmethod
    def setup_once() -> None:
        """Listen on all engines; the listeners do nothing while another client, or none, is active."""
        event.listen(Engine, "before_cursor_execute", _before_query)
        event.listen(Engine, "after_cursor_execute", _after_query)
        event.listen(Engine, "handle_error", _on_error)


def _integration() -> SqlalchemyIntegration | None:
    return sentry_sdk.get_client().get_integration(SqlalchemyIntegration)


def _before_query(
    connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    integration = _integration()
    if integration is None or context is None:
        return
    context.sentry_started_s = time.perf_counter()
    text = statement[:MAX_STATEMENT_CHARS]
    sentry_sdk.get_isolation_scope().add_breadcrumb({"category": "query", "message": text})
    parent = current_span()
    if parent is None:
        return
    span = parent.start_child(op="db", name=text, origin=ORIGIN)
    url = connection.engine.url
    span.set_data("db.system", _SYSTEMS.get(connection.dialect.name, connection.dialect.name))
    if url.database:
        span.set_data("db.name", url.database)
    if url.host:
        span.set_data("server.address", url.host)
    if executemany:
        span.set_data("db.executemany", True)
    context.sentry_span = span


def _after_query(
    connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    started_s = getattr(context, "sentry_started_s", None)
    integration = _integration()
    if started_s is None or integration is None:
        return
    span = getattr(context, "sentry_span", None)
    if span is not None:
        context.sentry_span = None
        if (time.perf_counter() - started_s) * 1000 >= integration.slow_query_ms:
            span.set_data("db.slow", True)
            for key, value in _source().items():
                span.set_data(key, value)
        span.finish()
        _mark_repeats(span)


def _mark_repeats(span: Any) -> None:
    """Mark the transaction when one statement ran many times in it (N+1)."""
    transaction = span.containing_transaction
    flow = current_flow()
    if transaction is None or flow is None:
        return
    if flow.query_counts is None:
        flow.query_counts = {}
    count = flow.query_counts[span.description] = flow.query_counts.get(span.description, 0) + 1
    if count >= REPEATED_QUERIES:
        transaction.set_tag("db.repeated_query", "true")
        transaction.set_data("db.repeated_query.count", max(flow.query_counts.values()))
        if count == REPEATED_QUERIES:
            transaction.set_data("db.repeated_query.statement", span.description)


def _source() -> dict[str, Any]:
    """Where in the service the running query comes from: the nearest in-app frame, across greenlets."""
    frame: Any = sys._getframe(1)
    greenlet = getcurrent()
    while frame is not None:
        code = frame.f_code
        if is_in_app(code.co_filename):
            return {
                "code.filepath": code.co_filename,
                "code.function": code.co_name,
                "code.lineno": frame.f_lineno,
                "code.namespace": frame.f_globals.get("__name__"),
            }
        frame = frame.f_back
        if frame is None and greenlet.parent is not None:
            greenlet = greenlet.parent
            frame = greenlet.gr_frame
    return {}


def _on_error(context: Any) -> None:
    execution = context.execution_context
    span = getattr(execution, "sentry_span", None)
    if span is not None:
        execution.sentry_span = None
        span.set_status("internal_error")
        span.finish()
    if _integration() is None or context.is_pre_ping:
        return
    error = context.sqlalchemy_exception or context.original_exception
    if error.__cause__ is None and context.original_exception is not error:
        error.__cause__ = context.original_exception
    pool = context.engine.pool if context.engine is not None else None
    note_failure(error, pool)


def watch_engine(engine: Any) -> None:
    """See failures of this engine (sync or async) that fire no SQLAlchemy event; survives `dispose()`."""
    sync_engine = getattr(engine, "sync_engine", engine)
    _watch_pool(sync_engine.pool)
    event.listen(sync_engine, "engine_disposed", lambda disposed: _watch_pool(disposed.pool))


def _watch_pool(pool: Any) -> None:
    connect = pool.connect
    if getattr(connect, "watches_for_sentry", False):
        return

    def watched() -> Any:
        try:
            return connect()
        except Exception as error:
            if _integration() is not None:
                note_failure(error, pool)
            raise

    watched.watches_for_sentry = True  # type: ignore[attr-defined]  # marks our own wrapper
    pool.connect = watched


def note_failure(error: BaseException, pool: Any) -> None:
    """Remember a database failure; it is reported when its request ends unless another event stands for it."""
    kind = classify(error)
    if kind is None:
        return
    if pool is not None:
        error.__dict__.setdefault(_POOL_STATE, pool.status())
    flow = current_flow()
    if flow is None:
        if kind is not DatabaseFailure.INTEGRITY:
            capture_error(error, handled=True, mechanism=MECHANISM)
        return
    if flow.database_failures is None:
        flow.database_failures = []
    if len(flow.database_failures) < 5 and not any(error is other for other, _ in flow.database_failures):
        flow.database_failures.append((error, error.__traceback__))


def report_swallowed(flow: Flow, *, failed: bool) -> str | None:
    """Report failures that the application swallowed; integrity errors only if the request failed because of them.

    Returns:
        Id of the event that stands for the last failure, to be shown with a failed answer.
    """
    failures, flow.database_failures = flow.database_failures, None
    event_id: str | None = None
    for error, traceback in reversed(failures or []):
        earlier = event_that_saw(error)
        if earlier is not None:
            event_id = event_id or earlier
            continue
        if not failed and classify(error) is DatabaseFailure.INTEGRITY:
            continue
        level = "error" if failed else "warning"
        if error.__traceback__ is None:
            error.__traceback__ = traceback
        sent = capture_error(error, handled=True, mechanism=MECHANISM, level=level)
        event_id = event_id or sent
    return event_id


def tag_database_failure(event: Event, hint: Hint) -> Event:
    """Enricher: tag `db.failure`, a stable fingerprint and the pool's state on every event of a database failure."""
    error = (hint.get("exc_info") or (None, None))[1]
    kind = classify(error) if error is not None else None
    if error is None or kind is None:
        return event
    tags = event.setdefault("tags", {})
    tags["db.failure"] = str(kind)
    fingerprint = ["db-failure", str(kind)]
    if kind in PER_STATEMENT:
        fingerprint.append(str(event.get("transaction") or "outside a request"))
    event.setdefault("fingerprint", fingerprint)
    for link in chain_of(error):
        state = link.__dict__.get(_POOL_STATE)
        if state is not None:
            event.setdefault("contexts", {})["db_pool"] = {"status": state}
            break
    return event
