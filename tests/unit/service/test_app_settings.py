"""The service's own settings: read strictly, repaired where it is harmless, explained all at once."""

import pytest
from pydantic import SecretStr

from app.settings import AppConfigError, AppSettings

VARIABLES = (
    "PORT",
    "BIND_HOST",
    "DATABASE_URL",
    "LOG_LEVEL",
    "UPSTREAM_TIMEOUT_S",
    "RAILWAY_ENVIRONMENT_NAME",
)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_without_variables_it_is_a_local_service_on_an_embedded_database() -> None:
    settings = AppSettings.load()
    assert (settings.host, settings.port, settings.database.is_embedded) == ("127.0.0.1", 8000, True)


def test_on_railway_it_listens_on_every_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAILWAY_ENVIRONMENT_NAME", "production")
    assert AppSettings.load().host == "0.0.0.0"  # noqa: S104 - what is tested


def test_a_port_alone_does_not_open_the_service_to_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    assert (AppSettings.load().host, AppSettings.load().port) == ("127.0.0.1", 9000)


def test_bind_host_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIND_HOST", "::1")
    assert AppSettings.load().host == "::1"


@pytest.mark.parametrize("value", [" 9000\n", '"9000"', "'9000'"])
def test_slips_of_copy_and_paste_are_repaired(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PORT", value)
    monkeypatch.setenv("DATABASE_URL", ' "postgres://u:p@h/db"\n')
    settings = AppSettings.load()
    assert settings.port == 9000
    assert settings.database.url.host == "h"


@pytest.mark.parametrize("value", ["", "  ", '""'])
def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, value)
    assert AppSettings.load() == AppSettings()
    assert AppSettings.load().database.is_embedded


def test_every_fault_is_named_at_once_with_a_right_example(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "hush" + "-hush"
    monkeypatch.setenv("PORT", "abc")
    monkeypatch.setenv("DATABASE_URL", f"mysql://u:{secret}@h/db")
    monkeypatch.setenv("LOG_LEVEL", "loud")
    monkeypatch.setenv("UPSTREAM_TIMEOUT_S", "0")
    with pytest.raises(AppConfigError) as caught:
        AppSettings.load()
    assert [fault.split()[0] for fault in caught.value.faults] == [
        "PORT",
        "DATABASE_URL",
        "LOG_LEVEL",
        "UPSTREAM_TIMEOUT_S",
    ]
    assert all("Right: " in fault for fault in caught.value.faults)
    assert secret not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("port", ["0", "-1", "65536", "80.5", "80 81"])
def test_what_is_no_port_is_refused(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("PORT", port)
    with pytest.raises(AppConfigError, match="PORT"):
        AppSettings.load()


def test_the_error_ends_a_process_that_does_not_catch_it() -> None:
    error = AppConfigError(["PORT is wrong"])
    assert isinstance(error, SystemExit)
    assert isinstance(error, ValueError)
    assert error.code == str(error)
    assert "PORT is wrong" in str(error)


def test_settings_do_not_show_the_password() -> None:
    secret = "hush" + "-hush"
    settings = AppSettings(database_url=SecretStr(f"postgres://u:{secret}@h/db"))
    assert secret not in repr(settings) + repr(settings.database)
