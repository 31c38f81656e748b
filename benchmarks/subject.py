"""The application that is measured: one route for each kind of work, and callers that speak ASGI to it in-process.

Everything that instruments it is in `variants.py`; nothing here knows of it, except the WebSocket route on which a
user of the bare SDK writes by hand what our module does for him.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, WebSocket
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

WS_MESSAGES = 100
CONCURRENT = 200
BODY = (
    b'{"items": ['
    + b", ".join(b'{"sku": "A-%04d", "count": 3, "price": 12.5}' % n for n in range(45))
    + b"]}"
)
HEADERS = [
    (b"host", b"api.example.com"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"),
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"connection", b"keep-alive"),
    (b"x-request-id", b"4bf92f3577b34da6a3ce929d0e0e4736"),
]
Step = Callable[[], Awaitable[None]]


def make_app(database_url: str) -> tuple[FastAPI, AsyncEngine]:
    """Return the application and its engine."""
    app = FastAPI()
    engine = create_async_engine(database_url)

    @app.get("/ping")
    async def ping() -> dict[str, int]:
        return {"ok": 1}

    @app.get("/sync")
    def sync() -> dict[str, int]:
        return {"ok": 1}

    @app.get("/items/{item_id}")
    async def item(item_id: int) -> dict[str, Any]:
        async with engine.connect() as connection:
            row = (await connection.execute(text("SELECT :id AS id, 'lamp' AS name"), {"id": item_id})).one()
        return {"id": row.id, "name": row.name}

    @app.post("/orders")
    async def order(request: Request) -> dict[str, int]:
        return {"items": len((await request.json())["items"])}

    @app.get("/wait")
    async def wait() -> dict[str, int]:
        await asyncio.sleep(0)
        return {"ok": 1}

    @app.websocket("/ws")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        async for message in websocket.iter_text():
            await websocket.send_text(message)

    @app.websocket("/ws-by-hand")
    async def by_hand(websocket: WebSocket) -> None:
        import sentry_sdk

        await websocket.accept()
        async for message in websocket.iter_text():
            with (
                sentry_sdk.isolation_scope(),
                sentry_sdk.start_transaction(op="websocket.message", name="/ws-by-hand"),
            ):
                await websocket.send_text(message)

    @app.get("/crash/{number}")
    async def crash(number: int) -> None:
        customer = {"id": 5, "name": "Ada", "email": "ada@example.com"}
        total = 17 + number
        checkout(number, total, customer)

    return app, engine


_errors = [type(f"CheckoutError{number}", (ValueError,), {}) for number in range(3_000)]


def checkout(number: int, total: int, customer: dict[str, Any]) -> None:
    """Fail, each number with an exception type of its own, so that nothing is folded that should not be."""
    order = {"lines": [1, 2, 3], "customer": customer, "total": total}
    raise _errors[number](f"no stock for order {len(order)} of customer 5")


def http_scope(method: str, path: str, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    """Return what a server would hand over for one request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50_000),
        "scheme": "http",
        "method": method,
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "state": {},
    }


async def _swallow(message: Any) -> None:
    """A client that reads everything."""


class Caller:
    """Makes the requests of one application; each step of `steps` is one unit of work."""

    def __init__(self, app: FastAPI) -> None:
        self.app: Any = app
        self._numbers = itertools.count()
        self.steps: dict[str, Step] = {
            "GET": lambda: self.request("GET", "/ping"),
            "GET, sync endpoint": lambda: self.request("GET", "/sync"),
            "GET with a query": lambda: self.request("GET", "/items/7"),
            "POST, 2 KB body": lambda: self.request("POST", "/orders", BODY),
            "100 ws messages": lambda: self.websocket("/ws"),
            "100 ws messages, by hand": lambda: self.websocket("/ws-by-hand"),
            "crash": self.crash,
            "crash, repeated": self.repeated_crash,
            "200 concurrent GETs": self.concurrent,
        }

    async def request(self, method: str, path: str, body: bytes = b"") -> None:
        """Send one request and read the answer."""
        headers = HEADERS
        if body:
            headers = [
                *HEADERS,
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
            ]
        message = {"type": "http.request", "body": body, "more_body": False}

        async def receive() -> dict[str, Any]:
            return message

        await self.app(http_scope(method, path, headers), receive, _swallow)

    async def websocket(self, path: str) -> None:
        """Open a connection, have 100 messages answered, close it."""
        messages: list[dict[str, Any]] = [
            {"type": "websocket.disconnect", "code": 1000},
            *({"type": "websocket.receive", "text": "hello"} for _ in range(WS_MESSAGES)),
            {"type": "websocket.connect"},
        ]

        async def receive() -> dict[str, Any]:
            return messages.pop()

        scope = http_scope("GET", path, HEADERS) | {"type": "websocket", "scheme": "ws", "subprotocols": []}
        await self.app(scope, receive, _swallow)

    async def crash(self) -> None:
        """Let an endpoint fail in a way it has not failed before."""
        await self._fail(1 + next(self._numbers))

    async def repeated_crash(self) -> None:
        """Let an endpoint fail as it did the last time."""
        await self._fail(0)

    async def _fail(self, number: int) -> None:
        try:
            await self.request("GET", f"/crash/{number}")
        except ValueError:
            return
        raise AssertionError("the endpoint did not fail")

    async def concurrent(self) -> None:
        """Have 200 requests in the air at once."""
        await asyncio.gather(*(self.request("GET", "/wait") for _ in range(CONCURRENT)))
