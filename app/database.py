"""The asynchronous engine, short sessions, and tables that make themselves on first use.

No connection is opened before somebody needs one, and a database that is down when the service starts is met
again on each use: `/health` says 503 meanwhile and the service heals without a restart.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import Depends
from sqlalchemy import MetaData, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from starlette.requests import HTTPConnection

from app.database_url import DatabaseTarget

# Fills a prepared database. May return a text that has to be shown to whoever started the service.
Seed = Callable[[AsyncSession], Awaitable[str | None]]
Announce = Callable[[str], None]

# Any number, as long as every replica uses the same.
_PREPARE_LOCK = 0x5354524D


def make_engine(target: DatabaseTarget) -> AsyncEngine:
    """Make an engine that has not connected yet and never shows bound parameters in its errors."""
    return create_async_engine(
        target.url,
        connect_args=dict(target.connect_args),
        hide_parameters=True,
        # A server connection may have died since its last use; SQLite's cannot.
        pool_pre_ping=not target.is_embedded,
    )


class Database:
    """Sessions on one engine, for one event loop."""

    def __init__(self, engine: AsyncEngine, tables: MetaData, seed: Seed, announce: Announce = print) -> None:
        self._engine = engine
        self._tables = tables
        self._seed = seed
        self._announce = announce
        self._ready = False
        self._preparing = asyncio.Lock()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Open a session on a prepared database. Keep it short: it holds a connection of the pool."""
        await self.prepare()
        async with AsyncSession(self._engine, expire_on_commit=False) as session:
            yield session

    async def prepare(self) -> None:
        """Make missing tables and seed them, once; does nothing afterwards.

        Several processes may start at the same time: one does it, the others wait for it.
        """
        if self._ready:
            return
        async with self._preparing:
            if self._ready:
                return
            self._make_folder()
            async with self._engine.connect() as connection:
                await self._lock(connection)
                await connection.run_sync(self._tables.create_all)
                async with AsyncSession(connection) as session:
                    notice = await self._seed(session)
                    await session.flush()
                    await connection.commit()
            self._ready = True
        if notice is not None:
            self._announce(notice)

    async def is_up(self, timeout_s: float) -> bool:
        """Tell whether a query succeeds within the time; never raises for a database that is down."""
        try:
            async with asyncio.timeout(timeout_s), self.session() as session:
                await session.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError):
            # OSError: asyncpg's refused connections and unknown hosts, and the TimeoutError of our own limit.
            return False
        return True

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    def _make_folder(self) -> None:
        url = self._engine.url
        is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
        if is_file and not str(url.database).startswith("file:"):
            Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)

    async def _lock(self, connection: AsyncConnection) -> None:
        """Hold off every other process until this transaction ends."""
        if connection.dialect.name == "sqlite":
            # By hand: Python's driver opens no transaction for CREATE TABLE, so two starts would collide.
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _PREPARE_LOCK})


async def _of_the_app(connection: HTTPConnection) -> Database:
    database: Database = connection.app.state.database
    return database


# For endpoints and dependencies, HTTP and WebSocket alike.
AppDatabase = Annotated[Database, Depends(_of_the_app)]
