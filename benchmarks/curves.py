"""Applications whose size can be set, for the curves of `scale.py`: each builds one and returns what one unit does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, WebSocket

from .subject import HEADERS, Caller, http_scope

Unit = Callable[[], Awaitable[None]]


async def _answer() -> dict[str, int]:
    return {"ok": 1}


def routes(app: FastAPI, size: int) -> Unit:
    """A GET of the last of `size` routes, all with a parameter."""
    for number in range(size - 1):
        app.get(f"/other{number}/{{name}}")(_answer)
    app.get("/last/{name}")(_answer)
    return lambda: Caller(app).request("GET", "/last/one")


def spans(app: FastAPI, size: int) -> Unit:
    """A GET that records `size` spans by hand."""

    async def work() -> None:
        import sentry_sdk

        for _ in range(size):
            with sentry_sdk.start_span(op="function", name="step"):
                pass

    app.get("/spans")(work)
    return lambda: Caller(app).request("GET", "/spans")


def breadcrumbs(app: FastAPI, size: int) -> Unit:
    """A crash after `size` breadcrumbs."""

    async def work() -> None:
        import sentry_sdk

        for number in range(size):
            sentry_sdk.add_breadcrumb(category="step", message=f"step {number} of an order", level="info")
        raise ValueError("no stock")

    return _crash(app, work)


def event_kilobytes(app: FastAPI, size: int) -> Unit:
    """A crash with `size` KB of text in a context, in lines of 100 characters."""

    async def work() -> None:
        import sentry_sdk

        lines = [f"line {number} of what the order said ".ljust(100, ".") for number in range(size * 10)]
        sentry_sdk.get_isolation_scope().set_context("order", {"lines": lines})
        raise ValueError("no stock")

    return _crash(app, work)


def _crash(app: FastAPI, work: Callable[[], Awaitable[None]]) -> Unit:
    app.get("/crash")(work)

    async def unit() -> None:
        try:
            await Caller(app).request("GET", "/crash")
        except ValueError:
            return
        raise AssertionError("the endpoint did not fail")

    return unit


async def open_sockets(app: FastAPI, count: int) -> "list[asyncio.Task[None]]":
    """Open `count` WebSocket connections that stay idle, and return when all of them wait for a message."""
    waiting = 0
    are_open = asyncio.Event()

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()

    app.websocket("/idle")(socket)
    never = asyncio.Event()
    application: Any = app

    async def connect() -> None:
        messages = [{"type": "websocket.connect"}]

        async def receive() -> dict[str, Any]:
            nonlocal waiting
            if messages:
                return messages.pop()
            waiting += 1
            if waiting == count:
                are_open.set()
            await never.wait()
            return {"type": "websocket.disconnect", "code": 1001}

        async def send(message: Any) -> None:
            """Read it."""

        scope = http_scope("GET", "/idle", HEADERS) | {
            "type": "websocket",
            "scheme": "ws",
            "subprotocols": [],
        }
        await application(scope, receive, send)

    tasks = [asyncio.create_task(connect()) for _ in range(count)]
    await are_open.wait()
    return tasks
