"""What goes wrong in the lifespan: one event for one failure, unhandled if it ended the process."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import sentry_sdk
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from app.observability import dbreports
from tests.support.observed import Observed, is_handled, titles

pytestmark = pytest.mark.anyio
log = logging.getLogger("shop.start")


async def live(observed: Observed, *kinds: str) -> list[str]:
    """Run the lifespan with these messages and return what the application answered."""
    waiting = [{"type": f"lifespan.{kind}"} for kind in kinds]
    sent: list[str] = []

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"].removeprefix("lifespan."))

    try:
        await observed.app({"type": "lifespan", "state": {}}, receive, send)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - as a server does
        sent.append(type(error).__name__)
    return sent


async def ask(path: Path) -> None:
    """Ask a database that cannot be opened."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}/missing/shop.db")
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    finally:
        await engine.dispose()


def starting(path: Path, reaction: str) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            await ask(path)
        except OperationalError as error:
            if reaction == "logged":
                log.exception("no database")
            elif reaction == "logged plainly":
                log.error("no database")
            elif reaction == "captured":
                sentry_sdk.capture_exception(error)
            elif reaction == "wrapped":
                raise RuntimeError("cannot start") from error
            elif reaction == "exit":
                raise SystemExit(1) from error
            if reaction != "swallowed":
                raise
        yield

    return FastAPI(lifespan=lifespan)


@pytest.mark.parametrize("reaction", ["nothing", "logged", "logged plainly", "captured", "wrapped"])
async def test_a_start_up_that_a_missing_database_ends_is_one_unhandled_event(
    tmp_path: Path, reaction: str
) -> None:
    observed = Observed(starting(tmp_path, reaction))
    sent = await live(observed, "startup")
    assert sent == ["startup.failed", "RuntimeError" if reaction == "wrapped" else "OperationalError"]
    event = observed.event
    assert not is_handled(event)
    assert (event["tags"]["db.failure"], event["level"]) == ("cannot_open", "error")


async def test_a_start_up_that_goes_on_without_its_database_is_one_event(tmp_path: Path) -> None:
    observed = Observed(starting(tmp_path, "swallowed"))
    assert await live(observed, "startup", "shutdown") == ["startup.complete", "shutdown.complete"]
    event = observed.event
    assert is_handled(event)
    assert (event["tags"]["db.failure"], event["level"]) == ("cannot_open", "warning")


async def test_a_start_up_that_exits_because_of_its_database_is_one_event(tmp_path: Path) -> None:
    observed = Observed(starting(tmp_path, "exit"))
    assert await live(observed, "startup") == ["startup.failed", "SystemExit"]
    assert (observed.event["tags"]["db.failure"], observed.event["level"]) == ("cannot_open", "error")


async def test_a_start_up_that_tries_on_and_on_is_reported_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbreports, "STARTUP_S", 0.0)
    seen: list[int] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        for _ in range(5):
            with pytest.raises(OperationalError):
                await ask(tmp_path)
            await anyio.lowlevel.checkpoint()
        seen.append(len(observed.events))
        yield

    observed = Observed(FastAPI(lifespan=lifespan))
    await live(observed, "startup", "shutdown")
    assert (seen, len(observed.events)) == ([1], 1)


@pytest.mark.parametrize("is_logged", [True, False])
async def test_a_shutdown_that_fails_is_one_unhandled_event(is_logged: bool) -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        try:
            raise KeyError("no pool")
        except KeyError:
            if is_logged:
                log.exception("cannot close")
            raise

    observed = Observed(FastAPI(lifespan=lifespan))
    sent = await live(observed, "startup", "shutdown")
    assert sent == ["startup.complete", "shutdown.failed", "KeyError"]
    assert (titles(observed.event), is_handled(observed.event)) == (["KeyError"], False)


async def test_a_worker_of_the_lifespan_that_fails_while_the_service_runs_is_one_event() -> None:
    async def work() -> None:
        raise KeyError("lost")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with anyio.create_task_group() as group:
            group.start_soon(work)
            yield

    observed = Observed(FastAPI(lifespan=lifespan))
    assert (await live(observed, "startup", "shutdown"))[-1] == "ExceptionGroup"
    assert (titles(observed.event), is_handled(observed.event)) == (["ExceptionGroup", "KeyError"], False)


async def test_what_a_task_of_the_lifespan_captures_later_does_not_wait() -> None:
    async def work(released: anyio.Event) -> None:
        await released.wait()
        sentry_sdk.capture_exception(KeyError("lost"))
        seen.append(len(observed.events))

    seen: list[int] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        released = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(work, released)
            app.state.released = released
            yield

    observed = Observed(FastAPI(lifespan=lifespan))
    waiting = ["lifespan.startup", "lifespan.shutdown"]

    async def receive() -> Any:
        if len(waiting) == 1:
            observed.app.state.released.set()
            await anyio.wait_all_tasks_blocked()
        return {"type": waiting.pop(0)}

    async def send(message: Any) -> None: ...

    await observed.app({"type": "lifespan", "state": {}}, receive, send)
    assert seen == [1]
