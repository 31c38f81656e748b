"""A message that nobody added anything to is sent like any other, though it is built from an outline."""

import asyncio
from typing import Any

import pytest
import sentry_sdk
import sentry_sdk.scope
from fastapi import FastAPI, WebSocket

from app.observability import UserContext, identify_user
from tests.support.calls import counting
from tests.support.observability import websocket_session
from tests.support.observed import Observed

pytestmark = pytest.mark.anyio

IDS = ("event_id", "start_timestamp", "timestamp")
TRACE_IDS = ("trace_id", "span_id")


def echo(app: FastAPI) -> None:
    """Answer each message; the text says what to do besides."""

    @app.websocket("/ws/{room}")
    async def _(socket: WebSocket) -> None:
        await socket.accept()
        async for text in socket.iter_text():
            if text == "look":
                assert sentry_sdk.get_current_scope().span is not None
            elif text == "tag":
                sentry_sdk.set_tag("mine", "1")
            elif text == "level":
                sentry_sdk.get_isolation_scope().set_level("warning")
            elif text.startswith("user"):
                identify_user(id=text, tier="pro")
            elif text == "release":
                sentry_sdk.get_global_scope().set_tag("region", "eu")
            await socket.send_text(text)


def without_ids(transaction: dict[str, Any]) -> dict[str, Any]:
    same = {key: value for key, value in transaction.items() if key not in IDS}
    trace = {key: value for key, value in same["contexts"]["trace"].items() if key not in TRACE_IDS}
    return {**same, "contexts": {**same["contexts"], "trace": trace}}


@pytest.mark.parametrize("user", [None, UserContext("u1", "premium", "ada@example.com")])
async def test_it_differs_from_one_that_was_looked_at_in_ids_and_times_only(user: UserContext | None) -> None:
    observed = Observed(traces_sample_rate=1.0, options={"identify": lambda connection: user})
    echo(observed.app)
    await websocket_session(observed.app, "/ws/1", ["some", "look", "once"])
    first, looked_at, last = observed.transactions
    assert without_ids(first) == without_ids(looked_at) == without_ids(last)
    assert first["transaction"] == "/ws/{room}"
    assert first["contexts"]["trace"]["status"] == "ok"
    assert first.get("user") == (user and {"id": "u1"})
    for key in IDS:
        assert len({each[key] for each in (first, looked_at, last)}) == 3, key
    for key in TRACE_IDS:
        assert len({each["contexts"]["trace"][key] for each in (first, looked_at, last)}) == 3, key
    for each in (first, looked_at, last):
        assert 0 <= each["timestamp"] - each["start_timestamp"] < 60
        assert len(each["event_id"]) == len(each["contexts"]["trace"]["trace_id"]) == 32
        assert len(each["contexts"]["trace"]["span_id"]) == 16


async def test_its_envelope_says_the_same_of_its_trace() -> None:
    observed = Observed(traces_sample_rate=1.0)
    echo(observed.app)
    await websocket_session(observed.app, "/ws/1", ["some", "look", "once"])
    headers = [
        envelope.headers for envelope in observed.transport._envelopes if envelope.get_transaction_event()
    ]
    assert len(headers) == 3
    assert len({tuple(sorted(header)) for header in headers}) == 1
    assert len({tuple(sorted(header["trace"])) for header in headers}) == 1
    for header, transaction in zip(headers, observed.transactions, strict=True):
        assert header["event_id"] == transaction["event_id"]
        assert header["trace"]["trace_id"] == transaction["contexts"]["trace"]["trace_id"]
        assert 0 <= float(header["trace"]["sample_rand"]) < 1
        assert header["trace"]["sample_rate"] == "1.0"


async def test_a_user_who_comes_later_is_on_it() -> None:
    observed = Observed(traces_sample_rate=1.0)
    echo(observed.app)
    await websocket_session(observed.app, "/ws/1", ["nobody", "user-1", "plain", "user-2", "plain"])
    users = [(each.get("user") or {}).get("id") for each in observed.transactions]
    assert users == [None, "user-1", "user-1", "user-2", "user-2"]
    assert observed.transactions[2]["tags"]["user.tier"] == "pro"


