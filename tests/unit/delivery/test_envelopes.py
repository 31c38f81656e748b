import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentry_sdk.envelope import Envelope, Item, PayloadRef

from app.observability.delivery.envelopes import (
    RawEnvelope,
    RawItem,
    category_of,
    main_category,
    quantities,
    tally_of,
    to_json,
)
from app.observability.delivery.outcomes import MOST_REMEMBERED, Outcome, Outcomes
from app.observability.delivery.trimming import trim_event

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.binary(), inner),
    max_leaves=20,
)


@given(
    st.lists(st.tuples(st.sampled_from(["event", "attachment", "log"]), st.binary(max_size=50)), max_size=5)
)
def test_an_envelope_is_read_as_it_was_written(items: list[tuple[str, bytes]]) -> None:
    raw = RawEnvelope({"event_id": "x"}, [RawItem({"type": kind}, payload) for kind, payload in items])
    again = RawEnvelope.parse(raw.to_bytes())
    assert again.headers == raw.headers
    assert [(item.headers["type"], item.payload) for item in again.items] == items


def test_what_we_write_the_sdk_reads() -> None:
    envelope = Envelope(headers={"event_id": "x"})
    envelope.add_event({"message": "ä\n"})
    envelope.add_item(Item(PayloadRef(bytes=b"a\nb"), type="attachment"))
    again = Envelope.deserialize(RawEnvelope.of(envelope).to_bytes())
    assert again.items[0].payload.json == {"message": "ä\n"}
    assert again.items[1].get_bytes() == b"a\nb"


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}\n{}", b'{}\n{"length":5}\nabc\n', b'{}\n{"length":-1}\n', b"\xff"]
)
def test_what_is_no_envelope_raises_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - one kind of fault is the promise
        RawEnvelope.parse(data)


@given(JSON)
def test_every_value_can_be_serialized(value: object) -> None:
    json.loads(to_json(value))


def test_a_value_that_refers_to_itself_can_be_serialized() -> None:
    value: dict[str, object] = {}
    value["self"] = value
    assert b"<dict>" in to_json(value)


@pytest.mark.parametrize(
    ("kind", "category"),
    [
        ("event", "error"),
        ("feedback", "feedback"),
        ("check_in", "monitor"),
        ("log", "log_item"),
        ("new", "default"),
    ],
)
def test_categories_are_sentrys(kind: str, category: str) -> None:
    assert category_of(kind) == category


def test_a_transaction_counts_as_its_spans_and_one_more() -> None:
    envelope = Envelope()
    envelope.add_transaction({"spans": [{}, {}]})
    assert tally_of(envelope.items) == (("transaction", 1), ("span", 3))


def test_a_batch_counts_as_what_is_in_it() -> None:
    assert quantities(Item(PayloadRef(json={}), type="log", headers={"item_count": 7})) == [("log_item", 7)]


def test_an_error_decides_about_its_attachments() -> None:
    envelope = Envelope(items=[Item(b"x", type="attachment")])
    envelope.add_event({})
    assert main_category(envelope) == "error"


def test_trimming_keeps_what_failed_and_where() -> None:
    frames = [{"function": f"f{n}", "lineno": n, "vars": {"x": "y" * 1000}} for n in range(200)]
    event = {
        "event_id": "e",
        "release": "r",
        "user": {"id": "1"},
        "tags": {"user.tier": "premium"},
        "contexts": {"trace": {"trace_id": "t"}, "huge": {"k": "v" * 9000}},
        "request": {"method": "POST", "url": "/x", "data": "d" * 9000, "headers": {"a": "b"}},
        "breadcrumbs": {"values": [{}] * 100},
        "exception": {"values": [{"type": "E", "value": "m" * 9000, "stacktrace": {"frames": frames}}]},
    }
    small = trim_event(event)
    assert small["tags"] == {"user.tier": "premium", "delivery.trimmed": "true"}
    assert small["contexts"] == {"trace": {"trace_id": "t"}}
    assert small["request"] == {"method": "POST", "url": "/x"}
    kept = small["exception"]["values"][0]["stacktrace"]["frames"]
    assert (len(kept), kept[-1]) == (50, {"function": "f199", "lineno": 199})
    assert len(json.dumps(small)) < 10_000
    assert (small["event_id"], small["release"], small["user"]) == ("e", "r", {"id": "1"})
    assert len(event["exception"]["values"][0]["stacktrace"]["frames"]) == 200  # type: ignore[index]


@given(
    st.dictionaries(
        st.sampled_from(["exception", "contexts", "request", "spans", "tags", "message", "extra", "user"]),
        JSON,
    )
)
def test_trimming_takes_any_event(event: dict[str, object]) -> None:
    trim_event(event)


def test_outcomes_are_told_to_whoever_asks_before_or_after() -> None:
    outcomes, outcome = Outcomes(), Outcome(True, "accepted")
    early = outcomes.ask("a")
    outcomes.tell("a", outcome)
    assert early.result(0) == outcomes.ask("a").result(0) == outcome


def test_the_first_verdict_is_the_one_that_is_told_and_the_last_is_remembered() -> None:
    outcomes = Outcomes()
    early = outcomes.ask("a")
    outcomes.tell("a", Outcome(None, "network_error", spooled=True))
    outcomes.tell("a", Outcome(True, "accepted"))
    assert early.result(0).accepted is None
    assert outcomes.ask("a").result(0).accepted is True


def test_neither_questions_nor_answers_pile_up() -> None:
    outcomes = Outcomes()
    first = outcomes.ask("first")
    for number in range(MOST_REMEMBERED):
        outcomes.ask(f"asked {number}")
        outcomes.tell(f"told {number}", Outcome(True, "accepted"))
    outcomes.tell("last", Outcome(True, "accepted"))
    assert first.result(0).accepted is None
    assert not outcomes.ask("told 0").done()


def test_whoever_stops_waiting_for_an_outcome_disturbs_nobody_and_may_ask_again() -> None:
    outcomes = Outcomes()
    outcomes.ask("a").cancel()
    again = outcomes.ask("a")
    assert not again.cancelled()
    again.cancel()
    outcomes.tell("a", Outcome(True, "accepted"))
    assert outcomes.ask("a").result(0).accepted is True
