"""Settings: what is repaired, what is refused, and in which words."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.observability import Mode, ObservabilityConfigError, ObservabilitySettings
from app.observability.counters import Counters
from app.observability.delivery import DeliveryTransport
from app.observability.settings import EXAMPLES
from app.observability.validation import check_environment, slug

DSN = "https://" + "a1b2c3d4" + "@o0.ingest.example/42"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("SENTRY_", "RAILWAY_"))]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("written", [f" {DSN}\n", f'"{DSN}"', f"'{DSN}'", f"\t{DSN} "])
def test_slips_of_copy_and_paste_in_a_dsn_are_repaired(written: str) -> None:
    """Case 69."""
    assert ObservabilitySettings(dsn=written).dsn == DSN


@pytest.mark.parametrize(
    "written",
    [
        "None",
        "https://o0.ingest.example/42",
        "https://key@o0.ingest.example/",
        "${{shared.SENTRY_DSN}}",
        "k@h/1",
        "https://key@/1",
    ],
)
def test_a_wrong_dsn_stops_the_start(written: str) -> None:
    """Case 69."""
    with pytest.raises(ObservabilityConfigError, match="SENTRY_DSN"):
        ObservabilitySettings(dsn=written)


def test_what_belongs_to_one_sentry_project_lies_in_a_folder_of_its_own(tmp_path: Path) -> None:
    def place(dsn: str | None) -> Path:
        return ObservabilitySettings(dsn=dsn, spool_dir=tmp_path).state_dir

    same = [DSN, DSN.replace("a1b2c3d4", "e5f6"), DSN.replace("/42", ":443/42"), DSN.replace("/42", "/042")]
    others = [DSN.replace("/42", "/43"), DSN.replace("o0", "o1"), DSN.replace("/42", "/sub/42")]
    assert len({place(dsn) for dsn in same}) == 1
    assert len({place(dsn) for dsn in [DSN, None, *others]}) == 5
    assert place(None) == tmp_path


@pytest.mark.parametrize("dsn", [DSN, DSN.replace("https", "http"), DSN.replace("/42", ":9000/sub/042")])
def test_that_folder_is_marked_like_those_of_the_envelopes(dsn: str, tmp_path: Path) -> None:
    settings = ObservabilitySettings(dsn=dsn, spool_dir=tmp_path)
    transport = DeliveryTransport(dsn, gate=lambda each: each, counters=Counters(), spool_dir=tmp_path)
    try:
        transport.keep_unpaid({"event_id": "a" * 32}, ("kind", "frame", "route"))
        (folder,) = tmp_path.glob("worker-*")
        assert folder.name.split("-")[1] == settings.destination
    finally:
        transport.kill()


@pytest.mark.parametrize("written", ["", "   ", '""'])
def test_an_empty_variable_is_an_unset_one(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DSN", "ENABLED", "ENVIRONMENT", "TRACES_SAMPLE_RATE", "RELEASE"):
        monkeypatch.setenv(f"SENTRY_{name}", written)
    settings = ObservabilitySettings()
    assert (settings.dsn, settings.enabled, settings.environment) == (None, None, "development")
    assert settings.traces_sample_rate == 0.1
    assert settings.release == "streamapi@1.0.0"


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        ("0.5", 0.5),
        ("10%", 0.1),
        (" 10 % ", 0.1),
        ("0,25", 0.25),
        ("1,0", 1.0),
        ("0", 0.0),
        ("100%", 1.0),
        (1, 1.0),
    ],
)
def test_a_rate_is_understood_as_people_write_it(written: object, rate: float) -> None:
    """Case 70."""
    assert ObservabilitySettings(traces_sample_rate=written).traces_sample_rate == rate


@pytest.mark.parametrize("written", ["10", "-1", "nan", "inf", "ten", True, "101%", "1e400"])
def test_a_wrong_rate_stops_the_start(written: object) -> None:
    """Case 70."""
    with pytest.raises(ObservabilityConfigError, match="SENTRY_TRACES_SAMPLE_RATE"):
        ObservabilitySettings(traces_sample_rate=written)


@pytest.mark.parametrize("written", ["False", "false", "0", "no", "OFF", " false\n"])
def test_disabled_is_off_however_it_is_spelled_and_whatever_else_is_wrong(
    written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case 68."""
    monkeypatch.setenv("SENTRY_ENABLED", written)
    monkeypatch.setenv("SENTRY_DSN", "nonsense")
    monkeypatch.setenv("SENTRY_TRACES_SAMPLE_RATE", "often")
    monkeypatch.setenv("SENTRY_RELEASE", "latest")
    monkeypatch.setenv("SENTRY_MONTHLY_ERRORS", "-5")
    settings = ObservabilitySettings()
    assert settings.mode is Mode.OFF
    assert settings.release == "streamapi@1.0.0"


