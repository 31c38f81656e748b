"""What to change at Sentry so that it matches `alerts.toml`: a list of changes, computed without changing
anything.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..api import SentryApi, SentryApiError
from ..ownership import is_foreign, ownership_body, ownership_differences
from .bodies import alert_body, full_name, is_ours, monitor_body
from .document import PROJECT_ERRORS, Alert, AlertDocument
from .remote import as_body, differences

READ_SCOPES = "alerts:read (or alerts:write)"
_DEFAULT_MONITORS = ("error", "issue_stream")


class Action(StrEnum):
    """What happens to a thing at Sentry."""

    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"


class Kind(StrEnum):
    """What a change is about, in the words of Sentry's pages."""

    MONITOR = "monitor"
    ALERT = "alert"
    OWNERSHIP = "ownership"


@dataclass(frozen=True)
class Change:
    """One thing to create, update or remove; `details` says what about it, for people."""

    action: Action
    kind: Kind
    name: str
    details: tuple[str, ...] = ()
    id: int | None = None


@dataclass(frozen=True)
class State:
    """What Sentry has: all monitors of the project, all alerts of the organization, the ownership rules."""

    monitors: tuple[dict[str, Any], ...]
    alerts: tuple[dict[str, Any], ...]
    ownership: dict[str, Any] | None


