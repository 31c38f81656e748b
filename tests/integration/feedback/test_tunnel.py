"""What the tunnel takes from browsers, what it makes of it, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.observability import ObservabilitySettings, init_sentry
from app.observability.access import PER_ADDRESS as FEEDBACK_PER_ADDRESS
from app.observability.tunnel import MAX_BODY_BYTES, MAX_KINDS, PATH, PER_ADDRESS
from tests.support.ingest import PROJECT_ID, PUBLIC_KEY, IngestServer
from tests.support.observed import Observed
from tests.support.served import eventually

pytestmark = pytest.mark.anyio

ID = "0123456789abcdef" * 2
OWN_DSN = "http://anykey@testserver/_obs/1"
PAGE = {"origin": "http://testserver"}
FRONT_END = "https://app.example.com"
ERROR = {
    "event_id": ID,
    "platform": "javascript",
    "exception": {
        "values": [
            {
                "type": "TypeError",
                "value": "x is undefined",
                "stacktrace": {"frames": [{"filename": "https://shop.example/app.js", "function": "buy"}]},
            }
        ]
    },
}


def envelope(
    payload: Any, kind: str = "event", *, dsn: str | None = OWN_DSN, more: bytes = b"", **header: Any
) -> bytes:
    first = {"event_id": ID} | ({"dsn": dsn} if dsn is not None else {})
    lines = [json.dumps(first), json.dumps({"type": kind} | header), json.dumps(payload)]
    return "\n".join(lines).encode() + more


def tunneled(**settings: Any) -> Observed:
    return Observed(tunnel=True, **settings)


async def test_it_is_off_unless_switched_on() -> None:
    observed = Observed()
    for path in (PATH, "/_obs/api/1/envelope/"):
        assert (await observed.post(path, content=envelope(ERROR), headers=PAGE)).status_code == 404


async def test_an_error_of_a_page_goes_the_way_of_the_servers_own() -> None:
    observed = tunneled()
    answer = await observed.post(PATH, content=envelope(ERROR), headers=PAGE)
    assert (answer.status_code, answer.json()) == (200, {"id": ID})
    event = observed.event
    assert (event["event_id"], event["platform"]) == (ID, "javascript")
    assert event["exception"]["values"][0]["type"] == "TypeError"
    assert event["sdk"]["settings"] == {"infer_ip": "never"}


async def test_nothing_of_the_request_or_of_the_servers_user_gets_onto_it() -> None:
    observed = tunneled(traces_sample_rate=1.0)
    headers = {
        **PAGE,
        "cookie": "session=qwertz98765",
        "user-agent": "Somebody/1.0",
        "x-forwarded-for": "1.2.3.4",
    }
    await observed.post(PATH, content=envelope(ERROR), headers=headers)
    sent = json.dumps(observed.event)
    assert not any(each in sent for each in ("qwertz98765", "Somebody", "1.2.3.4", "testserver", "127.0.0.1"))
    assert {"request", "user", "server_name", "modules"}.isdisjoint(observed.event)
    assert observed.transactions == []


async def test_what_a_page_knows_of_its_user_stays_away_but_for_the_id() -> None:
    observed = tunneled()
    event = ERROR | {
        "user": {"id": 7, "email": "ada@example.org", "username": "ada", "ip_address": "{{auto}}"},
        "request": {
            "url": "https://shop.example/reset?token=qwertz98765",
            "headers": {
                "User-Agent": "Browser/1.0",
                "Cookie": "a=b",
                "Referer": "https://shop.example/?q=ada",
            },
            "cookies": "a=b",
        },
        "server_name": "adas-laptop",
        "sdk": {"name": "sentry.javascript.browser", "settings": {"infer_ip": "auto"}},
        "contexts": {"state": {"password": "".join(("hun", "ter", "22"))}},
        "unheard_of": "x",
    }
    await observed.post(PATH, content=envelope(event), headers=PAGE)
    sent = observed.event
    assert sent["user"] == {"id": "7"}
    assert sent["request"]["headers"] == {"User-Agent": "Browser/1.0"}
    assert sent["sdk"] == {"name": "sentry.javascript.browser", "settings": {"infer_ip": "never"}}
    assert {"server_name", "unheard_of"}.isdisjoint(sent)
    text = json.dumps(sent)
    assert not any(each in text for each in ("ada", "qwertz98765", "a=b", "hunter22"))


async def test_frames_lose_the_query_of_the_page_that_holds_the_script() -> None:
    observed = tunneled()
    event = json.loads(json.dumps(ERROR).replace("app.js", "reset?token=qwertz98765#top"))
    await observed.post(PATH, content=envelope(event), headers=PAGE)
    frame = observed.event["exception"]["values"][0]["stacktrace"]["frames"][0]
    assert frame["filename"] == "https://shop.example/reset"
    assert "qwertz98765" not in json.dumps(observed.event)


async def test_feedback_of_the_widget_is_taken_with_names_only_where_they_may_leave() -> None:
    for send_email in (False, True):
        observed = tunneled(send_email=send_email)
        said = {"message": "It broke.", "name": "Ada", "contact_email": "ada@example.org", "x": "y"}
        said["associated_event_id"] = ID
        payload = {"event_id": ID, "contexts": {"feedback": said}, "user": {"email": "ada@example.org"}}
        await observed.post(PATH, content=envelope(payload, "feedback"), headers=PAGE)
        item = observed.items("feedback")[0]
        person = {"name": "Ada", "contact_email": "ada@example.org"} if send_email else {}
        assert item["contexts"]["feedback"] == {"message": "It broke.", "associated_event_id": ID, **person}
        assert "user" not in item


async def test_sessions_are_of_nobody_and_client_reports_are_numbers() -> None:
    observed = tunneled()
    session = {
        "sid": ID,
        "did": "ada@example.org",
        "init": True,
        "status": "ok",
        "started": "2026-01-01T00:00:00Z",
        "attrs": {"release": "shop@1", "ip_address": "1.2.3.4", "user_agent": "Browser/1.0"},
    }
    report = {
        "discarded_events": [
            {"reason": "network_error", "category": "error", "quantity": 3, "x": "ada"},
            {"reason": "ada@example.org", "category": "error", "quantity": 1},
            {"reason": "network_error", "category": "error", "quantity": "many"},
        ]
    }
    await observed.post(PATH, content=envelope(session, "session"), headers=PAGE)
    await observed.post(PATH, content=envelope(report, "client_report"), headers=PAGE)
    assert observed.items("session")[0]["attrs"] == {"release": "shop@1"}
    assert observed.items("client_report")[0]["discarded_events"] == [
        {"reason": "network_error", "category": "error", "quantity": 3}
    ]
    assert "ada" not in json.dumps(observed.items("session") + observed.items("client_report"))


@pytest.mark.parametrize("kind", ["transaction", "attachment", "replay_event", "profile", "log", "span", "x"])
async def test_other_kinds_are_not_passed_on(kind: str) -> None:
    observed = tunneled()
    answer = await observed.post(PATH, content=envelope({}, kind), headers=PAGE)
    assert answer.status_code == 400
    assert list(observed.transport.items()) == []


async def test_what_is_left_out_of_an_envelope_is_counted() -> None:
    observed = tunneled()
    more = b'\n{"type":"attachment","length":3}\nabc\n'
    answer = await observed.post(PATH, content=envelope(ERROR, more=more), headers=PAGE)
    assert answer.status_code == 200
    assert [kind for kind, _ in observed.transport.items()] == ["event"]
    assert observed.handle.counters.snapshot()["attachment"] == {"before_send": 1}


@pytest.mark.parametrize(
    "dsn",
    [
        None,
        "",
        "x",
        "http://[",
        "http://anykey@testserver/_obs/2",
        "http://anykey@evil.example/_obs/1",
        "http://anykey@testserver/other/1",
        "http://anykey@testserver/1",
        17,
    ],
)
async def test_an_envelope_for_another_project_is_refused(dsn: Any) -> None:
    observed = tunneled()
    answer = await observed.post(PATH, content=envelope(ERROR, dsn=dsn), headers=PAGE)
    assert answer.status_code == 400
    assert list(observed.transport.items()) == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"origin": FRONT_END, "sec-fetch-site": "cross-site"}, 200),
        ({}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
    ids=str,
)
async def test_it_takes_only_from_our_pages_and_allowed_origins(headers: dict[str, str], status: int) -> None:
    observed = tunneled(feedback_origins=(FRONT_END,))
    answer = await observed.post(PATH, content=envelope(ERROR), headers=headers)
    assert answer.status_code == status
    assert len(observed.events) == (status == 200)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"[]",
        b"{}",
        b"null\n{}\n{}",
        b"{}\n[]\n{}",
        envelope(ERROR, length=10**9),
        envelope(ERROR, length=-1),
        envelope(ERROR, length="5"),
        envelope([]),
        envelope({**ERROR, "event_id": "x"}),
        envelope({**ERROR, "event_id": None}),
        envelope({"contexts": {"feedback": "x"}}, "feedback"),
        envelope({"event_id": ID, "contexts": {"feedback": {"message": " "}}}, "feedback"),
        b"[" * 100_000,
        envelope(ERROR, more=b'\n{"type":"event"}\n' + b"[" * 100_000),
        envelope(ERROR, more=b'\n{"type":"event"}\n{}' * 50),
        b"\xff\xfe\n{}\n{}",
    ],
    ids=range(18),
)
async def test_what_is_no_envelope_is_refused_in_words_that_repeat_nothing(body: bytes) -> None:
    observed = tunneled()
    answer = await observed.post(PATH, content=body, headers=PAGE)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("Not taken: ")
    assert list(observed.transport.items()) == []


@pytest.mark.parametrize(
    "exception",
    [None, 1, [], {"values": None}, {"values": [None]}, {"values": [{"stacktrace": {"frames": [None, 1]}}]}],
)
async def test_an_event_of_any_shape_does_no_harm(exception: Any) -> None:
    observed = tunneled(folds=True)
    event = {
        **ERROR,
        "exception": exception,
        "tags": [["a", "b"]],
        "extra": 1,
        "user": 1,
        "request": [],
        "sdk": 2,
    }
    answer = await observed.post(PATH, content=envelope(event), headers=PAGE)
    assert answer.status_code == 200
    assert observed.event["event_id"] == ID


async def test_what_is_too_large_or_compressed_is_refused_and_only_post_is_known() -> None:
    observed = tunneled()
    large = envelope({**ERROR, "message": "a" * MAX_BODY_BYTES})
    assert (await observed.post(PATH, content=large, headers=PAGE)).status_code == 413
    zipped = {**PAGE, "content-encoding": "gzip"}
    assert (await observed.post(PATH, content=envelope(ERROR), headers=zipped)).status_code == 415
    assert (await observed.get(PATH)).status_code == 405


async def test_one_address_cannot_send_without_end() -> None:
    observed = tunneled()
    async with observed.client(headers=PAGE) as client:
        for _ in range(PER_ADDRESS):
            assert (await client.post(PATH, content=envelope(ERROR))).status_code == 200
        late = await client.post(PATH, content=envelope(ERROR))
    assert late.status_code == 429
    assert int(late.headers["retry-after"]) > 0


async def test_feedback_through_it_is_as_limited_as_through_the_form() -> None:
    observed = tunneled()
    payload = {"event_id": ID, "contexts": {"feedback": {"message": "It broke."}}}
    async with observed.client(headers=PAGE) as client:
        statuses = [
            (await client.post(PATH, content=envelope(payload, "feedback"))).status_code
            for _ in range(FEEDBACK_PER_ADDRESS + 1)
        ]
    assert statuses == [200] * FEEDBACK_PER_ADDRESS + [429]


async def test_repeats_of_an_error_are_folded_and_made_up_kinds_run_out() -> None:
    observed = tunneled(folds=True, client_ip_header="x-real-ip")
    async with observed.client(headers=PAGE) as client:

        async def send(number: int, kind: str) -> None:
            event = {**ERROR, "exception": {"values": [{"type": kind}]}, "event_id": f"{number:032x}"}
            address = {"x-real-ip": f"10.0.0.{number // PER_ADDRESS}"}
            assert (await client.post(PATH, content=envelope(event), headers=address)).status_code == 200

        for number in range(50):
            await send(number, "TypeError")
        repeats = observed.handle.counters.snapshot()["error"]
        for number in range(50, 450):
            await send(number, f"MadeUp{number}")
    assert repeats["folded"] > 30
    kinds = observed.handle.counters.snapshot()["error"]
    assert kinds["recorded"] <= repeats["recorded"] + MAX_KINDS + 20


async def test_an_allowed_front_end_may_read_the_answer_and_the_limits() -> None:
    observed = tunneled(feedback_origins=(FRONT_END,))
    answer = await observed.post(PATH, content=envelope(ERROR), headers={"origin": FRONT_END})
    assert answer.headers["access-control-allow-origin"] == FRONT_END
    assert "x-sentry-rate-limits" in answer.headers["access-control-expose-headers"]


async def test_live_it_takes_the_servers_own_dsn_and_passes_on_what_sentry_limits(tmp_path: Path) -> None:
    app = FastAPI()
    with IngestServer() as sentry:
        settings = ObservabilitySettings(enabled=True, dsn=sentry.dsn, tunnel=True, spool_dir=tmp_path)
        handle = init_sentry(app, settings=settings)
        own = f"http://{PUBLIC_KEY}@testserver/_obs/{PROJECT_ID}"
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://testserver", headers=PAGE
        ) as client:

            async def status(path: str = PATH, dsn: str | None = sentry.dsn, kind: str = "TypeError") -> int:
                event = {**ERROR, "exception": {"values": [{"type": kind}]}}
                return (await client.post(path, content=envelope(event, dsn=dsn))).status_code

            assert await status() == 200
            assert await status(dsn=own, kind="Other") == 200
            by_address = f"/_obs/api/{PROJECT_ID}/envelope/?sentry_key="
            assert await status(by_address + PUBLIC_KEY, None, "Third") == 200
            assert await status(by_address + "d" * 32, None) == 400
            assert await status(dsn=sentry.dsn.replace(PUBLIC_KEY, "d" * 32)) == 400
            assert await status(dsn=own.replace(PUBLIC_KEY, "d" * 32)) == 400
            eventually(lambda: len(sentry.events()) == 3)
            assert all(b"testserver" not in each.raw for each in sentry.envelopes)

            sentry.answer_with(429, {"X-Sentry-Rate-Limits": "600:error:organization"})
            assert await status(kind="Fourth") == 200
            eventually(lambda: "error" in handle.status()["delivery"]["rate_limits"])
            event = {**ERROR, "exception": {"values": [{"type": "Fifth"}]}}
            limited = await client.post(PATH, content=envelope(event, dsn=sentry.dsn))
            assert limited.status_code == 429
            assert 500 < int(limited.headers["retry-after"]) <= 601
            assert ":error:" in limited.headers["x-sentry-rate-limits"]
            session = {"sid": ID, "attrs": {"release": "shop@1"}}
            taken = await client.post(PATH, content=envelope(session, "session", dsn=sentry.dsn))
            assert taken.status_code == 200
