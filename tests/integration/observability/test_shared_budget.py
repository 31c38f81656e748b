"""Replicas share the month through the service's PostgreSQL, never on the request path."""

import httpx
import pytest

from tests.support.ingest import IngestServer
from tests.support.postgres import PostgresServer
from tests.support.uvicorn_server import StartServer

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def test_two_replicas_count_one_month_and_give_back_what_is_left(
    start_server: StartServer, postgres: PostgresServer
) -> None:
    database = postgres.create_database()
    with IngestServer() as ingest:
        env = {"SENTRY_ENABLED": "true", "SENTRY_DSN": ingest.dsn, "DATABASE_URL": postgres.url(database)}
        replicas = [start_server(env={**env, "SENTRY_ENVIRONMENT": "staging"}) for _ in range(2)]
        for replica in replicas:
            for _ in range(3):
                report = httpx.get(f"{replica.url}/demo/none", timeout=30)
                assert report.status_code == 404
            httpx.post(f"{replica.url}/demo/broken", json={"input": {}}, timeout=30)
            assert httpx.get(f"{replica.url}/test-sentry", timeout=30).json()["accepted"] is True
        for replica in replicas:
            replica.stop()
        rows = postgres.execute("SELECT name, document FROM streamapi_observability_budget", database)
    assert {name for name, _ in rows} >= {"ledger"}


def test_a_database_that_is_away_stops_neither_the_start_nor_the_errors(
    start_server: StartServer, fresh_postgres: PostgresServer
) -> None:
    with IngestServer() as ingest:
        env = {"SENTRY_ENABLED": "true", "SENTRY_DSN": ingest.dsn, "DATABASE_URL": fresh_postgres.url()}
        fresh_postgres.stop()
        replica = start_server(env=env)
        answer = httpx.get(f"{replica.url}/api/discovery", headers={"X-API-Key": "x" * 20}, timeout=30)
        assert answer.status_code >= 500
        event_id = answer.headers["x-sentry-event-id"]
        ingest.wait_for(2, item_type="event", timeout=30)  # start-up and this request
        replica.stop()
        assert event_id in ingest.event_ids()
        failures = [event["tags"].get("db.failure") for event in ingest.events()]
    assert set(failures) == {"connection_refused"}
