"""The module's own metrics: cheap, and yet all that is said of metrics holds for them."""

from typing import Any

import pytest
import sentry_sdk
from fastapi import FastAPI, WebSocket

from app.observability import identify_user
from app.observability.gate import Gate, ScrubbedEvent
from app.observability.measures import Measures, count
from app.observability.scrubbing import Scrubber
from tests.support.observability import websocket_session
from tests.support.observed import Observed

pytestmark = pytest.mark.anyio
SECRET = "sk_" + "live_" + "4f9Qm2Xr7Lk0Vb8TzN6cWd1s"


def attributes(observed: Observed, name: str) -> dict[str, Any]:
    (metric,) = observed.metrics(name)
    found: dict[str, Any] = metric["attributes"]
    return found


def measures() -> Measures:
    batcher = sentry_sdk.get_client().metrics_batcher
    assert isinstance(batcher, Measures)
    return batcher


async def test_what_is_secret_in_an_attribute_is_scrubbed_each_time() -> None:
    observed = Observed()
    for name in ("first", "second"):
        count(name, {"route": f"/{SECRET}", "password": "hunter2"})
        assert SECRET not in str(attributes(observed, name))
        assert "hunter2" not in str(attributes(observed, name))


async def test_attributes_of_the_process_that_change_are_on_the_next_metric() -> None:
    observed = Observed()
    count("before", {"route": "/"})
    sentry_sdk.get_global_scope().set_attribute("region", "eu")
    count("after", {"route": "/"})
    sentry_sdk.get_global_scope().remove_attribute("region")
    assert "region" not in attributes(observed, "before")
    assert attributes(observed, "after")["region"] == "eu"


async def test_attributes_that_the_service_sets_for_a_request_are_on_its_metrics_and_no_others() -> None:
    app = FastAPI()

    @app.get("/{shop}")
    async def shop(shop: str) -> None:
        if shop == "a":
            sentry_sdk.get_isolation_scope().set_attribute("shop", f"key {SECRET}")
        count(shop, {"route": "/{shop}"})

    observed = Observed(app)
    await observed.get("/a")
    await observed.get("/b")
    assert attributes(observed, "a")["shop"].startswith("key")
    assert SECRET not in str(attributes(observed, "a"))
    assert "shop" not in attributes(observed, "b")


async def test_a_user_is_on_his_own_metrics_only() -> None:
    app = FastAPI()

    @app.get("/{name}")
    async def endpoint(name: str, user: str | None = None) -> None:
        if user is not None:
            identify_user(id=user, tier="gold")
        count(name, {"route": "/{name}"})

    observed = Observed(app)
    for path in ("/first?user=u1", "/second?user=u2", "/nobody", "/mail?user=ada@example.com"):
        await observed.get(path)
    assert attributes(observed, "first")["user.id"] == "u1"
    assert attributes(observed, "second")["user.id"] == "u2"
    assert attributes(observed, "second")["user.tier"] == "gold"
    assert "user.id" not in attributes(observed, "nobody")
    assert "ada@example.com" not in str(attributes(observed, "mail"))


@pytest.mark.parametrize("rate", [0.0, 1.0])
@pytest.mark.parametrize("header", [True, False])
async def test_a_metric_is_in_the_trace_of_its_request_and_of_what_is_reported_later(
    rate: float, header: bool
) -> None:
    app = FastAPI()

    @app.get("/")
    async def endpoint() -> None:
        count("seen", {"route": "/"})
        raise ValueError("x")

    observed = Observed(app, traces_sample_rate=rate)
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    await observed.get("/", headers={"sentry-trace": f"{trace}-00f067aa0ba902b7"} if header else {})
    (metric,) = observed.metrics("seen")
    assert observed.event["contexts"]["trace"]["trace_id"] == metric["trace_id"]
    assert (metric["trace_id"] == trace) is header
    assert ("span_id" in metric) is bool(rate)


async def test_metrics_of_one_connection_are_in_one_trace_and_those_of_others_in_another() -> None:
    app = FastAPI()

    @app.websocket("/ws")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    observed = Observed(app)
    for _ in range(2):
        await websocket_session(app, "/ws", ["a", "b"])
    traces = [
        [metric["trace_id"] for metric in observed.metrics(name)]
        for name in ("websocket.closed", "websocket.bytes.out")
    ]
    assert traces[0] == traces[1]
    assert len(set(traces[0])) == 2


async def test_what_is_kept_of_attributes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.observability.measures.MAX_SETS", 4)
    observed = Observed()
    for number in range(15):
        count("many", {"route": f"/{number}"})
    assert len(measures()._base[1]) <= 4
    assert len(observed.metrics("many")) == 15


async def test_attributes_that_cannot_be_scrubbed_are_dropped_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(self: Scrubber, payload: Any, kind: str = "event") -> None:
        raise ValueError(kind)

    observed = Observed()
    monkeypatch.setattr(Scrubber, "scrub", fail)
    count("lost", {"route": "/"})
    assert observed.metrics("lost") == []
    assert observed.handle.status()["counters"]["trace_metric"]["scrub_failed"] == 1


async def test_where_metrics_are_off_nothing_is_made_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    observed = Observed(enable_metrics=False)
    monkeypatch.setattr(Measures, "add", None)
    monkeypatch.setattr("sentry_sdk.metrics.count", None)
    count("unwanted", {"route": "/"})
    assert observed.items("trace_metric") == []
    assert "trace_metric" not in observed.handle.status()["counters"]


async def test_a_client_of_another_kind_gets_metrics_by_the_functions_of_the_sdk() -> None:
    observed = Observed()
    client = sentry_sdk.get_client()
    ours = measures()
    client.metrics_batcher = type(ours).__base__(ours._capture_func, ours._record_lost_func)  # type: ignore[misc]
    count("seen", {"route": f"/{SECRET}"})
    assert SECRET not in str(attributes(observed, "seen"))


def test_the_gate_scrubs_metrics_of_others_in_the_same_batch() -> None:
    from sentry_sdk.envelope import Envelope, Item, PayloadRef

    from app.observability.counters import Counters

    failures: list[Exception] = []
    gate = Gate(scrubber=Scrubber(), counters=Counters(), allowed_attachments=(), on_failure=failures.append)
    ready = ScrubbedEvent(name="ready", attributes={})
    other = {"name": "other", "attributes": {"password": {"value": "hunter2", "type": "string"}}}
    payload = {"version": 2, "items": [other, ready], "note": f"key {SECRET}"}
    gated = gate(Envelope(items=[Item(payload=PayloadRef(json=payload), type="trace_metric")]))
    assert gated is not None
    found: Any = gated.items[0].payload.json
    assert found["items"][0] is ready
    assert found["items"][1]["name"] == "other"
    assert "hunter2" not in str(found)
    assert SECRET not in str(found)
    assert failures == []
