"""A host application on one engine, whose endpoints meet a database in every way that reporting has to see.

`work` is what an endpoint does with the engine; the route decides what it does with the failure::

    app = make_database_app(engine, work)
    with local_sentry(app, engine=engine) as recorded:
        ...
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import sqlalchemy
from fastapi import FastAPI, HTTPException, WebSocket
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.support.observability import Recorder, client_of, local_sentry

Work = Callable[[AsyncEngine], Awaitable[Any]]


def make_async_engine(url: str, **options: Any) -> AsyncEngine:
    """Make an engine for a `postgresql://` or `sqlite://` address, as the service does."""
    for plain, driver in (
        ("postgresql://", "postgresql+asyncpg://"),
        ("sqlite://", "sqlite+aiosqlite://"),
    ):
        url = url.replace(plain, driver)
    return create_async_engine(url, hide_parameters=True, **options)


async def select_one(engine: AsyncEngine) -> Any:
    """Run the smallest query."""
    async with engine.connect() as connection:
        return (await connection.execute(text("SELECT 1"))).scalar()


async def run(engine: AsyncEngine, *statements: str) -> None:
    """Run statements in one transaction and commit it."""
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


def make_database_app(engine: AsyncEngine, work: Work) -> FastAPI:
    """Make the application; nothing connects before an endpoint is called."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if app.state.works_at_start:
            await work(engine)
        yield

    app = FastAPI(lifespan=lifespan)
    app.state.works_at_start = False

    @app.get("/raise")
    async def raising() -> Any:
        return str(await work(engine))

    @app.get("/answer-503")
    async def answering() -> Any:
        try:
            return str(await work(engine))
        except (sqlalchemy.exc.SQLAlchemyError, OSError):
            return JSONResponse({"detail": "try later"}, 503)

    @app.get("/answer-503-without-cause")
    async def disguising() -> Any:
        try:
            return str(await work(engine))
        except (sqlalchemy.exc.SQLAlchemyError, OSError):
            pass
        raise HTTPException(503, "try later")

    @app.get("/swallow")
    async def swallowing() -> Any:
        try:
            return str(await work(engine))
        except (sqlalchemy.exc.SQLAlchemyError, OSError):
            return "from the cache"

    @app.get("/retry")
    async def retrying() -> Any:
        for _ in range(7):
            try:
                return str(await work(engine))
            except (sqlalchemy.exc.SQLAlchemyError, OSError):
                continue
        return str(await work(engine))

    @app.get("/health")
    async def health() -> Any:
        try:
            await work(engine)
        except (sqlalchemy.exc.SQLAlchemyError, OSError):
            return JSONResponse({"status": "down"}, 503)
        return {"status": "up"}

    @app.websocket("/stream")
    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        async for _ in socket.iter_text():
            try:
                await work(engine)
            except (sqlalchemy.exc.SQLAlchemyError, OSError):
                await socket.send_text("sorry")

    return app


class DatabaseApp:
    """The application, its client and what was recorded."""

    def __init__(self, app: FastAPI, recorded: Recorder) -> None:
        self.app = app
        self.recorded = recorded

    async def get(self, path: str) -> Any:
        """Call a route and return the answer."""
        async with client_of(self.app) as client:
            return await client.get(path)


@contextmanager
def observed(engine: AsyncEngine, work: Work = select_one, **settings: Any) -> Iterator[DatabaseApp]:
    """Run an application on the engine with Sentry in LOCAL mode."""
    app = make_database_app(engine, work)
    with local_sentry(app, engine=engine, **settings) as recorded:
        yield DatabaseApp(app, recorded)


def db_spans(transaction: dict[str, Any]) -> list[dict[str, Any]]:
    """The query spans of a transaction."""
    return [span for span in transaction["spans"] if span["op"] == "db"]
