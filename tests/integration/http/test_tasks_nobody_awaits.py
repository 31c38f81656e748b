"""Tasks that nobody awaits: their failure is seen once, with the user of whoever started them."""

import asyncio
import functools
import gc
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from app.observability import identify_user, tasks
from tests.support.observed import Observed, is_handled, titles


def in_a_loop_of_its_own(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run without anyio's test runner, which turns every task's failure into that of the test."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "GRACE_S", 0.0)


async def fail() -> None:
    raise KeyError("lost")


async def fail_logged() -> None:
    try:
        await fail()
    except KeyError:
        logging.getLogger("shop").exception("task failed")
        raise


async def let_the_loop_run() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
    gc.collect()


@pytest.mark.parametrize("work", [fail, fail_logged])
@in_a_loop_of_its_own
async def test_a_task_that_is_thrown_away_is_one_event_with_its_user(
    work: Callable[[], Coroutine[Any, Any, None]], caplog: pytest.LogCaptureFixture
) -> None:
    observed = Observed()

    @observed.app.get("/start")
    async def _() -> None:
        identify_user(id="u1", tier="pro")
        asyncio.create_task(work())  # noqa: RUF006 - losing it is what is tested

    await observed.get("/start")
    await let_the_loop_run()
    event = observed.event
    assert titles(event) == ["KeyError"]
    assert (event["user"], event["tags"]["user.tier"]) == ({"id": "u1"}, "pro")
    assert event["transaction"] == "/start"
    assert "never retrieved" in caplog.text, "asyncio's own report must not be lost"


@in_a_loop_of_its_own
async def test_a_task_that_stays_referenced_is_seen_as_well(no_grace: None) -> None:
    """Case 27."""
    observed = Observed()
    kept: list[asyncio.Task[None]] = []

    @observed.app.get("/start")
    async def _() -> None:
        identify_user(id="u1", tier="pro")
        kept.append(asyncio.create_task(fail()))

    await observed.get("/start")
    await let_the_loop_run()
    event = observed.event
    assert (titles(event), is_handled(event), event["user"]) == (["KeyError"], False, {"id": "u1"})
    kept.clear()
    await let_the_loop_run()
    assert len(observed.events) == 1


@in_a_loop_of_its_own
async def test_it_is_never_shown_with_the_request_that_happened_to_run() -> None:
    observed = Observed()
    kept: list[asyncio.Task[None]] = []

    @observed.app.get("/start")
    async def _() -> None:
        identify_user(id="u1")
        kept.append(asyncio.create_task(fail()))

    @observed.app.get("/other")
    async def _() -> None:
        identify_user(id="u2")
        kept.clear()
        gc.collect()

    await observed.get("/start")
    await let_the_loop_run()
    await observed.get("/other")
    assert observed.event["user"] == {"id": "u1"}


@in_a_loop_of_its_own
async def test_a_callback_that_fails_is_one_event_with_its_user() -> None:
    observed = Observed()

    @observed.app.get("/start")
    async def _() -> None:
        identify_user(id="u1", tier="pro")
        asyncio.get_running_loop().call_soon(int, "no number")

    await observed.get("/start")
    await let_the_loop_run()
    event = observed.event
    assert (titles(event), is_handled(event), event["user"]) == (["ValueError"], False, {"id": "u1"})
    assert event["transaction"] == "/start"


@in_a_loop_of_its_own
async def test_a_failure_that_somebody_asks_for_in_time_is_none(no_grace: None) -> None:
    observed = Observed()

    @observed.app.get("/start")
    async def _() -> None:
        results = await asyncio.gather(fail(), fail(), return_exceptions=True)
        assert len(results) == 2
        with pytest.raises(KeyError):
            await asyncio.create_task(fail())
        with pytest.raises(KeyError):
            await asyncio.wait_for(fail(), 5)

    assert (await observed.get("/start")).status_code == 200
    await let_the_loop_run()
    assert observed.events == []


@in_a_loop_of_its_own
async def test_what_still_waits_is_reported_when_the_service_stops() -> None:
    observed = Observed()
    kept: list[asyncio.Task[None]] = []
    messages = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, str]:
        kind = next(messages)
        if kind == "lifespan.shutdown":
            await observed.get("/start")
            await let_the_loop_run()
        return {"type": kind}

    async def send(message: object) -> None: ...

    @observed.app.get("/start")
    async def _() -> None:
        kept.append(asyncio.create_task(fail()))

    await observed.app({"type": "lifespan", "state": {}}, receive, send)
    assert titles(observed.event) == ["KeyError"]
    kept.clear()


@in_a_loop_of_its_own
async def test_a_factory_and_handler_that_were_there_go_on_working() -> None:
    loop = asyncio.new_event_loop()
    made, handled = [], []

    def factory(loop: asyncio.AbstractEventLoop, coro: object, **kwargs: object) -> object:
        made.append(coro)
        return asyncio.Task(coro, loop=loop, **kwargs)  # type: ignore[arg-type]

    loop.set_task_factory(factory)  # type: ignore[arg-type]
    loop.set_exception_handler(lambda loop, context: handled.append(context["message"]))
    tasks.watch_tasks(loop)
    tasks.watch_tasks(loop)

    async def main() -> None:
        asyncio.create_task(fail())  # noqa: RUF006 - losing it is what is tested
        await let_the_loop_run()

    await asyncio.to_thread(loop.run_until_complete, main())
    loop.close()
    assert len(made) == 2
    assert handled == ["Task exception was never retrieved"]
