"""Cases 52 and 82 and their kind: one span a query, and transactions that Sentry does not refuse for their size."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.database_app import DatabaseApp, db_spans, make_async_engine, observed
from tests.support.postgres import PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

SENTRY_ACCEPTS = 1024 * 1024


def transaction_of(service: DatabaseApp) -> tuple[dict[str, Any], int]:
    """The request's transaction and the size of its envelope."""
    (found,) = (
        (transaction, len(envelope.serialize()))
        for envelope in service.recorded.transport.envelopes()
        if (transaction := envelope.items[0].payload.json or {}).get("type") == "transaction"
        and transaction["contexts"]["trace"]["op"] == "http.server"
    )
    return found


async def test_two_queries_with_pre_ping_are_two_spans_for_what_the_server_saw(
    postgres: PostgresServer,
) -> None:
    """Case 52: bare Sentry shows nine."""
    database = postgres.create_database()
    engine = make_async_engine(postgres.url(database), pool_pre_ping=True)

    async def work(engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 42 AS answer"))
            await connection.execute(text("SELECT 43 AS answer"))

    await work(engine)
    with observed(engine, work, traces_sample_rate=1.0) as service:
        await service.get("/raise")
        transaction, _ = transaction_of(service)

    assert [span["description"] for span in transaction["spans"]] == [
        "SELECT 42 AS answer",
        "SELECT 43 AS answer",
    ]
    assert sum("answer" in statement for statement in postgres.statements(database)) == 4
    await engine.dispose()


@pytest.mark.parametrize("rows", [400, 1000, 1500])
async def test_one_query_for_each_of_many_rows_is_not_lost(postgres: PostgresServer, rows: int) -> None:
    """Case 82."""
    engine = make_async_engine(postgres.url())
    columns = ", ".join(f"NULL AS a_long_column_name_{number}" for number in range(80))

    async def work(engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            for row in range(rows):
                await connection.execute(text(f"SELECT :row AS id, {columns}"), {"row": str(row)})

    with observed(engine, work, traces_sample_rate=1.0) as service:
        await service.get("/raise")
        transaction, size = transaction_of(service)

    assert size < SENTRY_ACCEPTS
    assert len(db_spans(transaction)) == min(rows, 1000)
    assert transaction["tags"]["db.repeated_query"] == "true"
    assert transaction["contexts"]["trace"]["data"]["db.repeated_query.count"] == rows
    await engine.dispose()


async def test_a_thousand_different_statements_are_not_lost_either(postgres: PostgresServer) -> None:
    engine = make_async_engine(postgres.url())

    async def work(engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            for row in range(1000):
                await connection.exec_driver_sql(f"SELECT {row} AS n{row} /* {'long ' * 600} */")

    with observed(engine, work, traces_sample_rate=1.0) as service:
        await service.get("/raise")
        transaction, size = transaction_of(service)

    assert size < SENTRY_ACCEPTS
    assert len(db_spans(transaction)) == 1000
    assert "db.repeated_query" not in transaction["tags"]
    await engine.dispose()
