"""What ops can set: `ObservabilitySettings`, read from SENTRY_* or given as keywords.

Pure: no SDK import. Fails with one `ObservabilityConfigError` that lists every faulty variable; values of
secrets are never repeated. `SENTRY_ENABLED=false` always yields usable settings.
"""

import hashlib
import os
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticUseDefault
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .scrubbing import Scrubber
from .validation import (
    check_dsn,
    check_environment,
    check_header,
    check_origin,
    check_path,
    check_release,
    clean_text,
    parse_flag,
    parse_rate,
    slug,
)
from .version import PACKAGE, __version__

PREFIX = "SENTRY_"
MIN_TEST_TOKEN = 16

EXAMPLES = {
    "dsn": "https://publickey@o0.ingest.sentry.io/1",
    "enabled": "true",
    "environment": "production",
    "traces_sample_rate": "0.1",
    "release": f"{PACKAGE}@{__version__}",
    "include_locals": "false",
    "send_email": "false",
    "send_client_ip": "false",
    "test_token": f"a random text of {MIN_TEST_TOKEN} characters or more",
    "trace_targets": "api.internal.example,billing.internal.example",
    "slow_request_ms": "2000",
    "slow_query_ms": "200",
    "spool_dir": "/data/sentry-spool",
    "monthly_errors": "5000",
    "monthly_spans": "5000000",
    "scrub_keys": "tenant_pin,re:ACME-[0-9]{8}",
    "scrub_allow": "session_type",
    "capture_422": "false",
    "auth_spike_per_minute": "20",
    "enable_logs": "false",
    "logs_level": "warning",
    "enable_metrics": "true",
    "user_tiers": "free,premium,enterprise",
    "flush_timeout_s": "5",
    "client_ip_header": "x-real-ip",
    "issue_url": "https://example.sentry.io/issues/?query={event_id}",
    "feedback_origins": "https://app.example.com",
    "tunnel": "false",
    "shared_budget": "true",
    "health_paths": "/health,/healthz",
}


class ObservabilityConfigError(ValueError, SystemExit):
    """Names every faulty setting, what is wrong with it and a right example.

    A `ValueError` for whoever catches it; for whoever does not, a `SystemExit`: the process ends with status 1
    and this text, without a traceback.
    """

    def __init__(self, faults: list[str]) -> None:
        lines = "\n".join(f"  - {fault}" for fault in faults)
        message = f"Sentry is not configured correctly. Nothing was started.\n{lines}"
        super().__init__(message)
        self.faults = tuple(faults)
        self.code = message


class Mode(StrEnum):
    """How the module runs: OFF does nothing, LOCAL keeps envelopes in memory, LIVE sends them to Sentry."""

    OFF = "off"
    LOCAL = "local"
    LIVE = "live"


