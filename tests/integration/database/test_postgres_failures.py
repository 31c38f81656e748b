"""Every kind of failure of PostgreSQL, each provoked for real: seen once, tagged, grouped, without the password."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import event as sa_event
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.database_app import make_async_engine, observed, run, select_one
from tests.support.names import UNKNOWN_HOST
from tests.support.postgres import PostgresServer
from tools.processes import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

KILL_ALL_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
WRONG_PASSWORD = "wr0ng-" + "pa55word"


@dataclass
class Scene:
    """An engine, what to do with it, and how to end what was set up for it."""

    engine: AsyncEngine
    work: Callable[[AsyncEngine], Awaitable[Any]] = select_one
    ends: list[Callable[[], Awaitable[Any]]] = field(default_factory=list)


async def refused_port(server: PostgresServer) -> Scene:
    url = server.url().replace(f":{server.port}", f":{free_port()}")
    return Scene(make_async_engine(url))


async def refused_on_every_address_of_a_name(server: PostgresServer) -> Scene:
    url = server.url().replace(f"127.0.0.1:{server.port}", f"localhost:{free_port()}")
    return Scene(make_async_engine(url))


async def unknown_host(server: PostgresServer) -> Scene:
    url = server.url().replace("127.0.0.1", UNKNOWN_HOST)
    return Scene(make_async_engine(url))


async def silent_server(server: PostgresServer) -> Scene:
    listener = socket.create_server(("127.0.0.1", 0))
    url = server.url().replace(f":{server.port}", f":{listener.getsockname()[1]}")

    async def close() -> None:
        listener.close()

    return Scene(make_async_engine(url, connect_args={"timeout": 0.2}), ends=[close])


async def no_tls(server: PostgresServer) -> Scene:
    return Scene(make_async_engine(server.url(), connect_args={"ssl": "require"}))


async def wrong_password(server: PostgresServer) -> Scene:
    return Scene(make_async_engine(server.url(password=WRONG_PASSWORD)))


async def missing_database(server: PostgresServer) -> Scene:
    return Scene(make_async_engine(server.url("no_such_database")))


async def exhausted_pool(server: PostgresServer) -> Scene:
    engine = make_async_engine(server.url(), pool_size=1, max_overflow=0, pool_timeout=0.05)
    held = await engine.connect()
    return Scene(engine, ends=[held.close])


async def too_many_connections(server: PostgresServer) -> Scene:
    database = server.create_database()
    server.execute(f'ALTER DATABASE "{database}" CONNECTION LIMIT 1')
    server.execute("DROP ROLE IF EXISTS visitor")
    server.execute(f"CREATE ROLE visitor LOGIN PASSWORD '{WRONG_PASSWORD}'")
    url = server.url(database, password=WRONG_PASSWORD).replace(f"{server.user}:", "visitor:")
    first = make_async_engine(url)
    held = await first.connect()
    return Scene(make_async_engine(url), ends=[held.close, first.dispose])


async def statement_timeout(server: PostgresServer) -> Scene:
    async def work(engine: AsyncEngine) -> None:
        await run(engine, "SET LOCAL statement_timeout = 20", "SELECT pg_sleep(5)")

    return Scene(make_async_engine(server.url()), work)


async def command_timeout(server: PostgresServer) -> Scene:
    async def work(engine: AsyncEngine) -> None:
        await run(engine, "SELECT pg_sleep(5)")

    return Scene(make_async_engine(server.url(), connect_args={"command_timeout": 0.05}), work)


async def lock_timeout(server: PostgresServer) -> Scene:
    engine = make_async_engine(server.url(server.create_database()))
    await run(engine, "CREATE TABLE jobs (id int PRIMARY KEY)")
    holder = await engine.connect()
    await holder.execute(text("LOCK TABLE jobs"))

    async def work(engine: AsyncEngine) -> None:
        await run(engine, "SET LOCAL lock_timeout = 20", "SELECT * FROM jobs")

    return Scene(engine, work, [holder.close])


async def deadlock(server: PostgresServer) -> Scene:
    engine = make_async_engine(server.url(server.create_database()))
    await run(engine, "CREATE TABLE a (id int)", "CREATE TABLE b (id int)")
    other = await engine.connect()
    await other.execute(text("LOCK TABLE b"))
    waiting: list[asyncio.Task[Any]] = []

    async def work(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL deadlock_timeout = '50ms'"))
            await connection.execute(text("LOCK TABLE a"))
            waiting.append(asyncio.ensure_future(other.execute(text("LOCK TABLE a"))))
            await connection.execute(text("LOCK TABLE b"))

    async def end() -> None:
        await asyncio.gather(*waiting, return_exceptions=True)
        await other.close()

    await other.execute(text("SET LOCAL deadlock_timeout = '30s'"))
    return Scene(engine, work, [end])


async def serialization_failure(server: PostgresServer) -> Scene:
    engine = make_async_engine(server.url(server.create_database()))
    await run(engine, "CREATE TABLE counters (value int)", "INSERT INTO counters VALUES (0)")

    async def work(engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            await connection.execute(text("SELECT value FROM counters"))
            await run(engine, "UPDATE counters SET value = value + 1")
            await connection.execute(text("UPDATE counters SET value = value + 1"))

    return Scene(engine, work)


async def killed_backend(server: PostgresServer) -> Scene:
    async def work(engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar()
            server.execute(f"SELECT pg_terminate_backend({pid})")
            await connection.execute(text("SELECT 1"))

    return Scene(make_async_engine(server.url()), work)


async def backend_killed_while_it_works(server: PostgresServer) -> Scene:
    async def work(engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    return Scene(make_async_engine(server.url()), work)


async def duplicate_key(server: PostgresServer) -> Scene:
    engine = make_async_engine(server.url(server.create_database()))
    await run(engine, "CREATE TABLE users (email text UNIQUE)")

    async def work(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            statement = text("INSERT INTO users VALUES (:email)")
            await connection.execute(statement, [{"email": "ann@example.com"}])
            await connection.execute(statement, [{"email": "ann@example.com"}])

    return Scene(engine, work)


async def read_only(server: PostgresServer) -> Scene:
    async def work(engine: AsyncEngine) -> None:
        await run(engine, "SET TRANSACTION READ ONLY", "CREATE TABLE notes (id int)")

    return Scene(make_async_engine(server.url()), work)


WHOLE_DATABASE = {
    refused_port: "connection_refused",
    refused_on_every_address_of_a_name: "connection_refused",
    unknown_host: "dns",
    silent_server: "connect_timeout",
    no_tls: "tls",
    wrong_password: "authentication",
    missing_database: "database_missing",
    exhausted_pool: "pool_exhausted",
    too_many_connections: "too_many_connections",
    killed_backend: "connection_lost",
    backend_killed_while_it_works: "connection_lost",
    read_only: "read_only",
}
ONE_STATEMENT = {
    statement_timeout: "statement_timeout",
    command_timeout: "statement_timeout",
    lock_timeout: "locked",
    deadlock: "deadlock",
    serialization_failure: "serialization",
}
ANY = [*WHOLE_DATABASE.items(), *ONE_STATEMENT.items()]
WITH_INTEGRITY = [*ANY, (duplicate_key, "integrity")]


def name_of(value: object) -> str:
    return getattr(value, "__name__", str(value))


async def play(make: Callable[[PostgresServer], Awaitable[Scene]], server: PostgresServer, path: str) -> Any:
    """Provoke the failure behind a route; return the answer, the events and all that was recorded."""
    scene = await make(server)
    try:
        with observed(scene.engine, scene.work, traces_sample_rate=1.0) as service:
            answer = await service.get(path)
            return answer, service.recorded.events, json.dumps(service.recorded.transport.items())
    finally:
        for end in scene.ends:
            await end()
        await scene.engine.dispose()


@pytest.mark.parametrize(("make", "kind"), WITH_INTEGRITY, ids=name_of)
async def test_an_unhandled_failure_is_one_event_with_kind_database_and_pool(
    postgres: PostgresServer, make: Any, kind: str
) -> None:
    answer, events, everything = await play(make, postgres, "/raise")

    assert answer.status_code == 500
    assert [event["tags"].get("db.failure") for event in events] == [kind]
    event = events[0]
    assert answer.headers["x-sentry-event-id"] == event["event_id"]
    assert event["exception"]["values"][-1]["mechanism"]["handled"] is False
    assert event["contexts"]["database"]["system"] == "postgresql"
    assert event["contexts"]["database"]["address"] in ("127.0.0.1", "localhost", UNKNOWN_HOST)
    assert event["contexts"]["database"]["name"]
    assert event["contexts"]["database"]["failure"] == kind
    assert "checkedout" in event["contexts"]["db_pool"]
    assert postgres.password not in everything
    assert WRONG_PASSWORD not in everything
    assert "ann@example.com" not in everything


@pytest.mark.parametrize(("make", "kind"), WITH_INTEGRITY, ids=name_of)
async def test_a_failure_that_is_answered_with_503_is_one_event_whose_id_is_in_the_answer(
    postgres: PostgresServer, make: Any, kind: str
) -> None:
    answer, events, everything = await play(make, postgres, "/answer-503")

    assert answer.status_code == 503
    assert [event["tags"].get("db.failure") for event in events] == [kind]
    assert answer.headers["x-sentry-event-id"] == events[0]["event_id"]
    assert events[0]["level"] == "error"
    assert postgres.password not in everything
    assert WRONG_PASSWORD not in everything
    frames = events[0]["exception"]["values"][-1]["stacktrace"]["frames"]
    assert any(frame["function"].endswith("answering") for frame in frames)


@pytest.mark.parametrize(("make", "kind"), ANY, ids=name_of)
async def test_a_failure_that_is_swallowed_is_one_warning(
    postgres: PostgresServer, make: Any, kind: str
) -> None:
    answer, events, _ = await play(make, postgres, "/swallow")

    assert answer.status_code == 200
    assert "x-sentry-event-id" not in answer.headers
    assert [(event["tags"].get("db.failure"), event["level"]) for event in events] == [(kind, "warning")]


async def test_a_duplicate_key_that_the_service_expects_is_no_event(postgres: PostgresServer) -> None:
    _, events, _ = await play(duplicate_key, postgres, "/swallow")

    assert events == []


@pytest.mark.parametrize("path", ["/raise", "/answer-503", "/answer-503-without-cause", "/swallow", "/retry"])
async def test_however_a_route_deals_with_the_failure_it_is_one_event(
    postgres: PostgresServer, path: str
) -> None:
    answer, events, _ = await play(refused_port, postgres, path)

    assert [event["tags"].get("db.failure") for event in events] == ["connection_refused"]
    assert events[0]["fingerprint"] == ["db-failure", "connection_refused"]
    if answer.status_code >= 500:
        assert answer.headers["x-sentry-event-id"] == events[0]["event_id"]


async def test_a_probe_that_finds_the_database_down_is_no_event(postgres: PostgresServer) -> None:
    answer, events, _ = await play(refused_port, postgres, "/health")

    assert answer.status_code == 503
    assert events == []


async def test_failures_of_the_whole_database_group_by_kind_and_those_of_a_statement_by_route_too(
    postgres: PostgresServer,
) -> None:
    fingerprints = {}
    for make in (refused_port, exhausted_pool, lock_timeout):
        for path in ("/raise", "/answer-503"):
            _, events, _ = await play(make, postgres, path)
            fingerprints[make, path] = tuple(events[0]["fingerprint"])

    for make in (refused_port, exhausted_pool):
        assert fingerprints[make, "/raise"] == fingerprints[make, "/answer-503"]
    assert fingerprints[refused_port, "/raise"] != fingerprints[exhausted_pool, "/raise"]
    assert fingerprints[lock_timeout, "/raise"] == ("db-failure", "locked", "/raise")
    assert fingerprints[lock_timeout, "/answer-503"] == ("db-failure", "locked", "/answer-503")


async def test_the_pool_context_shows_that_it_was_exhausted(postgres: PostgresServer) -> None:
    _, events, _ = await play(exhausted_pool, postgres, "/answer-503")

    pool = events[0]["contexts"]["db_pool"]
    assert (pool["size"], pool["checkedout"], pool["checkedin"]) == (1, 1, 0)


async def test_a_stale_connection_that_the_pool_replaces_is_no_failure(postgres: PostgresServer) -> None:
    engine = make_async_engine(postgres.url(postgres.create_database()), pool_pre_ping=True)
    try:
        with observed(engine) as service:
            assert (await service.get("/raise")).status_code == 200
            postgres.execute(KILL_ALL_OTHERS, str(engine.url.database))
            assert (await service.get("/raise")).status_code == 200
            assert service.recorded.events == []
    finally:
        await engine.dispose()


async def test_a_stopped_server_is_seen_lost_refused_and_gone_again(fresh_postgres: PostgresServer) -> None:
    engine = make_async_engine(fresh_postgres.url())
    try:
        with observed(engine) as service:
            assert (await service.get("/raise")).status_code == 200
            fresh_postgres.stop()
            for _ in range(2):
                assert (await service.get("/raise")).status_code == 500
            kinds = [event["tags"]["db.failure"] for event in service.recorded.events]
            assert kinds == ["connection_lost", "connection_refused"]
            fresh_postgres.start()
            assert (await service.get("/raise")).status_code == 200
            assert len(service.recorded.events) == 2
    finally:
        await engine.dispose()


async def test_too_many_clients_of_the_whole_server_are_seen(fresh_postgres: PostgresServer) -> None:
    fresh_postgres.stop()
    fresh_postgres.start(max_connections=3, superuser_reserved_connections=0)
    first = make_async_engine(fresh_postgres.url(), pool_size=3)
    engine = make_async_engine(fresh_postgres.url())
    held = [await first.connect() for _ in range(3)]
    try:
        with observed(engine) as service:
            await service.get("/answer-503")
            assert service.recorded.only_event()["tags"]["db.failure"] == "too_many_connections"
    finally:
        for connection in held:
            await connection.close()
        await first.dispose()
        await engine.dispose()


async def test_a_server_that_is_shutting_down_accepts_nobody(fresh_postgres: PostgresServer) -> None:
    """A smart shutdown waits for the open session and turns everybody else away."""
    engine = make_async_engine(fresh_postgres.url())
    other = make_async_engine(fresh_postgres.url())
    held = await other.connect()
    await held.execute(text("SELECT 1"))
    try:
        with observed(engine) as service:
            fresh_postgres.process.process.terminate()
            await asyncio.to_thread(
                fresh_postgres.process.wait_until, lambda: is_shutting_down(fresh_postgres)
            )
            await service.get("/answer-503")
            assert service.recorded.only_event()["tags"]["db.failure"] == "not_accepting"
    finally:
        await held.close()
        await other.dispose()
        await engine.dispose()


def is_shutting_down(server: PostgresServer) -> bool:
    return "received smart shutdown request" in server.process.output()


async def test_a_query_that_the_services_own_time_limit_cancels_is_seen_when_the_answer_is_a_failure(
    postgres: PostgresServer,
) -> None:
    async def work(engine: AsyncEngine) -> None:
        await select_one(engine)  # connecting must not be what takes too long
        async with asyncio.timeout(0.05):
            await run(engine, "SELECT pg_sleep(5)")

    for path, expected in (
        ("/raise", ["statement_timeout"]),
        ("/health", []),
        ("/swallow", []),
    ):
        engine = make_async_engine(postgres.url())
        with observed(engine, work) as service:
            await service.get(path)
            assert [event["tags"].get("db.failure") for event in service.recorded.events] == expected, path
        await engine.dispose()


async def test_the_wiring_survives_dispose(postgres: PostgresServer) -> None:
    engine = make_async_engine(postgres.url(), pool_size=1, max_overflow=0, pool_timeout=0.05)
    with observed(engine) as service:
        await engine.dispose()
        async with engine.connect():
            await service.get("/answer-503")
        assert service.recorded.only_event()["tags"]["db.failure"] == "pool_exhausted"
    await engine.dispose()


async def test_an_engine_that_was_not_handed_over_is_still_tagged_when_nobody_handles_the_failure(
    postgres: PostgresServer,
) -> None:
    scene = await refused_port(postgres)
    watched = make_async_engine("sqlite://")

    async def work(engine: AsyncEngine) -> Any:
        return await select_one(scene.engine)

    with observed(watched, work) as service:
        await service.get("/raise")
        assert service.recorded.only_event()["tags"]["db.failure"] == "connection_refused"
    await scene.engine.dispose()
    await watched.dispose()


async def test_an_application_that_refines_errors_by_its_own_listener_still_gets_what_it_made(
    postgres: PostgresServer,
) -> None:
    class OutOfOrderError(Exception):
        """What the application wants to see."""

    engine = make_async_engine(postgres.url("no_such_database"))

    def refine(context: Any) -> Exception:
        return OutOfOrderError()

    sa_event.listen(engine.sync_engine, "handle_error", refine, retval=True)
    with observed(engine) as service:
        await service.get("/raise")
        event = service.recorded.only_event()
        assert event["exception"]["values"][-1]["type"].endswith("OutOfOrderError")
        assert event["tags"]["db.failure"] == "database_missing"
    await engine.dispose()
