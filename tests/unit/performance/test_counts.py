"""Limits on what a request, a message and a crash do, counted. No clock: see `tests.support.calls`.

A limit is what it takes today with little to spare. Raise one only for something that is worth its price on every
request of every user.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sentry_sdk
from fastapi import FastAPI, HTTPException
from sqlalchemy import text

from app.observability import ObservabilitySettings, init_sentry
from benchmarks.subject import Caller, make_app
from tests.support.calls import calls_of
from tests.support.observed import Observed

pytestmark = pytest.mark.anyio


class CountingBytes(bytes):
    """A header name or value that notices being decoded."""

    decoded = 0

    def decode(self, *args: Any, **kwargs: Any) -> str:
        CountingBytes.decoded += 1
        return super().decode(*args, **kwargs)


@pytest.fixture
def callers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Make callers of the benchmark's application, instrumented."""
    monkeypatch.setattr(
        "app.observability.httpflow.BACKGROUND_MIN_S", 3600.0
    )  # or a slow machine adds a transaction

    def make(rate: float = 0.0, *, folds: bool = False) -> Caller:
        app, engine = make_app("sqlite+aiosqlite://")
        observed = Observed(
            app, folds=folds, traces_sample_rate=rate, monthly_spans=0, options={"engine": engine}
        )
        caller = Caller(app)
        caller.observed = observed  # type: ignore[attr-defined]  # keeps the handle alive with its caller
        return caller

    yield make
    sentry_sdk.get_client().close(timeout=0)
    sentry_sdk.get_global_scope().set_client(None)


async def test_a_request_that_is_not_sampled_forks_no_scope_and_calls_little_else(callers: Any) -> None:
    """Case 65, counted in calls because a clock is noisy."""
    calls = await calls_of(callers().steps["GET"])
    assert calls.of("sdk/scope.py:Scope.__copy__") == 0
    assert calls.of("sdk/") <= 14
    assert calls.of("own/") <= 28


async def test_a_request_that_is_not_sampled_is_neither_matched_nor_scrubbed_nor_described(
    callers: Any,
) -> None:
    calls = await calls_of(callers().steps["GET"])
    for unwanted in (
        "own/routing.py:RouteTable.match",
        "own/scrubbing/",
        "own/requestdata.py",
        "own/pipeline.py",
        "own/transaction.py",
        "sdk/serializer.py",
        "sdk/envelope.py",
        "sdk/tracing.py",
    ):
        assert calls.of(unwanted) == 0, unwanted


async def test_a_sampled_request_is_scrubbed_once_and_never_serialized_by_the_sdk(callers: Any) -> None:
    calls = await calls_of(callers(1.0).steps["GET"])
    assert calls.counts["own/transaction.py:LeanTransaction.finish"] == 1
    assert calls.counts["own/pipeline.py:Pipeline.before_send_transaction"] == 1
    assert 0 < calls.of("own/scrubbing/engine.py:Scrubber.scrub") <= 2, (
        "the event, and the trace header at the gate"
    )
    assert calls.of("own/scrubbing/walk.py:Walk.string") <= 6
    assert calls.of("sdk/serializer.py") == 0
    assert calls.of("sdk/") <= 140
    assert calls.of("own/requestdata.py") == 0


async def test_a_sampled_request_forks_no_more_scopes_than_another(callers: Any) -> None:
    calls = await calls_of(callers(1.0).steps["GET"])
    assert 0 < calls.of("sdk/scope.py:Scope.__copy__") <= 2


