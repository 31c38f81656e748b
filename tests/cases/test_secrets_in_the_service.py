"""Cases about secrets, through an application that really runs: what leaves in bytes, not what a function returns."""

import dataclasses
import json
import logging
from typing import Any, NamedTuple

import attrs
import pydantic
import pytest
import sentry_sdk
from fastapi import Depends, FastAPI, Header, Request, WebSocket
from starlette.middleware.base import BaseHTTPMiddleware

from app.observability.scrubbing import Scrubber
from tests.support.observability import Recorder, client_of, local_sentry, websocket_session

pytestmark = pytest.mark.anyio

SECRET = "Zr7" + "qmLw" + "92xK"
OPAQUE = "f5HYsKV" + "Fx0z1fgK" + "u2Lm9QwX"
CARD = " ".join(("4111", "1111", "1111", "1111"))
MAIL = "@".join(("jane.doe", "corp.example"))
logger = logging.getLogger("shop.accounts")

CREDENTIAL_HEADERS = (
    *("Authorization", "Proxy-Authorization", "X-API-Key", "X-Session-Token", "X-Auth-Token"),
    *("Stripe-Signature", "X-Hub-Signature-256", "X-Amz-Security-Token", "X-CSRF-Token", "X-Vault-Token"),
)
SPELLINGS = (
    *("user_password", "newPassword", "access_token", "refreshToken", "stripe_secret_key", "card_number"),
    *(
        "cvv",
        "ssn",
        "client-secret",
        "API KEY",
        "passwd",
        "PWD",
        "db.password",
        "x-api-key",
        "userPasswordHash",
    ),
    *("AWS_SECRET_ACCESS_KEY", "private_key", "otp_code", "authToken", "sessionId", "iban"),
)


class Login(NamedTuple):
    """A named tuple."""

    user: str
    password: str


class Model(pydantic.BaseModel):
    """A model."""

    user: str
    password: str


@dataclasses.dataclass
class Payment:
    """A dataclass."""

    card_number: str
    cvv: str


@attrs.define
class Grant:
    """A class made by attrs."""

    user: str
    access_token: str


@pytest.fixture
def app() -> FastAPI:
    return FastAPI()


def everything(app: FastAPI, **settings: Any) -> Any:
    """LOCAL mode with all that could leave: traces, logs, variables."""
    known: dict[str, Any] = {"traces_sample_rate": 1.0, "enable_logs": True, "include_locals": True}
    return local_sentry(app, **{**known, **settings})


def wire(recorder: Recorder) -> str:
    """All that would have left, as bytes on the wire."""
    sentry_sdk.flush()
    return "\n".join(envelope.serialize().decode() for envelope in recorder.transport.envelopes())


def fold_nothing(recorder: Recorder) -> None:
    assert recorder.handle.pipeline is not None
    recorder.handle.pipeline.folding = None


async def test_credential_headers_stay_out_of_frames_that_hold_the_request(app: FastAPI) -> None:
    """Case 2."""

    async def credentials(request: Request, authorization: str = Header()) -> str:
        return authorization

    @app.get("/fail")
    async def fail(request: Request, told: str = Depends(credentials)) -> None:
        scope, raw = request.scope, request.headers.raw
        headers, pairs = dict(request.headers), request.headers.items()
        cookies, value = request.cookies, request.headers["x-api-key"]
        raise LookupError(f"{len(scope)} {len(raw)} {len(headers)} {len(pairs)} {len(cookies)} {len(value)}")

    sent = {name: f"{OPAQUE}{number}" for number, name in enumerate(CREDENTIAL_HEADERS)}
    with everything(app) as recorder:
        async with client_of(app) as client:
            await client.get("/fail", headers={**sent, "Cookie": f"sid={OPAQUE}9; theme=dark"})
        event, out = recorder.only_event(), wire(recorder)
    variables = event["exception"]["values"][-1]["stacktrace"]["frames"][-1]["vars"]
    assert {"scope", "raw", "headers", "pairs", "cookies", "value", "told"} <= set(variables)
    assert variables["scope"] == "<ASGI scope>"
    assert OPAQUE not in out


