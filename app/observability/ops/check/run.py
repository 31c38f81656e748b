"""Run all checks, and show what every variable resolves to."""

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from ...settings import PREFIX, Mode, ObservabilityConfigError, ObservabilitySettings
from ..common import unexpected
from ..settings import OpsSettings
from . import deployment, disk, service, variables, versions
from .finding import Finding, Severity, Surroundings, error

ALL = (*variables.CHECKS, *versions.CHECKS, *disk.CHECKS, *deployment.CHECKS, *service.CHECKS)
_ORDER = list(Severity)
HIDDEN, WRONG, SET = "(set, hidden)", "(wrong, see below)", "(set)"
_MODES = {
    Mode.LIVE: "live, events are sent",
    Mode.LOCAL: "local, events stay in memory and nothing is sent",
    Mode.OFF: "off, nothing is watched and nothing is sent",
}


def look_around(root: Path, *, is_offline: bool = False, now: datetime | None = None) -> Surroundings:
    """Read variables and files, once."""
    settings: ObservabilitySettings | None = None
    faults: tuple[str, ...] = ()
    try:
        settings = ObservabilitySettings()
    except ObservabilityConfigError as wrong:
        faults = wrong.faults
    railway, railway_fault = _railway(root)
    return Surroundings(
        environ=dict(os.environ),
        root=root,
        now=now or service.now(),
        settings=settings,
        faults=faults,
        sleeping=_sleeping(settings),
        ops=OpsSettings(),
        is_offline=is_offline,
        versions=versions.installed(),
        railway=railway,
        railway_fault=railway_fault,
        facts={"mode": _MODES[settings.mode] if settings else "none, the service does not start"},
    )


def _sleeping(settings: ObservabilitySettings | None) -> tuple[str, ...]:
    """Return the faults that SENTRY_ENABLED=false passes over."""
    if settings is None or settings.enabled is not False:
        return ()
    try:
        ObservabilitySettings(enabled=None)
    except ObservabilityConfigError as wrong:
        return wrong.faults
    return ()


def _railway(root: Path) -> tuple[Mapping[str, Any] | None, str | None]:
    path = root / "railway.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, None
    except (OSError, ValueError) as failure:
        return None, f"railway.json can't be read: {failure}"
    return (found, None) if isinstance(found, dict) else (None, "railway.json must hold an object.")


def check(at: Surroundings) -> list[Finding]:
    """Return all findings, the worst first. A check that fails is a finding and does not hide the others."""
    found = list[Finding]()
    for look in ALL:
        try:
            found.extend(look(at))
        except Exception as failure:  # noqa: BLE001  one check must not hide the others
            found.append(
                error(
                    "check.failed",
                    f"The check `{look.__name__}` was not made: {unexpected(failure)}",
                    "What it looks at may be wrong.",
                    "Look at that yourself.",
                )
            )
    return sorted(found, key=lambda finding: _ORDER.index(finding.severity))


def resolved(at: Surroundings) -> list[tuple[str, str, str]]:
    """Return each variable, what it resolves to and from where; secrets hidden, wrong ones marked.

    While a variable stops the start nothing is resolved: then only whether each is set.
    """
    wrong = {fault.partition(" ")[0] for fault in (*at.faults, *at.sleeping)} | at.ops.faults().keys()
    rows = list[tuple[str, str, str]]()
    for kind, settings in ((ObservabilitySettings, at.settings), (OpsSettings, at.ops)):
        for name in kind.model_fields:
            variable = f"{PREFIX}{name.upper()}"
            if variable in wrong:
                shown = WRONG
            elif settings is None:
                shown = SET if at.variable(variable) is not None else "-"
            else:
                shown = _effective(settings, name)
            rows.append((variable, shown, _origin(at, variable, name)))
    return rows


def _effective(settings: ObservabilitySettings | OpsSettings, name: str) -> str:
    if isinstance(settings, ObservabilitySettings):
        if name == "include_locals":
            return _shown(name, settings.includes_locals)
        if name == "enabled" and settings.enabled is None:
            return f"not set, mode {settings.mode}"
    return _shown(name, getattr(settings, name))


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
