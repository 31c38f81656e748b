"""What `transaction.py` and `tracing.py` read of the SDK's transactions to build the event themselves."""

from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.feature_flags import add_feature_flag
from sentry_sdk.tracing import Transaction

from app.observability import operation, tracing
from app.observability.transaction import LeanTransaction, describe_span
from tests.support.observed import Observed


def lean() -> Transaction:
    return tracing.start_transaction(sentry_sdk.Scope(), name="a", op="b", rate=1.0, origin="manual")


def the_sdks() -> Transaction:
    made = Transaction(name="a", op="b", source="route", origin="manual", sampled=True)
    started = sentry_sdk.start_transaction(made)
    assert isinstance(started, Transaction)
    return started


def sent(transaction: Transaction, observed: Observed) -> dict[str, Any]:
    """What goes out for the transaction with a bit of everything in it."""
    transaction.set_tag("tag", "1")
    transaction.set_data("size", 2)
    transaction.set_status("ok")
    transaction.set_context("page", {"n": 3})
    with transaction.start_child(op="c", name="d") as span:
        span.set_tag("inner", "4")
        span.set_data("rows", 5)
        span.set_status("not_found")
    transaction.start_child(op="c", name="never finished")
    transaction.finish()
    return observed.transactions[-1]


def test_our_transaction_says_what_the_sdks_own_would_say() -> None:
    observed = Observed(traces_sample_rate=1.0)
    ours, theirs = sent(lean(), observed), sent(the_sdks(), observed)
    for event in (ours, theirs):
        assert (event["type"], event["transaction"]) == ("transaction", "a")
        assert event["transaction_info"] == {"source": "route"}
        assert event["tags"]["tag"] == "1"
        assert event["contexts"]["page"] == {"n": 3}
        trace = event["contexts"]["trace"]
        assert (trace["op"], trace["status"], trace["data"]["size"]) == ("b", "ok", 2)
        (span,) = event["spans"]
        assert (span["op"], span["description"], span["status"]) == ("c", "d", "not_found")
        assert (span["tags"]["inner"], span["data"]["rows"]) == ("4", 5)
        assert span["parent_span_id"] == trace["span_id"]
    missing = {key for key, value in theirs["contexts"]["trace"].items() if value is not None}
    missing -= {*ours["contexts"]["trace"]}
    assert missing <= {"description", "dynamic_sampling_context"}, "the name again, and what the header says"


def test_a_span_is_described_by_the_fields_of_its_own_json() -> None:
    Observed(traces_sample_rate=1.0)
    with lean().start_child(op="c", name="d") as span:
        span.set_tag("inner", "4")
        span.set_data("rows", 5)
        span.set_flag("flag.evaluation.new-checkout", True)
        with pytest.warns(DeprecationWarning, match="set_measurement"):
            span.set_measurement("cache_hits", 7, "none")
    told, described = span.to_json(), describe_span(span)
    same = {"trace_id", "span_id", "parent_span_id", "op", "description", "origin", "tags", "measurements"}
    assert {key: described[key] for key in same} == {key: told[key] for key in same}
    assert described["data"] == told["data"]
    assert described["timestamp"] == told["timestamp"].timestamp()


def test_a_feature_flag_and_a_measurement_are_on_the_span_that_goes_out() -> None:
    observed = Observed(traces_sample_rate=1.0)
    with (
        sentry_sdk.isolation_scope(),
        operation("shop.order", name="Order"),
        sentry_sdk.start_span(op="c", name="d") as span,
    ):
        add_feature_flag("new-checkout", True)
        span.set_data("rows", 5)
        with pytest.warns(DeprecationWarning, match="set_measurement"):
            span.set_measurement("cache_hits", 7, "none")
    (sent_span,) = observed.transactions[0]["spans"]
    assert sent_span["data"]["flag.evaluation.new-checkout"] is True
    assert sent_span["data"]["rows"] == 5
    assert sent_span["measurements"] == {"cache_hits": {"value": 7, "unit": "none"}}


def test_the_recorder_keeps_so_many_spans_and_counts_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "MAX_SPANS", 2)
    Observed(traces_sample_rate=1.0)
    transaction = lean()
    for _ in range(5):
        transaction.start_child(op="c").finish()
    recorder = transaction._span_recorder
    assert recorder is not None
    kept = [span for span in recorder.spans if span.timestamp is not None]
    assert (len(kept), recorder.dropped_spans) == (2, 3)


def test_without_a_recorder_the_sdks_own_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(Transaction, "finish", lambda self, *a, **b: called.append(self.name))
    Observed(traces_sample_rate=1.0)
    LeanTransaction(name="a", sampled=True).finish()
    assert called == ["a"]
