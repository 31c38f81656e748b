"""Cases 44 and 77 and their kind: an outsider cannot switch tracing on, and third parties learn nothing."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
import sentry_sdk

from app.observability import operation
from tests.support.observed import Observed

pytestmark = pytest.mark.anyio

TRACE_ID = "0123456789abcdef0123456789abcdef"
SPAN_ID = "0123456789abcdef"
OUTSIDE = {
    "sentry-trace": f"{TRACE_ID}-{SPAN_ID}-1",
    "baggage": "sentry-trace_id="
    + TRACE_ID
    + ",sentry-user_email=jane%40corp.example,sentry-release=evil,other=1",
}


class Partner(HTTPServer):
    """Keeps the headers it is sent."""

    def __init__(self) -> None:
        self.seen: list[dict[str, str]] = []
        partner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                partner.seen.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - its name there

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


@pytest.fixture
def partner() -> Iterator[Partner]:
    with Partner() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def calling(observed: Observed, partner: Partner) -> Observed:
    @observed.app.get("/call")
    async def call() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(partner.url)

    @observed.app.get("/call-sync")
    def call_sync() -> None:
        with httpx.Client(trust_env=False) as client:
            client.get(partner.url)

    return observed


@pytest.mark.parametrize("rate", [0.0, 0.01])
async def test_an_outside_decision_never_raises_our_rate(rate: float) -> None:
    """Case 44."""
    observed = Observed(traces_sample_rate=rate)
    draws = iter([0.5] * 100)
    observed.app.get("/x")(lambda: 1)
    observed.app.build_middleware_stack.__self__.options.sampler.draw = lambda: next(draws)  # type: ignore[attr-defined]
    async with observed.client() as client:
        for _ in range(100):
            await client.get("/x", headers=OUTSIDE)
    assert observed.transactions == []


async def test_an_outside_decision_never_lowers_our_rate() -> None:
    observed = Observed(traces_sample_rate=1.0)
    observed.app.get("/x")(lambda: 1)
    await observed.get("/x", headers={"sentry-trace": f"{TRACE_ID}-{SPAN_ID}-0"})
    assert len(observed.transactions) == 1


@pytest.mark.parametrize("rate", [0.0, 1.0])
async def test_an_incoming_trace_is_continued_by_id(rate: float) -> None:
    observed = Observed(traces_sample_rate=rate)

    @observed.app.get("/x")
    async def _() -> None:
        raise KeyError("lost")

    await observed.get("/x", headers=OUTSIDE)
    assert observed.event["contexts"]["trace"]["trace_id"] == TRACE_ID
    for transaction in observed.transactions:
        assert transaction["contexts"]["trace"]["trace_id"] == TRACE_ID
        assert transaction["contexts"]["trace"]["parent_span_id"] == SPAN_ID


@pytest.mark.parametrize("header", ["", "nonsense", "0-0-1", "x" * 10_000, f"{TRACE_ID}-{SPAN_ID}-1-2-3"])
async def test_a_broken_trace_header_starts_a_new_trace(header: str) -> None:
    observed = Observed(traces_sample_rate=1.0)
    observed.app.get("/x")(lambda: 1)
    response = await observed.get("/x", headers={"sentry-trace": header})
    assert response.status_code == 200
    (transaction,) = observed.transactions
    assert len(transaction["contexts"]["trace"]["trace_id"]) == 32


async def test_incoming_baggage_comes_out_nowhere(partner: Partner) -> None:
    """Case 44."""
    observed = calling(Observed(traces_sample_rate=1.0, trace_targets=("127.0.0.1",)), partner)
    await observed.get("/call", headers=OUTSIDE)
    sent = json.dumps([partner.seen, observed.transport.items()], default=str)
    headers = [str(envelope.headers) for envelope in observed.transport.envelopes()]
    for secret in ("jane", "evil", "other=1"):
        assert secret not in sent + "".join(headers)


@pytest.mark.parametrize("path", ["/call", "/call-sync"])
@pytest.mark.parametrize("rate", [0.0, 1.0])
async def test_third_parties_get_no_trace_headers(partner: Partner, path: str, rate: float) -> None:
    """Case 77."""
    observed = calling(Observed(traces_sample_rate=rate), partner)
    await observed.get(path, headers=OUTSIDE)
    (seen,) = partner.seen
    assert {"sentry-trace", "baggage", "traceparent"} & seen.keys() == set()


@pytest.mark.parametrize("rate", [0.0, 1.0])
async def test_our_own_hosts_get_the_trace(partner: Partner, rate: float) -> None:
    observed = calling(Observed(traces_sample_rate=rate, trace_targets=("127.0.0.1",)), partner)
    await observed.get("/call", headers=OUTSIDE)
    (seen,) = partner.seen
    assert seen["sentry-trace"].split("-")[0] == TRACE_ID
    fields = dict(pair.split("=") for pair in seen.get("baggage", "").split(",") if pair)
    assert fields["sentry-trace_id"] == TRACE_ID
    assert fields["sentry-release"] == "streamapi%401.0.0"


async def test_each_request_without_a_trace_has_its_own() -> None:
    observed = Observed()

    @observed.app.get("/x")
    async def _() -> None:
        sentry_sdk.capture_message("here")

    await asyncio.gather(*(observed.get("/x") for _ in range(10)))
    assert len({event["contexts"]["trace"]["trace_id"] for event in observed.events}) == 10


async def test_a_child_task_has_the_trace_of_its_request() -> None:
    observed = Observed(traces_sample_rate=1.0)

    @observed.app.get("/x")
    async def _() -> None:
        async def child() -> None:
            with operation("work", name="work"):
                sentry_sdk.capture_message("in the child")

        await asyncio.create_task(child())

    await observed.get("/x")
    (transaction,) = observed.transactions
    trace_id = transaction["contexts"]["trace"]["trace_id"]
    assert observed.event["contexts"]["trace"]["trace_id"] == trace_id
    assert [span["description"] for span in transaction["spans"]] == ["work"]
