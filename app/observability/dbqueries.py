"""A span a query, the source line of slow ones, and a mark on transactions that repeat one statement (N+1).

Called by the listeners in `database.py`. A query of a request that was not sampled costs a breadcrumb and two clock
reads. Knows statements with their placeholders only, never bound values.
"""

import sys
import time
from collections import OrderedDict
from types import CodeType, FrameType, TracebackType
from typing import Any
from weakref import WeakKeyDictionary

import sentry_sdk
from sentry_sdk.tracing import Span

from .capture import is_in_app
from .measures import distribution
from .state import current_flow
from .tracing import current_span

ORIGIN = "auto.db.sqlalchemy"
REPEATED_QUERIES = 10
MAX_STATEMENT_CHARS = 2048
MAX_DETAIL_BYTES = 200_000
"""Of statements and source lines in one transaction, as JSON. Beyond it statements are cut short and source lines
left out; with the SDK's cap of 1,000 spans a transaction stays below the 1 MiB that Sentry accepts."""
SHORT_STATEMENT_CHARS = 128
MAX_COUNTED_TRANSACTIONS = 256
MAX_STACK = 80

_facts: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


class QueryCounts:
    """How often each statement ran in one transaction, and how much its spans carry."""

    __slots__ = ("by_statement", "detail_bytes", "most")

    def __init__(self) -> None:
        self.by_statement: dict[str, int] = {}
        self.detail_bytes = 0
        self.most = 0

    def has_room(self) -> bool:
        """Whether more than the bare minimum may be said about the next query."""
        return self.detail_bytes < MAX_DETAIL_BYTES


_counts: OrderedDict[str, QueryCounts] = OrderedDict()


def facts_of(engine: Any) -> dict[str, Any]:
    """Which database an engine talks to, as span data: system, name, host and port, never its credentials."""
    known = _facts.get(engine)
    if known is None:
        url = engine.url
        candidates = {
            "db.system": engine.dialect.name,
            "db.name": url.database,
            "server.address": url.host,
            "server.port": url.port,
        }
        known = _facts[engine] = {key: value for key, value in candidates.items() if value}
    return known


class RunningQuery:
    """Rides on SQLAlchemy's execution context from the statement's start to its end."""

    __slots__ = ("slow_query_ms", "span", "started_s")

    def __init__(self, slow_query_ms: int) -> None:
        self.slow_query_ms = slow_query_ms
        self.span: Span | None = None
        self.started_s = time.perf_counter()


def begin_query(
    connection: Any, statement: str, context: Any, *, executemany: bool, slow_query_ms: int
) -> None:
    """Note that a statement is about to run: a breadcrumb and, in a sampled transaction, a span."""
    query = context.sentry_query = RunningQuery(slow_query_ms)
    text = statement if len(statement) <= MAX_STATEMENT_CHARS else statement[:MAX_STATEMENT_CHARS] + "..."
    sentry_sdk.get_isolation_scope().add_breadcrumb({"category": "query", "message": text})
    parent = current_span()
    if parent is None:
        return
    transaction = parent.containing_transaction
    counts = _counts_of(transaction.span_id) if transaction is not None else QueryCounts()
    if not counts.has_room() and len(text) > SHORT_STATEMENT_CHARS // _json_bytes_per_char(text):
        text = text[: SHORT_STATEMENT_CHARS // _json_bytes_per_char(text)] + "..."
    counts.detail_bytes += len(text) * _json_bytes_per_char(text)
    span = parent.start_child(op="db", name=text, origin=ORIGIN)
    span.update_data(facts_of(connection.engine))
    if executemany:
        span.set_data("db.executemany", True)
    query.span = span
    if transaction is not None:
        _mark_repeats(transaction, counts, statement)


def _json_bytes_per_char(text: str) -> int:
    return 1 if text.isascii() else len("\\u00e9")


def end_query(connection: Any, context: Any, *, failed: bool = False) -> None:
    """Finish the span of a statement that has run or failed; harmless if none was begun."""
    query: RunningQuery | None = getattr(context, "sentry_query", None)
    if query is None:
        return
    context.sentry_query = None
    duration_ms = (time.perf_counter() - query.started_s) * 1000
    span = query.span
    if query.slow_query_ms and duration_ms >= query.slow_query_ms:
        _report_slow(connection, span, duration_ms)
    if span is not None:
        span.set_status("internal_error" if failed else "ok")
        span.finish()


def _report_slow(connection: Any, span: Span | None, duration_ms: float) -> None:
    """Give the span its source line; count the query on a metric whether or not it was sampled."""
    source = source_of_query()
    if span is not None:
        span.set_data("db.slow", True)
        transaction = span.containing_transaction
        counts = _counts_of(transaction.span_id) if transaction is not None else QueryCounts()
        if counts.has_room():
            counts.detail_bytes += sum(len(str(value)) for value in source.items())
            span.update_data(source)
    flow = current_flow()
    attributes = {
        "db.system": connection.dialect.name,
        "route": (flow.template() if flow is not None else None) or "none",
        "code.function": source.get("code.function", "unknown"),
    }
    distribution("db.query.slow", duration_ms, "millisecond", attributes)


def _counts_of(transaction_id: str) -> QueryCounts:
    """Counts of a running transaction. The oldest are forgotten: nobody tells when a transaction has ended."""
    counts = _counts.get(transaction_id)
    if counts is None:
        counts = _counts[transaction_id] = QueryCounts()
        if len(_counts) > MAX_COUNTED_TRANSACTIONS:
            _counts.popitem(last=False)
    return counts


def _mark_repeats(transaction: Span, counts: QueryCounts, statement: str) -> None:
    count = counts.by_statement[statement] = counts.by_statement.get(statement, 0) + 1
    if count >= REPEATED_QUERIES and count > counts.most:
        if counts.most == 0:
            transaction.set_tag("db.repeated_query", "true")
        counts.most = count
        transaction.set_data("db.repeated_query.count", count)
        transaction.set_data("db.repeated_query.statement", statement[:MAX_STATEMENT_CHARS])


def calling_frames() -> list[tuple[FrameType, int]]:
    """The stack, innermost first, across the greenlets in which SQLAlchemy runs its synchronous half."""
    frames: list[tuple[FrameType, int]] = []
    frame: FrameType | None = sys._getframe(1)
    from greenlet import getcurrent  # type: ignore[import-untyped]  # comes with SQLAlchemy's asyncio extra

    greenlet = getcurrent()
    while frame is not None and len(frames) < MAX_STACK:
        frames.append((frame, frame.f_lineno))
        frame = frame.f_back
        while frame is None and greenlet.parent is not None:
            greenlet = greenlet.parent
            frame = greenlet.gr_frame
    return frames


def source_of_query() -> dict[str, Any]:
    """Where in the service the running query comes from: the nearest in-app frame."""
    for frame, lineno in calling_frames():
        code: CodeType = frame.f_code
        if is_in_app(code.co_filename):
            return {
                "code.filepath": code.co_filename,
                "code.function": code.co_name,
                "code.lineno": lineno,
                "code.namespace": frame.f_globals.get("__name__"),
            }
    return {}


def calling_traceback(inner: TracebackType | None) -> TracebackType | None:
    """A traceback from the service's outermost frame down to `inner`, for errors that have not passed it yet."""
    frames = calling_frames()
    while frames and not is_in_app(frames[-1][0].f_code.co_filename):
        frames.pop()
    traceback = inner
    for frame, lineno in frames:
        if inner is not None and frame is inner.tb_frame:
            continue  # where the error is being caught right now
        traceback = TracebackType(traceback, frame, frame.f_lasti, lineno)
    return traceback
