"""Cases 46 and 49 and their kind: names by route template, and requests that were slow without being sampled."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router
from starlette.staticfiles import StaticFiles

from app.observability.httpflow import queue_ms
from app.observability.tracing import Sampler
from tests.support.observed import Observed, titles

pytestmark = pytest.mark.anyio


async def ok(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def crash(request: Request) -> None:
    raise KeyError("lost")


def shop(tmp_path: object) -> FastAPI:
    app = FastAPI()
    app.add_api_route("/items/{item_id:int}", ok)
    app.add_api_route("/items/latest", ok)
    app.add_api_route("/items/{item_id:int}", ok, methods=["PUT"])
    app.add_api_route("/files/{name:path}", ok)
    nested = APIRouter(prefix="/v{version}")
    nested.add_api_route("/orders/{order}", ok)
    outer = APIRouter(prefix="/api")
    outer.include_router(nested)
    mounted = FastAPI()
    mounted.add_api_route("/p/{q}", ok)
    outer.mount("/m", mounted)
    app.include_router(outer)
    below = FastAPI()
    below.mount("/inner/{k}", mounted)
    app.mount("/sub", below)
    app.mount("/static", StaticFiles(directory=str(tmp_path)))
    app.mount(
        "/old", Starlette(routes=[Route("/page/{n}", ok), Mount("/deep", Router([Route("/x/{y}", ok)]))])
    )
    app.router.routes.append(Host("api.testserver", Router([Route("/hosted/{h}", ok)])))
    return app


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/items/5", "/items/{item_id}"),
        ("/items/latest", "/items/latest"),
        ("/files/a/b.txt", "/files/{name}"),
        ("/api/v2/orders/9", "/api/v{version}/orders/{order}"),
        ("/m/p/1", "/m/p/{q}"),
        ("/sub/inner/kk/p/1", "/sub/inner/{k}/p/{q}"),
        ("/old/page/1", "/old/page/{n}"),
        ("/old/deep/x/1", "/old/deep/x/{y}"),
    ],
)
async def test_a_transaction_has_the_whole_template(path: str, name: str, tmp_path: object) -> None:
    """Case 49."""
    observed = Observed(shop(tmp_path), traces_sample_rate=1.0)
    response = await observed.get(path)
    assert response.status_code == 200
    (transaction,) = observed.transactions
    assert (transaction["transaction"], transaction["transaction_info"]["source"]) == (name, "route")


@pytest.mark.parametrize(
    "path", ["/", "/wp-login.php", "/items/x", "/items/5/", "/sub/nothing", "/old/nothing", "/m"]
)
async def test_what_no_route_matches_is_never_a_transaction(path: str, tmp_path: object) -> None:
    observed = Observed(shop(tmp_path), traces_sample_rate=1.0)
    assert (await observed.get(path)).status_code in (307, 404)
    assert (observed.transactions, observed.events) == ([], [])


@pytest.mark.parametrize(
    "path", ["/health", "/healthz", "/livez", "/readyz", "/test-sentry", "/observability"]
)
async def test_probes_and_our_own_pages_are_never_transactions(path: str) -> None:
    """Case 46."""
    observed = Observed(traces_sample_rate=1.0, slow_request_ms=1)

    @observed.app.get("/health")
    @observed.app.get("/healthz")
    @observed.app.get("/livez")
    @observed.app.get("/readyz")
    async def health() -> None:
        await asyncio.sleep(0.002)

    for _ in range(10):
        await observed.get(path)
    assert observed.transactions == []
    assert [event for event in observed.events if titles(event) != ["SentryTestError"]] == []


async def test_probes_below_the_root_path_of_a_proxy_are_left_out_too() -> None:
    observed = Observed(traces_sample_rate=1.0)
    observed.app.get("/health")(lambda: JSONResponse({}, 503))
    observed.app.add_api_route("/items/{n}", ok)
    transport = httpx.ASGITransport(observed.app, root_path="/shop")
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        assert (await client.get("/shop/health")).status_code == 503
        assert (await client.get("/shop/items/1")).status_code == 200
    assert [each["transaction"] for each in observed.transactions] == ["/items/{n}"]
    assert observed.events == []


async def test_names_survive_middleware_that_copies_the_scope() -> None:
    observed = Observed(traces_sample_rate=1.0)

    class Copying:
        def __init__(self, app: object) -> None:
            self.app = app

        async def __call__(self, scope: dict[str, object], receive: object, send: object) -> None:
            await self.app(dict(scope), receive, send)  # type: ignore[operator]

    observed.app.add_middleware(Copying)
    observed.app.add_middleware(BaseHTTPMiddleware, dispatch=lambda request, call_next: call_next(request))
    observed.app.add_api_route("/items/{n}", ok)
    await observed.get("/items/1")
    assert [each["transaction"] for each in observed.transactions] == ["/items/{n}"]


async def test_errors_carry_the_template_and_the_path_parameters() -> None:
    observed = Observed()
    observed.app.add_api_route("/items/{n}", crash)
    await observed.get("/items/17")
    assert observed.event["transaction"] == "/items/{n}"
    assert observed.event["contexts"]["path_params"] == {"n": "17"}


async def test_routes_added_after_init_and_after_the_first_request_are_named() -> None:
    observed = Observed(traces_sample_rate=1.0)
    observed.app.add_api_route("/a/{n}", ok)
    await observed.get("/a/1")
    observed.app.add_api_route("/b/{n}", ok)
    await observed.get("/b/1")
    assert [each["transaction"] for each in observed.transactions] == ["/a/{n}", "/b/{n}"]


# slow requests


def slow_app(observed: Observed) -> None:
    @observed.app.get("/slow/{n}")
    async def slow(n: int) -> None:
        await asyncio.sleep(0.03)

    @observed.app.get("/fast")
    async def fast() -> None: ...

    @observed.app.get("/events")
    async def events() -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            await asyncio.sleep(0.03)
            yield "data: 1\n\n"

        return StreamingResponse(lines(), media_type="text/event-stream")


async def test_a_slow_request_that_was_not_sampled_is_a_folded_event_and_a_metric() -> None:
    observed = Observed(slow_request_ms=20, folds=True)
    slow_app(observed)
    started = str(time.time() - 2.0)
    for number in range(5):
        await observed.get(f"/slow/{number}", headers={"x-request-start": started})
    await observed.get("/fast")
    await observed.get("/events")
    slow = observed.metrics("http.server.slow_request")
    assert [metric["attributes"]["route"] for metric in slow] == ["/slow/{n}"] * 5
    events = observed.events
    assert {tuple(event["fingerprint"]) for event in events} == {("slow-request", "GET", "/slow/{n}")}
    assert len(events) < 5, "repeats are folded"
    assert events[0]["level"] == "warning"
    assert events[0]["contexts"]["slow_request"]["duration_ms"] >= 20
    assert events[0]["contexts"]["slow_request"]["queue_time_ms"] >= 2000


async def test_a_slow_request_that_was_sampled_is_its_transaction_and_a_metric() -> None:
    observed = Observed(slow_request_ms=20, traces_sample_rate=1.0)
    slow_app(observed)
    await observed.get("/slow/1")
    assert (len(observed.transactions), observed.events) == (1, [])
    (slow,) = observed.metrics("http.server.slow_request")
    assert slow["attributes"]["sampled"] is True


async def test_0_switches_slow_requests_off() -> None:
    observed = Observed(slow_request_ms=0)
    slow_app(observed)
    await observed.get("/slow/1")
    assert (observed.events, observed.metrics("http.server.slow_request")) == ([], [])


# queue time


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000])
@pytest.mark.parametrize("prefix", ["", "t="])
async def test_queue_time_is_data_of_the_transaction_and_a_metric(unit: int, prefix: str) -> None:
    observed = Observed(traces_sample_rate=1.0)
    observed.app.add_api_route("/items/{n}", ok)
    sent = (time.time() - 1.5) * unit
    await observed.get("/items/1", headers={"x-request-start": f"{prefix}{sent:.3f}"})
    (transaction,) = observed.transactions
    waited = transaction["contexts"]["trace"]["data"]["http.queue_time_ms"]
    assert waited >= 1500
    (metric,) = observed.metrics("http.server.queue_time")
    assert (metric["value"], metric["attributes"]["route"]) == (waited, "/items/{n}")


@pytest.mark.parametrize(
    "value", [b"", b"soon", b"0", b"-1", b"nan", b"inf", b"1e308", b"99999999999999999999"]
)
def test_a_queue_time_that_cannot_be_true_is_none(value: bytes) -> None:
    assert queue_ms({"headers": [(b"x-request-start", value)]}, time.time()) is None


# sampling


async def test_the_rate_is_drawn_before_anything_is_built() -> None:
    observed = Observed(traces_sample_rate=0.5)
    observed.app.add_api_route("/items/{n}", ok)
    options = observed.app.build_middleware_stack.__self__.options  # type: ignore[attr-defined]
    draws = iter([0.49, 0.5, 0.0, 0.99])
    options.sampler.draw = lambda: next(draws)
    for _ in range(4):
        await observed.get("/items/1")
    assert len(observed.transactions) == 2


@pytest.mark.parametrize("rate", [float("nan"), -1.0, 0.0])
def test_a_rate_that_is_no_rate_samples_nothing(rate: float) -> None:
    assert Sampler(lambda: rate, draw=lambda: 0.0).wins() is None
