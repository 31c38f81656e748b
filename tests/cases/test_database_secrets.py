"""Cases 1, 9, 18 and 96 and their kind: what a database error, a statement or a bad address must not carry out.

Secrets are put together at run time, so that the source lines shown with a frame do not hold them.
"""

import json
import logging
import secrets
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from sqlalchemy import MetaData, create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.support.database_app import DatabaseApp, make_async_engine, observed, run, select_one
from tests.support.observed import Observed
from tests.support.postgres import PostgresServer
from tools.processes import free_port

pytestmark = pytest.mark.anyio


def made_up_secret() -> str:
    return f"pw{secrets.token_hex(10)}"


def everything(service: DatabaseApp) -> str:
    """Every envelope as it would have been sent."""
    return "".join(envelope.serialize().decode() for envelope in service.recorded.transport.envelopes())


@pytest.mark.parametrize("path", ["/raise", "/answer-503", "/swallow", "/answer-503-without-cause"])
@pytest.mark.parametrize("include_locals", [True, False])
async def test_the_password_of_a_closed_port_is_nowhere_while_host_name_and_kind_are(
    path: str, include_locals: bool
) -> None:
    """Case 1, under every local name that drivers and services use for it."""
    password = made_up_secret()
    port = free_port()
    engine = make_async_engine(f"postgresql://ann:{password}@127.0.0.1:{port}/orders")

    async def work(engine: AsyncEngine) -> Any:
        params = kwargs = cparams = connect_args = {"host": "127.0.0.1", "user": "ann", "password": password}
        dsn = url = address = f"postgresql://ann:{password}@127.0.0.1:{port}/orders"
        unrelated = [("connect", f"postgresql+asyncpg://ann:{password}@127.0.0.1/orders?sslmode=require")]
        result = await select_one(engine)
        return params, kwargs, cparams, connect_args, dsn, url, address, unrelated, result

    with observed(engine, work, include_locals=include_locals, traces_sample_rate=1.0) as service:
        await service.get(path)
        event = service.recorded.only_event()
        assert password not in everything(service)
        assert event["tags"]["db.failure"] == "connection_refused"
        assert event["contexts"]["database"] == {
            "system": "postgresql",
            "name": "orders",
            "address": "127.0.0.1",
            "port": port,
            "failure": "connection_refused",
        }


@pytest.mark.postgres
@pytest.mark.parametrize("is_right", [True, False])
async def test_the_password_that_the_server_refused_or_took_is_nowhere(
    postgres: PostgresServer, is_right: bool
) -> None:
    """Case 1: an unknown database with the right password, and a wrong password."""
    wrong = made_up_secret()
    engine = make_async_engine(postgres.url("no_such_database", password=is_right or wrong))
    for path in ("/raise", "/answer-503"):
        with observed(engine) as service:
            await service.get(path)
            kind = service.recorded.only_event()["tags"]["db.failure"]
            assert kind == ("database_missing" if is_right else "authentication")
            sent = everything(service)
            assert postgres.password not in sent
            assert wrong not in sent
    await engine.dispose()


async def test_a_password_given_as_an_argument_of_the_driver_is_nowhere() -> None:
    password = made_up_secret()
    options = {"password": password, "server_settings": {"application_name": "orders"}}
    url = f"postgresql+asyncpg://ann@127.0.0.1:{free_port()}/orders"
    engine = create_async_engine(url, connect_args=options)
    with observed(engine) as service:
        await service.get("/raise")
        assert service.recorded.only_event()["tags"]["db.failure"] == "connection_refused"
        assert password not in everything(service)


@pytest.mark.parametrize("place", ["extra", "context", "breadcrumb", "log", "tag", "span"])
@pytest.mark.parametrize("include_locals", [True, False])
async def test_the_address_of_an_engine_is_shown_without_its_password(
    place: str, include_locals: bool
) -> None:
    """Case 1, where a service reports `engine.url` itself: to the SDK it is a tuple like any other."""
    password = made_up_secret()
    url = create_engine(f"postgresql+asyncpg://ann:{password}@127.0.0.1/orders").url
    recorded = Observed(include_locals=include_locals, traces_sample_rate=1.0)

    @recorded.app.get("/")
    async def report() -> None:
        scope = sentry_sdk.get_current_scope()
        if place == "extra":
            scope.set_extra("engine", {"urls": [url]})
        elif place == "context":
            scope.set_context("engine", {"url": url})
        elif place == "breadcrumb":
            sentry_sdk.add_breadcrumb(message="connecting", data={"to": url})
        elif place == "log":
            logging.getLogger("shop").error("no answer from %s", url)
        elif place == "tag":
            scope.set_tag("engine", url)
        with sentry_sdk.start_span(op="connect", name="connect") as span:
            span.set_data("to", url)
        raise ConnectionError("no answer")

    await recorded.get("/")
    sent = json.dumps([payload for _, payload in recorded.transport.items()])
    assert password not in sent
    assert recorded.events
    assert recorded.transactions
    assert "127.0.0.1" in sent, "the rest of it is what the service wanted to say"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url(server.create_database())


