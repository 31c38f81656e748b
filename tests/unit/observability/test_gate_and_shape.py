"""The last gate takes whatever it is handed; fields that are filled freely get the shape that Sentry takes."""

import json
from typing import Any

import pytest
from sentry_sdk.envelope import Envelope, Item, PayloadRef

from app.observability.counters import Counters, Fate
from app.observability.gate import Gate, ScrubbedEvent
from app.observability.scrubbing import Scrubber
from app.observability.shape import put_into_shape

SECRET = "Zr7" + "qmLw" + "92xK"


class Failures(list[Exception]):
    """Collects what a gate could not scrub."""


def gate(failures: Failures | None = None, allowed: tuple[str, ...] = ()) -> Gate:
    found = Failures() if failures is None else failures
    return Gate(
        scrubber=Scrubber(), counters=Counters(), allowed_attachments=allowed, on_failure=found.append
    )


def message(**headers: Any) -> Item:
    return Item(payload=PayloadRef(json={"message": "m"}), headers={"type": "event", **headers})


def test_only_headers_that_sentry_needs_leave() -> None:
    headers = {"event_id": "a" * 32, "dsn": f"https://{SECRET}@x/1", "more": SECRET, "sdk": {"name": "n"}}
    gated = gate()(Envelope(headers=headers, items=[message(filename=SECRET, more=SECRET)]))
    assert gated is not None
    assert gated.headers == {"event_id": "a" * 32, "sdk": {"name": "n"}}
    assert SECRET.encode() not in gated.serialize()


@pytest.mark.parametrize("trace", [SECRET, 3, [SECRET], {"transaction": f"/?token={SECRET}"}])
def test_a_trace_header_is_scrubbed_or_left_out(trace: Any) -> None:
    gated = gate()(Envelope(headers={"trace": trace}, items=[message()]))
    assert gated is not None
    assert SECRET.encode() not in gated.serialize()
    assert ("trace" in gated.headers) is isinstance(trace, dict)


def test_what_a_hook_has_scrubbed_goes_through_as_it_is() -> None:
    item = Item(payload=PayloadRef(json=ScrubbedEvent(message="m")), headers={"type": "event"})
    trace = ScrubbedEvent(trace_id="a" * 32)
    gated = gate()(Envelope(headers={"trace": trace}, items=[item]))
    assert gated is not None
    assert gated.items[0] is item
    assert gated.headers["trace"] is trace


@pytest.mark.parametrize(
    "payload", [b"{no json password=" + SECRET.encode(), b'["' + SECRET.encode() + b'"]']
)
def test_an_event_that_cannot_be_read_leaves_with_nothing_of_it(payload: bytes) -> None:
    failures = Failures()
    gated = gate(failures)(Envelope(items=[Item(payload=payload, headers={"type": "event"})]))
    assert gated is not None
    assert gated.items[0].payload.json == {"tags": {"scrub.failed": "true"}}
    assert len(failures) == 1


@pytest.mark.parametrize("kind", ["session", "log", "check_in", "trace_metric"])
def test_other_items_that_cannot_be_read_are_dropped_and_counted(kind: str) -> None:
    failures = Failures()
    strict = gate(failures)
    item = Item(payload=b"{no json", headers={"type": kind})
    assert strict(Envelope(items=[item])) is None
    assert len(failures) == 1
    assert strict.counters.snapshot() == {item.data_category: {Fate.SCRUB_FAILED: 1}}


def test_a_client_report_of_somebody_else_is_scrubbed_too() -> None:
    report = {"timestamp": 1.0, "discarded_events": [{"reason": f"password={SECRET}", "quantity": 1}]}
    item = Item(payload=PayloadRef(json=report), headers={"type": "client_report"})
    gated = gate()(Envelope(items=[item]))
    assert gated is not None
    assert SECRET.encode() not in gated.serialize()


def test_an_allowed_attachment_keeps_its_name_and_no_other_header() -> None:
    item = Item(payload=b"x", headers={"type": "attachment", "filename": "a.txt", "more": SECRET})
    gated = gate(allowed=("a.txt",))(Envelope(items=[item]))
    assert gated is not None
    assert gated.items[0].headers["filename"] == "a.txt"
    assert SECRET.encode() not in gated.serialize()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"level": f"password={SECRET}"}, {"level": "error"}),
        ({"level": ["x"]}, {"level": "error"}),
        ({"level": "warning"}, {"level": "warning"}),
        ({"tags": [["a", "b"], ("c", 1), ["odd"], 3]}, {"tags": {"a": "b", "c": 1}}),
        ({"tags": "a"}, {"tags": {}}),
        ({"contexts": {"trace": "x", "a": {}}}, {"contexts": {"a": {}}}),
        (
            {"contexts": {"trace": {"trace_id": "x", "dynamic_sampling_context": "y"}}},
            {"contexts": {"trace": {"trace_id": "x"}}},
        ),
        ({"contexts": {"trace": None}}, {"contexts": {"trace": None}}),
        ({"contexts": "x"}, {"contexts": "x"}),
    ],
)
def test_fields_are_put_into_shape(before: Any, after: Any) -> None:
    put_into_shape(before)
    assert json.dumps(before) == json.dumps(after)
