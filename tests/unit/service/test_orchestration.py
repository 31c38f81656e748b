"""Calls to upstreams: what goes wrong over there is an outcome, and nobody else decides where a call goes."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from pydantic import ValidationError
from starlette.responses import PlainTextResponse, RedirectResponse

from app.models import Adapter, Api
from app.orchestration import OrchestrationRequest, Orchestrator
from app.routes.demo import make_upstreams
from tools.processes import free_port

pytestmark = pytest.mark.anyio


def api(name: str, url: str | None = None, adapter: Adapter = Adapter.JSON) -> Api:
    return Api(name=name, category="test", description="", url=url or f"demo:{name}", adapter=adapter)


def upstreams() -> FastAPI:
    app = make_upstreams()
    app.add_route("/demo/text", lambda _: PlainTextResponse("hello"), methods=["POST"])
    app.add_route("/demo/moved", lambda _: RedirectResponse("http://elsewhere.example/"), methods=["POST"])
    return app


@pytest.fixture
async def orchestrator() -> AsyncIterator[Orchestrator]:
    made = Orchestrator(timeout_s=0.2, demo_upstreams=upstreams())
    yield made
    await made.close()


async def test_outcomes_come_in_the_order_asked_for(orchestrator: Orchestrator) -> None:
    outcomes = await orchestrator.call_all([api("slow"), api("fast")], {"delay_ms": 1})
    assert [outcome.api for outcome in outcomes] == ["slow", "fast"]
    assert all(outcome.data == {"echo": {"delay_ms": 1}} for outcome in outcomes)


async def test_outcomes_are_yielded_as_they_arrive(orchestrator: Orchestrator) -> None:
    apis = [api("slow"), api("fast")]
    assert [outcome.api async for outcome in orchestrator.call_each(apis, {"delay_ms": 100})] == [
        "fast",
        "slow",
    ]


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("failing", 503, "answered 503"),
        ("slow", None, "no answer within 0.2 s"),
        ("text", 200, "answered something else than JSON"),
        ("missing", 404, "answered 404"),
    ],
)
async def test_a_failing_upstream_is_an_outcome(
    orchestrator: Orchestrator, name: str, status: int | None, reason: str
) -> None:
    outcome = await orchestrator.call(api(name), {})
    assert (outcome.status, outcome.reason, outcome.data) == (status, reason, None)


async def test_an_upstream_that_refuses_connections_is_an_outcome(orchestrator: Orchestrator) -> None:
    outcome = await orchestrator.call(api("gone", f"http://127.0.0.1:{free_port()}/"), {})
    assert outcome.reason == "cannot be reached"


async def test_an_upstream_cannot_send_us_elsewhere(orchestrator: Orchestrator) -> None:
    assert (await orchestrator.call(api("moved"), {})).reason == "answered 307"


async def test_a_bug_of_ours_is_raised_after_every_other_call_has_ended() -> None:
    ended = asyncio.Event()
    app = make_upstreams()

    @app.post("/demo/other")
    async def other() -> dict[str, str]:
        await asyncio.sleep(0.01)
        ended.set()
        return {}

    orchestrator = Orchestrator(timeout_s=5, demo_upstreams=app)
    with pytest.raises(ValueError, match="hush-hush"):
        await orchestrator.call_all(
            [api("broken", adapter=Adapter.LEGACY), api("other")], {"password": "hush-hush"}
        )
    assert ended.is_set()
    await orchestrator.close()


async def test_leaving_the_stream_early_cancels_what_still_runs() -> None:
    cancelled = asyncio.Event()
    app = make_upstreams()

    @app.post("/demo/endless")
    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    orchestrator = Orchestrator(timeout_s=30, demo_upstreams=app)
    outcomes = orchestrator.call_each([api("endless"), api("fast")], {})
    assert (await anext(outcomes)).api == "fast"
    await outcomes.aclose()
    assert cancelled.is_set()
    await orchestrator.close()


def test_an_api_asked_for_twice_is_called_once() -> None:
    assert OrchestrationRequest(apis=["fast", "slow", "fast"]).apis == ["fast", "slow"]


def test_a_request_for_nothing_is_refused() -> None:
    with pytest.raises(ValidationError):
        OrchestrationRequest(apis=[])
