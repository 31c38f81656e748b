"""Checks of the spool folder and of the month's budget, which lies beside it."""

import contextlib
import json
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ...budget.ledger import Ledger
from ...budget.pools import Limits
from ...settings import Mode
from .finding import Finding, Surroundings, error, note, warning

LEAST_FREE_BYTES = 100 * 1024 * 1024
OLD_S = 3600.0
BUDGET_WARNING = 0.8


def spool(at: Surroundings) -> Iterator[Finding]:
    """A folder that can't keep events, or that others can read."""
    if at.settings is None or at.settings.mode is not Mode.LIVE:
        return
    folder = at.settings.spool_dir
    try:
        existing = next((place for place in (folder, *folder.parents) if place.exists()), folder)
        with tempfile.NamedTemporaryFile(dir=existing, prefix=".check-"):
            free = shutil.disk_usage(existing).free
    except OSError as failure:
        yield error(
            "spool.read-only",
            f"The spool folder {folder} can't be written ({failure.strerror or failure}).",
            "Errors wait in memory only and are lost when the process ends.",
            "Set SENTRY_SPOOL_DIR to a folder of the service's user; on a Railway volume set RAILWAY_RUN_UID=0.",
        )
        return
    at.facts["spool"] = f"{folder}, {free // (1024 * 1024):,} MiB free"
    if free < LEAST_FREE_BYTES:
        yield warning(
            "spool.full",
            f"The disk of {folder} has {free // (1024 * 1024)} MiB left.",
            "A full disk keeps no errors.",
            "Make room, or set SENTRY_SPOOL_DIR to another disk.",
        )
    if folder.exists() and stat.S_IMODE(folder.stat().st_mode) & 0o077:
        yield warning(
            "spool.open", f"Others may read {folder}.", "It holds (scrubbed) events.", f"chmod 700 {folder}"
        )
    if (
        at.is_on_railway
        and not at.variable("RAILWAY_VOLUME_MOUNT_PATH")
        and not at.variable("SENTRY_SPOOL_DIR")
    ):
        yield note(
            "spool.volatile",
            "The spool is on the container's own disk.",
            "What could not be sent before a deployment ends is lost with the container.",
            "Mount a volume (not with several replicas) if that matters.",
        )
    yield from _waiting(at, folder)


def _waiting(at: Surroundings, folder: Path) -> Iterator[Finding]:
    now, waiting, damaged = at.now.timestamp(), 0, 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.suffix == ".envelope" and now - path.stat().st_mtime > OLD_S:
                waiting += 1
            if path.parent.name == "damaged" and path.is_file():
                damaged += 1
    if waiting:
        yield warning(
            "spool.waiting",
            f"{waiting} events have been waiting for more than an hour.",
            "Sentry was not reached or refused them.",
            "See what this check says about Sentry; they are sent once it answers.",
        )
    if damaged:
        yield note(
            "spool.damaged",
            f"{damaged} damaged files were set aside.",
            "A crash or a full disk.",
            "Delete them.",
        )


def budget(at: Surroundings) -> Iterator[Finding]:
    """How much of the month's budget is spent."""
    settings = at.settings
    if settings is None:
        return
    limits = Limits(settings.monthly_errors, settings.monthly_spans)
    try:
        raw = json.loads((settings.state_dir / "budget.json").read_text(encoding="utf-8"))
        view = Ledger.load(limits, raw.get("ledger", {}), at.now.timestamp()).view(at.now.timestamp())
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        yield note(
            "budget.unreadable",
            "The budget file can't be read.",
            "The month is counted afresh.",
            "None needed.",
        )
        return
    if view.month.name != at.now.strftime("%Y-%m"):
        return
    for name, used, limit in (("errors", view.errors, limits.errors), ("spans", view.spans, limits.spans)):
        if limit:
            at.facts[f"budget of {name}"] = f"{used:,} of {limit:,} this month"
        if limit and used >= BUDGET_WARNING * limit:
            yield warning(
                "budget.spent",
                f"{used / limit:.0%} of this month's {name} are spent.",
                "New kinds of errors still get through; repeats are folded and traces thinned out.",
                f"See what causes them, or raise SENTRY_MONTHLY_{name.upper()} if the plan holds more.",
            )


CHECKS = (spool, budget)
