"""What Sentry's server demands of an alert (its API: workflow), beyond its published schema. Pure.

The schema leaves conditions, filters and actions untyped. Same sources as `monitor_rules`.
"""

from collections.abc import Iterator

from .shape import Body, camel_faults, get, is_whole, name_faults

MAX_NAME = 256
INTERVALS = ("1h", "1d", "1w", "30d")
"""Those on whose spelling Sentry's reference, examples and code agree; for minutes they do not."""

_TRIGGERS = ("first_seen_event", "regression_event", "reappeared_event", "issue_resolved_trigger")
_MATCHES = ("co", "nc", "eq", "ne", "sw", "ew", "is", "ns")


def alert_faults(body: Body) -> list[str]:
    """List what Sentry would refuse, drop or never act on in the body of an alert."""
    return [*_alert_head(body), *_triggers(body.get("triggers")), *_filters(body), *camel_faults(body)]


def _alert_head(body: Body) -> Iterator[str]:
    yield from name_faults(body, MAX_NAME)
    if not isinstance(body.get("enabled"), bool):
        yield "enabled must be said: an update without it switches the alert on"
    config = body.get("config")
    if not isinstance(config, dict) or config.keys() != {"frequency"} or not is_whole(config["frequency"]):
        yield "config takes the frequency in minutes and nothing else"
    elif config["frequency"] < 0:
        yield "config.frequency must be 0 or more minutes"
    detectors = body.get("detector_ids")
    if not isinstance(detectors, list) or not detectors or not all(map(is_whole, detectors)):
        yield "detector_ids must list at least one monitor by number"
    known = {
        "name",
        "enabled",
        "environment",
        "detector_ids",
        "config",
        "triggers",
        "action_filters",
        "owner",
    }
    for key in sorted(body.keys() - known):
        yield f"an alert has no {key!r}"


def _triggers(triggers: object) -> Iterator[str]:
    if get(triggers, "logic_type") != "any-short":
        yield 'triggers.logic_type must be "any-short"'
    if get(triggers, "actions"):
        yield "triggers.actions is dropped by Sentry: put actions into action_filters"
    conditions = get(triggers, "conditions")
    if not isinstance(conditions, list) or not conditions:
        yield "triggers has no condition: the alert would never fire"
        return
    for condition in conditions:
        if get(condition, "type") not in _TRIGGERS or get(condition, "comparison") is not True:
            yield f"a trigger must be one of {', '.join(_TRIGGERS)} with comparison true"


def _filters(body: Body) -> Iterator[str]:
    filters = body.get("action_filters")
    if not isinstance(filters, list) or not filters:
        yield "action_filters is empty: nobody would be told"
        return
    for found in filters:
        if get(found, "logic_type") not in ("all", "any-short", "none"):
            yield "action_filters[].logic_type must be all, any-short or none"
        actions, conditions = get(found, "actions"), get(found, "conditions")
        if not isinstance(actions, list) or not actions:
            yield "an action filter has no action: nobody would be told"
        for action in actions if isinstance(actions, list) else ():
            yield from _action(action)
        for condition in conditions if isinstance(conditions, list) else ():
            yield from _filter(condition)


def _action(action: object) -> Iterator[str]:
    kind, target = get(action, "type"), get(get(action, "config"), "target_type")
    identifier = get(get(action, "config"), "target_identifier")
    if kind == "email":
        if target not in ("issue_owners", "user", "team"):
            yield "an e-mail goes to issue_owners, a user or a team"
        elif target != "issue_owners" and not str(identifier or "").isdigit():
            yield f"an e-mail to a {target} needs its number"
    elif not isinstance(kind, str) or not get(action, "integration_id"):
        yield f"an action of type {kind!r} needs integration_id"


def _filter(condition: object) -> Iterator[str]:
    kind, comparison = get(condition, "type"), get(condition, "comparison")
    if kind in ("event_frequency_count", "event_unique_user_frequency_count"):
        if get(comparison, "interval") not in INTERVALS:
            yield f"{kind}: interval must be one of {', '.join(INTERVALS)}"
        if not is_whole(get(comparison, "value")):
            yield f"{kind}: value must be a whole number"
    elif kind in ("tagged_event", "event_attribute"):
        if not get(comparison, "key" if kind == "tagged_event" else "attribute"):
            yield f"{kind} does not say what to look at"
        match = get(comparison, "match")
        if match not in _MATCHES or (match not in ("is", "ns")) != (get(comparison, "value") is not None):
            yield f"{kind}: match must be one of {', '.join(_MATCHES)}, with a value except for is and ns"
    elif kind == "level":
        if get(comparison, "level") not in (10, 20, 30, 40, 50) or get(comparison, "match") not in (
            "eq",
            "gte",
            "lte",
        ):
            yield "level must be 10 to 50 with match eq, gte or lte"
    elif kind == "issue_category":
        if get(comparison, "value") not in (1, 6, 10, 11, 12, 13, 14, 15):
            yield "issue_category has no such value; 1 is errors, 11 metrics"
    elif kind == "issue_priority_greater_or_equal":
        if comparison not in (75, 50, 25):
            yield "an issue's priority is 75, 50 or 25"
    else:
        yield f"{kind!r} is no filter that we know"
