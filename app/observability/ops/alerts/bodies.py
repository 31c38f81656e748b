"""From `alerts.toml` to the bodies that Sentry's API takes. Pure.

Keys are snake_case throughout: Sentry's published schema checks these only. Every body lists all that we
manage, because an update merges top-level keys but replaces lists, and switches an alert on again if
`enabled` is left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .document import Alert, AlertDocument, Condition, Monitor

MARK = "[alerts.toml]"
"""Ends every name that we create. Nothing without it is ever changed, and people see where to change the
rest.
"""

RESULTS = {"high": 75, "medium": 50, "resolve": 0}
_LEVELS = {"fatal": 50, "error": 40, "warning": 30, "info": 20}
_CATEGORIES = {"error": 1, "metric": 11}
_PRIORITIES = {"high": 75, "medium": 50, "low": 25}
_TRIGGERS = {
    "new": "first_seen_event",
    "regressed": "regression_event",
    "reappeared": "reappeared_event",
    "resolved": "issue_resolved_trigger",
}
_SPAN_ITEMS = {"spans": "trace_item_span", "logs": "trace_item_log", "metrics": "trace_item_metric"}
EVERYWHERE = "*"


def full_name(document: AlertDocument, name: str) -> str:
    """Return the name that a monitor or alert has at Sentry."""
    return f"{document.prefix}: {name} {MARK}"


def is_ours(document: AlertDocument, name: object) -> bool:
    """Say whether we created what is called `name`."""
    return isinstance(name, str) and name.startswith(f"{document.prefix}: ") and name.endswith(f" {MARK}")


def monitor_body(document: AlertDocument, monitor: Monitor) -> dict[str, Any]:
    """Return the detector that stands for `monitor`."""
    is_percent = monitor.compare_to is not None
    config: dict[str, Any] = {"detection_type": "percent" if is_percent else "static"}
    if is_percent:
        config["comparison_delta"] = monitor.compare_to
    return {
        "name": full_name(document, monitor.name),
        "type": "metric_issue",
        "description": monitor.meaning,
        "enabled": monitor.enabled,
        "data_sources": [_data_source(document, monitor)],
        "config": config,
        "condition_group": {"logic_type": "any", "conditions": _thresholds(monitor), "actions": []},
    }


def _data_source(document: AlertDocument, monitor: Monitor) -> dict[str, Any]:
    source: dict[str, Any] = {
        "aggregate": monitor.aggregate,
        "query": monitor.query,
        "environment": _environment(document, monitor.environment),
        "time_window": monitor.window,
    }
    if monitor.dataset == "errors":
        return source | {"dataset": "events", "query_type": 0, "event_types": ["default", "error"]}
    return source | {
        "dataset": "events_analytics_platform",
        "query_type": 1,
        "event_types": [_SPAN_ITEMS[monitor.dataset]],
        # The mode that Sentry's own form sends: sampled spans count for those they stand for.
        "extrapolation_mode": "unknown",
    }


def _thresholds(monitor: Monitor) -> list[dict[str, Any]]:
    over, back = ("gt", "lte") if monitor.direction == "above" else ("lt", "gte")
    levels = {"high": monitor.high, "medium": monitor.medium}
    opened = [(level, RESULTS[name]) for name, level in levels.items() if level is not None]
    # Without a resolving condition Sentry refuses the monitor.
    resolve = opened[-1][0] if monitor.resolve is None else monitor.resolve
    found = [{"type": over, "comparison": level, "condition_result": result} for level, result in opened]
    return [*found, {"type": back, "comparison": resolve, "condition_result": RESULTS["resolve"]}]


def alert_body(document: AlertDocument, alert: Alert, detector_ids: Sequence[int]) -> dict[str, Any]:
    """Return the workflow that stands for `alert`, connected to these detectors."""
    return {
        "name": full_name(document, alert.name),
        "enabled": alert.enabled,
        "environment": _environment(document, alert.environment),
        "detector_ids": sorted(detector_ids),
        "config": {"frequency": alert.at_most_every // 60},
        "triggers": {
            "logic_type": "any-short",
            "conditions": [_condition(_TRIGGERS[event], True) for event in alert.when],
            "actions": [],
        },
        "action_filters": [
            {
                "logic_type": "all",
                "conditions": [_filter(condition) for condition in alert.only_if],
                "actions": [_action(target) for target in alert.notify or document.notify],
            }
        ],
    }


def _environment(document: AlertDocument, own: str | None) -> str | None:
    if own is None:
        return document.environment
    return None if own == EVERYWHERE else own


def _condition(kind: str, comparison: object) -> dict[str, Any]:
    return {"type": kind, "comparison": comparison, "condition_result": True}


def _filter(condition: Condition) -> dict[str, Any]:
    if condition.level is not None:
        return _condition("level", {"level": _LEVELS[condition.level], "match": "gte"})
    if condition.category is not None:
        return _condition("issue_category", {"value": _CATEGORIES[condition.category]})
    if condition.priority is not None:
        return _condition("issue_priority_greater_or_equal", _PRIORITIES[condition.priority])
    if condition.users_over is not None:
        return _frequency("event_unique_user_frequency_count", condition.users_over, condition.within)
    if condition.events_over is not None:
        return _frequency("event_frequency_count", condition.events_over, condition.within)
    match: Mapping[str, Any]
    if condition.equals is not None:
        match = {"match": "eq", "value": condition.equals}
    else:
        match = {"match": "is" if condition.is_set else "ns"}
    if condition.tag is not None:
        return _condition("tagged_event", {"key": condition.tag, **match})
    return _condition("event_attribute", {"attribute": condition.attribute, **match})


def _frequency(kind: str, value: int, interval: str | None) -> dict[str, Any]:
    return _condition(kind, {"value": value, "interval": interval})


def _action(target: str) -> dict[str, Any]:
    kind, _, rest = target.partition(":")
    if kind == "slack":
        integration, _, channel = rest.partition(":")
        # Sentry stores the channel without its '#'; with it every plan would show a difference.
        config = {
            "target_type": "specific",
            "target_identifier": "",
            "target_display": channel.removeprefix("#"),
        }
        return {
            "type": "slack",
            "integration_id": integration,
            "data": {},
            "config": config,
            "status": "active",
        }
    is_owners = kind == "owners"
    return {
        "type": "email",
        "integration_id": None,
        "data": {"fallthrough_type": "ActiveMembers"} if is_owners else {},
        "config": {
            "target_type": "issue_owners" if is_owners else kind,
            "target_display": None,
            "target_identifier": rest,
        },
        "status": "active",
    }
