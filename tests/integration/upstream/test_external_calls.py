"""External calls: what a span, a breadcrumb and a metric say of them, and what they never say."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest
import sentry_sdk
from fastapi import FastAPI, HTTPException
from fastapi.responses import JSONResponse

from app.observability.upstream import MAX_HOSTS
from tests.support.names import UNKNOWN_HOST
from tests.support.observability import Recorder, client_of, local_sentry
from tests.support.partner import Partner, answer, hang_up, serve_partner, stall, talk_nonsense
from tools.processes import free_port

pytestmark = pytest.mark.anyio

Work = Callable[[], Awaitable[Any]]
SECRET = "api-" + "k3y-of-a-partner"
STAY_OUT = httpx.Timeout(5, read=0.1, pool=0.1)


def make_app(work: Work) -> FastAPI:
    app = FastAPI()

    @app.get("/raise")
    async def raising() -> Any:
        return await work()

    @app.get("/answer-502")
    async def answering() -> Any:
        try:
            return await work()
        except httpx.HTTPError:
            return JSONResponse({"detail": "partner failed"}, 502)

    @app.get("/made-up-502")
    async def making_up() -> Any:
        try:
            return await work()
        except httpx.HTTPError:
            pass
        raise HTTPException(502, "partner failed")

    @app.get("/swallow")
    async def swallowing() -> Any:
        try:
            return await work()
        except httpx.HTTPError:
            return "from the cache"

    @app.get("/bug-later")
    async def bug_later() -> Any:
        with suppress(httpx.HTTPError):
            await work()
        raise LookupError("nothing to do with a partner")

    return app


class Service:
    def __init__(self, app: FastAPI, recorded: Recorder) -> None:
        self.app = app
        self.recorded = recorded

    async def get(self, path: str, **headers: str) -> httpx.Response:
        async with client_of(self.app) as client:
            return await client.get(path, headers=headers)

    def spans(self) -> list[Any]:
        """Spans of calls to partners; the test's own call of the service is none."""
        return [
            span
            for transaction in self.recorded.transactions
            for span in transaction["spans"]
            if span["op"] == "http.client"
        ]

    def everything(self) -> str:
        sentry_sdk.flush()
        return json.dumps(self.recorded.transport.items())

    def metrics(self, host: str) -> list[dict[str, Any]]:
        sentry_sdk.flush()
        return [
            item
            for payload in self.recorded.of("trace_metric")
            for item in payload["items"]
            if item["name"] == "upstream.duration" and item["attributes"]["upstream"]["value"] == host
        ]


@contextmanager
def observed(work: Work, **settings: Any) -> Iterator[Service]:
    app = make_app(work)
    with local_sentry(app, **{"traces_sample_rate": 1.0, **settings}) as recorded:
        yield Service(app, recorded)


def calling(url: str, **options: Any) -> Work:
    async def work() -> Any:
        async with httpx.AsyncClient(timeout=STAY_OUT, trust_env=False, **options) as client:
            response = await client.get(url)
            response.raise_for_status()
            return response.json()

    return work


def calling_synchronously(url: str, **options: Any) -> Work:
    def call() -> Any:
        with httpx.Client(timeout=STAY_OUT, trust_env=False, **options) as client:
            response = client.get(url)
            response.raise_for_status()
            return response.json()

    async def work() -> Any:
        return await asyncio.to_thread(call)

    return work


both = pytest.mark.parametrize("make", [calling, calling_synchronously])


@both
async def test_a_span_says_method_host_and_status_and_nothing_else_of_the_address(make: Any) -> None:
    """Case 13."""
    async with serve_partner(answer(200)) as partner:
        url = f"http://ann:{SECRET}@127.0.0.1:{partner.port}/customers/4711?api_key={SECRET}#top"
        with observed(make(url)) as service:
            await service.get("/raise")

            (span,) = service.spans()
            assert span["description"] == f"GET http://{partner.host}"
            assert span["status"] == "ok"
            data = {key: value for key, value in span["data"].items() if not key.startswith("thread.")}
            assert data == {
                "http.request.method": "GET",
                "server.address": "127.0.0.1",
                "server.port": partner.port,
                "http.response.status_code": 200,
            }
            everything = service.everything()
            assert SECRET not in everything
            assert "4711" not in everything


