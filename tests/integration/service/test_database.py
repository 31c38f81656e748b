"""The database that is down, that hangs, that comes back, and that several processes prepare at once."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, text

from app.database import Database, make_engine
from app.database_url import database_target
from app.models import Api, Base, User
from app.seed import make_seed
from app.settings import AppSettings
from tests.support.postgres import PostgresServer
from tests.support.service import StartService
from tools.processes import free_port

pytestmark = pytest.mark.anyio


def open_database(url: str, *, with_demo_users: bool = False) -> Database:
    seed = make_seed(with_demo_users=with_demo_users, port=8000)
    return Database(make_engine(database_target(url)), Base.metadata, seed, lambda _: None)


async def count(database: Database, model: type[Base]) -> int:
    async with database.session() as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


async def test_health_is_503_while_the_database_refuses_connections(start_service: StartService) -> None:
    async with start_service(f"postgres://u:p@127.0.0.1:{free_port()}/db") as service:
        answer = await service.client.get("/health")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "observability": "off", "database": "down"}


async def test_a_database_that_accepts_and_never_answers_does_not_hold_the_check_up() -> None:
    closed = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await closed.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    database = open_database(f"postgres://u:p@127.0.0.1:{port}/db")
    async with asyncio.timeout(5):
        assert not await database.is_up(timeout_s=0.05)
    closed.set()
    await database.close()
    server.close()
    await server.wait_closed()


async def test_sqlite_prepared_by_several_at_once_has_one_catalogue_and_one_set_of_users(
    tmp_path: Path,
) -> None:
    databases = [open_database(f"sqlite:///{tmp_path}/a.db", with_demo_users=True) for _ in range(4)]
    await asyncio.gather(*(database.prepare() for database in databases))
    assert (await count(databases[0], Api), await count(databases[0], User)) == (4, 3)
    for database in databases:
        await database.close()


async def test_a_catalogue_that_ops_changed_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    first = open_database(url)
    async with first.session() as session:
        await session.execute(text("DELETE FROM streamapi_apis WHERE name <> 'fast'"))
        await session.commit()
    await first.close()
    second = open_database(url)
    assert await count(second, Api) == 1
    await second.close()


async def test_errors_of_the_engine_do_not_show_parameters(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(Exception, match="no such table") as caught:
        async with database.session() as session:
            await session.execute(text("SELECT :secret FROM nowhere"), {"secret": "hush-hush"})
    assert "hush-hush" not in str(caught.value)
    await database.close()


@pytest.mark.postgres
async def test_the_service_runs_on_postgres_without_demo_users(
    postgres: PostgresServer, start_service: StartService
) -> None:
    url = (
        postgres.url(postgres.create_database(), scheme="postgres")
        + "?sslmode=disable&channel_binding=prefer"
    )
    async with start_service(url) as service:
        assert service.keys == {}
        assert (await service.client.get("/health")).json()["database"] == "up"
        database: Database = service.app.state.database
        assert (await count(database, Api), await count(database, User)) == (4, 0)


@pytest.mark.postgres
async def test_postgres_prepared_by_several_at_once_has_one_catalogue(postgres: PostgresServer) -> None:
    url = postgres.url(postgres.create_database())
    databases = [open_database(url) for _ in range(4)]
    await asyncio.gather(*(database.prepare() for database in databases))
    assert await count(databases[0], Api) == 4
    for database in databases:
        await database.close()


@pytest.mark.postgres
async def test_settings_in_the_url_reach_the_server(postgres: PostgresServer) -> None:
    url = postgres.url(postgres.create_database(), scheme="postgresql+psycopg2")
    database = open_database(
        f"{url}?options=-c%20statement_timeout%3D5000&application_name=shop&pgbouncer=true"
    )
    async with database.session() as session:
        assert await session.scalar(text("SHOW statement_timeout")) == "5s"
        assert await session.scalar(text("SHOW application_name")) == "shop"
    await database.close()


@pytest.mark.postgres
@pytest.mark.parametrize("database", [None, "no_such_database"])
async def test_a_refused_login_is_a_database_that_is_down(
    postgres: PostgresServer, start_service: StartService, database: str | None
) -> None:
    url = postgres.url(database) if database else postgres.url(password="wrong")
    async with start_service(url) as service:
        assert (await service.client.get("/health")).status_code == 503


@pytest.mark.postgres
@pytest.mark.slow
async def test_the_service_heals_when_the_database_comes_back(
    fresh_postgres: PostgresServer, start_service: StartService
) -> None:
    await asyncio.to_thread(fresh_postgres.stop)
    async with start_service(fresh_postgres.url()) as service:
        assert (await service.client.get("/health")).status_code == 503
        await asyncio.to_thread(fresh_postgres.start)
        assert (await service.client.get("/health")).status_code == 200
        await asyncio.to_thread(fresh_postgres.stop)
        assert (await service.client.get("/health")).status_code == 503
        await asyncio.to_thread(fresh_postgres.start)
        assert (await service.client.get("/health")).status_code == 200


def test_the_engine_hides_parameters_and_pings_servers() -> None:
    settings = AppSettings(database_url=SecretStr("postgres://u:p@h/db"))
    engine = make_engine(settings.database)
    assert engine.sync_engine.hide_parameters
    assert engine.pool._pre_ping
