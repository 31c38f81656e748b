"""Every kind of failure of SQLite, each provoked for real, and the places where a failure can happen."""

import asyncio
import contextlib
import json
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from fastapi import BackgroundTasks, FastAPI
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.observability import init_sentry
from tests.support.database_app import Work, make_async_engine, make_database_app, observed, run, select_one
from tests.support.observability import client_of, local_sentry, websocket_session

pytestmark = pytest.mark.anyio

Scene = tuple[AsyncEngine, Work]


def insert_one(statement: str) -> Work:
    async def work(engine: AsyncEngine) -> None:
        await run(engine, statement)

    return work


def make_file(folder: Path) -> Path:
    path = folder / "data.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE users (email text UNIQUE)")
        connection.execute("INSERT INTO users VALUES ('ann@example.com')")
    connection.close()
    return path


def no_folder(folder: Path) -> Scene:
    return make_async_engine(f"sqlite:///{folder}/nowhere/data.db"), select_one


def no_database(folder: Path) -> Scene:
    (folder / "data.db").write_text("This is prose, and long enough not to be taken for an empty file. " * 20)
    return make_async_engine(f"sqlite:///{folder}/data.db"), insert_one("SELECT * FROM sqlite_master")


def locked(folder: Path) -> Scene:
    engine = make_async_engine(f"sqlite:///{make_file(folder)}", connect_args={"timeout": 0.02})

    async def work(engine: AsyncEngine) -> None:
        async with engine.connect() as holder:
            await holder.exec_driver_sql("BEGIN EXCLUSIVE")
            await run(engine, "INSERT INTO users VALUES ('bob')")

    return engine, work


def duplicate_key(folder: Path) -> Scene:
    engine = make_async_engine(f"sqlite:///{make_file(folder)}")

    async def work(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO users VALUES (:email)"), {"email": "ann@example.com"})

    return engine, work


def read_only(folder: Path) -> Scene:
    engine = make_async_engine(f"sqlite:///file:{make_file(folder)}?mode=ro&uri=true")
    return engine, insert_one("INSERT INTO users VALUES ('bob')")


def disk_full(folder: Path) -> Scene:
    engine = make_async_engine(f"sqlite:///{make_file(folder)}")

    async def work(engine: AsyncEngine) -> None:
        await run(engine, "PRAGMA max_page_count = 1", "INSERT INTO users VALUES (hex(zeroblob(100000)))")

    return engine, work


def exhausted_pool(folder: Path) -> Scene:
    engine = make_async_engine(
        f"sqlite:///{make_file(folder)}",
        poolclass=sqlalchemy.pool.AsyncAdaptedQueuePool,
        pool_size=1,
        max_overflow=0,
        pool_timeout=0.02,
    )

    async def work(engine: AsyncEngine) -> None:
        async with engine.connect():
            await select_one(engine)

    return engine, work


KINDS = {
    no_folder: "cannot_open",
    no_database: "cannot_open",
    locked: "locked",
    read_only: "read_only",
    disk_full: "disk_full",
    exhausted_pool: "pool_exhausted",
}


def name_of(value: object) -> str:
    return getattr(value, "__name__", str(value))


async def play(make: Callable[[Path], Scene], folder: Path, path: str) -> tuple[Any, list[Any], str]:
    engine, work = make(folder)
    try:
        with observed(engine, work) as service:
            answer = await service.get(path)
            return answer, service.recorded.events, json.dumps(service.recorded.transport.items())
    finally:
        await engine.dispose()


@pytest.mark.parametrize("path", ["/raise", "/answer-503", "/answer-503-without-cause", "/retry"])
@pytest.mark.parametrize(("make", "kind"), [*KINDS.items(), (duplicate_key, "integrity")], ids=name_of)
async def test_a_failed_request_is_one_event_with_its_kind(
    tmp_path: Path, make: Any, kind: str, path: str
) -> None:
    answer, events, everything = await play(make, tmp_path, path)

    assert [event["tags"].get("db.failure") for event in events] == [kind]
    assert answer.headers["x-sentry-event-id"] == events[0]["event_id"]
    assert events[0]["contexts"]["database"]["system"] == "sqlite"
    assert events[0]["contexts"]["db_pool"]["kind"]
    assert "ann@example.com" not in everything


@pytest.mark.parametrize(("make", "kind"), KINDS.items(), ids=name_of)
async def test_a_swallowed_failure_is_one_event_with_its_kind(tmp_path: Path, make: Any, kind: str) -> None:
    _, events, _ = await play(make, tmp_path, "/swallow")

    assert [event["tags"].get("db.failure") for event in events] == [kind]


async def test_an_answer_made_up_afterwards_shows_the_failure_behind_it(tmp_path: Path) -> None:
    _, events, _ = await play(no_folder, tmp_path, "/answer-503-without-cause")

    types = [value["type"] for value in events[0]["exception"]["values"]]
    assert types[-1] == "HTTPException"
    assert "OperationalError" in types[:-1]


async def test_a_failure_at_start_up_is_one_event(tmp_path: Path) -> None:
    engine, work = no_folder(tmp_path)
    app = make_database_app(engine, work)
    app.state.works_at_start = True
    with local_sentry(app, engine=engine) as recorded:
        with pytest.raises(sqlalchemy.exc.OperationalError):
            await start(app)
        event = recorded.only_event()
        assert event["tags"]["db.failure"] == "cannot_open"
        frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
        assert any(frame["function"].endswith("lifespan") for frame in frames)


async def start(app: FastAPI) -> None:
    """Run the lifespan protocol up to the end of start-up."""

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        pass

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)


