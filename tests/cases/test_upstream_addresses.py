"""Cases 13 and 77 and their kind: what a call to a partner tells Sentry, and what it tells the partner."""

import secrets
from typing import Any

import httpx
import pytest
import sentry_sdk
from fastapi import FastAPI

from tests.support.observability import Recorder, client_of, local_sentry
from tests.support.partner import answer, hang_up, serve_partner

pytestmark = pytest.mark.anyio


def everything(recorded: Recorder) -> str:
    return "".join(envelope.serialize().decode() for envelope in recorded.transport.envelopes())


def make_app(url: str, **options: Any) -> FastAPI:
    app = FastAPI()

    @app.get("/call")
    async def call() -> Any:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            response = await client.get(url, **options)
            return response.raise_for_status().json()

    return app


@pytest.mark.parametrize("status", [200, 401, 404, 429, 500, None], ids=str)
@pytest.mark.parametrize(
    "address",
    ["{}/v1/find?api_key={key}", "{}/v1?q=1&access_token={key}&x=2", "{}/bot{key}/send", "{}/#{key}"],
)
async def test_a_key_in_an_outgoing_address_is_nowhere_whatever_becomes_of_the_call(
    address: str, status: int | None
) -> None:
    """Case 13: span, breadcrumb and the text of httpx's own error."""
    key = "k" + secrets.token_hex(16)
    async with serve_partner(hang_up if status is None else answer(status)) as partner:
        app = make_app(address.format(partner.url, key=key))
        with local_sentry(app, traces_sample_rate=1.0, include_locals=False) as recorded:
            async with client_of(app) as client:
                await client.get("/call")
            assert len(recorded.events) == (0 if status == 200 else 1)
            spans = [span for each in recorded.transactions for span in each["spans"]]
            assert [span["description"] for span in spans] == [f"GET {partner.url}"]
            assert key not in everything(recorded)


async def test_credentials_in_headers_and_address_are_nowhere() -> None:
    key = secrets.token_hex(16)
    async with serve_partner(answer(500)) as partner:
        url = f"http://ann:{key}@127.0.0.1:{partner.port}/v1"
        app = make_app(url, headers={"x-api-key": key})
        with local_sentry(app, traces_sample_rate=1.0, include_locals=False) as recorded:
            async with client_of(app) as client:
                await client.get("/call")
            assert recorded.only_event()["tags"]["upstream"] == partner.host
            assert key not in everything(recorded)


@pytest.mark.parametrize("rate", [0.0, 1.0])
@pytest.mark.parametrize(
    "targets", [(), ("api.example.com",), ("127.0.0.1.example.com",), ("27.0.0.1",)], ids=str
)
async def test_a_partner_that_is_not_on_the_list_is_sent_nothing_about_traces(
    rate: float, targets: tuple[str, ...]
) -> None:
    """Case 77."""
    async with serve_partner(answer(200)) as partner:
        app = make_app(f"{partner.url}/api.example.com?x=http://api.example.com/")
        with local_sentry(app, traces_sample_rate=rate, trace_targets=targets):
            async with client_of(app) as client:
                await client.get(
                    "/call",
                    headers={"sentry-trace": f"{'a' * 32}-{'b' * 16}-1", "baggage": "sentry-release=x,v=1"},
                )
        head = partner.requests[0].lower()
        for word in ("sentry", "baggage", "traceparent", "streamapi"):
            assert word not in head


async def test_a_partner_on_the_list_is_sent_our_own_values_only() -> None:
    async with serve_partner(answer(200)) as partner:
        app = make_app(partner.url)
        with local_sentry(app, traces_sample_rate=1.0, trace_targets=("127.0.0.1",)):
            async with client_of(app) as client:
                await client.get("/call", headers={"baggage": "vendor=1,sentry-user_email=ann@example.com"})
        keys = sorted(item.partition("=")[0] for item in str(partner.header("baggage")).split(","))
        assert keys == [
            "sentry-environment",
            "sentry-release",
            "sentry-sample_rand",
            "sentry-sample_rate",
            "sentry-sampled",
            "sentry-trace_id",
        ]


async def test_what_httpx_logs_about_a_call_is_in_no_breadcrumb_and_no_sentry_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At INFO it writes whole addresses, at DEBUG its transport writes headers."""
    key = "k" + secrets.token_hex(16)
    async with serve_partner(answer(500)) as partner:
        app = make_app(f"{partner.url}/bot{key}/send", headers={"x-api-key": key})
        with (
            caplog.at_level("DEBUG"),
            local_sentry(app, enable_logs=True, include_locals=False) as recorded,
        ):
            async with client_of(app) as client:
                await client.get("/call")
            sentry_sdk.flush()
            assert f"/bot{key}/send" in caplog.text
            crumbs = recorded.only_event()["breadcrumbs"]["values"]
            assert [crumb["category"] for crumb in crumbs if "http" in crumb["category"]] == ["httpx"]
            assert key not in everything(recorded)
