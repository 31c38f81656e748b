"""What the SDK makes a plain list or a text of keeps the names of its fields, so that the scrubber can judge it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk import Scope
from sentry_sdk.tracing import Transaction

from app.observability import ObservabilitySettings, init_sentry, operation
from tests.support.ingest import IngestServer
from tests.support.observability import Recorder, local_sentry
from tests.support.values import SECRET, VALUES, Login, row, scope

logger = logging.getLogger("shop.fields")


def in_extra(value: Any) -> None:
    sentry_sdk.set_extra("thing", value)
    sentry_sdk.capture_message("m")


def in_a_context(value: Any) -> None:
    sentry_sdk.set_context("thing", {"x": value})
    sentry_sdk.capture_message("m")


def as_a_context(value: Any) -> None:
    sentry_sdk.set_context("thing", value)
    sentry_sdk.capture_message("m")


def in_a_tag(value: Any) -> None:
    sentry_sdk.set_tag("thing", value)
    sentry_sdk.capture_message("m")


def in_the_user(value: Any) -> None:
    sentry_sdk.set_user({"id": value, "thing": value})
    sentry_sdk.capture_message("thing")


def as_the_user(value: Any) -> None:
    sentry_sdk.set_user(value)
    sentry_sdk.capture_message("thing")


def in_a_breadcrumb(value: Any) -> None:
    sentry_sdk.add_breadcrumb(message="m", data={"thing": value})
    sentry_sdk.capture_message("m")


def as_data_of_a_breadcrumb(value: Any) -> None:
    sentry_sdk.add_breadcrumb(message="thing", data=value)
    sentry_sdk.capture_message("m")


def in_extra_of_a_log(value: Any) -> None:
    logger.error("failed", extra={"thing": value})


def as_an_argument_of_a_log(value: Any) -> None:
    logger.error("thing %s", value)


def as_a_named_argument_of_a_log(value: Any) -> None:
    logger.error("thing %(it)s", {"it": value})


def as_the_message_of_a_log(value: Any) -> None:
    logger.error(value, extra={"thing": 1})


def in_a_log_of_sentry(value: Any) -> None:
    sentry_sdk.logger.error("failed {it}", it=value, attributes={"thing": value})


def in_a_metric(value: Any) -> None:
    sentry_sdk.metrics.count("thing", 1, attributes={"thing": value})


def in_an_attribute_of_the_scope(value: Any) -> None:
    sentry_sdk.get_isolation_scope().set_attribute("thing", value)
    sentry_sdk.logger.error("failed")


def in_a_span(value: Any) -> None:
    with (
        sentry_sdk.start_transaction(name="t", op="x", sampled=True),
        sentry_sdk.start_span(op="y", name="z") as span,
    ):
        span.set_data("thing", value)
        span.set_tag("other", value)


def in_a_transaction(value: Any) -> None:
    with sentry_sdk.start_transaction(name="t", op="x", sampled=True) as transaction:
        assert isinstance(transaction, Transaction)
        transaction.set_data("thing", value)
        transaction.set_tag("other", value)
        transaction.set_context("more", {"x": value})


def in_an_operation(value: Any) -> None:
    with (
        operation("o", name="n", context={"thing": value}),
        sentry_sdk.start_span(op="y", name="z") as span,
    ):
        span.set_data("thing", value)


def in_a_variable(value: Any) -> None:
    thing = {"x": value}
    try:
        raise ValueError(len(thing))
    except ValueError:
        sentry_sdk.capture_exception()


def in_an_event_made_by_hand(value: Any) -> None:
    frames = [{"filename": "a.py", "vars": {"thing": value}}]
    event: Any = {
        "message": "m",
        "extra": {"thing": value},
        "transaction": value,
        "fingerprint": ["a", value],
        "modules": {"a": value},
        "threads": {"values": [{"stacktrace": {"frames": frames}}]},
        "request": {"data": value, "headers": {"x": value}, "env": value},
        "user": value,
        "unheard_of": value,
    }
    sentry_sdk.capture_event(event)


CHANNELS: list[Callable[[Any], None]] = [
    *(in_extra, in_a_context, as_a_context, in_a_tag, in_the_user, as_the_user),
    *(in_a_breadcrumb, as_data_of_a_breadcrumb, in_extra_of_a_log, as_an_argument_of_a_log),
    *(as_a_named_argument_of_a_log, as_the_message_of_a_log, in_a_log_of_sentry, in_a_metric),
    *(in_an_attribute_of_the_scope, in_a_span, in_a_transaction, in_an_operation, in_a_variable),
    in_an_event_made_by_hand,
]


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    settings: dict[str, Any] = {"traces_sample_rate": 1.0, "enable_logs": True, "include_locals": True}
    with local_sentry(**settings) as started:
        assert started.handle.pipeline is not None
        started.handle.pipeline.folding = None
        yield started


def wire_of(recorder: Recorder, channel: Callable[[Any], None], value: Any) -> str:
    """The bytes of everything that one channel sends."""
    recorder.transport._envelopes.clear()
    with sentry_sdk.isolation_scope() as isolated:
        isolated.clear()
        with sentry_sdk.new_scope() as current:
            current.clear()
            channel(value)
    sentry_sdk.flush()
    return "\n".join(envelope.serialize().decode() for envelope in recorder.transport.envelopes())


@pytest.mark.parametrize("kind", VALUES)
def test_no_value_gives_its_secret_away_on_any_channel(recorder: Recorder, kind: str) -> None:
    """Cases 4 and 6."""
    reached = {channel.__name__: wire_of(recorder, channel, VALUES[kind]()) for channel in CHANNELS}
    assert [name for name, wire in reached.items() if "thing" not in wire] == []
    assert [name for name, wire in reached.items() if SECRET in wire] == []
    assert recorder.handle.status()["hook_failures"] == 0


@pytest.mark.parametrize(
    "channel", [in_extra, in_a_context, in_a_tag, in_a_breadcrumb, in_extra_of_a_log, in_a_metric, in_a_span]
)
def test_a_database_row_is_shown_by_its_columns(recorder: Recorder, channel: Callable[[Any], None]) -> None:
    """Case 6."""
    wire = wire_of(recorder, channel, row())
    assert SECRET not in wire
    assert all(part in wire for part in ("user", "ada", "password", "[Filtered]"))


def test_the_names_and_the_harmless_fields_of_a_tuple_are_kept(recorder: Recorder) -> None:
    wire_of(recorder, in_extra, [Login("ada", SECRET)])
    assert recorder.only_event()["extra"] == {"thing": [{"user": "ada", "password": "[Filtered]"}]}


def test_a_raw_scope_is_named_and_never_opened(recorder: Recorder) -> None:
    wire_of(recorder, in_a_context, scope())
    assert recorder.only_event()["contexts"]["thing"] == {"x": "<ASGI scope>"}


def test_a_scope_given_as_a_whole_leaves_the_field_in_its_shape(recorder: Recorder) -> None:
    def capture(value: Any) -> None:
        sentry_sdk.capture_event({"message": "m", "extra": value})

    wire_of(recorder, capture, scope())
    assert recorder.only_event()["extra"] == {"scope": "<ASGI scope>"}


@pytest.mark.parametrize(
    "channel", [in_extra, in_a_context, as_a_context, as_data_of_a_breadcrumb, in_a_span]
)
def test_dictionaries_of_the_service_stay_as_they_are(
    recorder: Recorder, channel: Callable[[Any], None]
) -> None:
    """The SDK's own scrubber writes its marks into them: a login that goes on with its data then fails."""
    session = {"token": SECRET}
    value = {"user": "ada", "password": SECRET, "login": Login("ada", SECRET), "session": session}
    before = {**value, "session": dict(session)}
    assert SECRET not in wire_of(recorder, channel, value)
    assert value == before


