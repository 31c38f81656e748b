"""What ops can set about the service itself: `AppSettings`, read from the environment.

Everything about Sentry has settings of its own, in `app.observability`. Fails with one `AppConfigError` that
lists every faulty variable and never repeats a value.
"""

import os
from enum import StrEnum
from functools import cached_property

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticUseDefault
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.database_url import EXAMPLE, DatabaseTarget, database_target

EMBEDDED_DATABASE_URL = "sqlite:///.data/streamapi.db"

_EXAMPLES = {
    "port": "8000",
    "bind_host": "127.0.0.1",
    "database_url": EXAMPLE,
    "log_level": "info",
    "upstream_timeout_s": "5",
}


class AppConfigError(ValueError, SystemExit):
    """Names every faulty variable, what is wrong with it and a right example.

    Uncaught it ends the process with status 1 and this text, without a traceback.
    """

    def __init__(self, faults: list[str]) -> None:
        lines = "\n".join(f"  - {fault}" for fault in faults)
        message = f"The service is not configured correctly. Nothing was started.\n{lines}"
        super().__init__(message)
        self.faults = tuple(faults)
        self.code = message


class LogLevel(StrEnum):
    """How much the service writes to its log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class AppSettings(BaseSettings):
    """Settings of the service, frozen. Each field is read from the variable of the same name, in capitals.

    Raises:
        AppConfigError: from `load()`; lists every variable that is wrong.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    port: int = Field(default=8000, ge=1, le=65535)
    # Not HOST: some shells and tools export that on their own.
    bind_host: str | None = None
    database_url: SecretStr = SecretStr(EMBEDDED_DATABASE_URL)
    log_level: LogLevel = LogLevel.INFO
    upstream_timeout_s: float = Field(default=5.0, gt=0, le=60)

    @classmethod
    def load(cls) -> "AppSettings":
        """Read the environment, or say everything that is wrong with it at once."""
        try:
            return cls()
        except ValidationError as error:
            raise AppConfigError(_faults(error)) from None

    @field_validator("*", mode="before")
    @classmethod
    def _repair(cls, value: object) -> object:
        """Forgive the slips of copy and paste: outer blanks, a newline, one pair of quotes."""
        if not isinstance(value, str):
            return value
        text = value.strip()
        if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
            text = text[1:-1].strip()
        if not text:
            raise PydanticUseDefault
        return text

    @field_validator("log_level", mode="before")
    @classmethod
    def _log_level(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _database_url(cls, value: SecretStr) -> SecretStr:
        database_target(value.get_secret_value())
        return value

    @cached_property
    def database(self) -> DatabaseTarget:
        """Where the database is, ready for `make_engine`."""
        return database_target(self.database_url.get_secret_value())

    @property
    def host(self) -> str:
        """The address to listen on: BIND_HOST, else every one on Railway and loopback anywhere else."""
        return self.bind_host or ("0.0.0.0" if on_railway() else "127.0.0.1")  # noqa: S104 - its proxy must reach us


def on_railway() -> bool:
    """Tell whether Railway runs this process: it names the environment in every container."""
    return bool(os.environ.get("RAILWAY_ENVIRONMENT_NAME", "").strip())


def _faults(error: ValidationError) -> list[str]:
    faults = []
    for detail in error.errors(include_url=False, include_input=False):
        name = str(detail["loc"][0])
        own = detail["type"] == "value_error"
        reason = detail["msg"].removeprefix("Value error, ") if own else _lower_first(detail["msg"])
        faults.append(f"{name.upper()} {reason if own else 'is wrong: ' + reason}. Right: {_EXAMPLES[name]}")
    return faults


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
