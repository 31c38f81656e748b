"""Our rules refuse what Sentry refuses; where its own rules are at hand, both agree on every example."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.observability.ops.alerts.alert_rules import alert_faults
from app.observability.ops.alerts.bodies import alert_body, monitor_body
from app.observability.ops.alerts.document import load
from app.observability.ops.alerts.monitor_rules import monitor_faults
from tests.support.sentry_schema import strict_errors

Body = dict[str, Any]
Change = Callable[[Body], object]

DOCUMENT = load(Path(__file__).parents[3] / "sentry" / "alerts.toml")
MONITOR = monitor_body(
    DOCUMENT, next(found for found in DOCUMENT.monitor if found.name == "error rate over 1 %")
)
ERRORS = monitor_body(DOCUMENT, next(found for found in DOCUMENT.monitor if found.name == "error volume"))
ALERT = alert_body(DOCUMENT, next(found for found in DOCUMENT.alert if found.name == "new error type"), [1])


def source(body: Body) -> Body:
    found: Body = body["data_sources"][0]
    return found


def conditions(body: Body) -> list[Body]:
    found: list[Body] = body["condition_group"]["conditions"]
    return found


def changed(body: Body, change: Change) -> Body:
    body = copy.deepcopy(body)
    change(body)
    return body


MONITOR_FAULTS: list[tuple[str, Body, Change]] = [
    ("no name", MONITOR, lambda body: body.pop("name")),
    ("an empty name", MONITOR, lambda body: body.update(name="")),
    ("a long name", MONITOR, lambda body: body.update(name="n" * 201)),
    ("another type", MONITOR, lambda body: body.update(type="error")),
    ("an unknown key", MONITOR, lambda body: body.update(snooze=True)),
    ("enabled as text", MONITOR, lambda body: body.update(enabled="yes")),
    ("no query", MONITOR, lambda body: body.update(data_sources=[])),
    ("two queries", MONITOR, lambda body: body.update(data_sources=[*body["data_sources"]] * 2)),
    ("no function", MONITOR, lambda body: source(body).update(aggregate="count")),
    ("the old dataset", MONITOR, lambda body: source(body).update(dataset="transactions")),
    ("failure_rate on errors", ERRORS, lambda body: source(body).update(aggregate="failure_rate()")),
    ("the wrong query type", MONITOR, lambda body: source(body).update(query_type=0)),
    ("the wrong event types", MONITOR, lambda body: source(body).update(event_types=["error"])),
    ("span events for errors", ERRORS, lambda body: source(body).update(event_types=["trace_item_span"])),
    ("no event types", MONITOR, lambda body: source(body).update(event_types=[])),
    ("two kinds of items", MONITOR, lambda body: source(body)["event_types"].append("trace_item_log")),
    ("the latest release", MONITOR, lambda body: source(body).update(query="a:b release:latest")),
    ("a window in minutes", MONITOR, lambda body: source(body).update(time_window=5)),
    ("a crooked window", MONITOR, lambda body: source(body).update(time_window=90)),
    ("a huge window", MONITOR, lambda body: source(body).update(time_window=31 * 86_400)),
    ("a slash in the environment", MONITOR, lambda body: source(body).update(environment="a/b")),
    ("no environment", MONITOR, lambda body: source(body).pop("environment")),
    ("odd extrapolation", MONITOR, lambda body: source(body).update(extrapolation_mode="guess")),
    ("an unknown key in the query", MONITOR, lambda body: source(body).update(limit=3)),
    ("no detection", MONITOR, lambda body: body.update(config={})),
    ("percent without a past", MONITOR, lambda body: body.update(config={"detection_type": "percent"})),
    (
        "percent with a past in minutes",
        MONITOR,
        lambda body: body.update(config={"detection_type": "percent", "comparison_delta": 60}),
    ),
    ("a past without percent", MONITOR, lambda body: body["config"].update(comparison_delta=3600)),
    ("an unknown key in config", MONITOR, lambda body: body["config"].update(sensitivity="low")),
    ("all instead of any", MONITOR, lambda body: body["condition_group"].update(logic_type="all")),
    ("actions", MONITOR, lambda body: body["condition_group"].update(actions=[{"type": "email"}])),
    ("no conditions", MONITOR, lambda body: conditions(body).clear()),
    ("nothing resolves", MONITOR, lambda body: conditions(body).pop()),
    ("four conditions", ERRORS, lambda body: conditions(body).append(conditions(body)[0])),
    ("low priority", MONITOR, lambda body: conditions(body)[0].update(condition_result=25)),
    ("an unknown comparison", MONITOR, lambda body: conditions(body)[0].update(type="eq")),
    ("a threshold as text", MONITOR, lambda body: conditions(body)[0].update(comparison="0.01")),
]


@pytest.mark.parametrize(
    ("body", "change"), [case[1:] for case in MONITOR_FAULTS], ids=[c[0] for c in MONITOR_FAULTS]
)
def test_a_faulty_monitor_is_refused(body: Body, change: Change) -> None:
    assert monitor_faults(body) == []
    assert monitor_faults(changed(body, change))


@pytest.mark.parametrize(
    ("body", "change"), [case[1:] for case in MONITOR_FAULTS], ids=[c[0] for c in MONITOR_FAULTS]
)
def test_the_strict_rules_refuse_the_same_monitors(body: Body, change: Change) -> None:
    assert strict_errors(body) == []
    assert strict_errors(changed(body, change))


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.update(owner="team:5"),
        lambda body: body.update(workflow_ids=[3]),
        lambda body: source(body).update(environment=None),
        lambda body: source(body).pop("extrapolation_mode"),
        lambda body: body.update(config={"detection_type": "percent", "comparison_delta": 604800}),
        lambda body: conditions(body)[0].update(comparison=3),
    ],
    ids=["an owner", "links", "all environments", "no extrapolation", "percent", "a whole number"],
)
def test_what_sentry_takes_is_not_refused(change: Change) -> None:
    body = changed(MONITOR, change)
    assert monitor_faults(body) == []
    assert strict_errors(body) == []


def only_filter(body: Body) -> Body:
    found: Body = body["action_filters"][0]
    return found


def with_filter(kind: str, comparison: object) -> Change:
    found = {"type": kind, "comparison": comparison, "condition_result": True}
    return lambda body: only_filter(body).update(conditions=[found])


def action(body: Body) -> Body:
    found: Body = only_filter(body)["actions"][0]
    return found


ALERT_FAULTS: list[tuple[str, Change]] = [
    ("no name", lambda body: body.pop("name")),
    ("a long name", lambda body: body.update(name="n" * 257)),
    ("no word on enabled", lambda body: body.pop("enabled")),
    ("an unknown key", lambda body: body.update(actions=[])),
    ("no frequency", lambda body: body.update(config={})),
    ("more than a frequency", lambda body: body["config"].update(owner="me")),
    ("a frequency as text", lambda body: body.update(config={"frequency": "30m"})),
    ("a negative frequency", lambda body: body.update(config={"frequency": -5})),
    ("no monitors", lambda body: body.update(detector_ids=[])),
    ("monitors by name", lambda body: body.update(detector_ids=["slow"])),
    ("another logic", lambda body: body["triggers"].update(logic_type="all")),
    ("actions in the trigger", lambda body: body["triggers"].update(actions=[{"type": "email"}])),
    ("no trigger", lambda body: body["triggers"].update(conditions=[])),
    ("an unknown trigger", lambda body: body["triggers"]["conditions"][0].update(type="on_tuesday")),
    ("a trigger that is off", lambda body: body["triggers"]["conditions"][0].update(comparison=False)),
    ("no filters", lambda body: body.update(action_filters=[])),
    ("any in a filter", lambda body: only_filter(body).update(logic_type="any")),
    ("nobody told", lambda body: only_filter(body).update(actions=[])),
    ("an e-mail to nobody", lambda body: action(body)["config"].update(target_type="everybody")),
    (
        "an e-mail to a name",
        lambda body: action(body)["config"].update(target_type="user", target_identifier="b"),
    ),
    ("slack without integration", lambda body: action(body).update(type="slack")),
    ("an unknown filter", with_filter("moon_phase", True)),
    ("minutes as interval", with_filter("event_frequency_count", {"value": 3, "interval": "5m"})),
    ("hours misspelled", with_filter("event_frequency_count", {"value": 3, "interval": "1hr"})),
    (
        "a frequency of text",
        with_filter("event_unique_user_frequency_count", {"value": "3", "interval": "1h"}),
    ),
    ("a tag without key", with_filter("tagged_event", {"match": "eq", "value": "x"})),
    ("a tag without value", with_filter("tagged_event", {"key": "a", "match": "eq"})),
    ("is set with value", with_filter("tagged_event", {"key": "a", "match": "is", "value": "x"})),
    ("an unknown match", with_filter("event_attribute", {"attribute": "a", "match": "like", "value": "x"})),
    ("a level by name", with_filter("level", {"level": "error", "match": "gte"})),
    ("an unknown category", with_filter("issue_category", {"value": 2})),
    ("an unknown priority", with_filter("issue_priority_greater_or_equal", 60)),
    ("camelCase", lambda body: body["triggers"].update(logicType="any-short")),
    ("camelCase deep down", lambda body: action(body)["config"].update(targetType="user")),
]


@pytest.mark.parametrize("change", [case[1] for case in ALERT_FAULTS], ids=[case[0] for case in ALERT_FAULTS])
def test_a_faulty_alert_is_refused(change: Change) -> None:
    assert alert_faults(ALERT) == []
    assert alert_faults(changed(ALERT, change))


def test_a_body_of_the_wrong_shape_is_refused_and_never_crashes() -> None:
    shapes: tuple[Body, ...] = (
        {},
        {"data_sources": 3},
        {"data_sources": [None]},
        {"condition_group": []},
        {"triggers": []},
    )
    for odd in shapes:
        assert monitor_faults(odd)
        assert alert_faults(odd)
    assert alert_faults({**ALERT, "action_filters": [None, {"actions": [None], "conditions": [None]}]})
