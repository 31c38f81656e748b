"""`send-test`: send one of each kind through the real pipeline, and say what Sentry took and where to find it."""

import tempfile
from concurrent.futures import TimeoutError as NoAnswerError
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import sentry_sdk

from ..counters import Fate
from ..handle import Observability
from ..operations import operation
from ..routes import issue_url
from ..sentry import init_sentry
from ..settings import ObservabilitySettings
from ..testerror import SentryTestError, raise_test_error
from ..user import identify_user
from .settings import OpsConfigError, OpsSettings

NAME = "send-test"
_CATEGORIES = {
    "error": ("error",),
    "transaction": ("transaction", "span"),
    "log": ("log_item", "log_byte"),
    "metric": ("trace_metric", "metric_bucket"),
}


@dataclass(frozen=True)
class Sent:
    """What became of one test item. `accepted` is None if no answer came."""

    kind: str
    accepted: bool | None
    reason: str
    id: str | None = None
    link: str | None = None


def send_test(settings: ObservabilitySettings, ops: OpsSettings, *, wait_s: float) -> list[Sent]:
    """Send a test error, transaction, log and metric and wait at most `wait_s` seconds for the answers.

    Sends even where the service itself would not: whoever runs the command wants to see it arrive.

    Raises:
        OpsConfigError: There is no DSN, or the links could not be made.
    """
    if ops.org:
        ops.api_url(settings.dsn)
    if not settings.dsn:
        raise OpsConfigError("SENTRY_DSN must be set: there is nowhere to send to.")
    with tempfile.TemporaryDirectory(prefix="send-test-") as folder:
        # A spool and a budget of its own: the test neither waits behind what the service left nor spends from it.
        changes = {
            "enabled": True,
            "traces_sample_rate": 1.0,
            "enable_logs": True,
            "spool_dir": Path(folder),
            "flush_timeout_s": wait_s,
        }
        handle = init_sentry(settings=settings.model_copy(update=changes))
        try:
            error_id, trace_id = _capture()
            handle.flush(wait_s)
            return [
                _error(handle, ops, error_id),
                _counted(handle, "transaction", trace_id, _trace_link(settings, ops, trace_id)),
                _counted(handle, "log", None, _explore_link(settings, ops, "logs")),
                _counted(handle, "metric", None, _explore_link(settings, ops, "metrics")),
            ]
        finally:
            handle.close()
            sentry_sdk.get_client().close(timeout=0)


def _capture() -> tuple[str | None, str | None]:
    with sentry_sdk.isolation_scope():
        identify_user(id="send-test", tier="free")
        error_id: str | None = None
        with operation("test.send", name=NAME):
            span = sentry_sdk.get_current_span()
            trace_id = span.trace_id if span is not None else None
            try:
                raise_test_error()
            except SentryTestError as error:
                error_id = sentry_sdk.capture_exception(error)
            sentry_sdk.logger.warning("Test log entry, nothing is broken")
            sentry_sdk.metrics.count(f"{NAME.replace('-', '_')}.sent", 1)
        return error_id, trace_id


def _error(handle: Observability, ops: OpsSettings, event_id: str | None) -> Sent:
    if event_id is None:
        return Sent("error", False, "a hook dropped it; see the counters at /observability")
    ask = getattr(handle.transport, "outcome", None)
    try:
        outcome = ask(event_id).result(timeout=0.1) if ask else None
    except NoAnswerError:
        outcome = None
    if outcome is None:
        return Sent("error", None, "no answer in time", event_id)
    link = issue_url(handle.settings, event_id)
    if link is None and ops.org:
        link = f"{ops.api_url(handle.settings.dsn)}/organizations/{quote(ops.org)}/issues/?query={event_id}"
    return Sent("error", outcome.accepted, outcome.reason, event_id, link)


def _counted(handle: Observability, kind: str, found_by: str | None, link: str | None) -> Sent:
    """Read the fate of what has no id of its own from the counters."""
    fates = dict[str, int]()
    counters = handle.counters.snapshot()
    for category in _CATEGORIES[kind]:
        for fate, count in counters.get(category, {}).items():
            fates[str(fate)] = fates.get(str(fate), 0) + count
    if fates.get(Fate.ACCEPTED):
        return Sent(kind, True, "accepted", found_by, link)
    if fates:
        return Sent(kind, False, ", ".join(sorted(fates)), found_by)
    return Sent(kind, None, "no answer in time", found_by)


def _trace_link(settings: ObservabilitySettings, ops: OpsSettings, trace_id: str | None) -> str | None:
    if not ops.org or not trace_id:
        return None
    return f"{ops.api_url(settings.dsn)}/organizations/{quote(ops.org)}/explore/traces/trace/{trace_id}/"


def _explore_link(settings: ObservabilitySettings, ops: OpsSettings, page: str) -> str | None:
    if not ops.org:
        return None
    return f"{ops.api_url(settings.dsn)}/organizations/{quote(ops.org)}/explore/{page}/?statsPeriod=1h"
