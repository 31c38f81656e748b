"""Case 57 and its kind: refused authentication is counted, its first time is an event, a spike is one event."""

import asyncio

import pytest
from fastapi import Depends, FastAPI, HTTPException, WebSocket, WebSocketException, status
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer

from app.observability import authentication, identify_user
from tests.support.observability import websocket_session
from tests.support.observed import Observed, titles

pytestmark = pytest.mark.anyio


def shop(observed: Observed) -> Observed:
    @observed.app.get("/private/{item}")
    async def private(item: int) -> None:
        raise HTTPException(401)

    @observed.app.get("/premium")
    async def premium() -> None:
        identify_user(id="u1", tier="free")
        raise HTTPException(403)

    @observed.app.get("/token", dependencies=[Depends(HTTPBearer())])
    async def token() -> None: ...

    @observed.app.websocket("/ws/{code}")
    async def ws(socket: WebSocket, code: int) -> None:
        await socket.accept()
        await socket.receive_text()
        await socket.close(code)

    @observed.app.websocket("/rejected")
    async def rejected(socket: WebSocket) -> None:
        await socket.close()

    @observed.app.websocket("/policy")
    async def policy(socket: WebSocket) -> None:
        raise WebSocketException(status.WS_1008_POLICY_VIOLATION)

    @observed.app.websocket("/http-401")
    async def http_401(socket: WebSocket) -> None:
        raise HTTPException(401)

    return observed


async def test_401_and_403_are_counted_by_route_reason_and_tier_and_reported_the_first_time() -> None:
    """Case 57."""
    observed = shop(Observed())
    for path in ("/private/1", "/private/2", "/premium", "/token"):
        assert (await observed.get(path)).status_code in (401, 403)
    counted = [
        tuple(metric["attributes"][key] for key in ("route", "reason", "user.tier"))
        for metric in observed.metrics("auth.refused")
    ]
    assert counted == [
        ("/private/{item}", "401", "unknown"),
        ("/private/{item}", "401", "unknown"),
        ("/premium", "403", "free"),
        ("/token", "401", "unknown"),
    ]
    assert [(event["level"], event["fingerprint"]) for event in observed.events] == [
        ("warning", ["auth-refused", "/private/{item}", "401"]),
        ("warning", ["auth-refused", "/premium", "403"]),
        ("warning", ["auth-refused", "/token", "401"]),
    ]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/ws/1008", "1008"),
        ("/ws/4401", "4401"),
        ("/ws/4403", "4403"),
        ("/rejected", "denied"),
        ("/policy", "1008"),
        ("/http-401", "401"),
    ],
)
async def test_a_refused_websocket_is_one_warning_and_counted(path: str, reason: str) -> None:
    """Case 57."""
    observed = shop(Observed())
    await websocket_session(observed.app, path, ["key"])
    await websocket_session(observed.app, path, ["key"])
    assert [metric["attributes"]["reason"] for metric in observed.metrics("auth.refused")] == [reason] * 2
    route = "/ws/{code}" if path.startswith("/ws/") else path
    assert observed.event["fingerprint"] == ["auth-refused", route, reason]


async def test_a_handshake_whose_parameters_are_wrong_is_no_refused_authentication() -> None:
    observed = shop(Observed())
    await websocket_session(observed.app, "/ws/no-number", [])
    assert (observed.events, observed.metrics("auth.refused")) == ([], [])


async def test_a_spike_over_all_routes_is_one_error_until_it_is_over() -> None:
    observed = shop(Observed(auth_spike_per_minute=5))
    for number in range(12):
        await observed.get(f"/private/{number}" if number % 2 else "/token")
    errors = [event for event in observed.events if event["level"] == "error"]
    assert [titles(event) for event in errors] == [["Spike of refused authentication"]]
    assert errors[0]["fingerprint"] == ["auth-spike"]
    assert errors[0]["contexts"]["auth_spike"]["refused"] == 5
    assert "request" not in errors[0], "a spike is about nobody in particular"


async def test_what_middleware_refuses_on_unknown_paths_does_not_make_a_kind_for_each_path() -> None:
    app = FastAPI()

    @app.middleware("http")
    async def refuse(request, call_next):  # type: ignore[no-untyped-def]
        return JSONResponse({}, 401)

    observed = Observed(app)
    for number in range(5):
        await observed.get(f"/wp-admin/{number}")
    assert observed.event["fingerprint"] == ["auth-refused", "unmatched", "401"]
    assert {metric["attributes"]["route"] for metric in observed.metrics("auth.refused")} == {"unmatched"}


async def test_refused_test_pages_are_not_counted() -> None:
    observed = Observed()
    await observed.get("/test-sentry", headers={"x-forwarded-for": "1.2.3.4"})
    assert observed.metrics("auth.refused") == []


async def test_422_is_an_event_without_values_only_where_settings_ask_for_it() -> None:
    for asked in (False, True):
        observed = Observed(capture_422=asked)

        @observed.app.get("/items/{number}")
        async def items(number: int, size: int = 1) -> None: ...

        response = await observed.get("/items/not-a-number", params={"size": "hunter2"})
        assert response.status_code == 422
        assert len(observed.events) == asked
    event = observed.event
    assert (event["level"], event["fingerprint"]) == (
        "warning",
        ["invalid-request", "GET", "/items/{number}"],
    )
    assert event["contexts"]["validation"]["fields"] == {
        "path.number": "int_parsing",
        "query.size": "int_parsing",
    }


def test_a_kind_is_news_again_after_an_hour_and_a_spike_after_a_calm_minute() -> None:
    now = 0.0
    refusals = authentication.Refusals(3, clock=lambda: now)
    first = [refusals._judge("/a", "401") for _ in range(4)]
    assert [is_new for is_new, _ in first] == [True, False, False, False]
    assert [bool(spike) for _, spike in first] == [False, False, True, False]
    now = authentication.NEWS_AGAIN_S
    later = [refusals._judge("/a", "401") for _ in range(3)]
    assert [is_new for is_new, _ in later] == [True, False, False]
    assert [bool(spike) for _, spike in later] == [False, False, True]


def test_kinds_that_are_remembered_are_bounded() -> None:
    refusals = authentication.Refusals(3)
    for number in range(authentication.MAX_KINDS + 50):
        refusals._judge(f"/{number}", "401")
    assert len(refusals._known) == authentication.MAX_KINDS


def test_many_threads_refusing_at_once_report_a_kind_once() -> None:
    refusals = authentication.Refusals(10_000)

    async def main() -> list[tuple[bool, list[str]]]:
        return await asyncio.gather(*(asyncio.to_thread(refusals._judge, "/a", "401") for _ in range(100)))

    assert sum(is_new for is_new, _ in asyncio.run(main())) == 1
