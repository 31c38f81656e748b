"""Kinds of database failures, told by exceptions alone."""

import asyncio
import socket
import sqlite3
from typing import Any

import pytest
import sqlalchemy.exc

from app.observability.dbfailures import PER_STATEMENT, DatabaseFailure, classify


class PostgresError(Exception):
    """Stands for asyncpg's errors, of which only the SQLSTATE is read."""

    def __init__(self, sqlstate: object) -> None:
        super().__init__("text in any language")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        ("28P01", "authentication"),
        ("28000", "authentication"),
        ("3D000", "database_missing"),
        ("53300", "too_many_connections"),
        ("53100", "disk_full"),
        ("25006", "read_only"),
        ("57014", "statement_timeout"),
        ("55P03", "locked"),
        ("40P01", "deadlock"),
        ("40001", "serialization"),
        ("57P01", "connection_lost"),
        ("57P02", "connection_lost"),
        ("57P03", "not_accepting"),
        ("57P05", "connection_lost"),
        ("08006", "connection_lost"),
        ("23505", "integrity"),
        ("23503", "integrity"),
        ("42P01", None),
        ("22001", None),
        ("", None),
        (None, None),
        (23505, None),
    ],
)
def test_a_sqlstate_names_the_kind(sqlstate: object, kind: str | None) -> None:
    assert classify(PostgresError(sqlstate)) == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("database is locked", "locked"),
        ("database table is locked: users", "locked"),
        ("unable to open database file", "cannot_open"),
        ("file is not a database", "cannot_open"),
        ("database or disk is full", "disk_full"),
        ("attempt to write a readonly database", "read_only"),
        ("no such table: users", None),
    ],
)
def test_sqlite_is_told_by_its_text(text: str, kind: str | None) -> None:
    assert classify(sqlite3.OperationalError(text)) == kind


def test_the_same_words_from_elsewhere_are_no_database_failure() -> None:
    assert classify(ValueError("database is locked")) is None


@pytest.mark.parametrize("link", ["cause", "context", "group"])
def test_a_kind_is_found_down_the_chain(link: str) -> None:
    inner = PostgresError("40P01")
    outer: BaseException
    if link == "group":
        outer = ExceptionGroup("several", [ValueError("other"), inner])
    else:
        outer = RuntimeError("wrapped")
        setattr(outer, f"__{link}__", inner)

    assert classify(outer) is DatabaseFailure.DEADLOCK


def test_an_exhausted_pool_is_sqlalchemys_own_timeout() -> None:
    assert classify(sqlalchemy.exc.TimeoutError("QueuePool limit")) is DatabaseFailure.POOL_EXHAUSTED


def raised(error: BaseException, module: str) -> BaseException:
    """Return the error as a function of that module raises it."""
    namespace: dict[str, Any] = {"__name__": module, "error": error.with_traceback(None)}
    exec("def fail():\n    raise error", namespace)  # noqa: S102 - the only way to stand in for a package
    with pytest.raises(type(error)) as caught:
        namespace["fail"]()
    return caught.value


SOCKET_ERRORS = [
    (ConnectionRefusedError(111, "refused"), "connection_refused"),
    (OSError("Multiple exceptions: [Errno 111] Connect call failed"), "connection_refused"),
    (socket.gaierror(-2, "unknown"), "dns"),
    (ConnectionResetError(104, "reset"), "connection_lost"),
    (ConnectionError("server rejected SSL upgrade"), "tls"),
    (TimeoutError(), "connect_timeout"),
    (OSError(113, "no route"), "unreachable"),
    (asyncio.CancelledError(), "connect_timeout"),
]


@pytest.mark.parametrize(("error", "kind"), SOCKET_ERRORS)
def test_a_socket_error_is_one_of_the_database_if_a_driver_raised_it(error: BaseException, kind: str) -> None:
    assert classify(raised(error, "asyncpg.connect_utils")) == kind


@pytest.mark.parametrize("module", ["app.files", "httpcore._backends.sync", "os"])
@pytest.mark.parametrize(("error", "kind"), SOCKET_ERRORS)
def test_a_socket_error_from_elsewhere_is_not(error: BaseException, kind: str, module: str) -> None:
    assert classify(raised(error, module)) is None


def test_a_timeout_while_a_statement_runs_is_not_one_of_connecting() -> None:
    assert classify(raised(TimeoutError(), "asyncpg.protocol")) is DatabaseFailure.STATEMENT_TIMEOUT


def test_failures_of_one_statement_are_those_that_the_statement_can_be_blamed_for() -> None:
    assert sorted(PER_STATEMENT) == ["deadlock", "integrity", "locked", "serialization", "statement_timeout"]
