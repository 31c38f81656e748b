"""Tells what kind of database failure an exception is, by its chain: SQLAlchemy, asyncpg, SQLite, a socket error.

Pure but for walking exception chains. asyncpg's own class is mostly hidden behind a plain `Error`, so its SQLSTATE
is read; a refused connection is a bare `ConnectionRefusedError`, so the frame that raised it decides whether a
database was meant.
"""

import asyncio
import errno
import socket
import ssl
import sys
from enum import StrEnum

from .state import chain_of


class DatabaseFailure(StrEnum):
    """Values of the tag `db.failure`."""

    CONNECTION_REFUSED = "connection_refused"
    DNS = "dns"
    TLS = "tls"
    UNREACHABLE = "unreachable"
    CONNECT_TIMEOUT = "connect_timeout"
    AUTHENTICATION = "authentication"
    DATABASE_MISSING = "database_missing"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    POOL_EXHAUSTED = "pool_exhausted"
    CONNECTION_LOST = "connection_lost"
    NOT_ACCEPTING = "not_accepting"
    DISK_FULL = "disk_full"
    READ_ONLY = "read_only"
    CANNOT_OPEN = "cannot_open"
    STATEMENT_TIMEOUT = "statement_timeout"
    LOCKED = "locked"
    DEADLOCK = "deadlock"
    SERIALIZATION = "serialization"
    INTEGRITY = "integrity"


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
    "53100": DatabaseFailure.DISK_FULL,
    "25006": DatabaseFailure.READ_ONLY,
    "57014": DatabaseFailure.STATEMENT_TIMEOUT,
    "55P03": DatabaseFailure.LOCKED,
    "40P01": DatabaseFailure.DEADLOCK,
    "40001": DatabaseFailure.SERIALIZATION,
    # a killed backend and a fast shutdown look the same to the connection that is cut
    "57P01": DatabaseFailure.CONNECTION_LOST,
    "57P02": DatabaseFailure.CONNECTION_LOST,
    "57P05": DatabaseFailure.CONNECTION_LOST,
    # starting up, shutting down or in recovery
    "57P03": DatabaseFailure.NOT_ACCEPTING,
}
_BY_STATE_CLASS = {"23": DatabaseFailure.INTEGRITY, "08": DatabaseFailure.CONNECTION_LOST}
_BY_SQLITE_TEXT = (
    ("locked", DatabaseFailure.LOCKED),
    ("unable to open", DatabaseFailure.CANNOT_OPEN),
    ("not a database", DatabaseFailure.CANNOT_OPEN),
    ("disk is full", DatabaseFailure.DISK_FULL),
    ("readonly", DatabaseFailure.READ_ONLY),
)
_DATABASE_PACKAGES = ("asyncpg", "sqlalchemy", "aiosqlite", "psycopg")
_CARRIERS = sys.stdlib_module_names | {"sentry_sdk", "anyio", "uvloop"}
"""What an exception only passes through: the loop, threads that look names up, and what wraps them."""
_OWN = __name__.rpartition(".")[0] + "."
_CONNECTING = ("asyncpg.connect_utils", "sqlalchemy.pool.base", "sqlalchemy.pool.impl")
_REFUSED_TEXT = f"[Errno {errno.ECONNREFUSED}]"


def classify(error: BaseException) -> DatabaseFailure | None:
    """Return the kind of database failure, or None if the exception is something else."""
    chain = chain_of(error)
    for link in chain:
        kind = _by_state(link) or _by_class(link)
        if kind is not None:
            return kind
    for link in chain:
        modules = _modules(link)
        if modules and modules[-1].partition(".")[0] in _DATABASE_PACKAGES:
            kind = _by_socket(link, is_connecting=any(module in _CONNECTING for module in modules))
            if kind is not None:
                return kind
    return None


def _by_state(error: BaseException) -> DatabaseFailure | None:
    state = _attribute(error, "sqlstate") or _attribute(error, "pgcode")
    if not isinstance(state, str):
        return None
    return _BY_STATE.get(state) or _BY_STATE_CLASS.get(state[:2])


def _attribute(error: BaseException, name: str) -> object:
    try:
        return getattr(error, name, None)
    except Exception:  # noqa: BLE001 - a foreign __getattr__ may raise anything
        return None


def _by_class(error: BaseException) -> DatabaseFailure | None:
    kind = type(error)
    package = str(kind.__module__).partition(".")[0]  # a class may say None
    if package == "sqlalchemy":
        if kind.__name__ == "TimeoutError":
            return DatabaseFailure.POOL_EXHAUSTED
        if kind.__name__ == "IntegrityError":
            return DatabaseFailure.INTEGRITY
    if package == "asyncpg" and "connection is closed" in str(error):
        return DatabaseFailure.CONNECTION_LOST
    if package == "sqlite3":
        if kind.__name__ == "IntegrityError":
            return DatabaseFailure.INTEGRITY
        text = str(error)
        for part, found in _BY_SQLITE_TEXT:
            if part in text:
                return found
    if _attribute(error, "connection_invalidated") is True and not _is_refined(error):
        return DatabaseFailure.CONNECTION_LOST
    return None


def _is_refined(error: BaseException) -> bool:
    """Whether a driver's error further down the chain says more than "the connection is gone"."""
    return any(_by_state(link) for link in chain_of(error)[1:])


def _by_socket(error: BaseException, *, is_connecting: bool) -> DatabaseFailure | None:
    if isinstance(error, TimeoutError | asyncio.CancelledError):
        return DatabaseFailure.CONNECT_TIMEOUT if is_connecting else DatabaseFailure.STATEMENT_TIMEOUT
    if not isinstance(error, OSError):
        return None
    if isinstance(error, socket.gaierror):
        return DatabaseFailure.DNS
    if isinstance(error, ssl.SSLError) or (type(error) is ConnectionError and "SSL" in str(error)):
        return DatabaseFailure.TLS
    # a name with several addresses: asyncio joins the refusals of all into the text of one OSError
    if isinstance(error, ConnectionRefusedError) or _REFUSED_TEXT in str(error):
        return DatabaseFailure.CONNECTION_REFUSED
    if isinstance(error, ConnectionError):
        return DatabaseFailure.CONNECTION_LOST
    return DatabaseFailure.UNREACHABLE


def _modules(error: BaseException) -> list[str]:
    """Modules that an exception has passed, innermost last, without those that only carried it."""
    found: list[str] = []
    traceback = error.__traceback__
    while traceback is not None:
        name = traceback.tb_frame.f_globals.get("__name__")
        if isinstance(name, str) and name.partition(".")[0] not in _CARRIERS and not name.startswith(_OWN):
            found.append(name)
        traceback = traceback.tb_next
    return found