async def test_credential_headers_stay_out_of_middleware_and_websockets(app: FastAPI) -> None:
    """Case 2."""

    class Failing(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Any:
            headers = request.headers
            raise LookupError(len(headers))

    app.add_middleware(Failing)

    @app.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        held = socket.headers, socket.scope
        await socket.accept()
        message = await socket.receive_json()
        raise KeyError(len(held) + len(message))

    with everything(app) as recorder:
        async with client_of(app) as client:
            await client.get("/x", headers=dict.fromkeys(CREDENTIAL_HEADERS, OPAQUE))
        with pytest.raises(KeyError):
            await websocket_session(app, "/ws", [json.dumps({"password": SECRET, "kind": "order"})])
        out = wire(recorder)
    assert [event["exception"]["values"][-1]["type"] for event in recorder.events] == [
        "LookupError",
        "KeyError",
    ]
    assert "order" in out
    assert OPAQUE not in out
    assert SECRET not in out


async def test_headers_stay_out_also_where_personal_data_is_allowed(app: FastAPI) -> None:
    """Case 3."""

    @app.get("/fail")
    async def fail(request: Request) -> None:
        cookies = request.cookies
        raise LookupError(len(cookies))

    sent = dict.fromkeys(CREDENTIAL_HEADERS, OPAQUE)
    allowed = {"send_email": True, "send_client_ip": True, "client_ip_header": "x-real-ip"}
    with everything(app, **allowed) as recorder:
        async with client_of(app) as client:
            cookie = {"Cookie": f"sid={OPAQUE}; access_token={OPAQUE}; cart={OPAQUE}"}
            await client.get("/fail", headers={**sent, **cookie, "X-Real-IP": "192.0.2.9"})
        event, out = recorder.only_event(), wire(recorder)
    assert event["user"]["ip_address"] == "192.0.2.9"
    assert "cookies" not in event["request"]
    assert OPAQUE not in out


async def test_every_kind_of_item_passes_the_scrubber(app: FastAPI) -> None:
    """Case 4."""

    @app.get("/work")
    async def work() -> None:
        with sentry_sdk.start_span(op="job", name=f"sync password={SECRET}") as span:
            span.set_data("api_key", OPAQUE)
            span.set_data("url", f"https://x.example/?token={OPAQUE}")
        logger.warning("login password=%s", SECRET, extra={"token": OPAQUE})
        sentry_sdk.logger.info("key {api_key}", api_key=OPAQUE)
        sentry_sdk.metrics.count("logins", 1, attributes={"password": SECRET})
        sentry_sdk.add_breadcrumb(message=f"Bearer {OPAQUE}", data={"password": SECRET})
        raise LookupError("lost")

    with everything(app) as recorder:
        async with client_of(app) as client:
            await client.get("/work")
        out = wire(recorder)
    assert {kind for kind, _ in recorder.transport.items()} == {"event", "transaction", "log", "trace_metric"}
    (transaction,) = recorder.transactions
    assert transaction["spans"][0]["description"] == "sync password=[Filtered]"
    assert SECRET not in out
    assert OPAQUE not in out


@pytest.mark.parametrize(
    "held",
    [
        Model(user="anna", password=SECRET),
        Login("anna", SECRET),
        Grant("anna", SECRET),
        Payment(CARD, SECRET),
        [Model(user="anna", password=SECRET)],
        {"body": Payment(CARD, SECRET)},
        (Login("anna", SECRET), Grant("anna", SECRET)),
    ],
    ids=lambda held: type(held).__name__,
)
async def test_models_are_scrubbed_in_variables_logs_and_texts(app: FastAPI, held: Any) -> None:
    """Case 5."""

    @app.get("/fail")
    async def fail() -> None:
        kept = held
        logger.error("cannot take %s", kept, extra={"model": kept})
        raise LookupError(f"no place for {kept!r}")

    with everything(app) as recorder:
        fold_nothing(recorder)
        async with client_of(app) as client:
            await client.get("/fail")
        out = wire(recorder)
    assert len(recorder.events) >= 1
    assert "anna" in out or "Payment" in out
    assert SECRET not in out
    assert CARD not in out


@pytest.mark.parametrize(
    "body",
    [
        {"password": SECRET},
        {"user": {"credentials": {"password": SECRET}}},
        {"users": [{"name": "anna", "password": SECRET}]},
        {"fields": [["password", SECRET], ["city", "Bonn"]]},
        {"headers": [{"name": "Authorization", "value": SECRET}]},
        {"a": {"b": {"c": {"d": {"e": {"f": {"password": SECRET}}}}}}},
        {"text": json.dumps({"password": SECRET})},
        [{"password": SECRET}],
    ],
    ids=str,
)
async def test_every_level_of_a_body_is_scrubbed(app: FastAPI, body: Any) -> None:
    """Case 6."""

    @app.post("/fail")
    async def fail(request: Request) -> None:
        read = await request.json()
        sentry_sdk.set_context("order", {"read": read})
        sentry_sdk.set_extra("read", read)
        sentry_sdk.add_breadcrumb(message="read", data={"read": read})
        raise LookupError(f"no place for {read}")

    with everything(app) as recorder:
        async with client_of(app) as client:
            await client.post("/fail", json=body)
        event, out = recorder.only_event(), wire(recorder)
    assert event["request"]["data"]
    assert SECRET not in out


@pytest.mark.parametrize("name", SPELLINGS)
async def test_usual_spellings_are_known_in_every_place(app: FastAPI, name: str) -> None:
    """Case 7."""

    @app.post("/fail")
    async def fail(request: Request) -> None:
        form = dict(await request.form()) if "form" in request.headers["content-type"] else {}
        body = form or await request.json()
        sentry_sdk.set_extra(name, SECRET)
        sentry_sdk.set_tag(name[:32], SECRET)
        raise LookupError(f"nothing in {len(body)}")

    with everything(app) as recorder:
        fold_nothing(recorder)
        async with client_of(app) as client:
            await client.post("/fail", json={name: SECRET, "city": "Bonn"}, params={name: SECRET})
            await client.post("/fail", data={name: SECRET, "city": "Bonn"})
        out = wire(recorder)
    assert len(recorder.events) == 2
    assert out.count("Bonn") >= 2
    assert SECRET not in out


async def test_texts_notes_causes_and_groups_of_exceptions_are_scrubbed(app: FastAPI) -> None:
    """Case 8."""
    address = f"postgresql+asyncpg://shop:{SECRET}@db.example:5432/shop"

    @app.get("/fail")
    async def fail() -> None:
        try:
            raise ConnectionError(f"cannot reach {address}")
        except ConnectionError as error:
            members = [ValueError(f"Bearer {OPAQUE}"), KeyError("api_key", OPAQUE)]
            failure = ExceptionGroup(f"token={OPAQUE}", members)
            failure.add_note(f"password: {SECRET}")
            failure.add_note(f"curl -u shop:{SECRET} https://x.example")
            raise failure from error

    with everything(app) as recorder:
        async with client_of(app) as client:
            await client.get("/fail")
        event, out = recorder.only_event(), wire(recorder)
    assert {value["type"] for value in event["exception"]["values"]} == {
        *("ExceptionGroup", "ConnectionError", "ValueError", "KeyError")
    }
    assert "db.example" in out
    assert SECRET not in out
    assert OPAQUE not in out


@pytest.mark.parametrize(
    "query",
    [
        "token={}",
        "x=1&token={}&email={mail}",
        "x=1;token={};y=2",
        "token=a1&token={}",
        "user%5Btoken%5D={}",
        "t%6Fken={}",
        "TOKEN={}",
        "next=%2Freset%3Ftoken%3D{}",
        "redirect=https%3A%2F%2Fx.example%2F%3Faccess_token%3D{}",
        "#access_token={}",
        "state=1&code={}&client_secret={}",
    ],
)
async def test_a_token_in_a_query_leaves_on_no_event_span_or_breadcrumb(app: FastAPI, query: str) -> None:
    """Case 11."""

    @app.get("/reset")
    async def reset(request: Request) -> None:
        url = str(request.url)
        logger.warning("reset with %s", url)
        with sentry_sdk.start_span(op="job", name=f"GET {url}") as span:
            span.set_data("url", url)
        raise LookupError(f"no page for {url}")

    asked = query.format(OPAQUE, OPAQUE, mail=MAIL)
    with everything(app) as recorder:
        async with client_of(app) as client:
            referer = f"https://shop.example/reset?{asked}"
            await client.get(f"/reset?{asked}", headers={"Referer": referer})
        event, out = recorder.only_event(), wire(recorder)
    assert event["transaction"] == "/reset"
    assert recorder.transactions
    assert OPAQUE not in out
    assert MAIL not in out


@pytest.mark.parametrize(
    ("template", "arguments"),
    [
        ("password %s", (SECRET,)),
        ("password=%s", (SECRET,)),
        ("password: %r", (SECRET,)),
        ("login %s", ({"password": SECRET},)),
        ("login %(user)s %(password)s", ({"user": "anna", "password": SECRET},)),
        ("headers %s", ([("Authorization", f"Bearer {SECRET}")],)),
        ("login %s", (Login("anna", SECRET),)),
        ("connecting to %s", (f"redis://:{SECRET}@cache.example/0",)),
        ("using api key %s for %s", (OPAQUE, "partner")),
    ],
)
async def test_messages_and_arguments_of_logs_are_scrubbed(
    app: FastAPI, template: str, arguments: tuple[Any, ...]
) -> None:
    """Case 14."""

    @app.get("/log")
    async def log() -> None:
        logger.info(template, *arguments)
        logger.warning(template, *arguments)
        logger.error(template, *arguments)

    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        with everything(app, logs_level="info") as recorder:
            async with client_of(app) as client:
                await client.get("/log")
            event, out = recorder.only_event(), wire(recorder)
    finally:
        logger.setLevel(level)
    assert event["logentry"]["message"].startswith(template[:5])
    assert len(event["breadcrumbs"]["values"]) == 2
    assert {"event", "log"} <= {kind for kind, _ in recorder.transport.items()}
    assert SECRET not in out
    assert OPAQUE not in out


async def test_cards_mails_and_phones_go_from_free_text(app: FastAPI) -> None:
    """Case 15."""
    text = f"card {CARD}, {CARD.replace(' ', '-')}, mail {MAIL}, call +49 171 5550123, iban DE89 3704 0044 0532 0130 00"

    @app.get("/say")
    async def say() -> None:
        logger.warning("customer says %s", text)
        sentry_sdk.set_tag("note", text)
        sentry_sdk.capture_message(text)

    with everything(app) as recorder:
        async with client_of(app) as client:
            await client.get("/say")
        event, out = recorder.only_event(), wire(recorder)
    assert all(f"[Filtered:{kind}]" in event["message"] for kind in ("card", "email", "phone", "iban"))
    assert not [part for part in ("4111", MAIL, "5550123", "0532") if part in out]


class Failing(Scrubber):
    """A scrubber with a bug."""

    def scrub(self, payload: Any, kind: str = "event") -> Any:
        """Fail."""
        raise KeyError(SECRET)


async def test_a_bug_in_a_hook_neither_loses_the_event_nor_lets_it_out_as_it_is(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    """Case 23."""

    @app.get("/fail")
    async def fail() -> None:
        password = SECRET
        raise LookupError(f"password={password}")

    with everything(app) as recorder:
        pipeline = recorder.handle.pipeline
        assert pipeline is not None
        pipeline.scrubber = pipeline._gate.scrubber = Failing()
        async with client_of(app) as client:
            answer = await client.get("/fail")
        event, out = recorder.only_event(), wire(recorder)
        status = recorder.handle.status()
    assert answer.status_code == 500
    assert answer.headers["x-sentry-event-id"] == event["event_id"]
    assert event["exception"]["values"][-1]["type"] == "LookupError"
    assert event["tags"] == {"scrub.failed": "true"}
    assert event["release"]
    assert status["hook_failures"] > 0
    told = [record for record in caplog.records if "hook failed" in record.getMessage()]
    assert len(told) == 1
    assert SECRET not in out
    assert SECRET not in caplog.text.replace("LookupError: password=" + SECRET, "")
