"""`send-test`: send one of each kind through the real pipeline, and say what Sentry took and where to find it."""

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from concurrent.futures import TimeoutError as NoAnswerError
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import sentry_sdk

from ..counters import Fate
from ..delivery import notices
from ..handle import Observability
from ..operations import operation
from ..reasons import in_words
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
    """What became of one test item, in words. `accepted` is None if no answer came, or the item is off."""

    kind: str
    accepted: bool | None
    reason: str
    id: str | None = None
    link: str | None = None
    is_off: bool = False


NO_ANSWER = "No answer in time."


def send_test(settings: ObservabilitySettings, ops: OpsSettings, *, wait_s: float) -> list[Sent]:
    """Send a test error, transaction, log and metric and wait at most `wait_s` seconds for the answers.

    Sends even where the service itself would not (SENTRY_ENABLED=false): whoever runs the command wants to see it
    arrive. Only metrics follow SENTRY_ENABLE_METRICS, which may be false because Sentry takes none.

    Raises:
        OpsConfigError: There is no DSN, or the links could not be made.
    """
    if ops.org:
        ops.api_url(settings.dsn)
    if not settings.dsn:
        raise OpsConfigError("SENTRY_DSN must be set: there is nowhere to send to.")
    with tempfile.TemporaryDirectory(prefix="send-test-") as folder, _no_promises():
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
                _counted(handle, "metric", None, _explore_link(settings, ops, "metrics"))
                if settings.enable_metrics
                else Sent("metric", None, "SENTRY_ENABLE_METRICS is false.", is_off=True),
            ]
        finally:
            handle.close()
            sentry_sdk.get_client().close(timeout=0)


@contextlib.contextmanager
def _no_promises() -> Iterator[None]:
    """Keep delivery from saying that events are sent later: the spool of this command is gone when it ends."""
    before = notices.logger.level
    notices.logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        notices.logger.setLevel(before)


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
        return Sent("error", False, in_words(Fate.FILTERED))
    ask = getattr(handle.transport, "outcome", None)
    try:
        outcome = ask(event_id).result(timeout=0.1) if ask else None
    except NoAnswerError:
        outcome = None
    if outcome is None:
        return Sent("error", None, NO_ANSWER, event_id)
    link = issue_url(handle.settings, event_id)
    if link is None and ops.org:
        link = f"{ops.api_url(handle.settings.dsn)}/organizations/{quote(ops.org)}/issues/?query={event_id}"
    reason = in_words(outcome.reason) if outcome.accepted is not None else _waiting(outcome.reason)
    return Sent("error", outcome.accepted, reason, event_id, link if outcome.accepted else None)


def _waiting(reason: str) -> str:
    """Word why there is no verdict yet; after this command nothing is left that would try again."""
    if reason == Fate.NETWORK_ERROR:
        return "Sentry could not be reached. Nothing of this test is kept: run it again."
    if reason.startswith("HTTP "):
        return f"Sentry answered {reason}. Nothing of this test is kept: run it again."
    return in_words(reason)


def _counted(handle: Observability, kind: str, found_by: str | None, link: str | None) -> Sent:
    """Read the fate of what has no id of its own from the counters."""
    fates = dict[str, int]()
    counters = handle.counters.snapshot()
    for category in _CATEGORIES[kind]:
        for fate, count in counters.get(category, {}).items():
            fates[str(fate)] = fates.get(str(fate), 0) + count
    if fates.get(Fate.ACCEPTED):
        return Sent(kind, True, in_words(Fate.ACCEPTED), found_by, link)
    if fates:
        return Sent(kind, False, " ".join(map(in_words, sorted(fates))), found_by)
    return Sent(kind, None, NO_ANSWER, found_by)


def _trace_link(settings: ObservabilitySettings, ops: OpsSettings, trace_id: str | None) -> str | None:
    if not ops.org or not trace_id:
        return None
    return f"{ops.api_url(settings.dsn)}/organizations/{quote(ops.org)}/explore/traces/trace/{trace_id}/"


def _explore_link(settings: ObservabilitySettings, ops: OpsSettings, page: str) -> str | None:
    if not ops.org:
        return None
    return f"{ops.api_url(settings.dsn)}/organizations/{quote(ops.org)}/explore/{page}/?statsPeriod=1h"
