"""How the process starts and how it refuses to."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from tests.support.demo_users import demo_keys
from tests.support.uvicorn_server import StartServer, server_environment
from tools.processes import ServerProcess, free_port

SECRET = "hush" + "-hush"
MODULE = ["-m", "app"]
UVICORN = ["-m", "uvicorn", "app.main:app", "--port", "0"]


def run(folder: Path, arguments: Sequence[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the project importable and nothing else set, and wait for it to end."""
    environment = server_environment(folder) | {"SENTRY_ENABLED": "false"} | variables
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("arguments", [MODULE, UVICORN], ids=["python -m app", "uvicorn"])
def test_wrong_variables_end_the_process_with_one_message(tmp_path: Path, arguments: list[str]) -> None:
    ended = run(tmp_path, arguments, PORT="abc", DATABASE_URL=f"pg::u:{SECRET}@h", LOG_LEVEL="loud")
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert [line.split()[1] for line in ended.stderr.splitlines() if line.startswith("  - ")] == [
        "PORT",
        "DATABASE_URL",
        "LOG_LEVEL",
    ]
    assert SECRET not in ended.stderr + ended.stdout


@pytest.mark.parametrize("arguments", [MODULE, UVICORN], ids=["python -m app", "uvicorn"])
def test_wrong_variables_of_sentry_end_it_too(tmp_path: Path, arguments: list[str]) -> None:
    ended = run(tmp_path, arguments, SENTRY_ENABLED="true", SENTRY_DSN=f"http://{SECRET}@")
    assert ended.returncode == 1
    assert "SENTRY_DSN" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert SECRET not in ended.stderr + ended.stdout


def test_python_m_app_reads_a_dotenv_file(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / ".env").write_text(f"PORT={port}\nSENTRY_ENABLED=false\n")
    environment = server_environment(tmp_path)
    with ServerProcess(
        [sys.executable, *MODULE], log=tmp_path / "log", env=environment, cwd=tmp_path
    ) as server:
        server.wait_until(lambda: "Uvicorn running" in server.output())
        answer = httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False)
    assert answer.json()["observability"] == "off"
    assert "Uvicorn running on http://127.0.0.1:" in server.output()


def test_a_set_variable_wins_over_the_dotenv_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=8000\n")
    ended = run(tmp_path, MODULE, PORT="abc")
    assert "PORT is wrong" in ended.stderr


def test_importing_the_app_opens_nothing(tmp_path: Path) -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*_): raise SystemExit('a connection was opened')\n"
        "socket.socket.connect = socket.socket.connect_ex = refuse\n"
        "import app.main\n"
        "print(app.main.app.title)"
    )
    ended = run(tmp_path, ["-c", code])
    assert (ended.returncode, ended.stdout.strip()) == (0, "StreamAPI")
    assert not (tmp_path / ".data").exists()


def test_two_workers_that_start_together_make_one_set_of_demo_users(start_server: StartServer) -> None:
    server = start_server(env={"SENTRY_ENABLED": "false"}, workers=2)
    server.wait_until(lambda: server.output().count("Application startup complete") == 2)
    assert server.output().count("First start") == 1
    keys = demo_keys(server.output())
    statuses = {
        httpx.get(f"{server.url}/api/discovery", headers={"X-API-Key": key}, trust_env=False).status_code
        for key in keys.values()
    }
    assert (len(keys), statuses) == (3, {200})


def test_a_database_file_that_cannot_be_made_leaves_the_service_unhealthy_not_dead(
    start_server: StartServer, tmp_path: Path
) -> None:
    (tmp_path / "a-file").touch()
    url = f"sqlite:///{tmp_path}/a-file/streamapi.db"
    server = start_server(env={"DATABASE_URL": url, "SENTRY_ENABLED": "false"})
    assert httpx.get(f"{server.url}/health", trust_env=False).status_code == 503


def test_users_are_added_and_removed_from_the_command_line(start_server: StartServer) -> None:
    server = start_server(env={"SENTRY_ENABLED": "false", "SENTRY_ENVIRONMENT": "production"})
    assert demo_keys(server.output()) == {}

    def discovery(key: str) -> int:
        headers = {"X-API-Key": key}
        return httpx.get(f"{server.url}/api/discovery", headers=headers, trust_env=False).status_code

    added = run(server.folder, ["-m", "app.users", "add", "--tier", "premium", "--id", "acme"])
    assert added.returncode == 0, added.stderr
    key = added.stdout.split()[-1]
    assert discovery(key) == 200

    again = run(server.folder, ["-m", "app.users", "add", "--id", "acme"])
    assert (again.returncode, again.stdout, again.stderr.strip()) == (1, "", "A user acme exists already")

    removed = run(server.folder, ["-m", "app.users", "remove", "--id", "acme"])
    assert (removed.returncode, removed.stdout.strip()) == (0, "User acme is removed")
    assert discovery(key) == 401

    absent = run(server.folder, ["-m", "app.users", "remove", "--id", "acme"])
    assert (absent.returncode, absent.stderr.strip()) == (1, "There is no user acme")


def test_the_command_says_when_the_database_is_down_and_not_its_password(tmp_path: Path) -> None:
    url = f"postgres://u:{SECRET}@127.0.0.1:{free_port()}/db"
    ended = run(tmp_path, ["-m", "app.users", "add"], DATABASE_URL=url)
    assert (ended.returncode, ended.stderr.strip()) == (
        1,
        "The database cannot be used: ConnectionRefusedError",
    )
