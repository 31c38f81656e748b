"""What the service captures itself keeps its id, and is the unhandled event if its exception leaves the request."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
import sentry_sdk
from fastapi import FastAPI, WebSocket
from fastapi.responses import JSONResponse

from app.observability import held
from tests.support.observability import websocket_session
from tests.support.observed import Observed, is_handled, titles

pytestmark = pytest.mark.anyio
Build = Callable[[FastAPI, list[Any]], None]


def fail() -> None:
    raise KeyError("no stock")


def captured_and_raised(app: FastAPI, ids: list[Any]) -> None:
    @app.get("/fail")
    async def _() -> None:
        try:
            fail()
        except KeyError as error:
            ids.append(sentry_sdk.capture_exception(error))
            raise


def captured_and_wrapped(app: FastAPI, ids: list[Any]) -> None:
    @app.get("/fail")
    async def _() -> None:
        try:
            fail()
        except KeyError as error:
            ids.append(sentry_sdk.capture_exception(error))
            raise ValueError("wrapped") from error


def captured_logged_and_raised(app: FastAPI, ids: list[Any]) -> None:
    @app.get("/fail")
    def _() -> None:
        try:
            fail()
        except KeyError:
            ids.append(sentry_sdk.capture_exception())
            logging.getLogger("shop").exception("order failed")
            raise


def captured_in_a_mounted_application(app: FastAPI, ids: list[Any]) -> None:
    mounted = FastAPI()
    captured_and_raised(mounted, ids)
    app.mount("/", mounted)


@pytest.mark.parametrize(
    "build",
    [
        captured_and_raised,
        captured_and_wrapped,
        captured_logged_and_raised,
        captured_in_a_mounted_application,
    ],
)
async def test_it_is_unhandled_if_its_exception_leaves_the_request(build: Build) -> None:
    observed = Observed()
    ids: list[Any] = []
    build(observed.app, ids)
    response = await observed.get("/fail")
    event = observed.event
    assert (titles(event), is_handled(event)) == (["KeyError"], False)
    assert ids == [event["event_id"]]
    assert response.json()["event_id"] == response.headers["x-sentry-event-id"] == event["event_id"]


@pytest.mark.parametrize("status", [200, 409, 503])
async def test_it_is_handled_if_the_request_is_answered(status: int) -> None:
    observed = Observed()
    ids: list[Any] = []

    @observed.app.get("/answered")
    async def _() -> JSONResponse:
        try:
            fail()
        except KeyError as error:
            ids.append(sentry_sdk.capture_exception(error))
        return JSONResponse({}, status)

    await observed.get("/answered")
    assert (ids, is_handled(observed.event)) == ([observed.event["event_id"]], True)


async def test_another_failure_of_the_request_is_an_event_of_its_own() -> None:
    observed = Observed()

    @observed.app.get("/two")
    async def _() -> None:
        sentry_sdk.capture_exception(ValueError("first"))
        fail()

    await observed.get("/two")
    assert {titles(event)[0]: is_handled(event) for event in observed.events} == {
        "KeyError": False,
        "ValueError": True,
    }


async def test_in_a_websocket_message_it_is_unhandled_as_well() -> None:
    observed = Observed()

    @observed.app.websocket("/ws")
    async def _(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()
        try:
            fail()
        except KeyError as error:
            sentry_sdk.capture_exception(error)
            raise

    with pytest.raises(KeyError):
        await websocket_session(observed.app, "/ws", ["hello"])
    assert (titles(observed.event), is_handled(observed.event)) == (["KeyError"], False)


async def test_it_does_not_wait_for_a_request_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "CAPTURED_S", 0.0)
    observed = Observed()
    seen: list[int] = []

    @observed.app.get("/long")
    async def _() -> None:
        sentry_sdk.capture_exception(KeyError("no stock"))
        await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        seen.append(len(observed.events))

    await observed.get("/long")
    assert (seen, len(observed.events)) == ([1], 1)


async def test_outside_a_request_nothing_waits() -> None:
    observed = Observed()
    event_id = sentry_sdk.capture_exception(KeyError("no stock"))
    assert observed.event["event_id"] == event_id


async def test_a_repeat_that_is_folded_away_leaves_nothing_waiting() -> None:
    observed = Observed(folds=True)
    captured_and_raised(observed.app, [])
    answers = [await observed.get("/fail") for _ in range(30)]
    sent = {event["event_id"] for event in observed.events}
    assert len(sent) < 15
    assert {answer.headers["x-sentry-event-id"] for answer in answers} == sent
