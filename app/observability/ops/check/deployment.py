"""Checks of how the service is started, stopped and deployed on Railway."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..railway import LAST_DAY_OF_JSON
from ..settings import COMMAND
from .finding import Finding, Surroundings, error, note, reason, warning

SOON_DAYS = 30
MARGIN_S = 3
_GRACEFUL = re.compile(r"--timeout-graceful-shutdown[ =](\d+)")
_WEB = re.compile(r"^web:\s*(.+?)\s*$", re.MULTILINE)
_DEPLOY_KEYS = frozenset(
    [
        "startCommand",
        "preDeployCommand",
        "numReplicas",
        "healthcheckPath",
        "healthcheckTimeout",
        "sleepApplication",
        "restartPolicyType",
        "restartPolicyMaxRetries",
        "cronSchedule",
        "region",
        "multiRegionConfig",
        "limitOverride",
        "overlapSeconds",
        "drainingSeconds",
        "requiredMountPath",
        "runtime",
        "ipv6EgressEnabled",
    ]
)


def read_start(at: Surroundings) -> str | None:
    """Return the command that Railway runs: that of railway.json, else that of the Procfile."""
    found = at.deploy.get("startCommand")
    return found if isinstance(found, str) else _procfile(at.root)


def _procfile(root: Path) -> str | None:
    try:
        found = _WEB.search((root / "Procfile").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    return found[1] if found else None


def procfile(at: Surroundings) -> Iterator[Finding]:
    """A Procfile that can't be read."""
    try:
        (at.root / "Procfile").read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as failure:
        yield error(
            "procfile.unreadable",
            f"Procfile can't be read: {reason(failure)}.",
            "Railway finds no start command in it.",
            "Save it as UTF-8.",
        )


def config(at: Surroundings) -> Iterator[Finding]:
    """A railway.json that can't be read, or with words that Railway ignores."""
    if at.railway_fault:
        yield error(
            "railway.unreadable", at.railway_fault, "Railway refuses the deployment.", "Mend the file."
        )
    for key in sorted(at.deploy.keys() - _DEPLOY_KEYS):
        yield error(
            "railway.unknown-key",
            f"railway.json has deploy.{key}, which Railway does not know.",
            "It is ignored or the deployment is refused.",
            "overlapSeconds and drainingSeconds are the names.",
        )
    numbers = {
        key: at.deploy.get(key)
        for key in ("overlapSeconds", "drainingSeconds", "healthcheckTimeout", "numReplicas")
    }
    numbers |= {
        f"multiRegionConfig.{name}.numReplicas": value.get("numReplicas")
        for name, value in _regions(at).items()
    }
    for key, value in numbers.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            yield error(
                "railway.not-a-number",
                f"railway.json: deploy.{key} must be a number.",
                "It is refused.",
                "No quotes.",
            )
    commands = at.deploy.get("preDeployCommand")
    if commands is not None and not isinstance(commands, list):
        yield error(
            "railway.not-a-list",
            "railway.json: preDeployCommand must be a list.",
            "It is refused.",
            "Use [...].",
        )


def _regions(at: Surroundings) -> dict[str, dict[str, Any]]:
    found = at.deploy.get("multiRegionConfig")
    regions = found if isinstance(found, dict) else {}
    return {name: value for name, value in regions.items() if isinstance(value, dict)}


def end_of_json(at: Surroundings) -> Iterator[Finding]:
    """The day from which railway.json is no longer read."""
    if at.railway is None:
        return
    days = (LAST_DAY_OF_JSON - at.now.date()).days
    at.facts["railway.json"] = f"{days} days until Railway stops reading it" if days > 0 else "no longer read"
    if any((at.root / ".railway" / f"railway.{kind}").exists() for kind in ("ts", "py", "go")):
        yield error(
            "railway.both",
            "There are railway.json and .railway/.",
            "Railway refuses to plan a service that is under both.",
            "Delete railway.json once `railway config plan` shows no loss.",
        )
    elif days <= SOON_DAYS:
        make = error if days <= 0 else warning
        yield make(
            "railway.json-ends",
            f"Railway stops reading railway.json on {LAST_DAY_OF_JSON}"
            + (f", in {days} days." if days > 0 else ", which is past."),
            "Start command, health check and drain time would fall back to Railway's own.",
            f"`railway run {COMMAND} railway migrate` prints the new format.",
        )


