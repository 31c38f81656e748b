"""Tells what kind of database failure an exception is, by its chain: SQLAlchemy, asyncpg, SQLite, a socket error.

Pure but for walking exception chains. asyncpg's own class is mostly hidden behind a plain `Error`, so its SQLSTATE
is read; a refused connection is a bare `ConnectionRefusedError`, so the frames decide whether a database was meant.
"""

from enum import StrEnum

from .state import chain_of


class DatabaseFailure(StrEnum):
    """Values of the tag `db.failure`."""

    CONNECTION_REFUSED = "connection_refused"
    UNREACHABLE = "unreachable"
    CONNECT_TIMEOUT = "connect_timeout"
    AUTHENTICATION = "authentication"
    DATABASE_MISSING = "database_missing"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    POOL_EXHAUSTED = "pool_exhausted"
    CONNECTION_LOST = "connection_lost"
    SHUTTING_DOWN = "shutting_down"
    STATEMENT_TIMEOUT = "statement_timeout"
    LOCKED = "locked"
    DEADLOCK = "deadlock"
    SERIALIZATION = "serialization"
    INTEGRITY = "integrity"
    CANNOT_OPEN = "cannot_open"


PER_STATEMENT = frozenset(
    {
        DatabaseFailure.STATEMENT_TIMEOUT,
        DatabaseFailure.LOCKED,
        DatabaseFailure.DEADLOCK,
        DatabaseFailure.SERIALIZATION,
        DatabaseFailure.INTEGRITY,
    }
)
"""Failures of one statement, grouped by route; all others are failures of the whole database, one issue each."""

_BY_STATE = {
    "28P01": DatabaseFailure.AUTHENTICATION,
    "28000": DatabaseFailure.AUTHENTICATION,
    "3D000": DatabaseFailure.DATABASE_MISSING,
    "53300": DatabaseFailure.TOO_MANY_CONNECTIONS,
    "57014": DatabaseFailure.STATEMENT_TIMEOUT,
    "55P03": DatabaseFailure.LOCKED,
    "40P01": DatabaseFailure.DEADLOCK,
    "40001": DatabaseFailure.SERIALIZATION,
    "57P01": DatabaseFailure.SHUTTING_DOWN,
    "57P02": DatabaseFailure.SHUTTING_DOWN,
    "57P03": DatabaseFailure.SHUTTING_DOWN,
}
_BY_STATE_CLASS = {"23": DatabaseFailure.INTEGRITY, "08": DatabaseFailure.CONNECTION_LOST}
_DATABASE_MODULES = ("asyncpg", "sqlalchemy", "aiosqlite", "psycopg")


def classify(error: BaseException) -> DatabaseFailure | None:
    """Return the kind of database failure, or None if the exception is something else."""
    chain = chain_of(error)
    for link in chain:
        kind = _by_state(link) or _by_class(link)
        if kind is not None:
            return kind
    for link in chain:
        kind = _by_socket(link)
        if kind is not None and _is_from_database(chain):
            return kind
    return None


def _by_state(error: BaseException) -> DatabaseFailure | None:
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if not isinstance(state, str):
        return None
    return _BY_STATE.get(state) or _BY_STATE_CLASS.get(state[:2])


def _by_class(error: BaseException) -> DatabaseFailure | None:
    kind = type(error)
    package = kind.__module__.partition(".")[0]
    if package == "sqlalchemy":
        if kind.__name__ == "TimeoutError":
            return DatabaseFailure.POOL_EXHAUSTED
        if kind.__name__ == "IntegrityError":
            return DatabaseFailure.INTEGRITY
        if getattr(error, "connection_invalidated", False):
            return DatabaseFailure.CONNECTION_LOST
    if package == "asyncpg" and "connection is closed" in str(error):
        return DatabaseFailure.CONNECTION_LOST
    if package == "sqlite3":
        if kind.__name__ == "IntegrityError":
            return DatabaseFailure.INTEGRITY
        text = str(error)
        if "locked" in text:
            return DatabaseFailure.LOCKED
        if "unable to open" in text:
            return DatabaseFailure.CANNOT_OPEN
    return None


def _by_socket(error: BaseException) -> DatabaseFailure | None:
    if isinstance(error, ConnectionRefusedError):
        return DatabaseFailure.CONNECTION_REFUSED
    if isinstance(error, TimeoutError):
        return DatabaseFailure.CONNECT_TIMEOUT
    if isinstance(error, ConnectionError):
        return DatabaseFailure.CONNECTION_LOST
    if isinstance(error, OSError):
        return DatabaseFailure.UNREACHABLE
    return None


def _is_from_database(chain: list[BaseException]) -> bool:
    for link in chain:
        traceback = link.__traceback__
        while traceback is not None:
            module = traceback.tb_frame.f_globals.get("__name__", "")
            if module.partition(".")[0] in _DATABASE_MODULES:
                return True
            traceback = traceback.tb_next
    return False
