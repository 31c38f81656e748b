"""/test-sentry and the pages that show events, in LOCAL mode."""

import json
import re

import pytest
from fastapi import FastAPI

from app.observability import identify_user
from app.observability.access import PER_ADDRESS
from tests.support.observability import client_of, local_sentry

pytestmark = pytest.mark.anyio
MADE_UP = "-".join(("made", "up", "for", "this", "test"))


async def test_it_raises_a_real_error_and_says_what_became_of_it() -> None:
    app = FastAPI()
    with local_sentry(app) as recorder:
        async with client_of(app) as client:
            answer = await client.get("/test-sentry")
    report = answer.json()
    assert answer.status_code == 500
    assert set(report) == {
        *(
            "mode",
            "event_id",
            "environment",
            "release",
            "accepted",
            "reason",
            "scrubbed",
            "issue_url",
            "spooled",
        )
    }
    assert re.fullmatch("[0-9a-f]{32}", report["event_id"])
    assert (report["mode"], report["accepted"], report["spooled"]) == ("local", None, False)
    event = recorder.only_event()
    assert event["event_id"] == report["event_id"] == answer.headers["x-sentry-event-id"]
    assert event["user"] == {"id": "sentry-test"}
    assert event["tags"]["user.tier"] == "premium"
    assert event["exception"]["values"][-1]["mechanism"]["handled"] is False
    assert any(frame["in_app"] for frame in event["exception"]["values"][-1]["stacktrace"]["frames"])


async def test_it_names_what_was_removed_and_never_the_values() -> None:
    app = FastAPI()
    with local_sentry(app) as recorder:
        async with client_of(app) as client:
            answer = await client.get("/test-sentry")
    assert MADE_UP not in answer.text
    assert MADE_UP not in json.dumps(recorder.only_event())
    assert "4111" not in json.dumps(recorder.only_event())
    places = [each["where"] for each in answer.json()["scrubbed"]]
    assert "exception.values.0.value" in places


async def test_a_browser_gets_a_page_with_the_event() -> None:
    app = FastAPI()
    with local_sentry(app):
        async with client_of(app) as client:
            answer = await client.get("/test-sentry", headers={"accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith("text/html")
    assert "SentryTestError" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_tests_are_never_folded_but_limited() -> None:
    app = FastAPI()
    with local_sentry(app) as recorder:
        async with client_of(app) as client:
            answers = [await client.get("/test-sentry") for _ in range(PER_ADDRESS + 1)]
    assert [answer.status_code for answer in answers] == [500] * PER_ADDRESS + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert len(recorder.events) == PER_ADDRESS


async def test_nothing_is_shown_to_a_peer_that_a_proxy_speaks_for() -> None:
    app = FastAPI()
    with local_sentry(app) as recorder:
        async with client_of(app) as client:
            forwarded = {"x-forwarded-for": "192.0.2.1"}
            paths = ("/test-sentry", "/observability", "/observability/status")
            answers = [await client.get(path, headers=forwarded) for path in paths]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert recorder.events == []


async def test_the_overview_shows_recorded_events_and_counters() -> None:
    app = FastAPI()
    with local_sentry(app):
        async with client_of(app) as client:
            tested = (await client.get("/test-sentry")).json()
            page = await client.get("/observability")
            status = (await client.get("/observability/status")).json()
    assert page.status_code == 200
    assert tested["event_id"] in page.text
    assert status["counters"]["error"] == {"recorded": 1}
    assert status["mode"] == "local"


async def test_what_an_attacker_puts_into_an_event_is_escaped_on_the_page() -> None:
    app = FastAPI()

    @app.get("/boom")
    async def boom(q: str) -> None:
        identify_user(id="<img src=x>", tier="<b>")
        raise ValueError(q)

    with local_sentry(app):
        async with client_of(app) as client:
            await client.get("/boom", params={"q": "<script>alert(1)</script>"})
            page = await client.get("/observability")
    assert "<script>" not in page.text
    assert "<img" not in page.text
    assert "&lt;script&gt;" in page.text


async def test_only_the_last_fifty_envelopes_are_kept() -> None:
    app = FastAPI()

    @app.get("/ok")
    async def ok() -> None:
        return None

    with local_sentry(app, traces_sample_rate=1.0) as recorder:
        async with client_of(app) as client:
            for _ in range(60):
                await client.get("/ok")
    assert len(recorder.transport.envelopes()) == 50