def start(at: Surroundings) -> Iterator[Finding]:
    """A start command that loses the stop signal, or two that differ."""
    command, other = read_start(at), _procfile(at.root)
    if command is None:
        return
    if other is not None and other != command:
        yield error(
            "start.differs",
            "Procfile and railway.json start different commands.",
            "Which one runs depends on which file Railway reads.",
            "Make them the same.",
        )
    if not command.lstrip().startswith("exec "):
        yield warning(
            "start.no-exec",
            "The start command does not begin with exec.",
            "With some shells SIGTERM reaches the shell only: the service is killed without sending what waits.",
            "Write `exec uvicorn ...`.",
        )
    if "PORT" not in command and "app.main" in command:
        yield error(
            "start.port", "The start command does not use $PORT.", "Railway finds no service.", "--port $PORT"
        )


def drain(at: Surroundings) -> Iterator[Finding]:
    """A stop that leaves too little time to deliver."""
    command = read_start(at)
    if at.settings is None or command is None:
        return
    found = _GRACEFUL.search(command)
    graceful, flush = int(found[1]) if found else 0, at.settings.flush_timeout_s
    set_by = at.deploy.get("drainingSeconds")
    if set_by is None:
        set_by = at.variable("RAILWAY_DEPLOYMENT_DRAINING_SECONDS")
    try:
        seconds = float(set_by or 0)
    except (TypeError, ValueError):
        return
    needed = graceful + flush + MARGIN_S
    at.facts["drain"] = f"{seconds:g} s; {graceful} s for requests, {flush:g} s to send"
    if found is None:
        yield warning(
            "drain.endless",
            "The start command has no --timeout-graceful-shutdown.",
            "An open WebSocket holds the service until Railway kills it, before the rest is sent.",
            "Add --timeout-graceful-shutdown 20.",
        )
    if seconds < needed:
        yield error(
            "drain.short",
            f"Railway kills the service {seconds:g} s after the stop signal; it needs {needed:g} s.",
            "Requests are cut off, and what waits to be sent is left to the spool.",
            f"Set drainingSeconds (or RAILWAY_DEPLOYMENT_DRAINING_SECONDS) to {needed:g} or more.",
        )


def health(at: Surroundings) -> Iterator[Finding]:
    """A deployment that goes live unseen, or whose health checks are reported."""
    if at.railway is None or at.settings is None:
        return
    path = at.deploy.get("healthcheckPath")
    if not path:
        yield warning(
            "health.none",
            "railway.json has no healthcheckPath.",
            "A broken deployment replaces a good one.",
            "/health",
        )
    elif path not in at.settings.health_paths:
        yield warning(
            "health.reported",
            f"Railway asks {path}, which SENTRY_HEALTH_PATHS does not name.",
            "Health checks are traced and cost spans.",
            f"Add {path} to SENTRY_HEALTH_PATHS.",
        )


def replicas(at: Surroundings) -> Iterator[Finding]:
    """Several replicas that do not know of each other."""
    count = _count(at.deploy)
    if regions := _regions(at):
        count = sum(map(_count, regions.values()))
    if count < 2:
        return
    if at.variable("RAILWAY_VOLUME_MOUNT_PATH"):
        yield error(
            "replicas.volume",
            f"{count} replicas and a volume.",
            "Railway does not allow both.",
            "Choose one of them.",
        )
    url = at.variable("DATABASE_URL") or "sqlite:"
    if url.startswith("sqlite"):
        yield warning(
            "replicas.budget",
            f"{count} replicas share no database.",
            f"Each counts the month for itself: up to {count} times the budget is sent.",
            "Set DATABASE_URL to PostgreSQL, or divide SENTRY_MONTHLY_ERRORS and SENTRY_MONTHLY_SPANS.",
        )


def _count(node: Mapping[str, Any]) -> int:
    count = node.get("numReplicas")
    return count if isinstance(count, int) and count else 1


def strict_release(at: Surroundings) -> Iterator[Finding]:
    """A pre-deploy command through which Sentry can stop a deployment."""
    commands = at.deploy.get("preDeployCommand")
    if isinstance(commands, list) and any(
        "release" in str(command) and "--strict" in str(command) for command in commands
    ):
        yield note(
            "release.strict",
            "`release --strict` runs before the deploy.",
            "An outage of Sentry stops it.",
            "Drop --strict.",
        )


CHECKS = (procfile, config, end_of_json, start, drain, health, replicas, strict_release)
