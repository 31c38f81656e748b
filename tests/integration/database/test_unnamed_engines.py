"""Failures of engines that `init_sentry` was not given: the pool is seen all the same."""

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.observability import client_of, local_sentry

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("status", [200, 503])
async def test_a_refused_connection_that_is_swallowed_is_an_event(status: int) -> None:
    app = FastAPI()
    engine = create_async_engine("postgresql+asyncpg://shop:pw@127.0.0.1:9/shop")

    @app.get("/orders")
    async def orders() -> JSONResponse:
        try:
            async with engine.connect():
                pass
        except OSError:
            return JSONResponse({}, status)
        return JSONResponse({}, 500)

    with local_sentry(app) as recorder:
        async with client_of(app) as client:
            answer = await client.get("/orders")
    await engine.dispose()
    event = recorder.only_event()
    assert event["tags"]["db.failure"] == "connection_refused"
    assert event["fingerprint"] == ["db-failure", "connection_refused"]
    assert event["level"] == ("error" if status == 503 else "warning")
    assert event["contexts"]["db_pool"]["status"]
    assert answer.headers.get("x-sentry-event-id") == (event["event_id"] if status == 503 else None)