def test_what_an_event_processor_adds_last_keeps_its_names_too(recorder: Recorder) -> None:
    def add(event: Any, hint: Any) -> Any:
        event["extra"] = {"thing": Login("ada", SECRET)}
        return event

    def capture(value: Any) -> None:
        sentry_sdk.get_current_scope().add_event_processor(add)
        sentry_sdk.capture_message("m")

    wire_of(recorder, capture, None)
    assert recorder.only_event()["extra"] == {"thing": {"user": "ada", "password": "[Filtered]"}}


class Hostile(dict[str, Any]):
    """A dictionary that cannot be read."""

    def items(self) -> Any:
        raise RuntimeError("password=" + SECRET)


def endless() -> dict[str, Any]:
    """A dictionary that holds itself ten times: read to its end it would never end."""
    value: dict[str, Any] = {}
    value.update({str(number): value for number in range(10)})
    return value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Hostile(a=1), "<Hostile not readable>"),
        ({"a": Hostile(a=1), "b": 2}, {"a": "<Hostile not readable>", "b": 2}),
    ],
)
def test_what_cannot_be_read_becomes_a_placeholder(recorder: Recorder, value: Any, shown: Any) -> None:
    assert SECRET not in wire_of(recorder, in_a_context, value)
    assert recorder.only_event()["contexts"]["thing"]["x"] == shown


