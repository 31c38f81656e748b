"""From a request to a real Sentry-compatible server and back, nothing replaced.

The service runs under uvicorn, LIVE; what Bugsink stored is read back by event id.
"""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.demo_users import demo_keys
from tests.support.postgres import PostgresServer
from tests.support.uvicorn_server import StartServer, UvicornServer
from tools.bugsink import BugsinkServer

pytestmark = [pytest.mark.bugsink, pytest.mark.slow]

PASSWORD = "-".join(("correct", "horse", "battery", "staple"))
CARD = "".join(("4111", "1111", "1111", "1111"))
TOKEN = "".join(("tok", "en", "9f8e7d6c5b4a", "3f2e1d0c"))


def live(bugsink: BugsinkServer) -> dict[str, str]:
    return {
        "SENTRY_ENABLED": "true",
        "SENTRY_DSN": bugsink.dsn,
        "SENTRY_ENVIRONMENT": "staging",
        "SENTRY_RELEASE": "streamapi@9.8.7+e2e",
        "SENTRY_INCLUDE_LOCALS": "true",
        "SENTRY_ISSUE_URL": "http://127.0.0.1/events/{event_id}/",
    }


def fail(server: UvicornServer, key: str) -> httpx.Response:
    body = {
        "apis": ["fast", "broken"],
        "input": {"password": PASSWORD, "note": f"card {CARD}", "city": "Berlin"},
    }
    return httpx.post(
        f"{server.url}/api/orchestrate",
        params={"token": TOKEN, "page": "2"},
        headers={"X-API-Key": key, "Authorization": f"Bearer {TOKEN}", "Cookie": f"session={TOKEN}"},
        json=body,
        timeout=30,
    )


def assert_safe(payload: dict[str, Any], *more: str) -> None:
    stored = json.dumps(payload)
    for secret in (PASSWORD, CARD, TOKEN, *more):
        at = stored.find(secret)
        assert at < 0, stored[max(at - 200, 0) : at]


@pytest.fixture
def premium_key(start_server: StartServer, tmp_path: Path) -> str:
    """The key of a demo user, made by a first start in development."""
    first = start_server(folder=tmp_path / "service")
    first.stop()
    return demo_keys((first.folder / "output.log").read_text())["premium"]


@pytest.fixture
def service(
    start_server: StartServer, bugsink: BugsinkServer, tmp_path: Path, premium_key: str
) -> UvicornServer:
    return start_server(folder=tmp_path / "service", env=live(bugsink))


def test_a_failing_request_arrives_with_everything_but_its_secrets(
    service: UvicornServer, bugsink: BugsinkServer, premium_key: str
) -> None:
    answer = fail(service, premium_key)
    assert answer.status_code == 500
    event_id = answer.json()["event_id"]
    assert answer.headers["x-sentry-event-id"] == event_id

    event = bugsink.event(event_id)
    assert event["event_id"] == event_id
    assert event["user"] == {"id": "demo-premium"}
    assert event["tags"]["user.tier"] == "premium"
    assert event["release"] == "streamapi@9.8.7+e2e"
    assert event["environment"] == "staging"
    assert event["transaction"] == "/api/orchestrate"
    assert event["request"]["method"] == "POST"
    assert event["request"]["data"]["input"]["city"] == "Berlin"
    assert "page=2" in event["request"]["query_string"]
    failure = event["exception"]["values"][-1]
    assert failure["type"] == "ValueError"
    assert failure["mechanism"]["handled"] is False
    assert any(frame["in_app"] and frame["context_line"] for frame in failure["stacktrace"]["frames"])
    assert event["contexts"]["api_operation"]
    assert_safe(event, premium_key)


def test_the_test_page_says_that_sentry_accepted_it(service: UvicornServer, bugsink: BugsinkServer) -> None:
    report = httpx.get(f"{service.url}/test-sentry", timeout=30).json()
    assert report["mode"] == "live"
    assert report["accepted"] is True
    assert report["spooled"] is False
    assert report["issue_url"] == f"http://127.0.0.1/events/{report['event_id']}/"
    event = bugsink.event(report["event_id"])
    assert event["user"]["id"] == "sentry-test"
    assert event["tags"]["user.tier"] == "premium"


@pytest.mark.postgres
def test_the_password_of_the_database_is_nowhere_when_the_database_is_down(
    start_server: StartServer, bugsink: BugsinkServer, fresh_postgres: PostgresServer
) -> None:
    url = fresh_postgres.url()
    password = httpx.URL(url).password
    service = start_server(env={**live(bugsink), "DATABASE_URL": url})
    fresh_postgres.stop()
    answer = httpx.get(f"{service.url}/api/discovery", headers={"X-API-Key": TOKEN}, timeout=30)
    assert answer.status_code >= 500
    event = bugsink.event(answer.headers["x-sentry-event-id"])
    assert event["tags"]["db.failure"] in ("connection_refused", "connection_lost", "shutting_down")
    assert_safe(event, password)