async def test_headers_are_decoded_for_no_request_that_succeeds(
    callers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = [
        (CountingBytes(b"x-request-id"), CountingBytes(b"4bf9")),
        (CountingBytes(b"user-agent"), CountingBytes(b"test")),
    ]
    monkeypatch.setattr("benchmarks.subject.HEADERS", headers)
    caller = callers(1.0)
    await caller.steps["GET"]()
    monkeypatch.setattr(CountingBytes, "decoded", 0)
    await caller.steps["GET"]()
    assert CountingBytes.decoded == 0


async def test_headers_are_decoded_for_an_event(callers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "benchmarks.subject.HEADERS", [(CountingBytes(b"user-agent"), CountingBytes(b"test"))]
    )
    monkeypatch.setattr(CountingBytes, "decoded", 0)
    await callers().steps["crash"]()
    assert CountingBytes.decoded > 0, "or the test above could not fail"


async def test_a_body_is_parsed_for_no_request_that_succeeds(callers: Any) -> None:
    calls = await calls_of(callers(1.0).steps["POST, 2 KB body"])
    assert calls.of("own/requestdata.py") == 0


async def each_message(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], float]:
    """Count what one message more calls."""
    work = caller.steps["100 ws messages"]
    hundred = await calls_of(work)
    monkeypatch.setattr("benchmarks.subject.WS_MESSAGES", 0)
    none = await calls_of(work)
    return lambda name: (hundred.of(name) - none.of(name)) / 100


