"""Cases about starting the module, and about logs of background tasks."""

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import BackgroundTasks, FastAPI

from app.observability import Mode, ObservabilitySettings, init_sentry
from tests.support.observability import Recorder, client_of, local_sentry

pytestmark = pytest.mark.anyio


def failing_app() -> FastAPI:
    app = FastAPI()

    @app.get("/fail")
    async def fail() -> None:
        raise ValueError("x")

    return app


async def test_a_second_init_wins_and_one_crash_is_one_event() -> None:
    """Case 74."""
    app = failing_app()
    with local_sentry(app) as first, local_sentry(app) as second:
        async with client_of(app) as client:
            await client.get("/fail")
        assert first.events == []
        second.only_event()


async def test_many_threads_may_call_init_at_the_same_time() -> None:
    """Case 90."""
    app = failing_app()
    settings = ObservabilitySettings(environment="development")
    with local_sentry(app), ThreadPoolExecutor(12) as pool:
        handles = list(pool.map(lambda _: init_sentry(app, settings=settings), range(12)))
        assert {handle.mode for handle in handles} == {Mode.LOCAL}
        async with client_of(app) as client:
            await client.get("/fail")
        assert sum(len(Recorder(handle).events) for handle in handles) == 1


async def test_logs_of_a_background_task_are_sent() -> None:
    """Case 83."""
    app = FastAPI()

    @app.get("/later")
    async def later(tasks: BackgroundTasks) -> None:
        tasks.add_task(logging.getLogger("shop").warning, "invoice was not printed")

    with local_sentry(app, enable_logs=True) as recorder:
        async with client_of(app) as client:
            await client.get("/later")
        recorder.handle.flush(1)
        bodies = [item["body"] for batch in recorder.of("log") for item in batch["items"]]
    assert bodies == ["invoice was not printed"]


async def test_what_a_filter_holds_back_does_not_hide_the_same_failure_later() -> None:
    """Case 93."""
    app = FastAPI()
    failure = ValueError("one object for ever")

    @app.get("/{answer}")
    async def fail(answer: str) -> None:
        if answer == "logged":
            logging.getLogger("shop").error("refused", exc_info=failure)
            return
        raise failure

    with local_sentry(app) as recorder:
        async with client_of(app) as client:
            await client.get("/logged")
            await client.get("/raised")
    assert [event["exception"]["values"][-1]["type"] for event in recorder.events] == ["ValueError"] * 2
