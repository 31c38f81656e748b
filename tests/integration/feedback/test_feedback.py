"""What the feedback endpoints and `report_feedback()` take, refuse and send, in LOCAL mode."""

import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from app.observability import (
    ObservabilityConfigError,
    ObservabilitySettings,
    init_sentry,
    report_feedback,
)
from app.observability.access import IN_ALL, PER_ADDRESS
from app.observability.feedback import (
    DIALOG_PATH,
    FORM_PATH,
    MAX_FORM_BYTES,
    MAX_MESSAGE_CHARS,
    STYLE_PATH,
)
from tests.support.observability import client_of, local_sentry
from tests.support.observed import Observed

pytestmark = pytest.mark.anyio

ABOUT = "0123456789abcdef" * 2
FORM = {"event_id": ABOUT, "comments": "It broke."}
FRONT_END = "https://app.example.com"
BROWSER = {"accept": "text/html,application/json;q=0.9", "sec-fetch-site": "same-origin"}


def said(observed: Observed) -> dict[str, Any]:
    feedback = observed.items("feedback")
    assert len(feedback) == 1
    return dict(feedback[0]["contexts"]["feedback"])


async def test_the_form_becomes_sentrys_feedback_item_of_the_event() -> None:
    observed = Observed()
    answer = await observed.post(FORM_PATH, data=FORM, headers=BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    item = observed.items("feedback")[0]
    assert item["type"] == "feedback"
    assert (item["environment"], item["release"]) == ("development", "streamapi@1.0.0")
    assert said(observed) == {"message": "It broke.", "associated_event_id": ABOUT, "source": "streamapi"}


async def test_a_dashed_event_id_is_the_same_id() -> None:
    observed = Observed()
    dashed = "01234567-89AB-CDEF-0123-456789ABCDEF"
    await observed.post(DIALOG_PATH, params={"eventId": dashed}, data={"comments": "It broke."})
    assert said(observed)["associated_event_id"] == ABOUT


@pytest.mark.parametrize("bad", ["", "1234", "z" * 32, ABOUT + "0", "<script>", ABOUT + "\n"])
async def test_the_dialog_takes_nothing_without_the_id_of_an_event(bad: str) -> None:
    observed = Observed()
    answer = await observed.post(DIALOG_PATH, data={"event_id": bad, "comments": "It broke."})
    assert answer.status_code == 400
    assert "<script>" not in answer.text
    assert observed.items("feedback") == []


@pytest.mark.parametrize("body", [{"comments": "  "}, {}, {"event_id": ABOUT}])
async def test_feedback_without_words_is_refused(body: dict[str, str]) -> None:
    observed = Observed()
    assert (await observed.post(FORM_PATH, data=body)).status_code == 400
    assert observed.items("feedback") == []


async def test_what_is_sent_is_scrubbed() -> None:
    observed = Observed()
    card, password = "-".join(("4111", "1111", "1111", "1111")), "".join(("hun", "ter", "22"))
    comments = f"password={password}, card {card}, write to ada@example.org"
    await observed.post(FORM_PATH, data={**FORM, "comments": comments})
    sent = json.dumps(observed.items("feedback"))
    assert not any(secret in sent for secret in (card, password, "ada@example.org"))
    assert "write to" in sent


@pytest.mark.parametrize("send_email", [False, True])
async def test_name_and_email_leave_only_where_settings_let_them(send_email: bool) -> None:
    observed = Observed(send_email=send_email)
    report_feedback("It broke.", name="Ada", email="ada@example.org")
    kept = {key: said(observed).get(key) for key in ("name", "contact_email")}
    assert kept == (
        {"name": "Ada", "contact_email": "ada@example.org"}
        if send_email
        else {"name": None, "contact_email": None}
    )


async def test_an_email_field_that_holds_no_email_is_left_out_and_the_words_stay_scrubbed() -> None:
    observed = Observed(send_email=True)
    secret = "sk_" + "live_" + "4eC39HqLyjWDarjtT1zdp7dc"
    report_feedback(f"my key is {secret}", name=secret, email=f"{secret} <x>")
    assert secret not in json.dumps(observed.items("feedback"))
    assert "contact_email" not in said(observed)


async def test_a_long_text_is_cut_and_a_large_form_refused() -> None:
    observed = Observed()
    assert (await observed.post(FORM_PATH, data={**FORM, "comments": "ä " * 2_500})).status_code == 413
    await observed.post(FORM_PATH, data={**FORM, "comments": "a " * (MAX_FORM_BYTES // 2 - 100)})
    assert len(said(observed)["message"]) == MAX_MESSAGE_CHARS


async def test_a_large_form_is_refused_also_if_it_does_not_tell_its_size() -> None:
    observed = Observed()

    async def endless() -> Any:
        for _ in range(MAX_FORM_BYTES // 1000 + 1):
            yield b"comments=" + b"a" * 1000

    assert (await observed.post(FORM_PATH, content=endless())).status_code == 413
    assert observed.items("feedback") == []


async def test_a_form_of_a_thousand_fields_is_refused() -> None:
    observed = Observed()
    answer = await observed.post(FORM_PATH, content="&".join(f"f{n}=1" for n in range(1000)))
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://testserver"}, 200),
        ({"origin": "null", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "https://public.example", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": FRONT_END, "sec-fetch-site": "cross-site"}, 200),
        ({"origin": "null"}, 403),
        ({"origin": "null", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "https://evil.example", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://testserver.evil.example"}, 403),
        ({"origin": "http://user@testserver", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://testserver", "sec-fetch-site": "same-site"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://[", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://["}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
    ids=str,
)
async def test_a_post_comes_from_our_pages_an_allowed_origin_or_no_browser(
    headers: dict[str, str], status: int
) -> None:
    observed = Observed(feedback_origins=(FRONT_END + "/",))
    answer = await observed.post(FORM_PATH, data=FORM, headers=headers)
    assert answer.status_code == status
    assert len(observed.items("feedback")) == (status == 200)


async def test_the_null_origin_cannot_be_allowed() -> None:
    with pytest.raises(ObservabilityConfigError, match="SENTRY_FEEDBACK_ORIGINS"):
        Observed(feedback_origins=("null",))
    observed = Observed(feedback_origins=(FRONT_END,))
    answer = await observed.post(FORM_PATH, data=FORM, headers={"origin": "null"})
    assert answer.status_code == 403


async def test_a_front_end_of_an_allowed_origin_can_load_the_dialog_and_read_the_answers() -> None:
    observed = Observed(feedback_origins=(FRONT_END,))
    async with observed.client(headers={"origin": FRONT_END}) as client:
        answers = [
            await client.get(DIALOG_PATH, params={"eventId": ABOUT}),
            await client.get(STYLE_PATH),
            await client.post(DIALOG_PATH, data=FORM),
            await client.post(DIALOG_PATH, data={}),
        ]
        foreign = await client.get(DIALOG_PATH, headers={"origin": "https://evil.example"})
    assert [answer.status_code for answer in answers] == [200, 200, 200, 400]
    assert all(answer.headers["access-control-allow-origin"] == FRONT_END for answer in answers)
    assert all("access-control-allow-credentials" not in answer.headers for answer in answers)
    assert "access-control-allow-origin" not in foreign.headers


async def test_too_much_feedback_from_one_address_has_to_wait() -> None:
    app = FastAPI()
    with local_sentry(app) as recorder:
        async with client_of(app) as client:
            statuses = [(await client.post(FORM_PATH, data=FORM)).status_code for _ in range(PER_ADDRESS)]
            late = await client.post(FORM_PATH, data=FORM)
        assert statuses == [200] * PER_ADDRESS
        assert late.status_code == 429
        assert 0 < int(late.headers["retry-after"]) <= 61
        assert len(recorder.of("feedback")) == PER_ADDRESS


async def test_too_much_feedback_from_everybody_has_to_wait() -> None:
    app = FastAPI()
    with local_sentry(app):
        statuses = []
        for number in range(IN_ALL + 1):
            async with client_of(app, host=f"10.0.0.{number}") as client:
                statuses.append((await client.post(FORM_PATH, data=FORM)).status_code)
    assert statuses == [200] * IN_ALL + [429]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "GET"])
async def test_another_method_is_refused(method: str) -> None:
    observed = Observed()
    async with observed.client() as client:
        assert (await client.request(method, FORM_PATH)).status_code == 405


async def test_nothing_that_a_client_sends_is_reflected() -> None:
    observed = Observed()
    markup = "<img src=x onerror=alert(1)>"
    async with observed.client(headers=BROWSER) as client:
        answers = [
            await client.get(DIALOG_PATH, params={"eventId": markup, "title": markup, "dsn": markup}),
            await client.post(FORM_PATH, data={"event_id": markup, "comments": markup}),
            await client.post(FORM_PATH, data={**FORM, "comments": markup}),
        ]
    assert [answer.status_code for answer in answers] == [200, 400, 200]
    assert all("onerror" not in answer.text for answer in answers)
    assert said(observed)["message"] == markup


@pytest.mark.parametrize("root_path", ["", "/api"])
async def test_the_error_pages_form_posts_to_where_the_service_is_mounted(root_path: str) -> None:
    app = FastAPI()
    part = FastAPI()
    app.mount("/part", part)

    @app.get("/boom")
    @part.get("/boom")
    async def boom() -> None:
        raise LookupError("no such price")

    Observed(app)
    transport = httpx.ASGITransport(app, root_path=root_path, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        for path in ("/boom", "/part/boom"):
            page = await client.get(root_path + path, headers=BROWSER)
            assert f'action="{root_path}{FORM_PATH}"' in page.text
            assert page.headers["referrer-policy"] == "same-origin"
        assert (await client.post(FORM_PATH, data=FORM)).status_code == 200
        assert (await client.post(root_path + FORM_PATH, data=FORM)).status_code == 200


async def test_pages_for_visitors_allow_nothing_but_their_own_style_and_form() -> None:
    observed = Observed()

    @observed.app.get("/boom")
    async def boom() -> None:
        raise LookupError("no such price")

    for page in (
        await observed.get("/boom", headers=BROWSER),
        await observed.post(FORM_PATH, data=FORM, headers=BROWSER),
    ):
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-content-type-options"] == "nosniff"


async def test_feedback_makes_no_transaction_and_is_about_nobody_else() -> None:
    observed = Observed(traces_sample_rate=1.0)
    headers = {"cookie": "session=0123456789abcdef", "user-agent": "Somebody/1.0"}
    await observed.post(FORM_PATH, data=FORM, headers=headers)
    assert observed.transactions == []
    item = observed.items("feedback")[0]
    assert {"request", "user"}.isdisjoint(item)


async def test_off_there_is_no_endpoint_and_the_function_does_nothing() -> None:
    app = FastAPI()
    init_sentry(app, settings=ObservabilitySettings(enabled=False))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        assert (await client.post(FORM_PATH, data=FORM)).status_code == 404
        assert (await client.get(DIALOG_PATH)).status_code == 404
    assert report_feedback("It broke.", event_id=ABOUT) is None


@pytest.mark.parametrize(
    ("message", "event_id"), [("", None), ("  \n", None), ("It broke.", "1"), ("It broke.", "")]
)
async def test_a_wrong_call_says_what_is_wrong(message: str, event_id: str | None) -> None:
    observed = Observed()
    with pytest.raises(ValueError, match=r"no text|32 hex digits"):
        report_feedback(message, event_id=event_id)
    assert observed.items("feedback") == []


async def test_reporting_from_inside_a_request_joins_its_trace() -> None:
    observed = Observed()

    @observed.app.post("/complain")
    async def complain(request: Request) -> str | None:
        return report_feedback("It broke.", event_id=ABOUT, url="https://shop.example/x?token=qwertz98765")

    trace = "1234567890abcdef" * 2
    answer = await observed.post("/complain", headers={"sentry-trace": f"{trace}-{'1' * 16}-0"})
    item = observed.items("feedback")[0]
    assert item["event_id"] == answer.json()
    assert item["contexts"]["trace"]["trace_id"] == trace
    assert "qwertz98765" not in said(observed)["url"]
