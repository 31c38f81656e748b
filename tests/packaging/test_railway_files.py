"""The files that Railway reads agree with each other and with the settings."""

import inspect
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from app.__main__ import GRACEFUL_SHUTDOWN_S
from app.observability import Mode, ObservabilitySettings
from app.observability.ops.settings import OpsSettings
from app.settings import AppSettings

PROJECT = Path(__file__).resolve().parents[2]
RAILWAY: dict[str, Any] = json.loads((PROJECT / "railway.json").read_text())
DEPLOY: dict[str, Any] = RAILWAY["deploy"]
ENV_EXAMPLE = (PROJECT / ".env.example").read_text()

SERVICE_VARIABLES = {name.upper() for name in AppSettings.model_fields}
SENTRY_VARIABLES = {
    f"SENTRY_{name.upper()}" for name in ObservabilitySettings.model_fields | OpsSettings.model_fields
}


def option(command: str, name: str) -> str:
    words = shlex.split(command)
    return words[words.index(name) + 1]


def test_the_procfile_starts_what_railway_json_starts() -> None:
    # Railpack reads the Procfile as YAML.
    processes = yaml.safe_load((PROJECT / "Procfile").read_text())
    assert processes == {"web": DEPLOY["startCommand"]}


def test_the_shell_is_replaced_so_that_signals_reach_the_server() -> None:
    assert DEPLOY["startCommand"].startswith("exec uvicorn app.main:app ")


def test_the_server_listens_where_railway_looks_for_it() -> None:
    command = DEPLOY["startCommand"]
    assert option(command, "--host") == "0.0.0.0"  # noqa: S104 - the proxy is another machine
    assert "--port ${PORT:-8000}" in command
    assert {"--proxy-headers"} <= set(shlex.split(command))
    assert option(command, "--forwarded-allow-ips") == "*"


def test_the_drain_is_longer_than_shutdown_and_flush() -> None:
    graceful_s = int(option(DEPLOY["startCommand"], "--timeout-graceful-shutdown"))
    flush_s = ObservabilitySettings.model_fields["flush_timeout_s"].default
    assert graceful_s == GRACEFUL_SHUTDOWN_S
    assert DEPLOY["drainingSeconds"] >= graceful_s + flush_s + 1


def test_railway_json_has_only_keys_that_railway_reads_with_the_types_it_wants() -> None:
    assert set(RAILWAY) == {"$schema", "build", "deploy"}
    assert RAILWAY["build"] == {"builder": "RAILPACK"}
    kinds = {
        "startCommand": str,
        "healthcheckPath": str,
        "healthcheckTimeout": int,
        "restartPolicyType": str,
        "restartPolicyMaxRetries": int,
        # Not deploymentOverlapSeconds, and no strings: both are common and silently ignored.
        "overlapSeconds": int,
        "drainingSeconds": int,
    }
    assert {name: type(value) for name, value in DEPLOY.items()} == kinds
    assert DEPLOY["restartPolicyType"] in ("ON_FAILURE", "ALWAYS", "NEVER")
    assert all(value > 0 for value in DEPLOY.values() if isinstance(value, int))


def test_the_health_check_is_a_route_that_the_reports_ignore() -> None:
    from app.routes.health import router

    assert DEPLOY["healthcheckPath"] in [getattr(route, "path", None) for route in router.routes]
    assert DEPLOY["healthcheckPath"] in ObservabilitySettings.model_fields["health_paths"].default


def test_the_example_lists_every_variable_and_no_other() -> None:
    assert set(dotenv_values(PROJECT / ".env.example")) == SERVICE_VARIABLES | SENTRY_VARIABLES


def test_every_variable_has_one_plain_comment_above_and_nothing_behind_it() -> None:
    blocks = [block.splitlines() for block in ENV_EXAMPLE.strip().split("\n\n")][1:]
    assert len(blocks) == len(SERVICE_VARIABLES | SENTRY_VARIABLES)
    for comment, *rest in blocks:
        assert re.fullmatch(r"# [A-Z].*\.", comment), comment
        assert len(rest) == 1, comment
        assert re.fullmatch(r"[A-Z0-9_]+=[^\s#\"']*", rest[0]), rest


@pytest.fixture
def example_as_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in dotenv_values(PROJECT / ".env.example").items():
        monkeypatch.setenv(name, value or "")
    for name in ("RAILWAY_ENVIRONMENT_NAME", "RAILWAY_GIT_COMMIT_SHA", "RAILWAY_VOLUME_MOUNT_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("example_as_environment")
def test_the_example_as_it_is_starts_the_service_with_sentry_off() -> None:
    assert AppSettings.load().database.is_embedded
    assert ObservabilitySettings().mode is Mode.OFF


@pytest.mark.usefixtures("example_as_environment")
def test_the_example_shows_the_defaults() -> None:
    defaults = AppSettings.model_construct()
    assert AppSettings.load().model_dump() == defaults.model_dump()
    shown = ObservabilitySettings()
    for name, field in ObservabilitySettings.model_fields.items():
        if name != "enabled":
            assert getattr(shown, name) == field.get_default(call_default_factory=True), name


def test_python_is_pinned_to_a_version_that_the_project_supports() -> None:
    assert re.fullmatch(r"3\.(1[1-9])", (PROJECT / ".python-version").read_text().strip())


def test_the_service_is_what_the_start_command_names() -> None:
    from app.main import create_app

    assert "settings" in inspect.signature(create_app).parameters
