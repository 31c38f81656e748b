"""How a connection may end, under a real uvicorn with real clients: what is an event and what is only counted."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.support.observed import Observed, is_handled, titles
from tests.support.served import eventually, served


class DomainError(Exception):
    """An error that the application has a handler for."""


def make_app() -> FastAPI:
    app = FastAPI()

    @app.websocket("/echo")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        while True:
            await socket.send_text(await socket.receive_text())

    @app.websocket("/push")
    async def push(socket: WebSocket) -> None:
        await socket.accept()
        while True:
            await socket.send_text("tick" * 1000)
            await asyncio.sleep(0)

    @app.websocket("/tidy")
    async def tidy(socket: WebSocket) -> None:
        await socket.accept()
        try:
            async for _ in socket.iter_text():
                pass
        finally:
            await socket.close()

    @app.websocket("/close/{code}")
    async def close(socket: WebSocket, code: int) -> None:
        await socket.accept()
        await socket.close(code)

    @app.websocket("/crash")
    async def crash(socket: WebSocket) -> None:
        await socket.accept()
        await socket.receive_text()
        raise KeyError("lost")

    @app.websocket("/crash-before")
    async def crash_before(socket: WebSocket) -> None:
        raise KeyError("lost")

    @app.websocket("/caught")
    async def caught(socket: WebSocket) -> None:
        await socket.accept()
        try:
            raise KeyError("lost")
        except KeyError:
            await socket.close(1011)

    @app.websocket("/handled")
    async def handled(socket: WebSocket) -> None:
        await socket.accept()
        raise DomainError

    @app.websocket("/unanswered")
    async def unanswered(socket: WebSocket) -> None: ...

    @app.websocket("/denied-503")
    async def denied(socket: WebSocket) -> None:
        raise HTTPException(503)

    @app.websocket("/group")
    async def group(socket: WebSocket) -> None:
        await socket.accept()

        async def read() -> None:
            while True:
                await socket.receive_text()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(read())
            tasks.create_task(asyncio.sleep(60))

    async def on_domain_error(socket: WebSocket, error: Exception) -> None:
        await socket.close(1011)

    app.add_exception_handler(DomainError, on_domain_error)
    app.get("/")(lambda: JSONResponse({}))
    return app


@pytest.fixture
def observed() -> Observed:
    return Observed(make_app())


def use(observed: Observed, path: str, act: Callable[[Any], None]) -> str:
    """Let a client act on one connection and return the code the connection is counted under."""
    with served(observed.app) as address:
        try:
            with connect(f"ws://{address}{path}") as client:
                act(client)
        except (ConnectionClosed, InvalidStatus):
            pass
        eventually(lambda: observed.metrics("websocket.closed"))
    (closed,) = observed.metrics("websocket.closed")
    return str(closed["attributes"]["code"])


def use_and_wait(client: Any) -> None:
    client.send("go")
    while True:
        client.recv(timeout=5)


@pytest.mark.parametrize("path", ["/echo", "/tidy", "/group"])
@pytest.mark.parametrize("code", [1000, 1001])
def test_a_client_that_closes_cleanly_is_no_event(observed: Observed, path: str, code: int) -> None:
    """Case 55."""
    assert use(observed, path, lambda client: client.close(code)) == str(code)
    assert observed.events == []


@pytest.mark.parametrize("path", ["/echo", "/push", "/tidy", "/group"])
def test_a_client_whose_line_is_cut_is_no_event(observed: Observed, path: str) -> None:
    """Case 55."""
    code = use(observed, path, lambda client: client.socket.shutdown(2))
    assert code in ("1005", "1006")
    assert observed.events == []


def test_a_client_that_closes_while_we_push_is_no_event(observed: Observed) -> None:
    """Case 55."""

    def read_one_and_close(client: Any) -> None:
        client.recv()
        client.close()

    assert use(observed, "/push", read_one_and_close) in ("1000", "1005", "1006")
    assert observed.events == []


KILLED = """
import sys, time
from websockets.sync.client import connect
with connect(sys.argv[1]) as client:
    client.send("hello") if sys.argv[1].endswith("echo") else client.recv()
    print("connected", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("path", ["/echo", "/push"])
def test_a_client_whose_process_is_killed_is_no_event(observed: Observed, path: str) -> None:
    """Case 55."""
    with served(observed.app) as address:
        client = subprocess.Popen(
            [sys.executable, "-c", KILLED, f"ws://{address}{path}"], stdout=subprocess.PIPE, text=True
        )
        assert client.stdout is not None
        assert client.stdout.readline() == "connected\n"
        os.kill(client.pid, signal.SIGKILL)
        client.wait()
        client.stdout.close()
        eventually(lambda: observed.metrics("websocket.closed"))
    assert observed.metrics("websocket.closed")[0]["attributes"]["code"] in ("1005", "1006")
    assert observed.events == []


@pytest.mark.parametrize("code", [1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 3000, 4000, 4999])
def test_another_code_of_the_client_is_one_warning_grouped_by_route_and_code(
    observed: Observed, code: int
) -> None:
    assert use(observed, "/echo", lambda client: client.close(code)) == str(code)
    if code == 1008:  # the client's own policy: counted, but nobody was refused
        assert (observed.events, observed.metrics("auth.refused")) == ([], [])
        return
    event = observed.event
    assert (event["level"], event["fingerprint"]) == ("warning", ["websocket-close", "/echo", str(code)])
    assert event["tags"]["websocket.closed_by"] == "client"


@pytest.mark.parametrize("code", [1000, 1001])
def test_our_own_clean_close_is_no_event(observed: Observed, code: int) -> None:
    assert use(observed, f"/close/{code}", use_and_wait) == str(code)
    assert observed.events == []


@pytest.mark.parametrize("code", [1003, 1011, 1013, 4000])
def test_our_own_close_with_another_code_is_one_warning(observed: Observed, code: int) -> None:
    assert use(observed, f"/close/{code}", use_and_wait) == str(code)
    event = observed.event
    assert event["fingerprint"] == ["websocket-close", "/close/{code}", str(code)]
    assert event["tags"]["websocket.closed_by"] == "app"


@pytest.mark.parametrize(
    ("path", "expected", "handled"),
    [
        ("/crash", ["KeyError"], False),
        ("/crash-before", ["KeyError"], False),
        ("/caught", ["KeyError"], True),
        ("/handled", ["DomainError"], True),
        ("/denied-503", ["HTTPException"], True),
    ],
)
def test_a_failure_is_one_event_with_its_exception(
    observed: Observed, path: str, expected: list[str], handled: bool
) -> None:
    use(observed, path, use_and_wait)
    event = observed.event
    assert (titles(event), is_handled(event)) == (expected, handled)
    assert event["transaction"] == path


def test_a_handshake_that_nobody_answers_is_one_warning(observed: Observed) -> None:
    use(observed, "/unanswered", use_and_wait)
    assert titles(observed.event) == ["WebSocket /unanswered left the handshake unanswered"]


def test_an_unknown_path_is_neither_counted_nor_an_event(observed: Observed) -> None:
    with served(observed.app) as address, pytest.raises(InvalidStatus):
        connect(f"ws://{address}/wp-login")
    assert (observed.events, observed.metrics("websocket.closed")) == ([], [])


def test_twenty_clients_that_vanish_are_no_events() -> None:
    """Case 55."""
    observed = Observed(make_app())
    with served(observed.app) as address, ExitStack() as connections:
        clients = [connections.enter_context(connect(f"ws://{address}/echo")) for _ in range(20)]
        for client in clients:
            client.send("hello")
            client.recv()
        for client in clients:
            client.socket.shutdown(2)
        eventually(lambda: len(observed.metrics("websocket.closed")) == 20)
    assert observed.events == []


def test_sending_after_the_client_left_is_no_event() -> None:
    """Case 81."""
    observed = Observed()
    done = threading.Event()

    @observed.app.websocket("/late")
    async def late(socket: WebSocket) -> None:
        await socket.accept()
        try:
            await socket.receive_text()
        except WebSocketDisconnect:
            done.set()
            await socket.send_text("good bye")

    with served(observed.app) as address:
        with connect(f"ws://{address}/late"):
            pass
        assert done.wait(5)
    assert observed.events == []
