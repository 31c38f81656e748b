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
documents = Table(
    "streamapi_observability_budget",
    metadata,
    Column(
        "name", String(64), primary_key=True, comment="'ledger', or the process whose counts are not reported"
    ),
    Column("stamp", BigInteger, nullable=False, comment="the settlement that wrote it"),
    Column("document", Text, nullable=False, comment="JSON"),
)
kinds = Table(
    "streamapi_observability_kinds",
    metadata,
    Column("digest", String(32), primary_key=True, comment="of exception type, frame and route"),
    Column("stamp", BigInteger, nullable=False, index=True, comment="the settlement that wrote it"),
    Column("since", Float(53), nullable=False, comment="first seen, seconds since the epoch"),
    Column("reported_at", Float(53), nullable=False, comment="last event, seconds since the epoch"),
)


async def create(engine: AsyncEngine) -> None:
    """Create the tables and the ledger's row if they are missing, also when other replicas do so at this moment."""
    try:
        await _create(engine)
    except SQLAlchemyError:
        await _create(engine)


async def _create(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        found = await connection.execute(select(documents.c.name).where(documents.c.name == LEDGER))
        if found.first() is None:
            await connection.execute(insert(documents).values(name=LEDGER, stamp=0, document="{}"))


async def lock_ledger(connection: AsyncConnection) -> tuple[int, Any]:
    """Lock the ledger until the transaction ends; return this settlement's number and the ledger's content."""
    locked = await connection.execute(
        update(documents)
        .where(documents.c.name == LEDGER)
        .values(stamp=documents.c.stamp + 1)
        .returning(documents.c.stamp, documents.c.document)
    )
    stamp, document = locked.one()
    return int(stamp), read_json(document)


async def write_ledger(connection: AsyncConnection, content: dict[str, Any]) -> None:
    """Write the ledger back."""
    await connection.execute(
        update(documents).where(documents.c.name == LEDGER).values(document=json.dumps(content))
    )


async def reports_since(connection: AsyncConnection, stamp: int) -> dict[str, Report]:
    """Return when kinds were reported, as far as it was written after settlement `stamp`."""
    rows = await connection.execute(
        select(kinds.c.digest, kinds.c.since, kinds.c.reported_at)
        .where(kinds.c.stamp > stamp)
        .order_by(kinds.c.reported_at.desc())
        .limit(MAX_KNOWN)
    )
    return {digest: (since, reported_at) for digest, since, reported_at in rows}


async def write_reports(connection: AsyncConnection, reports: dict[str, Report], stamp: int) -> None:
    """Tell the other replicas when kinds were reported here."""
    for digest, (since, reported_at) in reports.items():
        values = {"stamp": stamp, "since": since, "reported_at": reported_at}
        changed = await connection.execute(update(kinds).where(kinds.c.digest == digest).values(**values))
        if changed.rowcount == 0:
            await connection.execute(insert(kinds).values(digest=digest, **values))


async def take_counts(connection: AsyncConnection, ledger: Ledger, holder: str) -> list[dict[str, Any]]:
    """Take over the counts of processes that are gone."""
    names = await connection.scalars(
        select(documents.c.name).where(documents.c.name.not_in((LEDGER, holder)))
    )
    gone = [name for name in names if ledger.is_gone(name)]
    if not gone:
        return []
    taken = await connection.scalars(
        delete(documents).where(documents.c.name.in_(gone)).returning(documents.c.document)
    )
    return [state for document in taken if isinstance(state := read_json(document), dict)]


async def save_counts(connection: AsyncConnection, holder: str, state: dict[str, Any], stamp: int) -> bool:
    """Save what a process has not reported yet; false if nothing of it was saved before."""
    document = json.dumps(with_small_samples(state), default=str)
    changed = await connection.execute(
        update(documents).where(documents.c.name == holder).values(stamp=stamp, document=document)
    )
    if changed.rowcount == 0:
        await connection.execute(insert(documents).values(name=holder, stamp=stamp, document=document))
        return False
    return True


def read_json(document: str) -> Any:
    """Return the content of a document; an empty one if it is no JSON."""
    try:
        return json.loads(document)
    except ValueError:
        return {}
