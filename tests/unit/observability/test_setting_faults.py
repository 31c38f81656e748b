"""Settings that could not work are refused, or repaired where it is clear what was meant."""

import os
from pathlib import Path
from typing import Any

import pytest

from app.observability import ObservabilityConfigError, ObservabilitySettings
from app.observability.validation import check_host


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("SENTRY_", "RAILWAY_"))]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_ip_header", "x-ключ"),
        ("client_ip_header", "x real ip"),
        ("client_ip_header", "x-real-ip:"),
        ("feedback_origins", "app.example.com"),
        ("feedback_origins", "https://app.example.com,*"),
        ("feedback_origins", "https://app.example.com/shop"),
        ("feedback_origins", "https://app.example.com:port"),
        ("feedback_origins", "https://xn--"),
        ("health_paths", "health"),
        ("health_paths", "/health,healthz"),
        ("health_paths", "/health?full"),
        ("spool_dir", "~nobody-of-that-name/spool"),
        ("dsn", "https://" + "a1b2c3d4" + "@.invalid./1"),
        ("dsn", "https://" + "a1b2c3d4" + "@xn--/1"),
        ("dsn", "https://" + "a1b2c3d4" + "@sentry..example/1"),
        ("dsn", "https://" + "a1b2c3d4" + "@sentry.example/²"),
    ],
)
def test_what_can_not_work_stops_the_start_and_names_the_variable(name: str, value: str) -> None:
    values: dict[str, Any] = {name: value}
    with pytest.raises(ObservabilityConfigError) as caught:
        ObservabilitySettings(**values)
    (fault,) = caught.value.faults
    assert fault.startswith(f"SENTRY_{name.upper()} ")
    assert "Right: " in fault
    assert "a1b2c3d4" not in fault


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_ip_header", "X-Real-IP"),
        ("feedback_origins", "https://app.example.com/,http://localhost:3000,https://[::1]:8443"),
        ("health_paths", "/,/health"),
        ("dsn", "https://" + "a1b2c3d4" + "@relay.svc.cluster.local./1"),
        ("dsn", "http://" + "a1b2c3d4" + "@[::1]:9000/1"),
        ("dsn", "https://" + "a1b2c3d4" + "@xn--mnchen-3ya.example/prefix/1"),
    ],
)
def test_what_can_work_is_taken_as_it_is(name: str, value: str) -> None:
    values: dict[str, Any] = {name: value}
    found = getattr(ObservabilitySettings(**values), name)
    assert found == (value if isinstance(found, str) else tuple(value.split(",")))


def test_a_tilde_in_the_spool_folder_is_the_users_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SENTRY_SPOOL_DIR", "~/spool")
    assert ObservabilitySettings().spool_dir == tmp_path / "spool"


def test_a_wrong_rule_for_scrubbing_is_said_in_a_sentence() -> None:
    with pytest.raises(
        ObservabilityConfigError, match="SENTRY_SCRUB_KEYS has a rule that can't be used: the"
    ):
        ObservabilitySettings(scrub_keys="re:(")


@pytest.mark.parametrize("host", ["localhost", "sentry", "o1.ingest.de.sentry.io", "10.0.0.1", "a_b.example"])
def test_hosts_that_exist_somewhere_are_hosts(host: str) -> None:
    assert check_host(host) == host