@pytest.mark.parametrize(
    ("enabled", "environment", "mode"),
    [
        (True, "production", Mode.LIVE),
        (True, "development", Mode.LIVE),
        (None, "development", Mode.LOCAL),
        (None, "production", Mode.OFF),
        (None, "staging", Mode.OFF),
        (False, "development", Mode.OFF),
    ],
)
def test_the_mode_follows_enabled_and_environment_never_the_dsn_alone(
    enabled: bool | None, environment: str, mode: Mode
) -> None:
    assert ObservabilitySettings(dsn=DSN, enabled=enabled, environment=environment).mode is mode


def test_enabled_without_a_dsn_stops_the_start() -> None:
    with pytest.raises(ObservabilityConfigError, match="SENTRY_DSN is not set"):
        ObservabilitySettings(enabled=True)


@pytest.mark.parametrize("name", ["feature/x", "a\\b", "x\ty", "latest", "Latest", ".", "..", "x" * 201])
def test_a_release_that_sentry_refuses_is_refused(name: str) -> None:
    """Case 71."""
    with pytest.raises(ObservabilityConfigError, match="SENTRY_RELEASE"):
        ObservabilitySettings(release=name)


@pytest.mark.parametrize("name", ["pr/12", "none", "None", "a b", "x" * 65, "-x"])
def test_an_environment_that_sentry_refuses_is_refused(name: str) -> None:
    """Case 71."""
    with pytest.raises(ObservabilityConfigError, match="SENTRY_ENVIRONMENT"):
        ObservabilitySettings(environment=name)


def test_names_come_from_railway_when_nobody_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Case 73."""
    monkeypatch.setenv("RAILWAY_ENVIRONMENT_NAME", "pr/12 preview")
    monkeypatch.setenv("RAILWAY_GIT_COMMIT_SHA", "0123456789abcdef0123456789abcdef01234567")
    settings = ObservabilitySettings()
    assert settings.environment == "pr-12-preview"
    assert settings.release == "streamapi@1.0.0+0123456789ab"


@given(st.text(max_size=100))
def test_any_name_of_a_platform_becomes_an_environment_that_sentry_accepts(name: str) -> None:
    assert check_environment(slug(name, "development"))


def test_one_message_lists_every_fault_with_an_example_and_no_secret() -> None:
    token = "-".join(("short", "tok"))
    with pytest.raises(ObservabilityConfigError) as caught:
        ObservabilitySettings(
            enabled=True,
            traces_sample_rate=7,
            environment="none",
            release="a/b",
            test_token=token,
        )
    text = str(caught.value)
    for name in ("DSN", "TRACES_SAMPLE_RATE", "ENVIRONMENT", "RELEASE", "TEST_TOKEN"):
        assert f"SENTRY_{name} " in text
    assert text.count("Right: ") == 5
    assert token not in text


def test_a_secret_is_in_no_repr() -> None:
    token = "-".join(("a", "long", "enough", "token"))
    shown = repr(ObservabilitySettings(dsn=DSN, test_token=token))
    assert DSN not in shown
    assert token not in shown


def test_a_misspelled_keyword_is_named_with_those_that_exist() -> None:
    with pytest.raises(ObservabilityConfigError, match=r"'dns' is not a setting. Known: .*dsn"):
        ObservabilitySettings(dns=DSN)  # type: ignore[call-arg]


def test_every_setting_has_an_example_that_is_right() -> None:
    assert set(EXAMPLES) == set(ObservabilitySettings.model_fields)
    for name, example in EXAMPLES.items():
        values: dict[str, Any] = {name: example, **({"dsn": DSN} if name == "enabled" else {})}
        ObservabilitySettings(**values)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        ObservabilitySettings().environment = "production"  # type: ignore[misc]


def test_a_process_with_wrong_settings_ends_with_the_message_and_without_a_traceback(tmp_path: Path) -> None:
    script = tmp_path / "host.py"
    script.write_text(
        "from fastapi import FastAPI\nfrom app.observability import init_sentry\n"
        "init_sentry(FastAPI())\nprint('started')\n"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[3])}
    environment |= {"SENTRY_ENABLED": "maybe", "SENTRY_TRACES_SAMPLE_RATE": "ten"}
    ran = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode != 0
    assert "started" not in ran.stdout
    assert "Traceback" not in ran.stderr
    assert "SENTRY_ENABLED" in ran.stderr
    assert "SENTRY_TRACES_SAMPLE_RATE" in ran.stderr


@pytest.mark.parametrize("name", ["scrub_keys", "scrub_allow"])
def test_a_wrong_pattern_for_scrubbing_stops_the_start(name: str) -> None:
    values: dict[str, Any] = {name: "re:("}
    with pytest.raises(ObservabilityConfigError, match=f"SENTRY_{name.upper()}"):
        ObservabilitySettings(**values)
