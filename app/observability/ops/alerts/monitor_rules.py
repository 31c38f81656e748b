"""What Sentry's server demands of a monitor (its API: detector), beyond its published schema. Pure.

The schema leaves queries and conditions untyped, so that nonsense passes it and is refused on the server,
or silently never fires. Sources: Sentry's validators, the skill its staff wrote for agents, and the Terraform
provider. A body without faults here is also valid against the published schema (a test compares).
"""

import re
from collections.abc import Iterator, Mapping

from .shape import Body, camel_faults, get, is_whole, name_faults

MAX_NAME = 200
MAX_WINDOW_S = 30 * 86_400
MAX_THRESHOLDS = 3
THRESHOLD_RESULTS = (75, 50, 0)
COMPARISON_DELTAS_S = (300, 900, 3600, 86_400, 604_800, 2_592_000)

_DATASETS = {
    "events": (0, {"error", "default"}),
    "events_analytics_platform": (1, {"trace_item_span", "trace_item_log", "trace_item_metric"}),
    "metrics": (2, {"error", "default"}),
}
_EXTRAPOLATION = ("unknown", "none", "client_and_server_weighted", "server_weighted")
_AGGREGATE = re.compile(r"[a-z_0-9]+\(.*\)")


def monitor_faults(body: Body) -> list[str]:
    """List what Sentry would refuse, or never act on, in the body of a monitor."""
    return [*_monitor_head(body), *_sources(body.get("data_sources")), *_detection(body), *camel_faults(body)]


def _monitor_head(body: Body) -> Iterator[str]:
    yield from name_faults(body, MAX_NAME)
    if body.get("type") != "metric_issue":
        yield 'type must be "metric_issue", the only kind that the API creates'
    known = {"name", "type", "enabled", "owner", "description", "workflow_ids", "data_sources", "config"}
    for key in sorted(body.keys() - known - {"condition_group"}):
        yield f"a monitor has no {key!r}"
    if not isinstance(body.get("enabled", True), bool):
        yield "enabled must be true or false"


def _sources(sources: object) -> Iterator[str]:
    if not isinstance(sources, list) or len(sources) != 1 or not isinstance(sources[0], dict):
        yield "data_sources must be a list of exactly one query"
        return
    yield from _source(sources[0])


def _source(source: Body) -> Iterator[str]:
    aggregate = source.get("aggregate")
    if not isinstance(aggregate, str) or not _AGGREGATE.fullmatch(aggregate):
        yield "aggregate must be a function such as count() or p95(span.duration)"
    known = _DATASETS.get(str(source.get("dataset")))
    if known is None:
        yield f"dataset must be one of {', '.join(_DATASETS)}; `transactions` takes no new monitors"
    else:
        yield from _query_kind(source, known)
    if str(aggregate).startswith("failure_rate(") and source.get("dataset") != "events_analytics_platform":
        yield "failure_rate() exists for spans only"
    query = source.get("query")
    if not isinstance(query, str):
        yield "query must be a text, empty for everything"
    elif "release:latest" in query.split():
        yield "query must not use release:latest: a monitor can't follow it"
    yield from _window(source.get("time_window"))
    environment = source.get("environment", "")
    if environment is not None and (not isinstance(environment, str) or len(environment) > 64):
        yield "environment must be null for all, or a name of at most 64 characters"
    elif isinstance(environment, str) and re.search(r"[\n\r\f/]", environment):
        yield "environment must not hold a slash or a line break"
    if "environment" not in source:
        yield "environment is missing; say null for all of them"
    if source.get("extrapolation_mode", "unknown") not in _EXTRAPOLATION:
        yield f"extrapolation_mode must be one of {', '.join(_EXTRAPOLATION)}"
    extra = source.keys() - {"aggregate", "dataset", "query", "query_type", "event_types", "time_window"}
    for key in sorted(extra - {"environment", "extrapolation_mode"}):
        yield f"a query has no {key!r}"


def _query_kind(source: Body, known: tuple[int, set[str]]) -> Iterator[str]:
    query_type, event_types = known
    if source.get("query_type", query_type) != query_type:
        yield f"query_type must be {query_type} for the dataset {source['dataset']}"
    used = source.get("event_types")
    if not isinstance(used, list) or not used or not set(map(str, used)) <= event_types:
        yield f"event_types must be from {', '.join(sorted(event_types))} for the dataset {source['dataset']}"
    elif query_type == 1 and len(used) > 1:
        yield "event_types takes exactly one kind of spans, logs or metrics"


def _window(window: object) -> Iterator[str]:
    if not is_whole(window):
        yield "time_window must be a whole number of seconds"
    elif not 60 <= window <= MAX_WINDOW_S or window % 60:  # type: ignore[operator]
        yield "time_window is in seconds: from 60 to 30 days, in whole minutes"


def _detection(body: Body) -> Iterator[str]:
    yield from _config(body.get("config"))
    group = body.get("condition_group")
    if get(group, "logic_type") != "any":
        yield 'condition_group.logic_type must be "any"'
    if get(group, "actions"):
        yield "a monitor has no actions: notify from an alert"
    conditions = get(group, "conditions")
    if not isinstance(conditions, list) or not 1 <= len(conditions) <= MAX_THRESHOLDS:
        yield f"condition_group takes one to {MAX_THRESHOLDS} conditions"
        return
    for condition in conditions:
        yield from _threshold(condition)
    results = [get(condition, "condition_result") for condition in conditions]
    if 0 not in results and "anomaly_detection" not in [get(found, "type") for found in conditions]:
        yield "no condition resolves (condition_result 0): its issues would never close"


def _config(config: object) -> Iterator[str]:
    kind, delta = get(config, "detection_type"), get(config, "comparison_delta")
    if kind not in ("static", "percent", "dynamic"):
        yield "config.detection_type must be static, percent or dynamic"
    elif kind == "percent" and delta not in COMPARISON_DELTAS_S:
        yield f"comparison_delta is in seconds, one of {', '.join(map(str, COMPARISON_DELTAS_S))}"
    elif kind != "percent" and delta is not None:
        yield f"comparison_delta goes with percent, not with {kind}"
    if isinstance(config, Mapping) and config.keys() - {"detection_type", "comparison_delta"}:
        yield "config takes detection_type and comparison_delta, nothing else"


def _threshold(condition: object) -> Iterator[str]:
    if get(condition, "type") not in ("gt", "gte", "lt", "lte", "anomaly_detection"):
        yield "a condition's type must be gt, gte, lt, lte or anomaly_detection"
    result = get(condition, "condition_result")
    if not is_whole(result) or result not in THRESHOLD_RESULTS:
        yield "condition_result must be 75 (high), 50 (medium) or 0 (resolve); 25 is refused"
    comparison = get(condition, "comparison")
    if isinstance(comparison, bool) or not isinstance(comparison, int | float | dict):
        yield "a condition's comparison must be a number"