async def test_a_message_that_is_not_sampled_forks_no_scope_and_calls_little(
    callers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = await each_message(callers(), monkeypatch)
    assert each("sdk/scope.py:Scope.__copy__") == 0
    assert 0 < each("sdk/") <= 2.1
    assert 0 < each("own/") <= 13
    for unwanted in ("own/transaction.py", "own/scrubbing/", "own/outlines.py", "own/routing.py"):
        assert each(unwanted) <= 0.01, unwanted


async def test_a_sampled_message_that_nothing_was_added_to_is_neither_scrubbed_nor_made_of_objects_of_the_sdk(
    callers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = await each_message(callers(1.0), monkeypatch)
    assert 0 < each("own/outlines.py:Outline.send") <= 1
    assert each("sdk/scope.py:Scope.__copy__") <= 0.1, "the first of a connection makes the outline"
    assert each("own/scrubbing/") <= 1
    assert each("sdk/tracing.py") == 0
    assert each("sdk/") <= 15
    assert each("own/") <= 45


async def test_a_connection_makes_few_scopes_whole(callers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.subject.WS_MESSAGES", 0)
    calls = await calls_of(callers().steps["100 ws messages"])
    assert 0 < calls.of("own/scopes.py:LazyScope.__init__") <= 3
    assert calls.of("sdk/scope.py:Scope.__copy__") == 0


async def test_what_is_measured_of_a_connection_is_neither_scrubbed_nor_shown_to_a_hook(
    callers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.subject.WS_MESSAGES", 0)
    calls = await calls_of(callers().steps["100 ws messages"])
    assert calls.of("own/measures.py:Measures.take") == 2
    assert calls.of("sdk/_batcher.py:Batcher.add") == 6
    assert calls.of("own/pipeline.py") == 0
    assert calls.of("own/scrubbing/") == 0
    assert calls.of("sdk/") <= 45


async def test_a_metric_of_the_module_passes_the_gate_unscrubbed(
    callers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.subject.WS_MESSAGES", 0)
    caller = callers()
    await caller.steps["100 ws messages"]()

    async def flush() -> None:
        await caller.steps["100 ws messages"]()
        sentry_sdk.flush()

    calls = await calls_of(flush)
    assert calls.counts["own/gate.py:Gate._batch"] == 1
    assert 0 < calls.of("own/scrubbing/walk.py") <= 10, "the batch around them"


async def test_a_refusal_that_is_no_news_costs_one_metric_and_no_scope_or_scrubber() -> None:
    app = FastAPI()

    @app.get("/ping")
    async def refuse() -> None:
        raise HTTPException(401)

    Observed(app)
    calls = await calls_of(Caller(app).steps["GET"])
    assert calls.of("sdk/_batcher.py:Batcher.add") == 1
    assert calls.of("sdk/scope.py:Scope.__copy__") == 0
    assert calls.of("own/scrubbing/") == 0
    assert calls.of("sdk/metrics.py") == 0


async def test_how_long_a_request_waited_at_the_proxy_is_not_scrubbed(
    callers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = callers(1.0)
    without = await calls_of(caller.steps["GET"])
    monkeypatch.setattr(
        "benchmarks.subject.HEADERS", [(b"x-request-start", f"t={time.time() - 0.1:.3f}".encode())]
    )
    calls = await calls_of(caller.steps["GET"])
    assert calls.of("sdk/_batcher.py:Batcher.add") == 1
    assert calls.of("own/scrubbing/engine.py") == without.of("own/scrubbing/engine.py")
    assert calls.of("sdk/scope.py:Scope.__copy__") == without.of("sdk/scope.py:Scope.__copy__")


async def test_a_query_that_is_not_sampled_costs_a_breadcrumb_and_no_span(callers: Any) -> None:
    calls = await calls_of(callers().steps["GET with a query"])
    assert calls.of("sdk/scope.py:Scope.add_breadcrumb") == 1
    assert calls.of("own/dbqueries.py:begin_query") == 1
    assert calls.of("sdk/tracing.py:Span.__init__") == 0
    assert calls.of("own/dbqueries.py:source_of_query") == 0


async def test_a_crash_is_described_and_scrubbed_once_and_reads_no_source_again(callers: Any) -> None:
    caller = callers()
    await caller.steps["crash"]()
    calls = await calls_of(caller.steps["crash"])
    assert calls.of("own/capture.py:describe_exception") == 1
    assert calls.of("own/capture.py:_short_path") == 0, "cached"
    assert calls.of("own/scrubbing/engine.py:Scrubber.scrub") <= 2
    assert 0 < calls.of("own/scrubbing/walk.py:Walk.string") <= 90
    assert calls.of("own/requestdata.py:request_data") == 1
    assert calls.of("sdk/serializer.py") <= 600


async def test_a_repeat_that_is_folded_is_neither_scrubbed_nor_sent(callers: Any) -> None:
    caller = callers(folds=True)
    for _ in range(50):
        await caller.steps["crash, repeated"]()
    calls = await calls_of(caller.steps["crash, repeated"])
    assert calls.of("own/budget/core.py:Budget.judge") == 1
    assert calls.of("own/scrubbing/") == 0
    assert calls.of("sdk/envelope.py") == 0


async def test_what_is_off_calls_nothing_of_the_sdk() -> None:
    app, engine = make_app("sqlite+aiosqlite://")
    init_sentry(app, settings=ObservabilitySettings(enabled=False), engine=engine)
    for work in ("GET", "crash"):
        calls = await calls_of(Caller(app).steps[work])
        assert calls.of("sdk/") == 0, work
        assert calls.of("own/") <= 1, work


async def test_the_price_does_not_grow_with_the_number_of_routes_without_parameters(callers: Any) -> None:
    def calls_with(routes: int) -> Any:
        app = FastAPI()
        for number in range(routes):
            app.get(f"/r{number}")(_endpoint)
        app.get("/ping")(_endpoint)
        Observed(app, traces_sample_rate=1.0, monthly_spans=0)
        return calls_of(Caller(app).steps["GET"])

    few, many = await calls_with(1), await calls_with(300)
    assert many.of("own/") == few.of("own/")
    assert many.of("sdk/") == few.of("sdk/")


async def _endpoint() -> dict[str, int]:
    return {"ok": 1}


async def test_a_hundred_queries_cost_a_hundred_times_one(callers: Any) -> None:
    app, engine = make_app("sqlite+aiosqlite://")

    @app.get("/queries/{count}")
    async def queries(count: int) -> None:
        async with engine.connect() as connection:
            for _ in range(count):
                await connection.execute(text("SELECT 1"))

    Observed(app, traces_sample_rate=1.0, monthly_spans=0, options={"engine": engine})
    caller = Caller(app)
    ten = await calls_of(lambda: caller.request("GET", "/queries/10"))
    hundred = await calls_of(lambda: caller.request("GET", "/queries/100"))
    two_hundred = await calls_of(lambda: caller.request("GET", "/queries/200"))
    each = (two_hundred.of("") - hundred.of("")) / 100
    assert each <= (hundred.of("") - ten.of("")) / 90 * 1.1