def _split(value: object) -> object:
    """Accept a comma-separated text where a sequence of texts is expected."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Flag = Annotated[bool, BeforeValidator(parse_flag)]
Rate = Annotated[float, BeforeValidator(parse_rate)]


def _default_environment() -> str:
    return slug(os.environ.get("RAILWAY_ENVIRONMENT_NAME", ""), fallback="development")


def _default_release() -> str:
    commit = os.environ.get("RAILWAY_GIT_COMMIT_SHA", "").strip()[:12]
    release = f"{PACKAGE}@{__version__}"
    return f"{release}+{commit}" if commit.isalnum() else release


def _default_spool_dir() -> Path:
    volume = os.environ.get("RAILWAY_VOLUME_MOUNT_PATH", "").strip()
    if volume:
        return Path(volume) / "sentry-spool"
    owner = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"{PACKAGE}-sentry-{owner}"


def _destination(dsn: str) -> str:
    parts = urlsplit(dsn)
    path, _, project = parts.path.rpartition("/")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    place = f"{parts.hostname}:{port}{path}/{int(project)}"
    return hashlib.sha256(place.encode()).hexdigest()[:8]


class ObservabilitySettings(BaseSettings):
    """Settings of the module, frozen. Each field is read from SENTRY_<FIELD>; keywords win over variables.

    Raises:
        ObservabilityConfigError: lists every field that is wrong, with an example of a right value.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True, hide_input_in_errors=True
    )

    dsn: str | None = Field(default=None, repr=False)
    enabled: Flag | None = None
    environment: str = Field(default_factory=_default_environment)
    traces_sample_rate: Rate = 0.1
    release: str = Field(default_factory=_default_release)

    include_locals: Flag | None = None
    send_email: Flag = False
    send_client_ip: Flag = False
    test_token: SecretStr | None = None
    trace_targets: Words = ()
    slow_request_ms: int = Field(default=2000, ge=0)
    slow_query_ms: int = Field(default=200, ge=0)
    spool_dir: Path = Field(default_factory=_default_spool_dir)
    monthly_errors: int = Field(default=5_000, ge=0)
    monthly_spans: int = Field(default=5_000_000, ge=0)
    scrub_keys: Words = ()
    scrub_allow: Words = ()
    capture_422: Flag = False
    auth_spike_per_minute: int = Field(default=20, ge=1)
    enable_logs: Flag = False
    logs_level: Literal["debug", "info", "warning", "error"] = "warning"
    enable_metrics: Flag = True
    user_tiers: Words = ()
    flush_timeout_s: float = Field(default=5.0, gt=0, le=60)
    client_ip_header: str | None = None
    issue_url: str | None = None
    feedback_origins: Words = ()
    tunnel: Flag = False
    shared_budget: Flag = True
    health_paths: Words = ("/health", "/healthz", "/livez", "/readyz")

    if not TYPE_CHECKING:  # type checkers keep pydantic's own signature, one keyword a field

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                bad = {str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}
                if not _enabled_is(False, values):
                    raise ObservabilityConfigError(_faults(error, values)) from None
                kept = {name: value for name, value in values.items() if name not in bad}
                neutral = {name: _neutral(name) for name in bad & type(self).model_fields.keys()}
                super().__init__(**{**kept, **neutral, "enabled": False})
            if self.enabled and not self.dsn:
                raise ObservabilityConfigError([_MISSING_DSN])

    @field_validator("*", mode="before")
    @classmethod
    def _repair(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        text = clean_text(value)
        if not text:
            raise PydanticUseDefault
        return text

    @field_validator("dsn")
    @classmethod
    def _dsn(cls, value: str | None) -> str | None:
        return value if value is None else check_dsn(value)

    @field_validator("environment")
    @classmethod
    def _environment(cls, value: str) -> str:
        return check_environment(value)

    @field_validator("release")
    @classmethod
    def _release(cls, value: str) -> str:
        return check_release(value)

    @field_validator("test_token")
    @classmethod
    def _test_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < MIN_TEST_TOKEN:
            raise ValueError(f"is shorter than {MIN_TEST_TOKEN} characters and could be guessed")
        return value

    @field_validator("scrub_keys", "scrub_allow")
    @classmethod
    def _scrub_rules(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        field = "extra_keys" if info.field_name == "scrub_keys" else "allow_keys"
        try:
            Scrubber(**{field: value})
        except ValueError as error:
            raise ValueError(f"has a rule that can't be used: {error}") from None
        return value

    @field_validator("client_ip_header")
    @classmethod
    def _client_ip_header(cls, value: str | None) -> str | None:
        return value if value is None else check_header(value)

    @field_validator("feedback_origins")
    @classmethod
    def _feedback_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(check_origin, value))

    @field_validator("health_paths")
    @classmethod
    def _health_paths(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(check_path, value))

    @field_validator("spool_dir")
    @classmethod
    def _spool_dir(cls, value: Path) -> Path:
        try:
            return value.expanduser()
        except RuntimeError:
            raise ValueError("starts with the home of a user who has none") from None

    @field_validator("issue_url")
    @classmethod
    def _issue_url(cls, value: str | None) -> str | None:
        if value is not None and ("{event_id}" not in value or not value.startswith(("http://", "https://"))):
            raise ValueError("must be a web address that contains {event_id}")
        return value

    @property
    def mode(self) -> Mode:
        """LIVE if enabled, LOCAL if undecided in development, else OFF. A DSN alone never sends."""
        if self.enabled:
            return Mode.LIVE
        if self.enabled is None and self.environment == "development":
            return Mode.LOCAL
        return Mode.OFF

    @property
    def destination(self) -> str:
        """A short digest of the Sentry project that the DSN names, empty without one; keys may change.

        The same one that marks the spool's folders (`delivery.Spool`; unit test).
        """
        return _destination(self.dsn) if self.dsn else ""

    @property
    def state_dir(self) -> Path:
        """Folder of the month's budget: in the spool folder, one for each Sentry project that is sent to from here."""
        return self.spool_dir / f"state-{self.destination}" if self.destination else self.spool_dir

    @property
    def includes_locals(self) -> bool:
        """Whether variables of in-app frames are sent: SENTRY_INCLUDE_LOCALS, else in development only."""
        if self.include_locals is None:
            return self.environment == "development"
        return self.include_locals


def _raw(values: dict[str, Any], name: str) -> Any:
    value = values.get(name, os.environ.get(f"{PREFIX}{name.upper()}"))
    return clean_text(value) if isinstance(value, str) else value


def _enabled_is(wanted: bool, values: dict[str, Any]) -> bool:
    """Tell whether `enabled` was set to exactly this, however it is spelled, before anything was validated."""
    raw = _raw(values, "enabled")
    try:
        return raw not in (None, "") and parse_flag(raw) is wanted
    except ValueError:
        return False


def _neutral(name: str) -> Any:
    return ObservabilitySettings.model_fields[name].get_default(call_default_factory=True)


def _fault(name: str, reason: str) -> str:
    example = EXAMPLES.get(name)
    return f"{PREFIX}{name.upper()} {reason}." + (f" Right: {example}" if example else "")


_MISSING_DSN = _fault("dsn", "is not set, but SENTRY_ENABLED=true asks for sending")


def _faults(error: ValidationError, values: dict[str, Any]) -> list[str]:
    faults: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_input=False):
        name = str(detail["loc"][0]) if detail["loc"] else "settings"
        if detail["type"] == "extra_forbidden":
            known = ", ".join(sorted(ObservabilitySettings.model_fields))
            faults[name] = f"{name!r} is not a setting. Known: {known}"
            continue
        reason = detail["msg"].removeprefix("Value error, ")
        if not detail["type"].startswith("value_error"):
            reason = "is wrong: " + reason[0].lower() + reason[1:]
        faults.setdefault(name, _fault(name, reason))
    if _enabled_is(True, values) and not _raw(values, "dsn"):
        faults["dsn"] = _MISSING_DSN
    return [faults[name] for name in sorted(faults)]
