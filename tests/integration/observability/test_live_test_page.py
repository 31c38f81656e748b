"""/test-sentry while Sentry does not behave: it says what is known and loses nothing."""

import re

import httpx
import pytest

from tests.support.ingest import IngestServer
from tests.support.uvicorn_server import StartServer

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("trouble", ["hangs", "limits", "refuses"])
def test_the_answer_says_what_is_known(start_server: StartServer, trouble: str) -> None:
    with IngestServer() as ingest:
        if trouble == "hangs":
            ingest.hang()
        elif trouble == "limits":
            ingest.answer_with(429, {"Retry-After": "60"})
        else:
            ingest.answer_with(403)
        server = start_server(env={"SENTRY_ENABLED": "true", "SENTRY_DSN": ingest.dsn})
        answer = httpx.get(f"{server.url}/test-sentry", timeout=30)
        report = answer.json()
        assert answer.status_code == 500
        assert report["event_id"] == answer.headers["x-sentry-event-id"]
        assert report["accepted"] is False
        assert (
            re.fullmatch(r"Sentry [a-z].*[.?]", report["reason"])
            or "No answer from Sentry" in report["reason"]
        )
        assert report["issue_url"] is None
        assert report["spooled"] is (trouble != "refuses")
        server.kill()
