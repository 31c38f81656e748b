"""What the instrumentation relies on in sentry-sdk."""

from typing import Any

import pytest
import sentry_sdk
from sentry_sdk import Scope
from sentry_sdk.tracing import Transaction
from sentry_sdk.tracing_utils import Baggage

from app.observability import tracing
from tests.support.observed import Observed


def test_a_fork_has_tags_user_and_breadcrumbs_of_its_own() -> None:
    scope = Scope()
    scope.set_tag("a", "1")
    fork = scope.fork()
    fork.set_tag("a", "2")
    fork.set_user({"id": "u1"})
    fork.add_breadcrumb({"message": "x"})
    event: Any = {}
    applied: Any = scope.apply_to_event(event, {})
    assert applied["tags"] == {"a": "1"}
    assert "user" not in applied


def test_a_scope_reset_in_place_takes_everything_over_from_another() -> None:
    base, scope = Scope(), Scope()
    base.set_tag("kept", "1")
    base.set_user({"id": "u1"})
    scope.set_tag("gone", "1")
    scope.clear()
    scope.update_from_scope(base)
    applied: Any = scope.apply_to_event({}, {})
    assert (applied["tags"], applied["user"]) == ({"kept": "1"}, {"id": "u1"})


def test_scopes_are_set_for_the_running_context_only() -> None:
    import contextvars

    isolation = Scope()
    contextvars.copy_context().run(Scope.set_isolation_scope, isolation)
    assert Scope.get_isolation_scope() is not isolation


def test_an_incoming_trace_gives_ids_and_no_baggage_of_the_caller() -> None:
    isolation = Scope()
    isolation.generate_propagation_context({"sentry-trace": "a" * 32 + "-" + "b" * 16 + "-1"})
    context = isolation.get_active_propagation_context()
    assert (context.trace_id, context.parent_span_id) == ("a" * 32, "b" * 16)


def test_a_transaction_made_by_hand_is_like_one_that_the_sdk_started() -> None:
    """`tracing.start_transaction` leaves the SDK's drawing out; the list for spans is what it has to make itself."""
    Observed(traces_sample_rate=1.0)
    ours = tracing.start_transaction(Scope(), name="a", op="b", rate=1.0, origin="manual")
    theirs = sentry_sdk.start_transaction(Transaction(name="a", op="b", origin="manual", sampled=True))
    assert isinstance(theirs, Transaction)
    assert ours.sampled is theirs.sampled is True
    assert ours._span_recorder is not None
    assert theirs._span_recorder is not None
    assert ours._span_recorder.maxlen == theirs._span_recorder.maxlen
    assert not tracing.has_spans(ours)
    ours.start_child(op="c", name="d").finish()
    assert tracing.has_spans(ours)


def test_our_baggage_is_passed_on_as_it_is() -> None:
    Observed(traces_sample_rate=1.0)
    transaction = tracing.start_transaction(Scope(), name="a", op="b", rate=0.5, origin="manual")
    baggage = transaction.get_baggage()
    assert isinstance(baggage, Baggage)
    assert baggage.sentry_items["sample_rate"] == "0.5"
    assert "transaction" not in baggage.sentry_items, "a name may hold what must not leave in a header"


def test_an_event_that_a_hook_refuses_has_no_id() -> None:
    """So that a repeat of a failure cannot get its id from the SDK, and `Receipt` has to carry it."""
    observed = Observed()
    assert observed.handle.pipeline is not None
    observed.handle.pipeline.enrichers = (lambda event, hint: None,)
    assert sentry_sdk.capture_message("x") is None


def test_logged_errors_come_with_their_record_and_exception_in_the_hint() -> None:
    import logging

    observed = Observed()
    seen: list[dict[str, Any]] = []

    def see(event: dict[str, Any], hint: dict[str, Any]) -> None:
        seen.append(hint)

    assert observed.handle.pipeline is not None
    observed.handle.pipeline.enrichers = (see,)
    error = KeyError("lost")
    logging.getLogger("shop").error("failed", exc_info=error)
    assert seen[0]["exc_info"][1] is error
    assert seen[0]["log_record"].name == "shop"


@pytest.mark.parametrize("name", ["uvicorn.error", "app.observability.request"])
def test_ignored_loggers_make_neither_events_nor_breadcrumbs(name: str) -> None:
    import logging

    observed = Observed()
    logging.getLogger(name).error("again")
    sentry_sdk.capture_message("after")
    assert "again" not in str(observed.event)
