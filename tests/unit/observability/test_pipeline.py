"""The hooks and the last gate: nothing raises, nothing unscrubbed leaves, nothing vanishes uncounted."""

import json
from typing import Any

import pytest
from sentry_sdk.envelope import Envelope, Item, PayloadRef

from app.observability import before_send
from app.observability.counters import Counters, Fate
from app.observability.pipeline import NEUTRAL_SPAN, Pipeline
from app.observability.scrubbing import Scrubber
from app.observability.types import Event

PASSWORD = "-".join(("correct", "horse", "battery"))


class BrokenScrubber(Scrubber):
    """Raises where a bug would."""

    def scrub(self, payload: Any, kind: str = "event") -> Any:
        """Fail."""
        raise KeyError(PASSWORD)


def error_event() -> Event:
    return {
        "event_id": "0" * 32,
        "level": "error",
        "extra": {"password": PASSWORD},
        "exception": {"values": [{"type": "ValueError", "value": f"password={PASSWORD}"}]},
    }


def pipeline(scrubber: Scrubber | None = None) -> Pipeline:
    return Pipeline(scrubber=scrubber or Scrubber(), counters=Counters())


def one_item(kind: str, payload: Any, **headers: Any) -> Envelope:
    item = Item(payload=PayloadRef(json=payload), headers={"type": kind})
    return Envelope(headers=headers, items=[item])


def test_before_send_is_there_for_services_that_call_the_sdk_themselves() -> None:
    assert PASSWORD not in json.dumps(before_send(error_event(), {}))


def test_a_failing_scrubber_leads_to_a_minimal_event_that_says_so() -> None:
    """Case 23."""
    broken = pipeline(BrokenScrubber())
    event = broken.before_send(error_event(), {})
    assert event is not None
    assert event["event_id"] == "0" * 32
    assert event["exception"]["values"][0]["type"] == "ValueError"
    assert event["tags"]["scrub.failed"]
    assert PASSWORD not in json.dumps(event)
    assert broken.hook_failures == 1


def test_a_failing_scrubber_makes_a_streamed_span_neutral() -> None:
    span = {"name": f"GET /?password={PASSWORD}", "attributes": {"a": PASSWORD}}
    assert pipeline(BrokenScrubber()).before_send_span(span, {}) == NEUTRAL_SPAN


@pytest.mark.parametrize("hook", ["before_send_log", "before_send_metric"])
def test_what_cannot_be_reduced_is_dropped_and_counted(hook: str) -> None:
    broken = pipeline(BrokenScrubber())
    assert getattr(broken, hook)({"body": PASSWORD, "attributes": {}}, {}) is None
    [(_, fates)] = broken.counters.snapshot().items()
    assert fates == {Fate.SCRUB_FAILED: 1}


def test_an_enricher_that_raises_does_not_lose_the_event() -> None:
    def fail(event: Event, hint: Any) -> Event:
        raise RuntimeError(PASSWORD)

    broken = Pipeline(scrubber=Scrubber(), counters=Counters(), enrichers=[fail])
    event = broken.before_send(error_event(), {})
    assert event is not None
    assert PASSWORD not in json.dumps(event)


def test_the_failure_is_logged_once_and_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    broken = pipeline(BrokenScrubber())
    broken.before_send(error_event(), {})
    broken.before_send(error_event(), {})
    assert len(caplog.records) == 1
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("event", {"extra": {"password": PASSWORD}}),
        ("feedback", {"contexts": {"feedback": {"message": f"my password={PASSWORD}"}}}),
        ("check_in", {"monitor_slug": "x", "password": PASSWORD}),
        ("log", {"items": [{"body": f"password={PASSWORD}", "attributes": {}}]}),
        ("trace_metric", {"items": [{"name": "x", "attributes": {"password": {"value": PASSWORD}}}]}),
        ("span", {"items": [{"name": f"x?password={PASSWORD}"}]}),
        ("transaction", {"spans": [{"description": f"GET /?password={PASSWORD}"}]}),
    ],
)
def test_the_gate_scrubs_what_passed_no_hook(kind: str, payload: Event) -> None:
    """Case 4."""
    gated = pipeline().gate(one_item(kind, payload))
    assert gated is not None
    assert PASSWORD.encode() not in gated.serialize()


def test_the_gate_scrubs_the_trace_header() -> None:
    header = {"trace_id": "a" * 32, "transaction": f"/reset?password={PASSWORD}"}
    gated = pipeline().gate(one_item("event", {"message": "x"}, trace=header))
    assert gated is not None
    assert PASSWORD not in json.dumps(gated.headers["trace"])
    assert gated.headers["trace"]["trace_id"] == "a" * 32


def test_a_session_leaves_without_the_person() -> None:
    session = {
        "sid": "1" * 32,
        "did": "jane",
        "attrs": {"ip_address": "192.0.2.1", "user_agent": "x", "release": "r"},
    }
    gated = pipeline().gate(one_item("session", session))
    assert gated is not None
    assert gated.items[0].payload.json == {"sid": "1" * 32, "attrs": {"release": "r"}}


@pytest.mark.parametrize("kind", ["attachment", "profile", "profile_chunk", "replay_event", "something_new"])
def test_what_cannot_be_scrubbed_is_dropped_and_counted(kind: str) -> None:
    gate = pipeline()
    item = Item(payload=PASSWORD.encode(), headers={"type": kind, "filename": "dump.txt"})
    assert gate.gate(Envelope(items=[item])) is None
    assert list(gate.counters.snapshot().values()) == [{Fate.FILTERED: 1}]


def test_an_attachment_leaves_only_if_it_is_allowed_by_name() -> None:
    gate = Pipeline(scrubber=Scrubber(), counters=Counters(), allowed_attachments=["build.txt"])
    allowed = Item(payload=b"made by CI", headers={"type": "attachment", "filename": "build.txt"})
    gated = gate.gate(Envelope(items=[allowed]))
    assert gated is not None
    assert gated.items[0].get_bytes() == b"made by CI"


def test_an_event_whose_gate_fails_leaves_reduced() -> None:
    gated = pipeline(BrokenScrubber()).gate(one_item("event", error_event()))
    assert gated is not None
    assert PASSWORD.encode() not in gated.serialize()
    assert gated.items[0].payload.json is not None
