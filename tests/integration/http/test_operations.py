"""`operation()`: one call for context and span, whatever it stands in."""

import asyncio
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk import Scope

from app.observability import ObservabilitySettings, init_sentry, operation
from app.observability.operations import Operation
from tests.support.observed import Observed

pytestmark = pytest.mark.anyio

CONTEXT = {"category": "weather", "results": 3}


def discover() -> Operation:
    return operation("api.discovery", name="API Discovery", context=CONTEXT)


async def with_block() -> None:
    with discover():
        sentry_sdk.capture_message("inside")


async def async_with_block() -> None:
    async with discover():
        sentry_sdk.capture_message("inside")


@discover()
async def decorated_async() -> None:
    sentry_sdk.capture_message("inside")


@discover()
def decorated_sync() -> None:
    sentry_sdk.capture_message("inside")


@pytest.mark.parametrize("use", [with_block, async_with_block, decorated_async, decorated_sync])
@pytest.mark.parametrize("rate", [0.0, 1.0])
async def test_it_is_a_span_and_a_context_of_its_request(use: Any, rate: float) -> None:
    observed = Observed(traces_sample_rate=rate)
    observed.app.get("/discover")(use)
    for _ in range(2):
        assert (await observed.get("/discover")).status_code == 200
    for event in observed.events:
        assert event["contexts"]["api_operation"] == {
            "operation": "api.discovery",
            "name": "API Discovery",
            **CONTEXT,
        }
    assert len(observed.transactions) == 2 * rate
    for transaction in observed.transactions:
        (span,) = transaction["spans"]
        assert (span["op"], span["description"]) == ("api.discovery", "API Discovery")
        assert span["data"]["api_operation.category"] == "weather"


async def test_nested_ones_are_nested_spans_and_the_outer_context_comes_back() -> None:
    observed = Observed(traces_sample_rate=1.0)

    @observed.app.get("/")
    async def _() -> None:
        with operation("outer", name="outer") as outer:
            with operation("inner", name="inner"):
                sentry_sdk.capture_message("inner")
            outer.set("found", 2)
            sentry_sdk.capture_message("outer")
        sentry_sdk.capture_message("after")

    await observed.get("/")
    contexts = [event["contexts"]["api_operation"] for event in observed.events]
    assert [context["operation"] for context in contexts] == ["inner", "outer", "outer"]
    assert [context.get("outcome") for context in contexts] == [None, None, "ok"]
    assert contexts[1]["found"] == 2
    (transaction,) = observed.transactions
    spans = {span["description"]: span for span in transaction["spans"]}
    assert spans["inner"]["parent_span_id"] == spans["outer"]["span_id"]
    assert spans["outer"]["data"]["api_operation.found"] == 2


@pytest.mark.parametrize("rate", [0.0, 1.0])
async def test_of_operations_side_by_side_the_event_names_the_one_that_failed(rate: float) -> None:
    observed = Observed(traces_sample_rate=rate)

    async def call(provider: str) -> None:
        with operation("api.call", name="call", context={"provider": provider}):
            await asyncio.sleep(0)
            if provider == "b":
                raise KeyError(provider)
            await asyncio.sleep(0)

    @observed.app.get("/")
    async def _() -> None:
        await asyncio.gather(*(call(provider) for provider in "abc"))

    await observed.get("/")
    context = observed.event["contexts"]["api_operation"]
    assert (context["provider"], context["outcome"]) == ("b", "failed")
    for transaction in observed.transactions:
        failed = [span for span in transaction["spans"] if span.get("status") == "internal_error"]
        assert [span["data"]["api_operation.provider"] for span in failed] == ["b"]


async def test_outside_a_request_each_is_a_transaction_in_a_trace_of_its_own() -> None:
    observed = Observed(traces_sample_rate=1.0)
    for number in range(2):
        with operation("job", name="nightly", context={"number": number}), operation("step", name="step"):
            sentry_sdk.capture_message("working")
    sentry_sdk.capture_message("idle")
    transactions = observed.transactions
    assert [each["transaction"] for each in transactions] == ["nightly", "nightly"]
    traces = [each["contexts"]["trace"]["trace_id"] for each in transactions]
    assert traces[0] != traces[1]
    events = observed.events
    assert [event["contexts"]["trace"]["trace_id"] for event in events[:2]] == traces
    assert "api_operation" not in events[2]["contexts"]
    assert [event.get("transaction") for event in events] == ["nightly", "nightly", None]
    assert Scope.get_current_scope().span is None


@pytest.mark.parametrize("rate", [0.0, 1.0])
async def test_what_it_raises_outside_a_request_stays_in_its_trace(rate: float) -> None:
    observed = Observed(traces_sample_rate=rate)
    traces = []

    @operation("job", name="Nightly")
    def fail(error: Exception) -> None:
        traces.append(sentry_sdk.get_current_scope().get_trace_context()["trace_id"])
        raise error

    for error in (ValueError("first"), KeyError("second")):
        with pytest.raises(type(error)):
            fail(error)
        sentry_sdk.capture_exception(error)  # as what ends a script is: after the operation
    assert [event["contexts"]["trace"]["trace_id"] for event in observed.events] == traces
    assert len(set(traces)) == 2
    assert [each["contexts"]["trace"]["trace_id"] for each in observed.transactions] == traces * int(rate)


async def test_what_ran_before_does_not_name_the_requests_that_follow() -> None:
    with sentry_sdk.new_scope() as scope:
        observed = Observed(traces_sample_rate=1.0)
        scope.span = sentry_sdk.start_transaction(name="start-up", op="job")

        @observed.app.get("/fail")
        async def _() -> None:
            raise KeyError("lost")

        await observed.get("/fail")
    assert observed.event["transaction"] == "/fail"


async def test_its_exception_leaves_it_unchanged_and_it_returns_what_the_function_returns() -> None:
    Observed()
    error = KeyError("lost")
    with pytest.raises(KeyError) as caught, discover():
        raise error
    assert caught.value is error

    @discover()
    def add(one: int, *, two: int) -> int:
        """Add."""
        return one + two

    assert (add(1, two=2), add.__name__, add.__doc__) == (3, "add", "Add.")


async def test_it_does_nothing_when_off() -> None:
    handle = init_sentry(settings=ObservabilitySettings(enabled=False))
    with discover() as running:
        running.set("more", 1)
    assert handle.transport is None
    assert decorated_sync() is None
