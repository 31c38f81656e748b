"""A host application with the module in LOCAL mode, for tests that look at what would have been sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import sentry_sdk
from fastapi import FastAPI

from app.observability import Observability, ObservabilitySettings, init_sentry
from app.observability.httpflow import BACKGROUND_OP
from app.observability.recording import RecordingTransport
from app.observability.types import Event


class Recorder:
    """What a LOCAL handle recorded, by kind."""

    def __init__(self, handle: Observability) -> None:
        assert isinstance(handle.transport, RecordingTransport)
        self.handle = handle
        self.transport = handle.transport

    def of(self, kind: str) -> list[Event]:
        """Payloads of one item type, oldest first."""
        return [payload for found, payload in self.transport.items() if found == kind]

    @property
    def events(self) -> list[Event]:
        """Error and message events."""
        return self.of("event")

    @property
    def transactions(self) -> list[Event]:
        """Transactions, but for those of what ran after an answer: a busy machine is enough to make one."""
        return [each for each in self.of("transaction") if each["contexts"]["trace"]["op"] != BACKGROUND_OP]

    def only_event(self) -> Event:
        """The one event; fails if there are none or several."""
        assert len(self.events) == 1, [
            event.get("exception") or event.get("message") for event in self.events
        ]
        return self.events[0]


@contextmanager
def local_sentry(app: FastAPI | None = None, **settings: Any) -> Iterator[Recorder]:
    """Run `init_sentry` in LOCAL mode and close the client afterwards."""
    init = {key: settings.pop(key) for key in ("engine", "identify") if key in settings}
    handle = init_sentry(app, settings=ObservabilitySettings(environment="development", **settings), **init)
    try:
        yield Recorder(handle)
    finally:
        sentry_sdk.get_client().close(timeout=0)
        sentry_sdk.get_global_scope().set_client(None)


def client_of(app: FastAPI, *, host: str = "127.0.0.1") -> httpx.AsyncClient:
    """A client that calls the application in this process; its errors become answers, as under a server."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(host, 50_000))
    return httpx.AsyncClient(transport=transport, base_url="http://testserver")


async def websocket_session(
    app: FastAPI, path: str, texts: list[str], *, close_code: int = 1000
) -> list[dict[str, Any]]:
    """Run one WebSocket connection in this process: send the texts, then close; return what the app sent."""
    waiting: list[dict[str, Any]] = [
        {"type": "websocket.connect"},
        *({"type": "websocket.receive", "text": text} for text in texts),
        {"type": "websocket.disconnect", "code": close_code},
    ]
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"testserver")],
        "client": ("127.0.0.1", 50_000),
        "server": ("testserver", 80),
        "subprotocols": [],
        "state": {},
        "extensions": {},
    }

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await app(scope, receive, send)
    return sent