async def test_a_failure_in_a_websocket_message_is_one_event_a_message(tmp_path: Path) -> None:
    engine, work = no_folder(tmp_path)
    app = make_database_app(engine, work)
    with local_sentry(app, engine=engine) as recorded:
        sent = await websocket_session(app, "/stream", ["one", "two"])

        assert [message.get("text") for message in sent if message["type"] == "websocket.send"] == [
            "sorry",
            "sorry",
        ]
        assert [event["tags"]["db.failure"] for event in recorded.events] == ["cannot_open"] * 2
        assert {event["transaction"] for event in recorded.events} == {"/stream"}


async def test_a_failure_in_a_script_without_any_request_is_one_event(tmp_path: Path) -> None:
    engine, _ = no_folder(tmp_path)
    with local_sentry(engine=engine) as recorded:
        with pytest.raises(sqlalchemy.exc.OperationalError):
            await select_one(engine)

        event = recorded.only_event()
        assert event["tags"]["db.failure"] == "cannot_open"
        frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
        assert any(frame["function"] == "select_one" for frame in frames)


async def test_a_failure_that_a_task_swallows_after_its_request_has_ended_is_one_event(
    tmp_path: Path,
) -> None:
    engine, _ = no_folder(tmp_path)
    turn = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []

    async def later() -> None:
        await turn.wait()
        with contextlib.suppress(sqlalchemy.exc.OperationalError):
            await select_one(engine)

    async def work(engine: AsyncEngine) -> None:
        tasks.append(asyncio.create_task(later()))

    with observed(engine, work) as service:
        assert (await service.get("/raise")).status_code == 200
        turn.set()
        await asyncio.gather(*tasks)
        assert service.recorded.only_event()["tags"]["db.failure"] == "cannot_open"


async def test_child_tasks_that_all_fail_and_end_their_request_are_one_event(tmp_path: Path) -> None:
    engine, _ = no_folder(tmp_path)

    async def work(engine: AsyncEngine) -> None:
        first = asyncio.ensure_future(select_one(engine))
        await asyncio.wait([first])
        await asyncio.gather(*(select_one(engine) for _ in range(8)), return_exceptions=True)
        await first

    for path in ("/raise", "/answer-503", "/retry"):
        with observed(engine, work) as service:
            answer = await service.get(path)
            event = service.recorded.only_event()
            assert answer.headers["x-sentry-event-id"] == event["event_id"]


async def test_failures_in_child_tasks_of_a_request_are_one_event(tmp_path: Path) -> None:
    engine, _ = no_folder(tmp_path)

    async def work(engine: AsyncEngine) -> None:
        await asyncio.gather(*(select_one(engine) for _ in range(8)), return_exceptions=True)

    with observed(engine, work) as service:
        assert (await service.get("/raise")).status_code == 200
        event = service.recorded.only_event()
        assert (event["tags"]["db.failure"], event["level"]) == ("cannot_open", "warning")


async def test_different_failures_of_one_request_are_one_event_each_however_often_they_are_tried(
    tmp_path: Path,
) -> None:
    for folder in "abcd":
        (tmp_path / folder).mkdir()
    scenes = [no_folder(tmp_path / "a"), locked(tmp_path / "b"), read_only(tmp_path / "c")]
    scenes.append(disk_full(tmp_path / "d"))

    async def work(engine: AsyncEngine) -> None:
        for other, fail in [*scenes, *scenes[:1] * 9]:
            with contextlib.suppress(sqlalchemy.exc.SQLAlchemyError):
                await fail(other)

    with observed(scenes[0][0], work) as service:
        await service.get("/raise")
        found = sorted(event["tags"]["db.failure"] for event in service.recorded.events)
        assert found == ["cannot_open", "disk_full", "locked", "read_only"]
    for engine, _ in scenes:
        await engine.dispose()


