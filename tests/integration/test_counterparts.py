"""The servers and the browser that other tests rely on do what those tests take for granted."""

import asyncio
import signal

import asyncpg
import httpx
import pytest
import sentry_sdk
from playwright.sync_api import Page
from sentry_sdk.transport import HttpTransport

from tests.support.postgres import PostgresServer
from tests.support.uvicorn_server import StartServer
from tools.bugsink import BugsinkServer
from tools.processes import ServerFailedError

APP = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
    await send({"type": "http.response.body", "body": b"<h1>Hello</h1>"})
"""


@pytest.mark.postgres
def test_postgres_shows_the_statements_of_one_database(postgres: PostgresServer) -> None:
    first, second = postgres.create_database(), postgres.create_database()
    postgres.execute("SELECT\n  1", first)
    postgres.execute("SELECT 2", second)
    assert [sql for sql in postgres.statements(first) if "SELECT" in sql] == ["SELECT 1"]


@pytest.mark.postgres
def test_postgres_refuses_a_wrong_password(postgres: PostgresServer) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        asyncio.run(asyncpg.connect(postgres.url(password="wrong")))


@pytest.mark.postgres
def test_postgres_can_be_stopped_killed_and_started_anew(
    fresh_postgres: PostgresServer,
) -> None:
    name = fresh_postgres.create_database()
    fresh_postgres.stop()
    with pytest.raises(OSError, match=r"refused|failed"):
        fresh_postgres.execute("SELECT 1", name)
    fresh_postgres.start(max_connections=7)
    assert fresh_postgres.execute("SHOW max_connections", name) == [("7",)]
    fresh_postgres.kill()
    fresh_postgres.start()
    assert fresh_postgres.execute("SHOW max_connections", name) == [("100",)]


@pytest.mark.bugsink
def test_bugsink_stores_an_error_and_lets_traces_pass(bugsink: BugsinkServer) -> None:
    with sentry_sdk.new_scope() as scope:
        client = sentry_sdk.Client(dsn=bugsink.dsn, traces_sample_rate=1.0, default_integrations=False)
        scope.set_client(client)
        with sentry_sdk.start_transaction(name="first"):
            pass
        client.flush()
        assert isinstance(client.transport, HttpTransport)
        assert not client.transport._disabled_until
        event_id = sentry_sdk.capture_message("an error after a trace", level="error")
        client.close()
    assert event_id is not None
    assert bugsink.event(event_id)["message"] == "an error after a trace"
    dashboard = httpx.get(bugsink.url, follow_redirects=True, trust_env=False)
    assert "/login" not in str(dashboard.url)


def test_a_server_is_stopped_with_its_output_kept(
    start_server: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("host")
    (folder / "hello.py").write_text(APP)
    server = start_server("hello:app", app_dir=folder, ready_path="/")
    assert httpx.get(server.url, trust_env=False).text == "<h1>Hello</h1>"
    assert server.stop() == -signal.SIGTERM
    assert "Application startup complete" in server.output()


def test_a_server_that_cannot_start_says_why(start_server: StartServer) -> None:
    with pytest.raises(ServerFailedError, match="no_such_module"):
        start_server("no_such_module:app")


@pytest.mark.browser
def test_chromium_opens_a_page_of_a_server_here(
    browser_page: Page, start_server: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("host")
    (folder / "hello.py").write_text(APP)
    server = start_server("hello:app", app_dir=folder, ready_path="/")
    browser_page.goto(server.url)
    assert browser_page.get_by_role("heading").inner_text() == "Hello"
