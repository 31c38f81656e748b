"""StreamAPI itself while its database is away: at start-up, in /health, on its routes, and after the return."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from app.main import create_app
from app.observability import ObservabilitySettings
from app.settings import AppSettings
from tests.support.observability import Recorder, client_of
from tests.support.postgres import PostgresServer
from tests.support.silence import silence_afterwards

__all__ = ["silence_afterwards"]

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


@asynccontextmanager
async def service(server: PostgresServer) -> AsyncIterator[tuple[Any, Recorder]]:
    app = create_app(
        AppSettings(database_url=SecretStr(server.url())),
        observability=ObservabilitySettings(environment="development", traces_sample_rate=0.0),
    )
    startup = app.router.lifespan_context(app)
    async with startup, client_of(app) as client:
        yield client, Recorder(app.state.observability)


async def test_every_meeting_with_a_missing_database_is_seen_and_named(
    fresh_postgres: PostgresServer,
) -> None:
    fresh_postgres.stop()
    async with service(fresh_postgres) as (client, recorded):
        assert kinds(recorded) == ["connection_refused"]  # start-up goes on without

        answer = await client.get("/health")
        assert answer.status_code == 503
        assert kinds(recorded) == ["connection_refused"]  # a probe is never an event

        fresh_postgres.start()
        assert (await client.get("/health")).status_code == 200
        assert kinds(recorded) == ["connection_refused"]

        sent = json.dumps(recorded.transport.items())
        assert fresh_postgres.password not in sent
        assert {event["contexts"]["database"]["name"] for event in recorded.events} == {"postgres"}


def kinds(recorded: Recorder) -> list[str]:
    return [event["tags"]["db.failure"] for event in recorded.events]