async def test_a_failure_in_a_background_task_is_one_event(tmp_path: Path) -> None:
    engine, work = no_folder(tmp_path)
    app = FastAPI()

    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> str:
        tasks.add_task(work, engine)
        return "accepted"

    with local_sentry(app, engine=engine) as recorded:
        async with client_of(app) as client:
            await client.get("/background")
        assert recorded.only_event()["tags"]["db.failure"] == "cannot_open"


@pytest.mark.parametrize("path", ["/raise", "/answer-503", "/swallow", "/answer-503-without-cause"])
@pytest.mark.parametrize("wraps", [True, False])
async def test_a_failure_that_is_logged_on_its_way_is_one_event(
    tmp_path: Path, path: str, wraps: bool
) -> None:
    engine, opens = no_folder(tmp_path)

    async def work(engine: AsyncEngine) -> None:
        try:
            await opens(engine)
        except sqlalchemy.exc.OperationalError as error:
            logging.getLogger("a.service").exception("the database is down")
            if wraps:
                raise OSError("wrapped") from error
            raise

    with observed(engine, work) as service:
        await service.get(path)
        assert service.recorded.only_event()["tags"]["db.failure"] == "cannot_open"
    await engine.dispose()


async def test_a_synchronous_engine_in_a_synchronous_endpoint_is_seen_too(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/nowhere/data.db", hide_parameters=True)
    app = FastAPI()

    @app.get("/sync")
    def sync() -> str:
        try:
            with engine.connect() as connection:
                return str(connection.execute(text("SELECT 1")).scalar())
        except sqlalchemy.exc.OperationalError:
            return "from the cache"

    with local_sentry(app, engine=engine) as recorded:
        async with client_of(app) as client:
            assert (await client.get("/sync")).text == '"from the cache"'
        event = recorded.only_event()
        assert event["tags"]["db.failure"] == "cannot_open"
        assert event["transaction"] == "/sync"
    engine.dispose()


async def test_requests_that_fail_at_the_same_time_do_not_share_their_failures(tmp_path: Path) -> None:
    engine, _ = no_folder(tmp_path)
    turn = asyncio.Event()

    async def work(engine: AsyncEngine) -> None:
        await turn.wait()
        await select_one(engine)

    with observed(engine, work) as service:
        calls = [asyncio.ensure_future(service.get(path)) for path in ("/raise", "/answer-503", "/swallow")]
        await asyncio.sleep(0)
        turn.set()
        answers = await asyncio.gather(*calls)
        events = {event["transaction"]: event for event in service.recorded.events}

        assert sorted(events) == ["/answer-503", "/raise", "/swallow"]
        for path, answer in zip(("/raise", "/answer-503"), answers[:2], strict=True):
            assert answer.headers["x-sentry-event-id"] == events[path]["event_id"]
    await engine.dispose()


async def test_calling_init_twice_reports_a_failure_once(tmp_path: Path) -> None:
    engine, work = no_folder(tmp_path)
    app = make_database_app(engine, work)
    with local_sentry(app, engine=engine):
        pass
    with local_sentry(app, engine=engine) as recorded:
        async with client_of(app) as client:
            await client.get("/answer-503")
        assert recorded.only_event()["tags"]["db.failure"] == "cannot_open"


async def test_a_fault_of_ours_never_reaches_the_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise KeyError("a secret of 12345")

    for name in ("begin_query", "end_query", "note_failure"):
        monkeypatch.setattr(f"app.observability.database.{name}", broken)
    engine = make_async_engine(f"sqlite:///{make_file(tmp_path)}")
    with observed(engine, insert_one("INSERT INTO users VALUES ('bob')")) as service:
        assert (await service.get("/raise")).status_code == 200
        assert (await service.get("/raise")).status_code == 500
        event = service.recorded.only_event()
        assert event["exception"]["values"][-1]["type"] == "IntegrityError"
    assert "secret" not in caplog.text
    await engine.dispose()


def test_nothing_is_watched_when_off(tmp_path: Path) -> None:
    from app.observability import ObservabilitySettings

    engine = create_engine(f"sqlite:///{tmp_path}/data.db")
    connect = engine.pool.connect
    init_sentry(engine=engine, settings=ObservabilitySettings(enabled=False, environment="production"))

    assert engine.pool.connect == connect
    engine.dispose()
