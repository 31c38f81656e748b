"""`alerts plan` and `alerts apply` on a Sentry with memory: idempotent, resumable, careful with what is not ours."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app.observability.ops.alerts.apply import apply_plan
from app.observability.ops.alerts.document import load
from app.observability.ops.alerts.plan import Action, Plan, make_plan, read_state
from app.observability.ops.api import SentryApi, SentryApiError
from tests.support.fake_sentry_api import ORG, ORG_TOKEN, PROJECT, USER_TOKEN, FakeSentryApi
from tests.support.sentry_schema import schema_errors, strict_errors

ROOT = Path(__file__).parents[3]
DOCUMENT = load(ROOT / "sentry" / "alerts.toml")
RULES = (ROOT / "sentry" / "ownership.txt").read_text(encoding="utf-8")
ALL = len(DOCUMENT.monitor) + len(DOCUMENT.alert) + 1


@pytest.fixture
def sentry() -> Iterator[FakeSentryApi]:
    with FakeSentryApi() as fake:
        yield fake


def client(sentry: FakeSentryApi, token: str = USER_TOKEN, **options: Any) -> SentryApi:
    options = {"sleep": lambda _: None, **options}
    return SentryApi(url=sentry.url, org=ORG, project=PROJECT, token=SecretStr(token), **options)


def planned(sentry: FakeSentryApi, **options: bool) -> Plan:
    with client(sentry) as api:
        return make_plan(DOCUMENT, read_state(api, DOCUMENT), rules=RULES, **options)


def applied(sentry: FakeSentryApi, **options: bool) -> list[str | None]:
    with client(sentry) as api:
        plan = make_plan(DOCUMENT, read_state(api, DOCUMENT), rules=RULES, **options)
        return [done.error for done in apply_plan(api, DOCUMENT, plan, rules=RULES)]


def named(things: dict[int, Any], name: str) -> Any:
    (found,) = [thing for thing in things.values() if thing["name"] == f"streamapi: {name} [alerts.toml]"]
    return found


def test_plan_changes_nothing(sentry: FakeSentryApi) -> None:
    plan = planned(sentry)
    assert [change.action for change in plan.changes].count(Action.CREATE) == ALL - 1
    assert sentry.writes() == []


def test_apply_creates_everything_and_a_second_apply_does_nothing(sentry: FakeSentryApi) -> None:
    assert applied(sentry) == [None] * ALL
    assert len(sentry.detectors) == len(DOCUMENT.monitor) + 2
    assert len(sentry.workflows) == len(DOCUMENT.alert)
    assert "#streamapi" in sentry.ownership["raw"]
    writes = len(sentry.writes())
    assert planned(sentry).changes == ()
    assert applied(sentry) == []
    assert len(sentry.writes()) == writes


def test_every_body_that_is_sent_is_valid_by_sentrys_own_schema(sentry: FakeSentryApi) -> None:
    applied(sentry)
    organization = "/api/0/organizations/{organization_id_or_slug}"
    for call in sentry.writes():
        if call.path.endswith("/detectors/"):
            path = f"{organization}/projects/{{project_id_or_slug}}/detectors/"
            assert strict_errors(call.body) == []
        elif call.path.endswith("/workflows/"):
            path = f"{organization}/workflows/"
        else:
            path = "/api/0/projects/{organization_id_or_slug}/{project_id_or_slug}/ownership/"
        assert schema_errors(call.method, path, call.body) == []


def test_alerts_watch_the_monitors_that_they_name(sentry: FakeSentryApi) -> None:
    applied(sentry)
    slow = named(sentry.workflows, "slow")
    watched = {sentry.detectors[int(number)]["name"] for number in slow["detectorIds"]}
    assert watched == {
        f"streamapi: {name} [alerts.toml]"
        for name in ("p95 over 1 s", "p95 half as slow again as last week", "Apdex under 0.85")
    }
    errors = named(sentry.workflows, "new error type")
    assert {sentry.detectors[int(number)]["type"] for number in errors["detectorIds"]} == {
        "error",
        "issue_stream",
    }


def test_drift_is_named_and_repaired(sentry: FakeSentryApi) -> None:
    applied(sentry)
    named(sentry.detectors, "p95 over 1 s")["conditionGroup"]["conditions"][0]["comparison"] = 5000
    named(sentry.workflows, "watched user")["enabled"] = True
    named(sentry.workflows, "slow")["config"]["frequency"] = 5
    sentry.ownership["autoAssignment"] = "Turn off Auto-Assignment"
    plan = planned(sentry)
    details = {change.name: " ".join(change.details) for change in plan.changes}
    assert "5000 -> 1000" in details["p95 over 1 s"]
    assert details["watched user"] == "enabled: true -> false"
    assert details["slow"] == "config.frequency: 5 -> 60"
    assert "autoAssignment" in details["rules and assignment"]
    assert applied(sentry) == [None] * 4
    assert planned(sentry).changes == ()


def test_a_monitor_that_somebody_deleted_comes_back_and_its_alert_is_connected_again(
    sentry: FakeSentryApi,
) -> None:
    applied(sentry)
    number = int(named(sentry.detectors, "Apdex under 0.85")["id"])
    del sentry.detectors[number]
    workflow = named(sentry.workflows, "slow")
    workflow["detectorIds"].remove(str(number))
    assert [change.name for change in planned(sentry).changes] == ["Apdex under 0.85", "slow"]
    assert applied(sentry) == [None, None]
    assert named(sentry.detectors, "Apdex under 0.85")["id"] in named(sentry.workflows, "slow")["detectorIds"]
    assert planned(sentry).changes == ()


def test_what_others_made_is_never_touched(sentry: FakeSentryApi) -> None:
    foreign = [
        sentry.add_detector({"name": "streamapi: by hand", "type": "metric_issue"}),
        sentry.add_detector({"name": "streamapi: slow [alerts.toml]", "type": "metric_issue"}, project=7),
    ]
    alert = sentry.add_workflow({"name": "streamapi: mine", "detectorIds": [str(foreign[0])]})
    other = sentry.add_workflow({"name": "streamapi: slow [alerts.toml]", "detectorIds": [str(foreign[1])]})
    before = [dict(sentry.detectors[number]) for number in foreign]
    applied(sentry, prune=True)
    assert [sentry.detectors[number] for number in foreign] == before
    assert sentry.workflows[alert] == {
        "name": "streamapi: mine",
        "detectorIds": [str(foreign[0])],
        "enabled": True,
        "id": str(alert),
    }
    assert sentry.workflows[other]["detectorIds"] == [str(foreign[1])]
    assert not any(
        f"/{number}/" in call.path for call in sentry.writes() for number in (*foreign, alert, other)
    )


def test_what_the_file_no_longer_has_stays_until_prune(sentry: FakeSentryApi) -> None:
    applied(sentry)
    monitor = sentry.add_detector({"name": "streamapi: gone [alerts.toml]", "type": "metric_issue"})
    alert = sentry.add_workflow({"name": "streamapi: gone [alerts.toml]", "detectorIds": [str(monitor)]})
    plan = planned(sentry)
    assert plan.changes == ()
    assert len(plan.notes) == 2
    assert applied(sentry, prune=True) == [None, None]
    assert monitor not in sentry.detectors
    assert alert not in sentry.workflows
    assert planned(sentry, prune=True).changes == ()


def test_a_second_one_of_the_same_name_goes_with_prune_and_the_older_stays(sentry: FakeSentryApi) -> None:
    applied(sentry)
    first = named(sentry.detectors, "error volume")
    second = sentry.add_detector({key: value for key, value in first.items() if key != "id"})
    assert planned(sentry).changes == ()
    assert applied(sentry, prune=True) == [None]
    assert second not in sentry.detectors
    assert int(first["id"]) in sentry.detectors


def test_a_failure_halfway_is_told_and_the_next_run_finishes(sentry: FakeSentryApi) -> None:
    sentry.fail("POST", "/detectors/", 500)
    errors = applied(sentry)
    assert errors[0] is not None
    assert "fault of its own (500" in errors[0]
    assert [error for error in errors[1:] if error] == [
        f"left out: its monitor {DOCUMENT.monitor[0].name!r} could not be created"
    ]
    assert applied(sentry) == [None, None]
    assert planned(sentry).changes == ()


def test_a_creation_that_timed_out_but_happened_is_not_repeated(sentry: FakeSentryApi) -> None:
    sentry.fail("POST", "/detectors/", 504, happens_anyway=True)
    assert "504" in (applied(sentry)[0] or "")
    assert not any(applied(sentry))
    names = sentry.names(sentry.detectors)
    assert len(names) == len(set(names))
    assert planned(sentry).changes == ()


def test_a_refused_token_ends_the_run(sentry: FakeSentryApi) -> None:
    sentry.tokens[USER_TOKEN] = frozenset({"alerts:read", "project:read"})
    errors = applied(sentry)
    assert len(errors) == 1
    assert "needs the scope alerts:write" in (errors[0] or "")


def test_rules_written_by_hand_stay_until_they_are_adopted(sentry: FakeSentryApi) -> None:
    sentry.ownership["raw"] = "path:src/* #streamapi"
    applied(sentry)
    assert sentry.ownership["raw"] == "path:src/* #streamapi"
    assert any("written by hand" in note for note in planned(sentry).notes)
    assert applied(sentry, adopt=True) == [None]
    assert planned(sentry).changes == ()


def test_a_team_that_does_not_exist_is_named(sentry: FakeSentryApi) -> None:
    sentry.teams.clear()
    message = applied(sentry)[-1] or ""
    assert "Invalid rule owners: #streamapi" in message
    assert "Each #team must exist" in message


def test_an_environment_that_sentry_never_saw_is_explained(sentry: FakeSentryApi) -> None:
    sentry.environments.clear()
    assert "run `send-test` there" in (applied(sentry)[0] or "")


def test_an_organization_token_is_explained(sentry: FakeSentryApi) -> None:
    sentry.tokens[ORG_TOKEN] = sentry.tokens[USER_TOKEN]
    with client(sentry, ORG_TOKEN) as api, pytest.raises(SentryApiError, match="organization token"):
        read_state(api, DOCUMENT)


def test_a_project_without_the_new_alerting_is_explained(sentry: FakeSentryApi) -> None:
    sentry.detectors.clear()
    with pytest.raises(SentryApiError, match="no monitor of the type `error`"):
        planned(sentry)