@pytest.mark.parametrize("hides", [True, False], ids=["hide_parameters", "parameters shown"])
@pytest.mark.parametrize("path", ["/raise", "/answer-503"])
async def test_a_duplicate_row_is_not_told_by_the_error_about_it(
    address: str, path: str, hides: bool
) -> None:
    """Case 9, also on an engine that a service made without `hide_parameters`."""
    digest = "$2b$12$" + secrets.token_hex(20)
    note = f"met {secrets.token_hex(6)} at the fair"
    mail = f"{secrets.token_hex(4)}@example.com"
    url = make_async_engine(address).url.render_as_string(hide_password=False)
    engine = create_async_engine(url, hide_parameters=hides)
    await run(engine, "CREATE TABLE users (email text UNIQUE, password_hash text, note text)")

    async def work(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            statement = text("INSERT INTO users VALUES (:email, :password_hash, :note)")
            row = {"email": mail, "password_hash": digest, "note": note}
            await connection.execute(statement, row)
            await connection.execute(statement, row)

    with observed(engine, work, include_locals=False, traces_sample_rate=1.0) as service:
        await service.get(path)
        assert service.recorded.only_event()["tags"]["db.failure"] == "integrity"
        sent = everything(service)
        for secret in (digest, mail, note, note[4:16]):
            assert secret not in sent, secret
    await engine.dispose()


async def test_values_that_an_echoing_engine_logs_are_in_no_breadcrumb_and_no_sentry_log(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Case 9 by another way out: `echo=True` writes every row to the log."""
    note = f"met {secrets.token_hex(6)} at the fair"
    url = make_async_engine(address).url.render_as_string(hide_password=False)
    engine = create_async_engine(url, echo=True)

    async def work(engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT :note AS note"), {"note": note})
            await connection.execute(text("SELECT nothing FROM nowhere"))

    with (
        caplog.at_level("DEBUG", logger="sqlalchemy"),
        observed(engine, work, enable_logs=True, include_locals=False) as service,
    ):
        await service.get("/raise")
        sentry_sdk.flush()
        assert note in caplog.text
        assert len(service.recorded.only_event()["breadcrumbs"]["values"]) >= 2
        assert note[4:16] not in everything(service)
    await engine.dispose()


async def test_literals_in_raw_sql_are_in_no_span_breadcrumb_or_error(address: str) -> None:
    """Case 18."""
    mail = f"{secrets.token_hex(4)}@example.com"
    name = f"O''{secrets.token_hex(4)}"
    engine = make_async_engine(address)
    await run(engine, "CREATE TABLE users (email text, name text)")

    async def work(engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            await connection.execute(text(f"SELECT * FROM users WHERE email = '{mail}' AND name = '{name}'"))  # noqa: S608
            await connection.execute(text(f"SELECT nothing FROM users WHERE email = '{mail}'"))  # noqa: S608

    with observed(engine, work, include_locals=False, traces_sample_rate=1.0) as service:
        await service.get("/raise")
        sent = everything(service)
        assert mail not in sent
        assert name not in sent
        assert name[3:] not in sent
        spans = [span for span in service.recorded.transactions[0]["spans"] if span["op"] == "db"]
        assert len(spans) == 2
        assert spans[0]["description"].startswith("SELECT * FROM users WHERE email = ")
    await engine.dispose()


async def test_a_literal_that_the_cut_of_a_long_statement_falls_into_is_not_shown(address: str) -> None:
    """Case 18 with case 82: the closing quote is cut off."""
    secret = secrets.token_hex(40)
    statement = "SELECT 1 /* " + "x" * 1990 + " */ AS n WHERE 'a' = '" + secret + "'"

    async def work(engine: AsyncEngine) -> None:
        await run(engine, statement)

    engine = make_async_engine(address)
    with observed(engine, work, include_locals=False, traces_sample_rate=1.0) as service:
        await service.get("/raise")
        assert service.recorded.transactions[0]["spans"]
        sent = everything(service)
        assert secret[:16] not in sent
    await engine.dispose()


@pytest.mark.parametrize("form", ["pg::ann:{}@h/d", "postgresql//ann:{}@h", "postgres ql://ann:{}@h/d", "{}"])
async def test_an_address_that_cannot_be_parsed_is_not_shown(form: str) -> None:
    """Case 96: SQLAlchemy's own error repeats what it was given."""
    password = made_up_secret()

    async def work(engine: AsyncEngine) -> None:
        create_engine(form.format(password), future=True)

    async def reflect(engine: AsyncEngine) -> None:
        reflect_from: Any = form.format(password)
        MetaData().reflect(bind=reflect_from)

    engine = make_async_engine("sqlite://")
    for mistake in (work, reflect):
        with observed(engine, mistake, include_locals=False) as service:
            await service.get("/raise")
            event = service.recorded.only_event()
            if form != "{}":  # a lone word names nothing that could be known to be a secret
                assert password not in json.dumps(event)
    await engine.dispose()