@both
async def test_a_failed_answer_is_told_without_the_address_in_event_span_and_breadcrumb(make: Any) -> None:
    async with serve_partner(answer(503)) as partner:
        with observed(make(f"{partner.url}/v1?api_key={SECRET}")) as service:
            await service.get("/raise")

            event = service.recorded.only_event()
            crumb = next(each for each in event["breadcrumbs"]["values"] if each["category"] == "httpx")
            assert crumb["data"] == {
                "http.request.method": "GET",
                "server.address": partner.host,
                "http.response.status_code": 503,
                "failure": "http_5xx",
            }
            assert SECRET not in service.everything()


@both
async def test_latency_is_measured_by_host_and_outcome_also_if_not_sampled(make: Any) -> None:
    async with serve_partner(answer(200)) as good, serve_partner(answer(500)) as bad:
        for partner, outcome in ((good, "ok"), (bad, "http_5xx")):
            with observed(make(partner.url), traces_sample_rate=0.0) as service:
                await service.get("/swallow")
                (metric,) = service.metrics(partner.host)
                assert metric["attributes"]["outcome"]["value"] == outcome
                assert metric["value"] > 0
                assert metric["unit"] == "millisecond"


async def test_an_unsampled_call_builds_no_span(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: object, **kwargs: object) -> None:
        raise AssertionError("a span was built")

    async with serve_partner(answer(200)) as partner:
        with observed(calling(partner.url), traces_sample_rate=0.0) as service:
            monkeypatch.setattr(sentry_sdk.tracing.Span, "__init__", forbidden)
            assert (await service.get("/raise")).status_code == 200


# kinds of failure


def failing(name: str, make: Any, partner: Partner) -> tuple[Work, str]:
    """A call that fails in this way, and what the tag `upstream` must say."""
    match name:
        case "refused":
            port = free_port()
            return make(f"http://127.0.0.1:{port}"), f"127.0.0.1:{port}"
        case "dns":
            return make(f"http://{UNKNOWN_HOST}/v1"), UNKNOWN_HOST
        case "tls":
            return make(f"https://127.0.0.1:{partner.port}"), partner.host
        case "invalid_request":
            return make(f"ftp://127.0.0.1:{partner.port}"), partner.host
        case "redirects":
            return make(partner.url, follow_redirects=True, max_redirects=2), partner.host
        case _:
            return make(partner.url), partner.host


FAILURES = {
    "timeout": stall,
    "refused": hang_up,
    "dns": hang_up,
    "tls": talk_nonsense,
    "protocol": talk_nonsense,
    "disconnected": hang_up,
    "invalid_request": hang_up,
    "redirects": answer(302, headers="location: /\r\n"),
    "decoding": answer(200, headers="content-encoding: gzip\r\n", body="this is no gzip"),
    "rate_limited": answer(429),
    "http_4xx": answer(404),
    "http_5xx": answer(500),
}
GREETINGS = {"tls": b"220 ready for mail\r\n"}
names = pytest.mark.parametrize("name", FAILURES)


@both
@names
async def test_an_unhandled_failure_of_a_partner_is_one_event_with_host_and_kind(
    make: Any, name: str
) -> None:
    async with serve_partner(FAILURES[name], greeting=GREETINGS.get(name, b"")) as partner:
        work, host = failing(name, make, partner)
        with observed(work) as service:
            response = await service.get("/raise")

            event = service.recorded.only_event()
            assert response.headers["x-sentry-event-id"] == event["event_id"]
            assert (event["tags"]["upstream"], event["tags"]["upstream.failure"]) == (host, name)
            if name in ("http_4xx", "invalid_request"):
                assert "fingerprint" not in event
            else:
                assert event["fingerprint"] == ["upstream-failure", host, name]


