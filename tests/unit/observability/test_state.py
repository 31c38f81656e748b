"""Which failures count as seen."""

from itertools import pairwise

import pytest

from app.observability import state
from app.observability.state import Flow, chain_of, enter_flow, event_that_saw, mark_seen, renew_mark


@pytest.fixture(autouse=True)
def outside() -> None:
    enter_flow(None)


def flow(**fields: object) -> Flow:
    return Flow({"type": "http", "path": "/", "headers": []}, None, **fields)  # type: ignore[arg-type]


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def test_a_chain_has_causes_contexts_and_members_once_even_if_it_is_circular() -> None:
    first, second, third = KeyError(1), KeyError(2), KeyError(3)
    group = ExceptionGroup("both", [second, third])
    first.__cause__ = group
    second.__context__ = first
    assert {id(link) for link in chain_of(first)} == {id(each) for each in (first, group, second, third)}


def test_a_suppressed_context_is_a_part_of_the_same_failure() -> None:
    error, context = KeyError(1), KeyError(2)
    error.__context__, error.__cause__ = context, None
    assert error.__suppress_context__
    assert chain_of(error) == [error, context]


def test_a_chain_is_bounded() -> None:
    errors = [KeyError(number) for number in range(100)]
    for outer, inner in pairwise(errors):
        outer.__cause__ = inner
    assert len(chain_of(errors[0])) == state.MAX_CHAIN


def test_what_wraps_a_reported_failure_is_reported() -> None:
    enter_flow(flow())
    cause = KeyError("lost")
    mark_seen(cause, "id-1")
    assert event_that_saw(caused(ValueError(), cause)) == "id-1"
    assert event_that_saw(ExceptionGroup("g", [cause])) == "id-1"
    assert event_that_saw(ValueError()) is None


def test_the_cause_of_a_reported_failure_is_reported() -> None:
    enter_flow(flow())
    cause = KeyError("lost")
    mark_seen(caused(ValueError(), cause), "id-1")
    assert event_that_saw(cause) == "id-1"


def test_in_another_request_it_is_a_new_failure() -> None:
    error = KeyError("module level")
    enter_flow(flow())
    mark_seen(error, "id-1")
    enter_flow(flow())
    assert event_that_saw(error) is None


def test_a_message_is_a_new_request_but_its_own_transactions_belong_to_the_connection() -> None:
    connection = flow()
    connection.family = connection.serial
    error = KeyError("lost")
    enter_flow(flow(connection=connection, family=connection.family))
    mark_seen(error, "id-1")
    connection.begin_message()
    enter_flow(connection)
    assert event_that_saw(error) == "id-1"


def test_outside_a_request_a_fresh_mark_counts_and_an_old_one_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("app.observability.state.time.monotonic", lambda: now)
    error = KeyError("raised in every job")
    enter_flow(flow())
    mark_seen(error, "id-1")
    enter_flow(None)
    assert event_that_saw(error) == "id-1"
    now += state.FRESH_S
    assert event_that_saw(error) is None
    assert renew_mark(error)
    assert event_that_saw(error) == "id-1"
    assert not renew_mark(KeyError("never reported"))
