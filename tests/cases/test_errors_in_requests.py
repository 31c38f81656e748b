"""Cases 26, 27, 33, 35, 50, 62, 64, 75 and 79 and their kind: what an error event of a request shows."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sentry_sdk
from fastapi import BackgroundTasks, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel
from sentry_sdk.feature_flags import add_feature_flag

from app.observability import operation
from tests.support.observed import Observed, is_handled, titles

pytestmark = pytest.mark.anyio
log = logging.getLogger("shop")
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) "
    "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.6778.86 Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) "
    "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)


class DomainError(Exception):
    """An error that the application has a handler for."""


async def test_a_custom_handler_and_a_returned_500_do_not_hide_the_failure() -> None:
    """Case 26."""
    observed = Observed()

    async def handler(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "later"}, 503)

    observed.app.add_exception_handler(DomainError, handler)

    @observed.app.get("/handled")
    async def handled() -> None:
        raise DomainError("database is down")

    observed.app.get("/returned")(lambda: JSONResponse({}, 500))
    await observed.get("/handled")
    await observed.get("/returned")
    first, second = observed.events
    assert (titles(first), is_handled(first)) == (["DomainError"], True)
    assert first["exception"]["values"][-1]["stacktrace"]["frames"][-1]["function"].endswith("handled")
    assert second["fingerprint"] == ["endpoint-failure", "GET", "/returned", "500"]
    assert (second["level"], second["tags"]["failure"]) == ("error", "endpoint")


async def test_a_background_task_whose_type_has_a_handler_is_titled_by_its_error() -> None:
    """Case 33."""
    observed = Observed()

    async def handler(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({}, 503)

    observed.app.add_exception_handler(DomainError, handler)

    async def work() -> None:
        raise DomainError("mail server")

    @observed.app.get("/start")
    async def start(tasks: BackgroundTasks) -> None:
        tasks.add_task(work)

    assert (await observed.get("/start")).status_code == 200
    assert (titles(observed.event), is_handled(observed.event)) == (["DomainError"], False)
    assert "already started" not in str(observed.event["exception"])


async def test_an_error_in_the_middle_of_a_stream_keeps_its_spans() -> None:
    """Case 35."""
    observed = Observed(traces_sample_rate=1.0)

    async def chunks() -> AsyncIterator[str]:
        with operation("db", name="select 42"):
            yield "42"
        raise RuntimeError("lost")

    observed.app.get("/s")(lambda: StreamingResponse(chunks()))
    await observed.get("/s")
    (transaction,) = observed.transactions
    assert titles(observed.event) == ["RuntimeError"]
    assert [span["description"] for span in transaction["spans"]] == ["select 42"]
    trace = transaction["contexts"]["trace"]
    assert trace["trace_id"] == observed.event["contexts"]["trace"]["trace_id"]


async def test_four_ways_to_log_and_fail_are_four_events() -> None:
    """Case 50."""
    observed = Observed()

    def fail() -> None:
        raise LookupError("lost")

    @observed.app.get("/{way}")
    async def endpoint(way: str) -> None:
        try:
            fail()
        except LookupError as error:
            if way == "plainlog":
                log.error("failed")
            else:
                log.exception("failed")
            if way == "wrapped":
                raise ValueError("wrapped") from error
            if way == "to500":
                raise HTTPException(500) from error
            raise

    for way in ("same", "wrapped", "plainlog", "to500"):
        await observed.get(f"/{way}")
    assert [titles(event)[0] for event in observed.events] == [
        "LookupError",
        "ValueError",
        "LookupError",
        "HTTPException",
    ]


async def test_a_failure_that_is_logged_in_a_child_task_and_propagates_is_one_event() -> None:
    """Case 50."""
    observed = Observed()

    async def child() -> None:
        try:
            raise LookupError("lost")
        except LookupError:
            log.exception("child failed")
            raise

    @observed.app.get("/")
    async def endpoint() -> None:
        await asyncio.gather(child(), asyncio.sleep(0))

    response = await observed.get("/")
    assert is_handled(observed.event) is False
    assert response.json()["event_id"] == observed.event["event_id"]
    crumbs = [crumb["message"] for crumb in observed.event["breadcrumbs"]["values"]]
    assert "child failed" in crumbs, "the log line is not lost"


async def test_an_endpoint_that_reads_the_body_itself_gets_all_of_it() -> None:
    """Case 62."""
    observed = Observed()

    @observed.app.post("/raw")
    async def raw(request: Request) -> dict[str, int]:
        size, more = 0, True
        while more:
            message = await request.receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        return {"size": size}

    assert (await observed.post("/raw", content=b"x" * 100_000)).json() == {"size": 100_000}


async def test_huge_locals_are_cut_before_they_are_described() -> None:
    """Case 64."""
    observed = Observed()

    class Endless:
        """Would be a very long text."""

        def __repr__(self) -> str:
            return "x" * 10_000_000

    @observed.app.get("/")
    async def endpoint() -> None:
        big = dict.fromkeys(range(1_000_000))
        endless = Endless()
        raise KeyError(len(big), endless is None)

    await observed.get("/")
    frame = observed.event["exception"]["values"][-1]["stacktrace"]["frames"][-1]
    assert len(str(frame["vars"])) < 20_000
    assert "999988 more" in str(frame["vars"]["big"])


async def test_an_exception_handler_of_the_user_knows_the_event_id() -> None:
    """Case 75."""
    observed = Observed()

    async def handler(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"id": sentry_sdk.last_event_id()}, 500)

    observed.app.add_exception_handler(Exception, handler)

    @observed.app.get("/")
    async def endpoint() -> None:
        raise KeyError("lost")

    response = await observed.get("/")
    assert response.json()["id"] == response.headers["x-sentry-event-id"] == observed.event["event_id"]


class Order(BaseModel):
    """What the body below is."""

    name: str


async def test_the_body_that_the_application_read_is_on_the_event_and_one_it_did_not_is_not() -> None:
    """Case 79."""
    observed = Observed()

    @observed.app.post("/endpoint")
    async def endpoint(order: Order) -> None:
        raise KeyError("lost")

    @observed.app.post("/unread")
    async def unread() -> None:
        raise KeyError("lost")

    await observed.post("/endpoint", json={"name": "n1"})
    await observed.post("/unread", json={"name": "n1"})
    first, second = observed.events
    assert first["request"]["data"] == {"name": "n1"}
    assert "data" not in second["request"]


@pytest.mark.parametrize(
    ("agent", "browser", "system"),
    [
        (CHROME, {"name": "Chrome", "version": "131"}, {"name": "Windows"}),
        (IPHONE, {"name": "Safari", "version": "17"}, {"name": "iOS"}),
        ("curl/8.5.0", {"name": "curl", "version": "8"}, None),
        ("", None, None),
    ],
)
async def test_browser_and_system_are_named_without_their_builds(
    agent: str, browser: dict[str, str] | None, system: dict[str, str] | None
) -> None:
    observed = Observed()

    @observed.app.get("/")
    async def endpoint() -> None:
        raise KeyError("lost")

    await observed.get("/", headers={"user-agent": agent})
    contexts = observed.event["contexts"]
    if browser is not None:
        assert contexts["browser"] == browser
    assert contexts.get("os") == system


async def test_feature_flags_are_on_the_event_of_their_request_only() -> None:
    observed = Observed()

    @observed.app.get("/{on}")
    async def endpoint(on: bool) -> None:
        if on:
            add_feature_flag("new-checkout", True)
        raise KeyError("lost")

    await observed.get("/true")
    await observed.get("/false")
    first, second = observed.events
    assert first["contexts"]["flags"] == {"values": [{"flag": "new-checkout", "result": True}]}
    assert "flags" not in second["contexts"]


async def test_where_it_ran_is_a_tag_on_errors_and_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAILWAY_REPLICA_REGION", "europe-west4")
    monkeypatch.setenv("RAILWAY_REPLICA_ID", "replica-1")
    observed = Observed(FastAPI(), traces_sample_rate=1.0)

    @observed.app.get("/")
    async def endpoint() -> None:
        raise KeyError("lost")

    await observed.get("/", headers={"x-railway-request-id": "req-1"})
    for each in (observed.event, observed.transactions[0]):
        assert each["tags"]["railway.region"] == "europe-west4"
        assert each["tags"]["railway.replica"] == "replica-1"
    assert observed.event["tags"]["railway.request_id"] == "req-1"
    for tag in ("railway.region", "railway.replica"):
        sentry_sdk.get_global_scope().remove_tag(tag)


async def test_an_error_of_a_request_says_nothing_of_headers_that_may_not_leave() -> None:
    observed = Observed()

    @observed.app.get("/")
    async def endpoint() -> None:
        raise KeyError("lost")

    secret = "tok_" + "9f8e7d6c5b4a"
    headers: dict[str, Any] = {
        "authorization": f"Bearer {secret}",
        "cookie": f"sid={secret}",
        "x-api-key": secret,
    }
    await observed.get("/", headers=headers)
    assert secret not in str(observed.transport.items())
