"""SQLAlchemy wiring: where queries and failures of the database are seen, also where the application swallows them.

Listens on the `Engine` class, so every engine of the process is seen, asyncpg and aiosqlite alike. A refused
connection, a DNS failure and an exhausted pool fire no SQLAlchemy event at all, so `Pool.connect` is wrapped. Never
changes what the application sees: SQLAlchemy would raise a listener's exception to it, so the listeners are total.
SQLAlchemy is imported where it is needed only: a service without a database need not have it.
"""

import asyncio
import functools
import logging
import weakref
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

import sentry_sdk
from sentry_sdk.integrations import Integration

from .budget.leases import is_own_work
from .dbqueries import begin_query, end_query
from .dbreports import note_failure

if TYPE_CHECKING:
    from sqlalchemy.pool import Pool

logger = logging.getLogger(__name__)
_engines: "weakref.WeakKeyDictionary[Any, Any]" = weakref.WeakKeyDictionary()
"""Pool -> engine, of the engines that `init_sentry` was given."""
Listener = TypeVar("Listener", bound=Callable[..., None])


class SqlalchemyIntegration(Integration):
    """Ours, under the SDK's name: `sdk.integrations` on an event shows `sqlalchemy`."""

    identifier = "sqlalchemy"

    def __init__(self, slow_query_ms: int = 200) -> None:
        self.slow_query_ms = slow_query_ms

    @staticmethod
    def setup_once() -> None:
        """Listen on all engines; the listeners do nothing while another client, or none, is active."""
        from sqlalchemy import event
        from sqlalchemy.engine import URL, Engine

        event.listen(Engine, "before_cursor_execute", _before_query)
        event.listen(Engine, "after_cursor_execute", _after_query)
        event.listen(Engine, "handle_error", _on_error)
        _watch_pools()
        # a URL is a tuple, which the SDK would take apart: the password on its own can be told from no other word
        URL.__sentry_repr__ = repr  # type: ignore[attr-defined]


def has_sqlalchemy() -> bool:
    """Whether SQLAlchemy is installed."""
    return find_spec("sqlalchemy") is not None


def _integration() -> SqlalchemyIntegration | None:
    """The integration of the active client; none while the module itself uses the service's database."""
    if is_own_work():
        return None
    return sentry_sdk.get_client().get_integration(SqlalchemyIntegration)


def _total(listener: Listener) -> Listener:
    """Keep a fault of ours away from the application's query; said once each, without the failure's text."""
    has_failed = False

    @functools.wraps(listener)
    def guarded(*args: Any) -> None:
        nonlocal has_failed
        try:
            listener(*args)
        except Exception as failure:  # noqa: BLE001 - SQLAlchemy would raise it to the application
            if not has_failed:
                has_failed = True
                logger.warning("%s failed with %s", listener.__name__, type(failure).__name__)

    return guarded  # type: ignore[return-value]  # same signature, by functools.wraps


@_total
def _before_query(
    connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    integration = _integration()
    if context is not None and integration is not None:
        slow_query_ms = integration.slow_query_ms
        begin_query(connection, statement, context, executemany=executemany, slow_query_ms=slow_query_ms)


@_total
def _after_query(
    connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    end_query(connection, context)


@_total
def _on_error(context: Any) -> None:
    end_query(context.connection, context.execution_context, failed=True)
    if _integration() is None:
        return
    if context.is_pre_ping:
        return  # a stale connection of the pool: SQLAlchemy opens another one
    error = context.sqlalchemy_exception or context.original_exception
    if error.__cause__ is None and context.original_exception is not error:
        error.__cause__ = context.original_exception  # as SQLAlchemy does itself a moment later
    note_failure(error, context.engine)


def watch_engine(engine: Any) -> None:
    """Name this engine (sync or async) in the failures of its pool: system, host and database; survives `dispose()`."""
    from sqlalchemy import event

    sync_engine = getattr(engine, "sync_engine", engine)
    _own_pool(sync_engine)
    if not event.contains(sync_engine, "engine_disposed", _own_pool):
        event.listen(sync_engine, "engine_disposed", _own_pool)


def _own_pool(engine: Any) -> None:
    _engines[engine.pool] = engine


def _watch_pools() -> None:
    """Wrap the one method by which every pool hands out connections; does nothing while no client is active."""
    from sqlalchemy.pool import Pool

    connect = Pool.connect
    if getattr(connect, "watches_for_sentry", False):
        return

    @functools.wraps(connect)
    def watched(pool: "Pool") -> Any:
        try:
            return connect(pool)
        except (Exception, asyncio.CancelledError) as error:
            _on_connect_error(error, pool)
            raise

    watched.watches_for_sentry = True  # type: ignore[attr-defined]  # marks our own wrapper
    Pool.connect = watched  # type: ignore[method-assign,assignment]  # no SQLAlchemy event fires when a connect fails


@_total
def _on_connect_error(error: BaseException, pool: Any) -> None:
    if _integration() is not None:
        note_failure(error, _engines.get(pool), pool)
