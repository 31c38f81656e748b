"""Carry a plan out, one call a change, and report each.

Safe to run again after any failure: what was made is found by its name. A refused token ends the run, since
every further call would meet the same; any other failure leaves the rest to be done.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..api import SentryApi, SentryApiError
from ..ownership import ownership_body
from .alert_rules import alert_faults
from .bodies import alert_body, full_name, monitor_body
from .document import AlertDocument
from .monitor_rules import monitor_faults
from .plan import Action, Change, Kind, Plan, connections

WRITE_SCOPE = "alerts:write"


@dataclass(frozen=True)
class Done:
    """What became of a change; `error` is None if it worked."""

    change: Change
    error: str | None = None


def apply_plan(
    api: SentryApi,
    document: AlertDocument,
    plan: Plan,
    *,
    rules: str = "",
    tell: Callable[[Done], None] = lambda _: None,
) -> list[Done]:
    """Carry out every change of `plan` in order and return what became of each; never raises for a failed
    call.
    """
    run, results = _Run(api, document, plan, rules), list[Done]()
    for change in plan.changes:
        try:
            run.carry_out(change)
            done = Done(change)
        except SentryApiError as error:
            done = Done(change, str(error))
            is_hopeless = error.status in (401, 403)
        else:
            is_hopeless = False
        results.append(done)
        tell(done)
        if is_hopeless:
            break
    return results


class _Run:
    """The ids that come to be while a plan is carried out."""

    def __init__(self, api: SentryApi, document: AlertDocument, plan: Plan, rules: str) -> None:
        self._api, self._document, self._rules = api, document, rules
        self._monitor_ids, self._default_ids = dict(plan.monitor_ids), plan.default_ids
        self._monitors = {monitor.name: monitor for monitor in document.monitor}
        self._alerts = {alert.name: alert for alert in document.alert}

    def carry_out(self, change: Change) -> None:
        """Make the one call that `change` stands for."""
        if change.action is Action.REMOVE:
            folder = "workflows" if change.kind is Kind.ALERT else "detectors"
            self._api.delete(f"{self._api.org_path}/{folder}/{change.id}/", scope=WRITE_SCOPE)
        elif change.kind is Kind.MONITOR:
            self._monitor(change)
        elif change.kind is Kind.ALERT:
            self._alert(change)
        elif self._document.ownership is not None:
            body = ownership_body(self._document.ownership, self._rules)
            self._api.put(f"{self._api.project_path}/ownership/", body, scope="project:write")

    def _monitor(self, change: Change) -> None:
        body = monitor_body(self._document, self._monitors[change.name])
        _demand(monitor_faults(body))
        if change.action is Action.UPDATE:
            self._api.put(f"{self._api.org_path}/detectors/{change.id}/", body, scope=WRITE_SCOPE)
            return
        path = f"{self._api.org_path}/projects/{self._api.project}/detectors/"
        answer = self._api.post(path, body, scope=WRITE_SCOPE)
        self._monitor_ids[body["name"]] = _new_id(answer)

    def _alert(self, change: Change) -> None:
        alert = self._alerts[change.name]
        known, missing = connections(self._document, alert, self._monitor_ids, self._default_ids)
        if missing:
            raise SentryApiError(f"left out: its monitor {missing[0]!r} could not be created")
        body = alert_body(self._document, alert, known)
        _demand(alert_faults(body))
        path = f"{self._api.org_path}/workflows/"
        if change.action is Action.UPDATE:
            self._api.put(f"{path}{change.id}/", body, scope=WRITE_SCOPE)
        else:
            self._api.post(path, body, scope=WRITE_SCOPE)


def body_faults(document: AlertDocument) -> list[str]:
    """List what Sentry would refuse of `document`, without asking Sentry."""
    faults = list[str]()
    for monitor in document.monitor:
        body = monitor_body(document, monitor)
        faults += [f"monitor {monitor.name!r}: {fault}" for fault in monitor_faults(body)]
    for alert in document.alert:
        # Any number stands for monitors that only exist at Sentry.
        body = alert_body(document, alert, [1])
        faults += [f"alert {alert.name!r}: {fault}" for fault in alert_faults(body)]
    names = [*(item.name for item in document.monitor), *(item.name for item in document.alert)]
    for name in (full_name(document, name) for name in names):
        if len(name) > 200:
            faults.append(f"{name!r} is longer than 200 characters with prefix and mark")
    return faults


def _demand(faults: list[str]) -> None:
    if faults:
        raise SentryApiError(f"not sent, Sentry would refuse it: {'; '.join(faults)}")


def _new_id(answer: Any) -> int:
    try:
        return int(answer["id"])
    except (TypeError, KeyError, ValueError):
        raise SentryApiError("Sentry created the monitor but did not say its number; run it again") from None
