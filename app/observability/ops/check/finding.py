"""What a check found, and what it looks at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from ...settings import ObservabilitySettings
from ..settings import OpsSettings, variable


class Severity(StrEnum):
    """ERROR and WARNING are findings and set the exit code; a NOTE is only worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One fault: `code` names it for programs, the rest is for people."""

    code: str
    severity: Severity
    what: str
    why: str
    fix: str


def error(code: str, what: str, why: str, fix: str) -> Finding:
    """Make a finding that breaks something."""
    return Finding(code, Severity.ERROR, what, why, fix)


def warning(code: str, what: str, why: str, fix: str) -> Finding:
    """Make a finding that will hurt."""
    return Finding(code, Severity.WARNING, what, why, fix)


def note(code: str, what: str, why: str, fix: str) -> Finding:
    """Make a remark."""
    return Finding(code, Severity.NOTE, what, why, fix)


def reason(failure: OSError | UnicodeDecodeError) -> str:
    """Say why a file could not be read, without what is in it."""
    return "it is not UTF-8" if isinstance(failure, UnicodeDecodeError) else str(failure.strerror)


@dataclass(frozen=True)
class Surroundings:
    """Everything that the checks look at, read once."""

    environ: Mapping[str, str]
    root: Path
    now: datetime
    settings: ObservabilitySettings | None
    faults: tuple[str, ...]
    ops: OpsSettings
    is_offline: bool
    versions: Mapping[str, str]
    sleeping: tuple[str, ...] = ()
    """Faults that SENTRY_ENABLED=false passes over."""
    railway: Mapping[str, Any] | None = None
    railway_fault: str | None = None
    facts: dict[str, str] = field(default_factory=dict)

    def variable(self, name: str) -> str | None:
        """Return a variable, repaired as the settings repair it."""
        return variable(name, self.environ)

    @property
    def is_on_railway(self) -> bool:
        """Whether Railway set its variables."""
        return any(name.startswith("RAILWAY_") and value for name, value in self.environ.items())

    @property
    def is_production(self) -> bool:
        """Whether the environment is one that users depend on."""
        return self.settings is not None and self.settings.environment.lower() in (
            "production",
            "prod",
            "live",
        )

    @property
    def deploy(self) -> Mapping[str, Any]:
        """The deploy part of railway.json; empty if there is none."""
        found = (self.railway or {}).get("deploy")
        return found if isinstance(found, Mapping) else {}