@dataclass(frozen=True)
class Plan:
    """The changes in the order in which they must happen, and notes about what is left alone."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    monitor_ids: Mapping[str, int] = field(default_factory=dict)
    default_ids: tuple[int, ...] = ()


def read_state(api: SentryApi, document: AlertDocument) -> State:
    """Fetch what Sentry has.

    Raises:
        SentryApiError: A call failed.
    """
    project = api.get(f"{api.project_path}/", scope="project:read")
    if not isinstance(project, dict) or "id" not in project:
        raise SentryApiError(f"Sentry at {api.url} described no project; is SENTRY_URL right?")
    monitors = api.pages(
        f"{api.org_path}/detectors/", scope=READ_SCOPES, params={"project": str(project["id"])}
    )
    alerts = api.pages(f"{api.org_path}/workflows/", scope=READ_SCOPES)
    ownership = None
    if document.ownership is not None:
        ownership = api.get(f"{api.project_path}/ownership/", scope="project:read") or {}
    return State(
        monitors=tuple(as_body(monitor) for monitor in monitors),
        alerts=tuple(as_body(alert) for alert in alerts),
        ownership=ownership,
    )


def make_plan(
    document: AlertDocument, state: State, *, rules: str = "", prune: bool = False, adopt: bool = False
) -> Plan:
    """Compare `document` with `state`.

    Args:
        document: What should be there.
        state: What is there.
        rules: Text of the ownership file.
        prune: Also remove what we created and the file no longer has.
        adopt: Also replace ownership rules that were written by hand.

    Raises:
        SentryApiError: The project lacks the monitors that Sentry gives every project.
    """
    ours = [monitor for monitor in state.monitors if is_ours(document, monitor.get("name"))]
    monitors, notes = _by_name(ours), list[str]()
    default_ids = tuple(_id(found) for found in state.monitors if found.get("type") in _DEFAULT_MONITORS)
    if not default_ids and any(PROJECT_ERRORS in alert.monitors for alert in document.alert):
        raise SentryApiError(
            "The project has no monitor of the type `error`, which Sentry makes for every project. "
            "Is the new alerting of Sentry (Monitors and Alerts) on for the organization?"
        )
    changes = list(_monitor_changes(document, monitors))
    monitor_ids = {name: _id(found) for name, found in monitors.items()}
    alerts = _by_name(_our_alerts(document, state))
    for alert in document.alert:
        changes += _alert_change(
            document, alert, alerts.get(full_name(document, alert.name)), monitor_ids, default_ids
        )
    superfluous = [*_superfluous(document, state, ours)]
    if prune:
        changes += superfluous
    else:
        notes += [
            f"{change.kind} {change.name!r} is not in the file; `--prune` removes it"
            for change in superfluous
        ]
    if document.ownership is not None:
        _add_ownership(document, state, rules, adopt, changes, notes)
    return Plan(tuple(changes), tuple(notes), monitor_ids, default_ids)


def _monitor_changes(document: AlertDocument, there: Mapping[str, dict[str, Any]]) -> Iterator[Change]:
    for monitor in document.monitor:
        body = monitor_body(document, monitor)
        found = there.get(body["name"])
        if found is None:
            yield Change(Action.CREATE, Kind.MONITOR, monitor.name, (monitor.meaning,))
        elif lines := differences(body, found):
            yield Change(Action.UPDATE, Kind.MONITOR, monitor.name, tuple(lines), _id(found))


def _alert_change(
    document: AlertDocument,
    alert: Alert,
    found: dict[str, Any] | None,
    monitor_ids: Mapping[str, int],
    default_ids: Iterable[int],
) -> Iterator[Change]:
    if found is None:
        yield Change(Action.CREATE, Kind.ALERT, alert.name, (alert.meaning,))
        return
    known, new = connections(document, alert, monitor_ids, default_ids)
    body = alert_body(document, alert, known)
    lines = [f"detector_ids: add new monitor {name!r}" for name in new]
    if new:
        # Ids of monitors that are yet to be made are unknown: compare the rest.
        body.pop("detector_ids")
    lines += differences(body, found)
    if lines:
        yield Change(Action.UPDATE, Kind.ALERT, alert.name, tuple(lines), _id(found))


def connections(
    document: AlertDocument, alert: Alert, monitor_ids: Mapping[str, int], default_ids: Iterable[int]
) -> tuple[list[int], list[str]]:
    """Return the ids of the monitors an alert watches, and the names of those that do not exist yet."""
    known, new = list[int](), list[str]()
    for name in alert.monitors:
        if name == PROJECT_ERRORS:
            known += default_ids
        elif (found := monitor_ids.get(full_name(document, name))) is not None:
            known.append(found)
        else:
            new.append(name)
    return known, new


def _our_alerts(document: AlertDocument, state: State) -> list[dict[str, Any]]:
    """Return our alerts of this project; one of the same name may belong to another project of the
    organization.
    """
    project_monitors = {_id(monitor) for monitor in state.monitors}
    return [
        alert
        for alert in state.alerts
        if is_ours(document, alert.get("name"))
        and (
            not alert.get("detector_ids")
            or project_monitors & {int(found) for found in alert["detector_ids"]}
        )
    ]


def _superfluous(document: AlertDocument, state: State, ours: list[dict[str, Any]]) -> Iterator[Change]:
    """Alerts first: a monitor that an alert still names would leave the alert watching nothing."""
    groups = (
        (Kind.ALERT, document.alert, _our_alerts(document, state)),
        (Kind.MONITOR, document.monitor, ours),
    )
    for kind, wanted, found in groups:
        names = {full_name(document, item.name) for item in wanted}
        kept = {_id(item) for name, item in _by_name(found).items() if name in names}
        for item in found:
            if _id(item) not in kept:
                reason = "made twice" if item["name"] in names else "no longer in the file"
                yield Change(Action.REMOVE, kind, item["name"], (reason,), _id(item))


def _add_ownership(
    document: AlertDocument, state: State, rules: str, adopt: bool, changes: list[Change], notes: list[str]
) -> None:
    found = state.ownership or {}
    if is_foreign(found) and not adopt:
        notes.append(
            "ownership rules were written by hand at Sentry and are left alone; move them into the file, "
            "then `alerts apply --adopt-ownership`"
        )
        return
    if document.ownership and (
        lines := ownership_differences(ownership_body(document.ownership, rules), found)
    ):
        changes.append(Change(Action.UPDATE, Kind.OWNERSHIP, "rules and assignment", tuple(lines)))


def _by_name(items: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Map names to the oldest thing of that name."""
    return {item["name"]: item for item in sorted(items, key=_id, reverse=True)}


def _id(item: Mapping[str, Any]) -> int:
    return int(item["id"])
