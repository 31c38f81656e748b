"""A span a query on both dialects: what it says, what it never says, and how slow and repeated ones stand out."""

import asyncio
import inspect
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from sqlalchemy import Column, Integer, MetaData, String, Table, event, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.observability.dbqueries import MAX_STATEMENT_CHARS, source_of_query
from app.observability.operations import operation
from tests.support.database_app import DatabaseApp, db_spans, make_async_engine, observed, run
from tests.support.observability import local_sentry, websocket_session
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.anyio

SLOW_IN_SQLITE = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT max(i) FROM n
"""
metadata = MetaData()
users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("email", String),
    Column("tier", String),
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def engine(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[AsyncEngine]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/data.db"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.url(server.create_database())
    made = make_async_engine(url, pool_pre_ping=True)
    async with made.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield made
    await made.dispose()


async def transaction_of(service: DatabaseApp, path: str = "/raise") -> dict[str, Any]:
    await service.get(path)
    (transaction,) = service.recorded.transactions
    return transaction


async def test_a_query_is_one_span_and_its_transaction_none(engine: AsyncEngine) -> None:
    """Case 52."""

    async def work(engine: AsyncEngine) -> None:
        async with AsyncSession(engine) as session, session.begin():
            await session.execute(insert(users), {"email": "ann@example.com"})
            await session.execute(select(users.c.email).where(users.c.email == "ann@example.com"))
        async with AsyncSession(engine) as session:
            await session.execute(text("SELECT 3"))
            await session.rollback()

    with observed(engine, work, traces_sample_rate=1.0) as service:
        transaction = await transaction_of(service)

        descriptions = [span["description"] for span in db_spans(transaction)]
        assert [description.split()[0] for description in descriptions] == ["INSERT", "SELECT", "SELECT"]
        assert len(transaction["spans"]) == 3
        assert "ann@example.com" not in json.dumps(service.recorded.transport.items())


async def test_a_span_names_database_and_place_and_has_placeholders_for_values(engine: AsyncEngine) -> None:
    async def work(engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            await connection.execute(select(users.c.id).where(users.c.tier == "gold"))

    with observed(engine, work, traces_sample_rate=1.0) as service:
        (span,) = db_spans(await transaction_of(service))

        statement, _, placeholder = " ".join(span["description"].split()).rpartition(" = ")
        assert statement == "SELECT users.id FROM users WHERE users.tier"
        assert placeholder == ("?" if engine.dialect.name == "sqlite" else "$1::VARCHAR")
        assert span["op"] == "db"
        assert span["status"] == "ok"
        assert span["data"]["db.system"] == engine.dialect.name
        assert span["data"]["db.name"]
        if engine.dialect.name == "postgresql":
            assert span["data"]["server.address"] == "127.0.0.1"
            assert span["data"]["server.port"] == engine.url.port


async def test_executemany_is_one_span_that_says_so(engine: AsyncEngine) -> None:
    async def work(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            statement = text("INSERT INTO users (email) VALUES (:email)")
            await connection.execute(statement, [{"email": f"{n}@example.com"} for n in range(20)])

    with observed(engine, work, traces_sample_rate=1.0) as service:
        transaction = await transaction_of(service)

        (span,) = db_spans(transaction)
        assert span["data"]["db.executemany"] is True
        assert "db.repeated_query" not in transaction["tags"]


async def test_a_failed_query_has_a_failed_span(engine: AsyncEngine) -> None:
    async def work(engine: AsyncEngine) -> None:
        await run(engine, "SELECT nothing FROM nowhere")

    with observed(engine, work, traces_sample_rate=1.0) as service:
        (span,) = db_spans(await transaction_of(service))

        assert span["status"] == "internal_error"
        assert (
            "db.failure" not in service.recorded.only_event()["tags"]
        )  # a bug in the service, not of the database


async def test_a_cancelled_query_has_a_finished_span(engine: AsyncEngine) -> None:
    slow = "SELECT pg_sleep(5)" if engine.dialect.name == "postgresql" else SLOW_IN_SQLITE

    async def work(engine: AsyncEngine) -> None:
        async with asyncio.timeout(0.05):
            await run(engine, slow)

    with observed(engine, work, traces_sample_rate=1.0) as service:
        (span,) = db_spans(await transaction_of(service, "/swallow"))

        assert span["status"] == "internal_error"
        assert span["timestamp"]


async def test_slow_queries_carry_the_line_of_the_service_that_waited(engine: AsyncEngine) -> None:
    async def work(engine: AsyncEngine) -> None:
        async with AsyncSession(engine) as session:
            await session.execute(text("SELECT 1"))

    with observed(engine, work, traces_sample_rate=1.0, slow_query_ms=1) as service:
        slow_down(engine)
        (span,) = db_spans(await transaction_of(service))

        lines, first = inspect.getsourcelines(work)
        assert span["data"]["db.slow"] is True
        assert span["data"]["code.filepath"].endswith("test_query_spans.py")
        assert span["data"]["code.function"] == "work"
        assert first < span["data"]["code.lineno"] < first + len(lines)


def slow_down(engine: AsyncEngine, seconds: float = 0.005) -> None:
    """Make each statement take longer than a millisecond, whatever the machine."""
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *args: time.sleep(seconds))


async def test_fast_queries_do_not_look_for_their_source(engine: AsyncEngine) -> None:
    async def work(engine: AsyncEngine) -> None:
        await run(engine, "SELECT 1")

    with observed(engine, work, traces_sample_rate=1.0, slow_query_ms=60_000) as service:
        (span,) = db_spans(await transaction_of(service))

        assert not [key for key in span["data"] if key.startswith("code.")]
        assert "db.slow" not in span["data"]


async def test_a_slow_query_is_measured_by_route_also_if_it_was_not_sampled(engine: AsyncEngine) -> None:
    async def work(engine: AsyncEngine) -> None:
        await run(engine, "SELECT 1")

    with observed(engine, work, traces_sample_rate=0.0, slow_query_ms=1) as service:
        slow_down(engine)
        await service.get("/raise")
        sentry_sdk.flush()

        assert service.recorded.transactions == []
        (metric,) = metrics_named(service, "db.query.slow")
        assert metric["attributes"]["route"]["value"] == "/raise"
        assert metric["attributes"]["db.system"]["value"] == engine.dialect.name
        assert metric["attributes"]["code.function"]["value"] == "run"


def metrics_named(service: DatabaseApp, name: str) -> list[Any]:
    return [
        item
        for payload in service.recorded.of("trace_metric")
        for item in payload["items"]
        if item["name"] == name
    ]


async def test_the_same_statement_many_times_marks_the_transaction(engine: AsyncEngine) -> None:
    async def work(engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            for number in range(12):
                await connection.execute(text("SELECT id FROM users WHERE id = :id"), {"id": number})

    with observed(engine, work, traces_sample_rate=1.0) as service:
        transaction = await transaction_of(service)

        assert transaction["tags"]["db.repeated_query"] == "true"
        data = transaction["contexts"]["trace"]["data"]
        assert data["db.repeated_query.count"] == 12
        assert data["db.repeated_query.statement"].startswith("SELECT id FROM users")


async def test_nine_times_or_different_statements_are_no_repetition(engine: AsyncEngine) -> None:
    async def work(engine: AsyncEngine) -> None:
        for number in range(9):
            await run(engine, "SELECT 1", f"SELECT {number} + 1000")

    with observed(engine, work, traces_sample_rate=1.0) as service:
        transaction = await transaction_of(service)

        assert "db.repeated_query" not in transaction["tags"]


async def test_repetition_is_counted_for_each_websocket_message_by_itself(engine: AsyncEngine) -> None:
    async def work(engine: AsyncEngine) -> None:
        await run(engine, *["SELECT 1"] * 6)

    with observed(engine, work, traces_sample_rate=1.0) as service:
        await websocket_session(service.app, "/stream", ["one", "two"])

        assert len(service.recorded.transactions) == 2
        for transaction in service.recorded.transactions:
            assert len(db_spans(transaction)) == 6
            assert "db.repeated_query" not in transaction["tags"]


async def test_a_workers_own_operation_is_marked_too(engine: AsyncEngine) -> None:
    with local_sentry(engine=engine, traces_sample_rate=1.0) as recorded:
        with sentry_sdk.isolation_scope(), operation("worker.sync", name="Sync"):
            await run(engine, *["SELECT 1"] * 10)

        (transaction,) = recorded.transactions
        assert len(db_spans(transaction)) == 10
        assert transaction["tags"]["db.repeated_query"] == "true"


async def test_a_thousand_long_queries_stay_below_what_sentry_accepts(engine: AsyncEngine) -> None:
    """Case 82: Sentry refuses a transaction of more than 1 MiB, and with it all that it says."""
    long = "SELECT 1 /* " + "é" * 3000 + " */"

    async def work(engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            for _ in range(1100):
                await connection.exec_driver_sql(long)

    with observed(engine, work, traces_sample_rate=1.0, slow_query_ms=1) as service:
        slow_down(engine, 0.0011)
        transaction = await transaction_of(service)

        assert len(transaction["spans"]) == 1000
        assert all(span["data"]["db.slow"] for span in transaction["spans"])
        assert len(transaction["spans"][0]["description"]) > MAX_STATEMENT_CHARS - 10
        assert transaction["contexts"]["trace"]["data"]["db.repeated_query.count"] == 1100
        envelope = service.recorded.transport.envelopes()[0]
        assert len(envelope.serialize()) < 1024 * 1024


async def test_an_event_carries_the_queries_before_it_as_breadcrumbs(engine: AsyncEngine) -> None:
    async def work(engine: AsyncEngine) -> None:
        await run(engine, "SELECT 41", "SELECT nothing FROM nowhere")

    with observed(engine, work, traces_sample_rate=0.0) as service:
        await service.get("/raise")

        crumbs = service.recorded.only_event()["breadcrumbs"]["values"]
        messages = [crumb["message"] for crumb in crumbs if crumb["category"] == "query"]
        assert len(messages) == 2
        assert messages[1] == "SELECT nothing FROM nowhere"


async def test_an_unsampled_request_builds_no_span(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*args: object, **kwargs: object) -> None:
        raise AssertionError("a span was built")

    async def work(engine: AsyncEngine) -> None:
        await run(engine, "SELECT 1")

    with observed(engine, work, traces_sample_rate=0.0) as service:
        monkeypatch.setattr(sentry_sdk.tracing.Span, "__init__", forbidden)
        monkeypatch.setattr("app.observability.dbqueries.calling_frames", forbidden)
        assert (await service.get("/raise")).status_code == 200
        assert service.recorded.events == []


def test_outside_any_service_code_a_query_has_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.observability.dbqueries.is_in_app", lambda path: False)

    assert source_of_query() == {}
