"""Cases 89, 92, 94 and 95 and their kind: scopes under load, needless spans, alarms of the budget, warnings."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from fastapi import Request, WebSocket
from fastapi.responses import StreamingResponse
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware

from app.observability import identify_user
from app.observability.budget import Budget
from tests.support.observability import websocket_session
from tests.support.observed import Observed, message_of
from tests.unit.budget.clock import DAY_S, MID_MONTH, MONTH_END, FakeClock

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.anyio
@pytest.mark.parametrize("scope_of", ["new_scope", "isolation_scope", "new_scope_in_task"])
async def test_scopes_that_middleware_opens_around_the_rest_are_never_mixed_up_under_load(
    scope_of: str,
) -> None:
    """Case 89."""
    observed = Observed(traces_sample_rate=0.5)

    async def scoped(request: Request, call_next: Any) -> Any:
        number = request.url.path.rpartition("/")[2]
        sentry_sdk.get_isolation_scope().set_tag("outer", number)
        opened = sentry_sdk.isolation_scope if scope_of == "isolation_scope" else sentry_sdk.new_scope
        with opened() as scope:
            scope.set_tag("opened", number)
            if scope_of == "new_scope_in_task":
                return await asyncio.create_task(call_next(request))
            return await call_next(request)

    observed.app.add_middleware(BaseHTTPMiddleware, dispatch=scoped)

    @observed.app.get("/{number}")
    async def fail(number: str) -> None:
        identify_user(id=number, tier="pro")
        await asyncio.sleep(0)
        with sentry_sdk.new_scope() as scope:
            scope.set_tag("inner", number)
            await asyncio.sleep(0)
            sentry_sdk.capture_message(f"on the way {number}")
        raise ValueError(number)

    numbers = [str(number) for number in range(200)]
    async with observed.client() as client:
        answers = await asyncio.gather(*(client.get(f"/{number}") for number in numbers))
    assert {answer.status_code for answer in answers} == {500}
    messages = [event for event in observed.events if "exception" not in event]
    crashes = [event for event in observed.events if "exception" in event]
    assert len(messages) == len(crashes) == 200
    assert sorted(message_of(event) for event in messages) == sorted(f"on the way {each}" for each in numbers)
    for event in messages:
        number = message_of(event).rpartition(" ")[2]
        assert (
            {event["tags"][name] for name in ("outer", "opened", "inner")}
            == {event["user"]["id"]}
            == {number}
        )
    for event in crashes:
        number = event["exception"]["values"][-1]["value"]
        assert (event["tags"]["outer"], event["user"]["id"]) == (number, number)
        assert "inner" not in event["tags"], "that scope was closed before"


@pytest.mark.anyio
async def test_a_streamed_answer_behind_three_middlewares_has_no_span_of_their_own() -> None:
    """Case 94 over HTTP."""
    observed = Observed(traces_sample_rate=1.0)

    async def passing(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x" * 100

    observed.app.add_middleware(GZipMiddleware)
    observed.app.add_middleware(BaseHTTPMiddleware, dispatch=passing)
    observed.app.add_middleware(BaseHTTPMiddleware, dispatch=passing)
    observed.app.get("/stream")(lambda: StreamingResponse(chunks()))
    await observed.get("/stream")
    assert [transaction["spans"] for transaction in observed.transactions] == [[]]


@pytest.mark.anyio
async def test_receiving_and_sending_a_message_is_no_span() -> None:
    """Case 94."""
    observed = Observed(traces_sample_rate=1.0)

    @observed.app.websocket("/ws")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        async for text in socket.iter_text():
            for _ in range(10):
                await socket.send_text(text)

    sent = await websocket_session(observed.app, "/ws", ["one", "two", "three"])
    assert len(sent) == 1 + 30
    assert [transaction["spans"] for transaction in observed.transactions] == [[], [], []]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("category", "budgets"),
    [("error", {"monthly_errors": 50}), ("span", {"monthly_errors": 0, "monthly_spans": 100})],
)
async def test_a_month_that_runs_out_of_budget_says_so_at_80_and_at_100_percent(
    category: str, budgets: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case 95, with real requests through a month of four hours a step."""
    clock = FakeClock(MID_MONTH - 14 * DAY_S)
    observed = Observed(folds=True, traces_sample_rate=1.0)
    folding = observed.handle.folding
    assert folding is not None
    folding.budget = Budget(clock=clock, **budgets)
    monkeypatch.setattr(folding, "span_rate", lambda rate: rate)  # or the month would last, as it should

    @observed.app.get("/fail/{number}")
    async def fail(number: int) -> None:
        raise type(f"Failure{number}Error", (Exception,), {})("lost")

    number = 0
    while clock.now < MONTH_END - DAY_S / 6:
        await observed.get(f"/fail/{number}")
        folding.tick()
        number += 1
        clock.now += DAY_S / 6
    alarms = [event for event in observed.events if event.get("tags", {}).get("failure") == "budget"]
    assert [alarm["tags"]["budget.percent"] for alarm in alarms] == ["80", "100"]
    assert {alarm["tags"]["budget.category"] for alarm in alarms} == {category}
    assert all(message_of(alarm).startswith("Sentry budget: ") for alarm in alarms)


ONE_OF_EACH = """
import asyncio
from fastapi import BackgroundTasks, FastAPI, WebSocket
from app.observability import ObservabilitySettings, init_sentry, operation
from tests.support.observability import client_of, websocket_session

app = FastAPI()
handle = init_sentry(app, settings=ObservabilitySettings(environment="development", traces_sample_rate=1.0))

@operation("work", name="work")
async def work():
    pass

@app.get("/fail")
async def fail(tasks: BackgroundTasks):
    await work()
    raise ValueError("lost")

@app.get("/later")
def later(tasks: BackgroundTasks):
    tasks.add_task(work)

@app.websocket("/ws")
async def echo(socket: WebSocket):
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)

async def main():
    async with client_of(app) as client:
        for path in ("/fail", "/later", "/test-sentry", "/observability", "/observability/status"):
            await client.get(path)
    await websocket_session(app, "/ws", ["one"])

asyncio.run(main())
handle.close()
print(len(handle.transport.items()))
"""


@pytest.mark.parametrize("mode", [(), ("-X", "dev")])
def test_nothing_that_python_warns_of_happens(tmp_path: Path, mode: tuple[str, ...]) -> None:
    """Case 92, on the Python that runs the tests."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", *mode, "-c", ONE_OF_EACH],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "Warning" not in ran.stderr
    assert int(ran.stdout) >= 6
