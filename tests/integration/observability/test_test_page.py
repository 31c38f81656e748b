"""/test-sentry and the pages that show events, in LOCAL mode."""

import json
import re

import httpx
import pytest
from fastapi import FastAPI

from app.observability import identify_user
from app.observability.access import PER_ADDRESS
from app.observability.counters import Fate
from app.observability.reasons import in_words
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


@pytest.mark.parametrize("path", ["/test-sentry", "/observability", "/observability/status"])
@pytest.mark.parametrize(
    ("accept", "is_json"),
    [("application/json", True), ("*/*", True), ("text/html,application/json;q=0.9", False)],
)
async def test_a_refusal_is_json_but_for_browsers(path: str, accept: str, is_json: bool) -> None:
    app = FastAPI()
    with local_sentry(app, test_token="-".join(("open", "sesame", "0123456789"))):
        async with client_of(app, host="192.0.2.1") as client:
            headers = {"accept": accept}
            refused = await client.get(path, headers=headers)
            wrong = await client.post(path, headers=headers)
            if path == "/test-sentry":
                many = [await client.get(path, headers=headers) for _ in range(PER_ADDRESS)][-1]
                assert (many.status_code, says(many, is_json=is_json)[:14]) == (429, "Too many tests")
                assert int(many.headers["retry-after"]) > 0
    assert (refused.status_code, wrong.status_code) == (401, 405)
    assert "SENTRY_TEST_TOKEN" in says(refused, is_json=is_json)
    assert refused.headers["www-authenticate"].startswith("Basic ")
    assert says(wrong, is_json=is_json) == "Use GET."
    assert wrong.headers["allow"] == "GET, HEAD"


def says(answer: httpx.Response, *, is_json: bool) -> str:
    """The one sentence of a refusal, in the form that was asked for."""
    if not is_json:
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        return answer.text
    body = answer.json()
    assert body.keys() == {"detail"}
    return str(body["detail"])


async def test_links_of_the_pages_keep_the_root_path() -> None:
    app, site = FastAPI(), FastAPI()
    site.mount("/shop/api", app)
    with local_sentry(app):
        async with client_of(site) as client:
            browser = {"accept": "text/html"}
            empty = await client.get("/shop/api/observability", headers=browser)
            tested = await client.get("/shop/api/test-sentry", headers=browser)
            full = await client.get("/shop/api/observability", headers=browser)
    links = {link for page in (empty, tested, full) for link in re.findall(r'href="([^"]*)"', page.text)}
    assert links == {"/shop/api/observability", "/shop/api/test-sentry"}


@pytest.mark.parametrize("fate", list(Fate))
def test_every_fate_has_a_sentence(fate: Fate) -> None:
    sentence = in_words(fate)
    assert sentence[0].isupper()
    assert sentence.endswith((".", "?"))
