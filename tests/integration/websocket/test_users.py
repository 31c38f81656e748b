"""Who a WebSocket message is about, wherever the user was named."""

import asyncio
from typing import Any

import pytest
import sentry_sdk
from fastapi import Depends, FastAPI, WebSocket
from starlette.requests import HTTPConnection
from websockets.sync.client import connect

from app.observability import UserContext, UserTierMiddleware, identify_user
from tests.support.observability import websocket_session
from tests.support.observed import Observed
from tests.support.served import served

pytestmark = pytest.mark.anyio


async def handler(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        sentry_sdk.capture_message(text)


def who(event: dict[str, Any]) -> tuple[str | None, str | None]:
    return (event.get("user") or {}).get("id"), event["tags"].get("user.tier")


@pytest.mark.parametrize("where", ["identify", "middleware", "dependency", "sync dependency", "handshake"])
@pytest.mark.parametrize("rate", [0.0, 1.0])
async def test_a_user_named_anywhere_is_on_every_message(where: str, rate: float) -> None:
    app = FastAPI()
    user = UserContext("u1", "premium")
    if where == "middleware":
        app.add_middleware(UserTierMiddleware, identify=lambda connection: user)
    options = {"identify": lambda connection: user} if where == "identify" else {}
    observed = Observed(app, options=options, traces_sample_rate=rate)

    async def dependency() -> None:
        if where == "dependency":
            identify_user(id="u1", tier="premium")

    def sync_dependency() -> None:
        if where == "sync dependency":
            identify_user(id="u1", tier="premium")

    @app.websocket("/ws", dependencies=[Depends(dependency), Depends(sync_dependency)])
    async def ws(socket: WebSocket) -> None:
        if where == "handshake":
            identify_user(id="u1", tier="premium")
        await handler(socket)

    await websocket_session(app, "/ws", ["one", "two"])
    assert [who(event) for event in observed.events] == [("u1", "premium")] * 2
    assert len(observed.transactions) == 2 * rate
    for transaction in observed.transactions:
        assert (transaction["user"], transaction["tags"]["user.tier"]) == ({"id": "u1"}, "premium")
    for metric in observed.metrics("websocket.closed"):
        assert metric["attributes"]["user.tier"] == "premium"


async def test_the_next_connection_in_the_same_task_is_anonymous() -> None:
    observed = Observed()

    @observed.app.websocket("/ws/{name}")
    async def ws(socket: WebSocket, name: str) -> None:
        if name == "known":
            identify_user(id="u1", tier="premium")
        await handler(socket)

    await websocket_session(observed.app, "/ws/known", ["one"])
    await websocket_session(observed.app, "/ws/unknown", ["two"])
    assert [who(event) for event in observed.events] == [("u1", "premium"), (None, None)]


def test_many_connections_at_once_under_uvicorn_are_never_mixed_up() -> None:
    def resolve(connection: HTTPConnection) -> UserContext:
        number = connection.query_params["n"]
        return UserContext(f"u{number}", f"tier-{int(number) % 3}")

    observed = Observed(options={"identify": resolve})

    @observed.app.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept()
        async for text in socket.iter_text():
            await asyncio.sleep(0.001)
            sentry_sdk.capture_message(text)
            await socket.send_text("done")

    def talk(address: str, number: int) -> None:
        with connect(f"ws://{address}/ws?n={number}") as client:
            for _ in range(5):
                client.send(f"u{number}")
                client.recv(timeout=10)

    async def everybody(address: str) -> None:
        await asyncio.gather(*(asyncio.to_thread(talk, address, number) for number in range(30)))

    with served(observed.app) as address:
        asyncio.run(everybody(address))
    events = observed.events
    assert len(events) == 150
    for event in events:
        text = event["message"]
        assert who(event) == (text, f"tier-{int(text[1:]) % 3}")
