"""Storms and shutdowns under uvicorn, against a server on loopback that takes what Sentry would take."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.support.ingest import IngestServer
from tests.support.load import hammer
from tests.support.uvicorn_server import StartServer

pytestmark = pytest.mark.slow
APP = "tests.support.stormy_app:app"
STORM = 20_000


def live(ingest: IngestServer, spool: Path) -> dict[str, str]:
    return {
        "SENTRY_ENABLED": "true",
        "SENTRY_DSN": ingest.dsn,
        "SENTRY_ENVIRONMENT": "production",
        "SENTRY_SPOOL_DIR": str(spool),
        "SENTRY_TRACES_SAMPLE_RATE": "0",
    }


@pytest.mark.timeout(300)
def test_twenty_thousand_identical_errors_are_few_events_with_the_true_count(
    start_server: StartServer, tmp_path: Path
) -> None:
    """Cases 45 and 50."""
    with IngestServer() as ingest:
        server = start_server(
            APP, env=live(ingest, tmp_path / "spool"), arguments=["--log-level", "critical"]
        )
        statuses = asyncio.run(hammer(server.port, ["/fail"] * STORM))
        server.stop()
        events = ingest.events()
    assert statuses == {500: STORM}
    assert len(events) < 50
    assert sum(event["extra"]["occurrences"] for event in events) == STORM
    assert {event["exception"]["values"][-1]["type"] for event in events} == {"ValueError"}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_what_is_queued_at_a_shutdown_is_accepted_or_in_the_spool(
    start_server: StartServer, tmp_path: Path, workers: int, stop: signal.Signals
) -> None:
    """Case 22. Several processes stand behind `workers`: each of them flushes, and none waits for another's lock."""
    kinds = 200
    with IngestServer() as ingest:
        ingest.answer_with(delay_s=0.1)
        server = start_server(
            APP, env={**live(ingest, tmp_path / "spool"), "SENTRY_FLUSH_TIMEOUT_S": "2"}, workers=workers
        )
        statuses = asyncio.run(hammer(server.port, [f"/fail/{kind}" for kind in range(kinds)]))
        accepted_before = len(ingest.event_ids())
        server.stop(stop)
        accepted = {event["exception"]["values"][-1]["type"] for event in ingest.events()}
        spooled = b"".join(path.read_bytes() for path in (tmp_path / "spool").rglob("*") if path.is_file())
    assert statuses == {500: kinds}
    waiting = {f"Failure{kind}Error" for kind in range(kinds) if f"Failure{kind}Error".encode() in spooled}
    assert accepted | waiting == {f"Failure{kind}Error" for kind in range(kinds)}
    assert accepted_before < len(accepted)


def test_a_killed_server_loses_no_error(start_server: StartServer, tmp_path: Path) -> None:
    kinds = 100
    with IngestServer() as ingest:
        ingest.answer_with(delay_s=0.2)
        env = live(ingest, tmp_path / "spool")
        server = start_server(APP, env=env)
        asyncio.run(hammer(server.port, [f"/fail/{kind}" for kind in range(kinds)]))
        server.kill()
        ingest.answer_with()
        start_server(APP, env=env)
        # The one that was under way when the server died may be sent twice, under one id.
        for sent in range(kinds, kinds + 3):
            if len(ingest.event_ids()) < kinds:
                ingest.wait_for(sent, item_type="event", timeout=30)
        types = {event["exception"]["values"][-1]["type"] for event in ingest.events()}
    assert types == {f"Failure{kind}Error" for kind in range(kinds)}


def test_traces_that_a_shutdown_could_not_send_arrive_with_the_next_start(
    start_server: StartServer, tmp_path: Path
) -> None:
    requests = 120
    with IngestServer() as ingest:
        ingest.answer_with(delay_s=0.2)
        env = {
            **live(ingest, tmp_path / "spool"),
            "SENTRY_FLUSH_TIMEOUT_S": "1",
            "SENTRY_TRACES_SAMPLE_RATE": "1.0",
        }
        server = start_server(APP, env=env)
        assert asyncio.run(hammer(server.port, ["/well"] * requests)) == {200: requests}
        server.stop()
        assert len(ingest.event_ids("transaction")) < requests
        ingest.answer_with()
        start_server(APP, env=env)
        ingest.wait_for(requests, item_type="transaction", timeout=30)
        assert len(ingest.event_ids("transaction")) >= requests - 1  # one may be cut off in flight