@pytest.mark.parametrize("channel", [in_extra, in_a_context, in_a_tag, in_a_metric, in_a_log_of_sentry])
def test_values_without_end_are_cut(recorder: Recorder, channel: Callable[[Any], None]) -> None:
    wire = wire_of(recorder, channel, endless())
    assert 0 < len(wire) < 100_000
    deep: Any = Login("ada", SECRET)
    for _ in range(3_000):
        deep = [deep]
    assert SECRET not in wire_of(recorder, channel, deep)


def test_a_huge_context_is_cut_before_the_sdk_serializes_it(recorder: Recorder) -> None:
    huge = {f"key{number}": {"a": number} for number in range(100_000)}
    wire_of(recorder, as_a_context, huge)
    thing = recorder.only_event()["contexts"]["thing"]
    assert len(thing) == 1_001
    assert thing["..."] == "... 99000 more"


@contextmanager
def live_sentry(ingest: IngestServer, spool_dir: Path) -> Iterator[None]:
    """LIVE mode with everything on, delivering to a server on loopback."""
    settings: dict[str, Any] = {
        "environment": "staging",
        "enabled": True,
        "dsn": ingest.dsn,
        "monthly_errors": 0,
    }
    settings |= {
        "traces_sample_rate": 1.0,
        "enable_logs": True,
        "include_locals": True,
        "spool_dir": spool_dir,
    }
    handle = init_sentry(settings=ObservabilitySettings(**settings))
    assert handle.pipeline is not None
    handle.pipeline.folding = None
    try:
        yield
    finally:
        sentry_sdk.get_client().close(timeout=0)
        Scope.get_global_scope().set_client(None)


def through_every_channel(value: Callable[[], Any]) -> None:
    for channel in CHANNELS:
        with sentry_sdk.isolation_scope() as isolated, sentry_sdk.new_scope() as current:
            isolated.clear()
            current.clear()
            channel(value())


@pytest.mark.parametrize("kind", ["named tuple", "named tuple with another text", "split url", "raw scope"])
def test_none_of_it_is_on_the_wire(kind: str, tmp_path: Path) -> None:
    """Cases 4 and 6."""
    with IngestServer() as ingest, live_sentry(ingest, tmp_path):
        through_every_channel(VALUES[kind])
        sentry_sdk.flush(timeout=20)
        kinds = {item.type for item in ingest.items()}
        assert {"event", "transaction", "log", "trace_metric"} <= kinds
        assert len(ingest.events()) >= len(CHANNELS) - 6
        assert b"thing" in ingest.raw()
        assert SECRET.encode() not in ingest.raw()


def test_none_of_it_is_on_disk(tmp_path: Path) -> None:
    """Cases 4 and 6."""
    with IngestServer() as ingest:
        ingest.answer_with(429, {"Retry-After": "60"})
        with live_sentry(ingest, tmp_path):
            through_every_channel(VALUES["named tuple"])
            sentry_sdk.flush(timeout=5)
            spooled = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert spooled.count(b"thing") >= len(CHANNELS) - 6
    assert SECRET.encode() not in spooled
