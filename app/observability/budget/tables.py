"""The rows behind the shared budget. Needs SQLAlchemy, so it is imported only by who shares a budget.

The ledger's row is locked by the first statement of a settlement, an UPDATE, on PostgreSQL and on SQLite alike; all
else happens under that lock, so nothing here can collide with another replica.
"""

import json
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    MetaData,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .file import with_small_samples
from .ledger import Ledger
from .memory import MAX_KNOWN, Report

LEDGER = "ledger"

metadata = MetaData()


def destination_column() -> Column[str]:
    """Return the first part of every key: services on one database may send to different places."""
    return Column("destination", String(32), primary_key=True, comment="digest of the Sentry project")


documents = Table(
    "streamapi_observability_budget",
    metadata,
    destination_column(),
    Column(
        "name", String(64), primary_key=True, comment="'ledger', or the process whose counts are not reported"
    ),
    Column("stamp", BigInteger, nullable=False, comment="the settlement that wrote it"),
    Column("document", Text, nullable=False, comment="JSON"),
)
kinds = Table(
    "streamapi_observability_kinds",
    metadata,
    destination_column(),
    Column("digest", String(32), primary_key=True, comment="of exception type, frame and route"),
    Column("stamp", BigInteger, nullable=False, index=True, comment="the settlement that wrote it"),
    Column("since", Float(53), nullable=False, comment="first seen, seconds since the epoch"),
    Column("reported_at", Float(53), nullable=False, comment="last event, seconds since the epoch"),
)


async def create(engine: AsyncEngine, destination: str) -> None:
    """Create the tables and the ledger's row if they are missing, also when other replicas do so at this moment."""
    try:
        await _create(engine, destination)
    except SQLAlchemyError:
        await _create(engine, destination)


async def _create(engine: AsyncEngine, destination: str) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await Rows(connection, destination).make_ledger()


class Rows:
    """The rows of one destination, within one transaction; those of others are neither read nor written."""

    def __init__(self, connection: AsyncConnection, destination: str) -> None:
        self._connection = connection
        self._destination = destination
        self._documents = documents.c.destination == destination
        self._kinds = kinds.c.destination == destination

    async def make_ledger(self) -> None:
        """Insert the ledger's row if it is missing."""
        found = await self._connection.execute(
            select(documents.c.name).where(self._documents, documents.c.name == LEDGER)
        )
        if found.first() is None:
            await self._insert(documents, name=LEDGER, stamp=0, document="{}")

    async def lock_ledger(self) -> tuple[int, Any]:
        """Lock the ledger until the transaction ends; return this settlement's number and the ledger's content."""
        locked = await self._connection.execute(
            update(documents)
            .where(self._documents, documents.c.name == LEDGER)
            .values(stamp=documents.c.stamp + 1)
            .returning(documents.c.stamp, documents.c.document)
        )
        stamp, document = locked.one()
        return int(stamp), read_json(document)

    async def write_ledger(self, content: dict[str, Any]) -> None:
        """Write the ledger back."""
        await self._connection.execute(
            update(documents)
            .where(self._documents, documents.c.name == LEDGER)
            .values(document=json.dumps(content))
        )

    async def reports_since(self, stamp: int) -> dict[str, Report]:
        """Return when kinds were reported, as far as it was written after settlement `stamp`."""
        rows = await self._connection.execute(
            select(kinds.c.digest, kinds.c.since, kinds.c.reported_at)
            .where(self._kinds, kinds.c.stamp > stamp)
            .order_by(kinds.c.reported_at.desc())
            .limit(MAX_KNOWN)
        )
        return {digest: (since, reported_at) for digest, since, reported_at in rows}

    async def write_reports(self, reports: dict[str, Report], stamp: int) -> None:
        """Tell the other replicas when kinds were reported here."""
        for digest, (since, reported_at) in reports.items():
            values = {"stamp": stamp, "since": since, "reported_at": reported_at}
            changed = await self._connection.execute(
                update(kinds).where(self._kinds, kinds.c.digest == digest).values(**values)
            )
            if changed.rowcount == 0:
                await self._insert(kinds, digest=digest, **values)

    async def take_counts(self, ledger: Ledger, holder: str) -> list[dict[str, Any]]:
        """Take over the counts of processes that are gone."""
        names = await self._connection.scalars(
            select(documents.c.name).where(self._documents, documents.c.name.not_in((LEDGER, holder)))
        )
        gone = [name for name in names if ledger.is_gone(name)]
        if not gone:
            return []
        taken = await self._connection.scalars(
            delete(documents)
            .where(self._documents, documents.c.name.in_(gone))
            .returning(documents.c.document)
        )
        return [state for document in taken if isinstance(state := read_json(document), dict)]

    async def save_counts(self, holder: str, state: dict[str, Any], stamp: int) -> bool:
        """Save what a process has not reported yet; false if nothing of it was saved before."""
        document = json.dumps(with_small_samples(state), default=str)
        changed = await self._connection.execute(
            update(documents)
            .where(self._documents, documents.c.name == holder)
            .values(stamp=stamp, document=document)
        )
        if changed.rowcount == 0:
            await self._insert(documents, name=holder, stamp=stamp, document=document)
            return False
        return True

    async def _insert(self, table: Table, **values: Any) -> None:
        await self._connection.execute(insert(table).values(destination=self._destination, **values))


def read_json(document: str) -> Any:
    """Return the content of a document; an empty one if it is no JSON."""
    try:
        return json.loads(document)
    except ValueError:
        return {}
