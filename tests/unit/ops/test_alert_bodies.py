"""The bodies that are made of alerts.toml are what Sentry takes."""

from pathlib import Path
from typing import Any

import pytest

from app.observability.ops.alerts.alert_rules import alert_faults
from app.observability.ops.alerts.bodies import alert_body, full_name, is_ours, monitor_body
from app.observability.ops.alerts.document import Alert, AlertDocument, Condition, Monitor, load
from app.observability.ops.alerts.monitor_rules import monitor_faults
from tests.support.sentry_schema import schema_errors, strict_errors

ROOT = Path(__file__).parents[3]
ORG = "/api/0/organizations/{organization_id_or_slug}"
DOCUMENT = load(ROOT / "sentry" / "alerts.toml")


def made(**fields: Any) -> Alert:
    return Alert.model_validate(
        {
            "name": "an alert",
            "meaning": "Somebody looks.",
            "monitors": ["project errors"],
            "when": ["new"],
            "at_most_every": "30m",
            **fields,
        }
    )


@pytest.mark.parametrize("monitor", DOCUMENT.monitor, ids=lambda monitor: monitor.name)
def test_each_monitor_is_valid_by_our_rules_and_by_those_of_sentry(monitor: Monitor) -> None:
    body = monitor_body(DOCUMENT, monitor)
    assert monitor_faults(body) == []
    assert strict_errors(body) == []
    assert schema_errors("post", f"{ORG}/projects/{{project_id_or_slug}}/detectors/", body) == []
    assert schema_errors("put", f"{ORG}/detectors/{{detector_id}}/", body) == []


@pytest.mark.parametrize("alert", DOCUMENT.alert, ids=lambda alert: alert.name)
def test_each_alert_is_valid_by_our_rules_and_by_those_of_sentry(alert: Alert) -> None:
    body = alert_body(DOCUMENT, alert, [1, 2])
    assert alert_faults(body) == []
    assert schema_errors("post", f"{ORG}/workflows/", body) == []
    assert schema_errors("put", f"{ORG}/workflows/{{workflow_id}}/", body) == []


def test_a_monitor_below_opens_under_its_value_and_resolves_above() -> None:
    apdex = next(monitor for monitor in DOCUMENT.monitor if monitor.direction == "below")
    conditions = monitor_body(DOCUMENT, apdex)["condition_group"]["conditions"]
    assert conditions == [
        {"type": "lt", "comparison": 0.85, "condition_result": 75},
        {"type": "gte", "comparison": 0.85, "condition_result": 0},
    ]


def test_a_monitor_without_resolve_resolves_at_its_lowest_level() -> None:
    volume = next(monitor for monitor in DOCUMENT.monitor if monitor.name == "error volume")
    conditions = monitor_body(DOCUMENT, volume)["condition_group"]["conditions"]
    assert [(found["type"], found["comparison"], found["condition_result"]) for found in conditions] == [
        ("gt", 50, 75),
        ("gt", 20, 50),
        ("lte", 20, 0),
    ]


def test_names_carry_prefix_and_mark_and_only_those_are_ours() -> None:
    name = full_name(DOCUMENT, "slow")
    assert name == "streamapi: slow [alerts.toml]"
    assert is_ours(DOCUMENT, name)
    assert not is_ours(DOCUMENT, "streamapi: slow")
    assert not is_ours(DOCUMENT, "other: slow [alerts.toml]")
    assert not is_ours(DOCUMENT, None)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"level": "error"}, ("level", {"level": 40, "match": "gte"})),
        ({"category": "metric"}, ("issue_category", {"value": 11})),
        ({"priority": "high"}, ("issue_priority_greater_or_equal", 75)),
        ({"tag": "a.b", "equals": "c"}, ("tagged_event", {"key": "a.b", "match": "eq", "value": "c"})),
        ({"tag": "a.b", "is_set": True}, ("tagged_event", {"key": "a.b", "match": "is"})),
        ({"tag": "a.b", "is_set": False}, ("tagged_event", {"key": "a.b", "match": "ns"})),
        (
            {"attribute": "user.id", "equals": "u"},
            ("event_attribute", {"attribute": "user.id", "match": "eq", "value": "u"}),
        ),
        (
            {"users_over": 20, "within": "1h"},
            ("event_unique_user_frequency_count", {"value": 20, "interval": "1h"}),
        ),
        ({"events_over": 9, "within": "1d"}, ("event_frequency_count", {"value": 9, "interval": "1d"})),
    ],
)
def test_each_condition_has_its_form_at_sentry(condition: dict[str, Any], expected: tuple[str, Any]) -> None:
    body = alert_body(DOCUMENT, made(only_if=[Condition.model_validate(condition)]), [1])
    (found,) = body["action_filters"][0]["conditions"]
    assert (found["type"], found["comparison"]) == expected
    assert alert_faults(body) == []


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("owners", ("email", "issue_owners", "", None)),
        ("user:7", ("email", "user", "7", None)),
        ("team:9", ("email", "team", "9", None)),
        ("slack:12:#alerts", ("slack", "specific", "", "alerts")),
    ],
)
def test_each_target_has_its_form_at_sentry(target: str, expected: tuple[str, str, str, str | None]) -> None:
    body = alert_body(DOCUMENT, made(notify=[target]), [1])
    (action,) = body["action_filters"][0]["actions"]
    config = action["config"]
    found = (action["type"], config["target_type"], config["target_identifier"], config["target_display"])
    assert found == expected
    assert alert_faults(body) == []


def test_an_alert_may_watch_another_environment_or_all() -> None:
    document: AlertDocument = DOCUMENT
    assert alert_body(document, made(environment="staging"), [1])["environment"] == "staging"
    assert alert_body(document, made(environment="*"), [1])["environment"] is None
    assert alert_body(document, made(), [1])["environment"] == "production"