@names
async def test_a_failure_that_is_answered_with_502_is_tagged_on_the_endpoints_event(name: str) -> None:
    async with serve_partner(FAILURES[name], greeting=GREETINGS.get(name, b"")) as partner:
        work, host = failing(name, calling, partner)
        for path in ("/answer-502", "/made-up-502"):
            with observed(work) as service:
                response = await service.get(path)

                event = service.recorded.only_event()
                assert response.headers["x-sentry-event-id"] == event["event_id"], path
                assert (event["tags"]["upstream"], event["tags"]["upstream.failure"]) == (host, name), path


async def test_a_failure_that_was_swallowed_is_no_event_but_a_context_of_a_later_one() -> None:
    async with serve_partner(answer(500)) as partner:
        with observed(calling(partner.url)) as service:
            await service.get("/swallow")
            assert service.recorded.events == []

            await service.get("/bug-later")
            event = service.recorded.only_event()
            assert "upstream" not in event["tags"]
            assert event["contexts"]["upstream"]["host"] == partner.host
            assert event["contexts"]["upstream"]["failure"] == "http_5xx"


async def test_the_context_of_one_request_is_not_on_the_next() -> None:
    failing = asyncio.Event()

    async with serve_partner(answer(500)) as partner:
        call = calling(partner.url)

        async def work() -> Any:
            if failing.is_set():
                return await call()
            raise LookupError("no partner involved")

        with observed(work) as service:
            failing.set()
            await service.get("/swallow")
            failing.clear()
            await service.get("/raise")
            event = service.recorded.only_event()
            assert "upstream" not in event["contexts"]
            assert "upstream" not in event["tags"]


async def test_an_exhausted_client_pool_is_not_taken_for_the_partners_fault() -> None:
    async with serve_partner(stall) as partner:
        client = httpx.AsyncClient(limits=httpx.Limits(max_connections=1), timeout=STAY_OUT, trust_env=False)

        async def work() -> Any:
            first = asyncio.ensure_future(client.get(partner.url, timeout=5))
            await partner.called.wait()
            try:
                return await client.get(partner.url)
            finally:
                first.cancel()

        with observed(work) as service:
            await service.get("/raise")
            assert service.recorded.only_event()["tags"]["upstream.failure"] == "pool_exhausted"
        await client.aclose()


async def test_a_call_that_the_service_gives_up_is_a_cancelled_span_and_no_failure() -> None:
    async with serve_partner(stall) as partner:

        async def work() -> Any:
            async with httpx.AsyncClient(trust_env=False) as client:
                call = asyncio.ensure_future(client.get(partner.url))
                await partner.called.wait()
                call.cancel()
                await asyncio.gather(call, return_exceptions=True)

        with observed(work) as service:
            assert (await service.get("/raise")).status_code == 200
            (span,) = service.spans()
            assert span["status"] == "cancelled"
            assert service.metrics(partner.host) == []


async def test_calls_made_at_the_same_time_each_have_their_span() -> None:
    async with serve_partner(answer(200)) as one, serve_partner(answer(204)) as two:

        async def work() -> Any:
            async with httpx.AsyncClient(trust_env=False) as client:
                await asyncio.gather(client.get(one.url), client.post(two.url))

        with observed(work) as service:
            await service.get("/raise")
            assert sorted(span["description"] for span in service.spans()) == sorted(
                [f"GET http://{one.host}", f"POST http://{two.host}"]
            )


async def test_hosts_that_customers_name_do_not_make_endless_metrics() -> None:
    from app.observability.upstream import HttpxIntegration

    integration = HttpxIntegration()
    labels = {integration.host_label(f"customer-{number}.example") for number in range(MAX_HOSTS + 50)}

    assert len(labels) == MAX_HOSTS + 1
    assert "other" in labels
    assert integration.host_label("customer-1.example") == "customer-1.example"


# trace headers


