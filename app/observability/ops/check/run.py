"""Run all checks, and show what every variable resolves to."""

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from ...settings import PREFIX, ObservabilityConfigError, ObservabilitySettings
from ..settings import OpsSettings
from . import deployment, disk, service, variables, versions
from .finding import Finding, Severity, Surroundings

ALL = (*variables.CHECKS, *versions.CHECKS, *disk.CHECKS, *deployment.CHECKS, *service.CHECKS)
_ORDER = list(Severity)
HIDDEN = "(set, hidden)"


def look_around(root: Path, *, is_offline: bool = False, now: datetime | None = None) -> Surroundings:
    """Read variables and files, once."""
    settings: ObservabilitySettings | None = None
    faults: tuple[str, ...] = ()
    try:
        settings = ObservabilitySettings()
    except ObservabilityConfigError as error:
        faults = error.faults
    railway, railway_fault = _railway(root)
    return Surroundings(
        environ=dict(os.environ),
        root=root,
        now=now or service.now(),
        settings=settings,
        faults=faults,
        ops=OpsSettings(),
        is_offline=is_offline,
        versions=versions.installed(),
        railway=railway,
        railway_fault=railway_fault,
    )


def _railway(root: Path) -> tuple[Mapping[str, Any] | None, str | None]:
    path = root / "railway.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, None
    except (OSError, ValueError) as error:
        return None, f"railway.json can't be read: {error}"
    return (found, None) if isinstance(found, dict) else (None, "railway.json must hold an object.")


def check(at: Surroundings) -> list[Finding]:
    """Return all findings, the worst first."""
    found = [finding for look in ALL for finding in look(at)]
    return sorted(found, key=lambda finding: _ORDER.index(finding.severity))


def resolved(at: Surroundings) -> list[tuple[str, str, str]]:
    """Return each variable, what it resolves to and from where; secrets hidden."""
    rows = list[tuple[str, str, str]]()
    for settings in (at.settings, at.ops):
        if settings is None:
            continue
        for name in type(settings).model_fields:
            variable = f"{PREFIX}{name.upper()}"
            rows.append((variable, _shown(name, getattr(settings, name)), _origin(at, variable, name)))
    return rows


def _shown(name: str, value: object) -> str:
    if value is None or value == ():
        return "-"
    if isinstance(value, SecretStr):
        return HIDDEN
    if name == "dsn":
        # The public key is no secret, but a habit of printing keys is none to have.
        scheme, _, rest = str(value).partition("://")
        return f"{scheme}://***@{rest.rpartition('@')[2]}"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _origin(at: Surroundings, variable: str, name: str) -> str:
    if at.variable(variable) is not None:
        return "set"
    sources = {
        "environment": "RAILWAY_ENVIRONMENT_NAME",
        "release": "RAILWAY_GIT_COMMIT_SHA",
        "spool_dir": "RAILWAY_VOLUME_MOUNT_PATH",
    }
    source = sources.get(name)
    return f"from {source}" if source and at.variable(source) else "default"
