"""Relay's own normaliser finds no fault in any kind of event that the module emits."""

import copy
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from fastapi import FastAPI, HTTPException, WebSocket
from fastapi.responses import JSONResponse

from app.observability import identify_user, operation
from app.observability.budget import Alarm, FoldKey, Reason, Tally
from app.observability.folding import send_alarm, send_tally
from app.observability.scrubbing import minimal_event
from app.observability.types import Event
from tests.support.observability import Recorder, client_of, local_sentry, websocket_session

if sys.platform not in ("linux", "darwin"):
    pytest.skip("sentry-relay has no wheel for this platform", allow_module_level=True)

from sentry_relay.processing import StoreNormalizer

logger = logging.getLogger("shop")


def make_app() -> FastAPI:
    app = FastAPI()

    @app.get("/unhandled/{item}")
    async def unhandled(item: int) -> None:
        identify_user(id=item, tier="premium")
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ExceptionGroup("two", [ValueError("a" * 9000), RuntimeError(str(error))]) from error

    @app.get("/handled")
    async def handled() -> None:
        raise HTTPException(503, "down")

    @app.get("/returned")
    async def returned() -> JSONResponse:
        return JSONResponse({}, 502)

    @app.get("/logged")
    async def logged() -> None:
        logger.error("order %s failed", 17, extra={"shop": {"id": 3}})
        async with operation(
            "api.discovery", name="API Discovery", context={"endpoint": "/logged", "api_count": 3}
        ):
            pass

    @app.get("/slow")
    async def slow() -> None:
        await anyio.sleep(0.002)

    @app.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept()
        await socket.receive_text()
        await socket.close(4000)

    return app


@pytest.fixture(scope="module")
def emitted() -> dict[str, Event]:
    app = make_app()
    with local_sentry(app, traces_sample_rate=1.0) as recorder:
        collect(app, recorder)
        found = {
            name_of(payload): payload for _, payload in recorder.transport.items() if "items" not in payload
        }
    with local_sentry(slow := make_app(), traces_sample_rate=0, slow_request_ms=1) as recorder:
        anyio.run(call, slow, ["/slow"])
        found["slow"] = recorder.only_event()
    found["minimal"] = minimal_event(copy.deepcopy(found["ExceptionGroup"]))
    return found


def collect(app: FastAPI, recorder: Recorder) -> None:
    anyio.run(call, app, ["/unhandled/7?q=1", "/handled", "/returned", "/logged", "/test-sentry"])
    anyio.run(websocket_session, app, "/ws", ["hello"])
    sample = recorder.events[0]
    send_tally(Tally(FoldKey("x.Tallied", "f", "/"), 12, Reason.QUIET, {**sample, "message": "tally"}, True))
    send_alarm(Alarm("errors", 80, "2026-11", 4000, 5000))


async def call(app: FastAPI, paths: list[str]) -> None:
    async with client_of(app) as client:
        for path in paths:
            await client.get(path)


def name_of(payload: Event) -> str:
    if payload.get("type") == "transaction":
        return f"{payload['contexts']['trace']['op']} {payload['transaction']}"
    if payload.get("message") == "tally":
        return "tally"
    values = (payload.get("exception") or {}).get("values")
    return values[-1]["type"] if values else str(payload.get("message") or payload["logentry"]["message"])


def faults(event: Event) -> list[tuple[str, Any]]:
    normalizer = StoreNormalizer(
        project_id=1,
        protocol_version="7",
        remove_other=True,
        enable_trimming=True,
        max_secs_in_future=60,
        max_secs_in_past=30 * 86_400,
    )
    normalized = normalizer.normalize_event(json.loads(json.dumps(event)))
    return [
        (path, kind)
        for path, meta in flat(normalized.get("_meta") or {})
        for kind in [*meta.get("err", []), *(rem for rem in meta.get("rem", []) if rem[0] == "!limit")]
    ]


def flat(meta: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in meta.items():
        if key == "":
            yield path, value
        elif isinstance(value, dict):
            yield from flat(value, f"{path}.{key}")


def test_the_judge_sees_faults() -> None:
    assert faults({"environment": "none"})


def test_every_kind_was_emitted(emitted: dict[str, Event]) -> None:
    kinds = {
        *(
            "ExceptionGroup",
            "HTTPException",
            "SentryTestError",
            "order %s failed",
            "slow",
            "minimal",
            "tally",
        ),
        *("GET /returned answered 502", "WebSocket /ws closed with 4000"),
        *("http.server /unhandled/{item}", "http.server /logged", "websocket.message /ws"),
    }
    assert kinds <= set(emitted), kinds - set(emitted)
    assert any(name.startswith("Sentry budget") for name in emitted)


def test_relay_finds_no_fault(emitted: dict[str, Event]) -> None:
    found = {name: trouble for name, event in emitted.items() if (trouble := faults(event))}
    assert found == {}
