"""Facts about SQLAlchemy, asyncpg and aiosqlite that `database.py` and `dbqueries.py` rely on."""

import socket
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from greenlet import getcurrent  # type: ignore[import-untyped]
from sqlalchemy import create_engine, event, text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.database_app import make_async_engine, select_one
from tests.support.names import UNKNOWN_HOST
from tests.support.postgres import PostgresServer
from tools.processes import free_port

KILL_ALL_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
pytestmark = pytest.mark.anyio


def notes_of_errors(engine: Any) -> list[Any]:
    """Contexts that `handle_error` was called with."""
    seen: list[Any] = []
    event.listen(engine.sync_engine, "handle_error", lambda context: seen.append(context))
    return seen


async def test_a_refused_connection_fires_no_event_and_passes_through_the_pools_connect() -> None:
    engine = make_async_engine(f"postgresql://u:p@127.0.0.1:{free_port()}/d")
    seen = notes_of_errors(engine)
    passed: list[BaseException] = []
    connect = engine.sync_engine.pool.connect

    def watched() -> Any:
        try:
            return connect()
        except OSError as error:
            passed.append(error)
            raise

    engine.sync_engine.pool.connect = watched  # type: ignore[method-assign]
    with pytest.raises(ConnectionRefusedError):
        await select_one(engine)

    assert seen == []
    assert [type(error) for error in passed] == [ConnectionRefusedError]


async def test_an_unknown_host_fires_no_event() -> None:
    engine = make_async_engine(f"postgresql://u:p@{UNKNOWN_HOST}/d")
    seen = notes_of_errors(engine)
    with pytest.raises(socket.gaierror):
        await select_one(engine)

    assert seen == []


async def test_an_exhausted_pool_fires_no_event(tmp_path: Path) -> None:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{tmp_path}/d.db", pool_size=1, max_overflow=0, pool_timeout=0.01
    )
    seen = notes_of_errors(engine)
    async with engine.connect():
        with pytest.raises(sqlalchemy.exc.TimeoutError):
            await select_one(engine)

    assert seen == []
    await engine.dispose()


async def test_dispose_makes_a_new_pool_and_says_so(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/d.db")
    old = engine.sync_engine.pool
    told: list[Any] = []
    event.listen(engine.sync_engine, "engine_disposed", lambda disposed: told.append(disposed.pool))
    await engine.dispose()

    assert told == [engine.sync_engine.pool]
    assert told[0] is not old


@pytest.mark.postgres
async def test_asyncpgs_own_error_with_its_sqlstate_is_in_the_chain(postgres: PostgresServer) -> None:
    engine = make_async_engine(postgres.url("no_such_database"))
    with pytest.raises(sqlalchemy.exc.DBAPIError) as caught:
        await select_one(engine)

    assert caught.value.orig is not None
    assert getattr(caught.value.orig.__cause__, "sqlstate", None) == "3D000"


@pytest.mark.postgres
async def test_a_stale_connection_is_announced_as_found_by_pre_ping(postgres: PostgresServer) -> None:
    engine = make_async_engine(postgres.url(postgres.create_database()), pool_pre_ping=True)
    seen = notes_of_errors(engine)
    await select_one(engine)
    postgres.execute(KILL_ALL_OTHERS, str(engine.url.database))
    await select_one(engine)

    assert [context.is_pre_ping for context in seen] == [True]
    await engine.dispose()


async def test_an_exception_of_a_listener_reaches_the_application(tmp_path: Path) -> None:
    """Why our listeners are total."""
    engine = create_engine(f"sqlite:///{tmp_path}/d.db")

    def broken(*args: object) -> None:
        raise KeyError("of the listener")

    event.listen(engine, "before_cursor_execute", broken)
    with engine.connect() as connection, pytest.raises(KeyError):
        connection.execute(text("SELECT 1"))
    engine.dispose()


async def test_one_execution_context_goes_from_before_to_after_and_takes_attributes(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/d.db")
    seen: list[Any] = []

    def before(*args: Any) -> None:
        args[4].sentry_span = "anything"
        seen.append(args[4])

    event.listen(engine.sync_engine, "before_cursor_execute", before)
    event.listen(engine.sync_engine, "after_cursor_execute", lambda *args: seen.append(args[4]))
    await select_one(engine)

    assert seen[0] is seen[1]
    await engine.dispose()


async def test_transactions_and_pings_run_no_cursor_event(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/d.db", pool_pre_ping=True)
    statements: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    for _ in range(2):
        async with engine.begin() as connection:
            await connection.execute(text("SELECT 1"))

    assert statements == ["SELECT 1", "SELECT 1"]
    await engine.dispose()


async def test_the_calling_coroutine_is_found_through_the_parent_greenlet(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/d.db")
    functions: list[str] = []

    def listener(*args: object) -> None:
        parent = getcurrent().parent
        assert parent is not None
        frame = parent.gr_frame
        while frame is not None:
            functions.append(frame.f_code.co_name)
            frame = frame.f_back

    event.listen(engine.sync_engine, "before_cursor_execute", listener)
    await select_one(engine)

    assert "select_one" in functions
    await engine.dispose()


async def test_hide_parameters_keeps_values_out_of_the_errors_text(tmp_path: Path) -> None:
    engine = make_async_engine(f"sqlite:///{tmp_path}/d.db")
    with pytest.raises(sqlalchemy.exc.OperationalError) as caught:
        async with engine.connect() as connection:
            await connection.execute(
                text("SELECT * FROM nowhere WHERE email = :email"), {"email": "ann@example.com"}
            )

    assert "ann@example.com" not in str(caught.value)
    await engine.dispose()