async def test_a_tag_is_on_its_own_message_and_one_of_the_whole_process_on_all_that_follow() -> None:
    observed = Observed(traces_sample_rate=1.0)
    echo(observed.app)
    try:
        await websocket_session(observed.app, "/ws/1", ["plain", "tag", "plain", "release", "plain", "level"])
    finally:
        sentry_sdk.get_global_scope().remove_tag("region")
    tags = [{key: each["tags"].get(key) for key in ("mine", "region")} for each in observed.transactions]
    nothing, mine, region = (
        {"mine": None, "region": None},
        {"mine": "1", "region": None},
        {"mine": None, "region": "eu"},
    )
    assert tags == [nothing, mine, nothing, region, region, region]
    assert [each.get("level") for each in observed.transactions] == [None] * 5 + ["warning"]


async def test_an_event_processor_sees_it_from_the_moment_it_is_added() -> None:
    observed = Observed(traces_sample_rate=1.0)
    seen: list[str] = []

    def look(event: Any, hint: Any) -> Any:
        seen.append(event["type"])
        return event

    @observed.app.websocket("/ws")
    async def _(socket: WebSocket) -> None:
        await socket.accept()
        async for text in socket.iter_text():
            if text == "add":
                sentry_sdk.scope.add_global_event_processor(look)

    try:
        await websocket_session(observed.app, "/ws", ["plain", "add", "plain"])
    finally:
        sentry_sdk.scope.global_event_processors.clear()
    assert "transaction" in seen
    assert len(observed.transactions) == 3


async def test_a_task_that_outlives_it_reports_in_its_trace() -> None:
    observed = Observed(traces_sample_rate=1.0)
    over = asyncio.Event()
    tasks = []

    @observed.app.websocket("/ws")
    async def _(socket: WebSocket) -> None:
        await socket.accept()

        async def late() -> None:
            await over.wait()
            sentry_sdk.set_tag("late", "yes")
            sentry_sdk.capture_message("late")

        async for text in socket.iter_text():
            if text == "start":
                tasks.append(asyncio.create_task(late()))
            else:
                over.set()
                await asyncio.gather(*tasks)
                sentry_sdk.capture_message("in time")

    await websocket_session(observed.app, "/ws", ["start", "wait"])
    late, in_time = observed.events
    own, next_one = (each["contexts"]["trace"]["trace_id"] for each in observed.transactions)
    assert late["contexts"]["trace"]["trace_id"] == own
    assert in_time["contexts"]["trace"]["trace_id"] == next_one
    assert "late" not in in_time["tags"]


async def test_what_the_month_cannot_pay_is_counted_once() -> None:
    observed = Observed(traces_sample_rate=1.0)
    echo(observed.app)

    class NoBudget:
        """Pays for the first transaction only."""

        left = 1

        def pay_transaction(self, spans: int) -> bool:
            self.left -= spans
            return self.left >= 0

    assert observed.handle.pipeline is not None
    budget: Any = NoBudget()
    observed.handle.pipeline.folding = budget
    await websocket_session(observed.app, "/ws/1", ["one", "two", "three"])
    assert len(observed.transactions) == 1
    assert budget.left == -2


async def test_secrets_in_what_the_whole_process_says_are_scrubbed_in_it() -> None:
    observed = Observed(traces_sample_rate=1.0)
    echo(observed.app)
    secret = "sk_" + "live_" + "4eC39HqLyjWDarjtT1zdp7dc"
    sentry_sdk.get_global_scope().set_context("build", {"api_key": secret, "note": f"made with {secret}"})
    try:
        await websocket_session(observed.app, "/ws/1", ["plain", "plain"])
    finally:
        sentry_sdk.get_global_scope().remove_context("build")
    assert len(observed.transactions) == 2
    for transaction in observed.transactions:
        assert "build" in transaction["contexts"]
        assert secret not in str(transaction)


@pytest.mark.parametrize("wanted", [True, False])
async def test_where_metrics_are_off_a_connection_makes_none_at_all(wanted: bool) -> None:
    observed = Observed(enable_metrics=wanted)
    echo(observed.app)
    with counting() as calls:
        await websocket_session(observed.app, "/ws/1", ["plain"])
    assert (calls.of("own/measures.py") > 0) is wanted
    assert calls.of("sdk/metrics.py") == 0
