"""A request that is cancelled is nothing; one that ends because of somebody else's cancellation is a failure."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.middleware.base import BaseHTTPMiddleware

from tests.support.observed import Observed, is_handled, titles
from tests.support.served import eventually, served

pytestmark = pytest.mark.anyio


async def stray() -> None:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def test_a_request_that_is_cancelled_is_no_event() -> None:
    observed = Observed(slow_request_ms=1)
    started = asyncio.Event()

    @observed.app.get("/long")
    async def _() -> None:
        started.set()
        await asyncio.sleep(60)

    call = asyncio.create_task(observed.get("/long"))
    await started.wait()
    await asyncio.sleep(0.005)  # longer than what would be a slow request
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert call.cancelled()
    assert observed.events == []


@pytest.mark.parametrize("is_passed_on", [True, False])
async def test_a_cancellation_that_the_application_passes_on_or_holds_up_stays_one(
    is_passed_on: bool,
) -> None:
    observed = Observed()
    started, cleaned = asyncio.Event(), asyncio.Event()

    @observed.app.get("/long")
    async def _() -> None:
        inner = asyncio.create_task(asyncio.sleep(60))
        started.set()
        try:
            await inner  # cancelled along with the request
        finally:
            if not is_passed_on:
                await asyncio.shield(asyncio.sleep(0))
            cleaned.set()

    call = asyncio.create_task(observed.get("/long"))
    await started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert cleaned.is_set()
    assert observed.events == []


async def test_a_time_limit_around_a_request_goes_on_working() -> None:
    observed = Observed()

    @observed.app.get("/long")
    async def _() -> None:
        await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(observed.get("/long"), 0.01)
    with anyio.move_on_after(0.01) as limit:
        await observed.get("/long")
    assert limit.cancelled_caught
    assert observed.events == []


async def test_a_time_limit_inside_a_request_is_the_applications_own_affair() -> None:
    observed = Observed()

    @observed.app.get("/limited")
    async def _() -> dict[str, str]:
        with anyio.move_on_after(0.001):
            await asyncio.sleep(60)
        try:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(60)
        except TimeoutError:
            return {"fell": "back"}
        return {}

    assert (await observed.get("/limited")).json() == {"fell": "back"}
    assert observed.events == []


async def test_a_stray_cancellation_after_the_answer_has_started_is_one_event() -> None:
    observed = Observed()

    async def plain(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await stray()

    observed.app.mount("/plain", plain)
    with pytest.raises(asyncio.CancelledError):
        await observed.get("/plain/x")
    assert (titles(observed.event), is_handled(observed.event)) == (["CancelledError"], False)


@pytest.mark.parametrize("with_middleware", [False, True])
def test_the_answer_to_a_stray_cancellation_has_the_id_under_a_server(with_middleware: bool) -> None:
    observed = Observed()
    observed.app.get("/stray")(stray)
    if with_middleware:
        add_passing(observed.app)
    with served(observed.app) as address:
        response = httpx.get(f"http://{address}/stray", trust_env=False)
    assert response.status_code == 500
    assert response.json()["event_id"] == response.headers["x-sentry-event-id"] == observed.event["event_id"]


def add_passing(app: FastAPI) -> None:
    async def passing(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=passing)


@pytest.mark.parametrize("with_middleware", [False, True])
def test_work_that_is_cancelled_because_its_client_is_gone_is_nothing(with_middleware: bool) -> None:
    observed = Observed(slow_request_ms=1)
    started, done = threading.Event(), threading.Event()

    @observed.app.get("/watched")
    async def _(request: Request) -> None:
        work = asyncio.create_task(asyncio.sleep(60))
        started.set()
        while (await request.receive())["type"] != "http.disconnect":
            pass
        work.cancel()
        try:
            await work
        finally:
            done.set()

    if with_middleware:
        add_passing(observed.app)
    with served(observed.app) as address:
        hang_up(address, "/watched", started)
        assert done.wait(5)
    assert [titles(event) for event in observed.events] == []


def hang_up(address: str, path: str, started: threading.Event) -> None:
    """Ask, and close the connection once the handler runs."""
    host, _, port = address.partition(":")

    async def ask() -> None:
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: testserver\r\n\r\n".encode())
        await asyncio.to_thread(started.wait, 5)
        writer.close()
        await writer.wait_closed()

    asyncio.run(ask())


@pytest.mark.parametrize("kind", ["async", "sync", "blocking", "middleware", "stream"])
def test_a_client_that_hangs_up_while_it_waits_for_a_slow_answer_is_nothing(kind: str) -> None:
    observed = Observed(slow_request_ms=1)
    started, gone, ended = threading.Event(), threading.Event(), threading.Event()

    async def slow() -> dict[str, str]:
        started.set()
        await asyncio.to_thread(gone.wait, 5)
        return {}

    def slow_in_a_thread() -> dict[str, str]:
        started.set()
        gone.wait(5)
        return {}

    async def slow_on_the_loop() -> dict[str, str]:
        return slow_in_a_thread()

    async def slow_stream() -> StreamingResponse:
        async def chunks() -> AsyncIterator[str]:
            yield "a"
            await slow()
            await asyncio.sleep(0.05)  # what a listener for the end of the connection needs
            yield "b"

        return StreamingResponse(chunks())

    work: Any = {"sync": slow_in_a_thread, "blocking": slow_on_the_loop, "stream": slow_stream}.get(
        kind, slow
    )
    observed.app.get("/slow")(work)
    if kind == "middleware":
        add_passing(observed.app)

    class Last:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            try:
                await self.app(scope, receive, send)
            finally:
                if scope["type"] == "http":
                    ended.set()

    with served(Last(observed.app)) as address:  # type: ignore[arg-type]  # any ASGI application
        hang_up(address, "/slow", started)
        gone.set()
        assert ended.wait(5)
    assert [titles(event) for event in observed.events] == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_client_that_waits_for_a_slow_answer_gets_it_and_it_is_reported(method: str) -> None:
    observed = Observed(slow_request_ms=1)

    @observed.app.api_route("/slow", methods=["GET", "POST"])
    async def _() -> dict[str, str]:
        await asyncio.sleep(0.005)  # longer than what is slow
        return {"kept": "waiting"}

    with served(observed.app) as address, httpx.Client(trust_env=False) as client:
        for _number in range(2):  # the connection is kept
            response = client.request(method, f"http://{address}/slow", content=b"x" * 100)
            assert response.json() == {"kept": "waiting"}
        eventually(lambda: len(observed.events) == 2)
    assert {event["tags"]["failure"] for event in observed.events} == {"slow_request"}


async def test_a_body_that_was_read_while_looking_for_the_client_still_reaches_the_application() -> None:
    observed = Observed(slow_request_ms=1)
    messages = [
        {"type": "http.request", "body": b"early ", "more_body": True},
        {"type": "http.request", "body": b"late", "more_body": False},
    ]
    read: list[Any] = []

    async def plain(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.005)  # longer than what is slow
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        read.extend([await receive(), await receive()])

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None: ...

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/plain/x",
        "raw_path": b"/plain/x",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"text/plain")],
    }
    observed.app.mount("/plain", plain)
    await observed.app(scope, receive, send)
    assert b"".join(message["body"] for message in read) == b"early late"