@both
async def test_no_trace_header_reaches_a_host_that_is_not_on_the_list(make: Any) -> None:
    """Case 77."""
    async with serve_partner(answer(200)) as partner:
        for rate in (0.0, 1.0):
            with observed(make(partner.url), traces_sample_rate=rate) as service:
                await service.get("/raise", baggage="vendor=secret,sentry-user_email=ann@example.com")
                assert partner.header("sentry-trace") is None
                assert partner.header("baggage") is None
                assert partner.header("traceparent") is None


@both
async def test_a_host_on_the_list_continues_the_trace_below_the_calls_span(make: Any) -> None:
    async with serve_partner(answer(200)) as partner:
        with observed(make(partner.url), trace_targets=("127.0.0.1",)) as service:
            await service.get("/raise")

            (span,) = service.spans()
            assert partner.header("sentry-trace") == f"{span['trace_id']}-{span['span_id']}-1"
            assert f"sentry-trace_id={span['trace_id']}" in str(partner.header("baggage"))


@both
@pytest.mark.parametrize("rate", [0.0, 1.0])
async def test_baggage_of_whoever_called_us_is_not_passed_on(make: Any, rate: float) -> None:
    incoming = (
        "vendor=tracker-17,sentry-user_email=ann%40example.com,sentry-release=theirs,sentry-public_key=x"
    )
    async with serve_partner(answer(200)) as partner:
        with observed(make(partner.url), traces_sample_rate=rate, trace_targets=("127.0.0.1",)) as service:
            trace = {"sentry-trace": "a" * 32 + "-" + "b" * 16 + "-1", "baggage": incoming}
            await service.get("/raise", **trace)

            assert str(partner.header("sentry-trace")).startswith("a" * 32)
            baggage = partner.header("baggage") or ""
            for foreign in ("vendor", "tracker-17", "user_email", "theirs", "public_key=x"):
                assert foreign not in baggage


@both
async def test_a_redirect_that_leaves_the_list_takes_no_trace_header_along(make: Any) -> None:
    async with serve_partner(answer(200)) as outsider:
        elsewhere = f"location: http://localhost:{outsider.port}/\r\n"
        async with serve_partner(answer(302, headers=elsewhere)) as partner:
            work = make(partner.url, follow_redirects=True, headers={"baggage": "own=1"})
            with observed(work, trace_targets=("127.0.0.1",)) as service:
                await service.get("/raise")

                assert partner.header("sentry-trace") is not None
                assert "own=1" in str(partner.header("baggage"))
                assert outsider.header("sentry-trace") is None
                assert outsider.header("baggage") == "own=1"


@both
async def test_trace_headers_that_the_service_writes_itself_are_left_alone(make: Any) -> None:
    async with serve_partner(answer(200)) as partner:
        own = {"sentry-trace": "of-the-service", "baggage": "sentry-own=1"}
        with observed(make(partner.url, headers=own), trace_targets=("partner.example",)) as service:
            await service.get("/raise")
            assert partner.header("sentry-trace") == "of-the-service"
            assert partner.header("baggage") == "sentry-own=1"


@both
async def test_hooks_of_the_service_stay_and_ours_is_added_once(make: Any) -> None:
    seen: list[str] = []

    async def note_async(request: httpx.Request) -> None:
        seen.append(request.url.host)

    def note(request: httpx.Request) -> None:
        seen.append(request.url.host)

    hook = note_async if make is calling else note
    async with serve_partner(answer(200)) as partner:
        work = make(partner.url, event_hooks={"request": [hook]})
        with observed(work, trace_targets=("127.0.0.1",)) as service:
            await service.get("/raise")
    assert seen == ["127.0.0.1"]


@both
async def test_a_bug_of_the_service_that_is_no_httpx_error_is_not_tagged(make: Any) -> None:
    async with serve_partner(answer(200, body="this is no json")) as partner:
        with observed(make(partner.url)) as service:
            await service.get("/raise")
            event = service.recorded.only_event()
            assert "upstream" not in event["tags"]
