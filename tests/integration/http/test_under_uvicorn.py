"""Under a real uvicorn: clients that hang up, what the server logs again, start-up failures, background tasks."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import sentry_sdk
import uvicorn
from fastapi import BackgroundTasks, FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.types import Receive, Scope, Send

from app.observability import httpflow
from tests.support.observed import Observed, titles
from tests.support.served import eventually, served


def start_request(address: str, head: str, body: bytes = b"") -> socket.socket:
    host, _, port = address.partition(":")
    connection = socket.create_connection((host, int(port)), timeout=5)
    connection.sendall(f"{head}\r\nHost: testserver\r\n".encode() + body)
    return connection


@pytest.mark.parametrize("with_middleware", [False, True])
def test_a_client_that_hangs_up_while_it_sends_is_nothing(with_middleware: bool) -> None:
    observed = Observed()
    done = threading.Event()

    @observed.app.post("/upload")
    async def _(request: Request) -> None:
        started.set()
        try:
            await request.body()
        finally:
            done.set()

    started = threading.Event()
    if with_middleware:

        async def passing(request: Request, call_next):  # type: ignore[no-untyped-def]
            return await call_next(request)

        observed.app.add_middleware(BaseHTTPMiddleware, dispatch=passing)
    with served(observed.app) as address:
        connection = start_request(address, "POST /upload HTTP/1.1", b"Content-Length: 100\r\n\r\npart")
        assert started.wait(5)
        connection.close()
        assert done.wait(5)
    assert [titles(event) for event in observed.events] == []


def test_a_client_that_hangs_up_while_we_stream_is_nothing() -> None:
    observed = Observed(slow_request_ms=0)
    first, ended = threading.Event(), threading.Event()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65_536
                first.set()
                await asyncio.sleep(0)
        finally:
            ended.set()

    @observed.app.get("/stream")
    async def _() -> StreamingResponse:
        return StreamingResponse(chunks())

    with served(observed.app) as address:
        connection = start_request(address, "GET /stream HTTP/1.1", b"\r\n")
        assert first.wait(5)
        connection.close()
        assert ended.wait(5)
    assert [titles(event) for event in observed.events] == []


def test_the_server_logs_the_crash_again_and_it_stays_one_event() -> None:
    observed = Observed()

    @observed.app.get("/fail")
    async def _() -> None:
        raise KeyError("lost")

    with served(observed.app) as address:
        response = httpx.get(f"http://{address}/fail", trust_env=False)
    assert response.status_code == 500
    assert response.json()["event_id"] == observed.event["event_id"]


def test_a_request_that_the_application_leaves_without_an_answer_is_one_event() -> None:
    observed = Observed()

    async def silent(scope: Scope, receive: Receive, send: Send) -> None: ...

    observed.app.mount("/silent", silent)
    with served(observed.app) as address:
        assert httpx.get(f"http://{address}/silent/x", trust_env=False).status_code == 500
    assert titles(observed.event) == ["GET /silent/{path} answered 500"]


def test_a_background_task_fails_once_with_its_user() -> None:
    from app.observability import identify_user

    observed = Observed()

    @observed.app.get("/start")
    async def _(tasks: BackgroundTasks) -> None:
        identify_user(id="u1", tier="pro")
        tasks.add_task(asyncio.to_thread, int, "no number")

    with served(observed.app) as address:
        assert httpx.get(f"http://{address}/start", trust_env=False).status_code == 200
        eventually(lambda: observed.events)
    assert (titles(observed.event), observed.event["user"]) == (["ValueError"], {"id": "u1"})


def test_a_start_up_that_fails_is_one_event() -> None:
    """Case 34."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        raise ConnectionError("no database")
        yield

    observed = Observed(FastAPI(lifespan=lifespan))
    server = uvicorn.Server(uvicorn.Config(observed.app, port=0, log_config=None))
    with pytest.raises(SystemExit):
        server.run()
    assert titles(observed.event) == ["ConnectionError"]
    assert observed.event["exception"]["values"][-1]["mechanism"]["type"] == "lifespan"


def test_work_after_the_answer_does_not_make_the_answer_slow() -> None:
    """Case 84."""
    observed = Observed(traces_sample_rate=1.0, slow_request_ms=150)
    released = threading.Event()

    async def work() -> None:
        await asyncio.to_thread(released.wait, 5)

    @observed.app.get("/start")
    async def _(tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(work)
        return {}

    with served(observed.app) as address:
        assert httpx.get(f"http://{address}/start", trust_env=False).json() == {}
        eventually(lambda: observed.transactions)
        time.sleep(0.2)  # longer than what would be a slow request
        released.set()
        eventually(lambda: observed.background)
    (request,), (background,) = observed.transactions, observed.background
    trace, later = request["contexts"]["trace"], background["contexts"]["trace"]
    assert (trace["op"], later["op"]) == ("http.server", "background.task")
    assert (later["trace_id"], later["parent_span_id"]) == (trace["trace_id"], trace["span_id"])
    assert request["timestamp"] <= background["start_timestamp"] < background["timestamp"]
    assert json.dumps(observed.events) == "[]"


@pytest.mark.anyio
async def test_short_work_after_the_answer_is_told_only_if_it_recorded_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(httpflow, "BACKGROUND_MIN_S", 3600.0)
    observed = Observed(traces_sample_rate=1.0)

    async def work(kind: str) -> None:
        if kind == "span":
            with sentry_sdk.start_span(op="c", name="d"):
                pass

    @observed.app.get("/start/{kind}")
    async def _(kind: str, tasks: BackgroundTasks) -> None:
        tasks.add_task(work, kind)

    await observed.get("/start/nothing")
    assert observed.background == []
    await observed.get("/start/span")
    assert [span["op"] for each in observed.background for span in each["spans"]] == ["c"]


def test_work_after_the_answer_is_no_slow_request_where_it_is_not_traced() -> None:
    observed = Observed(slow_request_ms=100)
    done = threading.Event()

    def work() -> None:
        time.sleep(0.2)  # longer than what would be a slow request
        done.set()

    @observed.app.get("/start")
    async def _(tasks: BackgroundTasks) -> None:
        tasks.add_task(work)

    with served(observed.app) as address:
        httpx.get(f"http://{address}/start", trust_env=False)
        assert done.wait(5)
    assert observed.events == []
