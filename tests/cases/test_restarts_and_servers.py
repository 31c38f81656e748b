"""Cases 85, 86 and 88 and their kind: what a deploy, a reload or another server does to what was captured."""

import signal
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from app.observability import ObservabilitySettings, init_sentry
from tests.support.ingest import IngestServer, ReceivedEnvelope
from tests.support.observability import client_of
from tests.support.uvicorn_server import StartServer

HOST = """
from fastapi import FastAPI
from app.observability import init_sentry

app = FastAPI()
init_sentry(app)

@app.get("/health")
async def health() -> str:
    return "{version}"

@app.get("/fail")
async def fail() -> None:
    raise ValueError("lost")
"""


def live(ingest: IngestServer, spool: Path) -> dict[str, str]:
    return {
        "SENTRY_ENABLED": "true",
        "SENTRY_DSN": ingest.dsn,
        "SENTRY_ENVIRONMENT": "staging",
        "SENTRY_SPOOL_DIR": str(spool),
        "SENTRY_FLUSH_TIMEOUT_S": "0.5",
    }


def get(url: str) -> httpx.Response:
    return httpx.get(url, timeout=10, trust_env=False)


@pytest.mark.slow
def test_what_waits_when_a_file_is_saved_arrives_after_the_reload(
    start_server: StartServer, tmp_path: Path
) -> None:
    """Case 86, with a Sentry that answers nothing until the new code runs."""
    source = tmp_path / "code" / "host.py"
    source.parent.mkdir()
    source.write_text(HOST.format(version="old"))
    with IngestServer() as ingest:
        ingest.hang()
        server = start_server(
            "host:app",
            app_dir=source.parent,
            env=live(ingest, tmp_path / "spool"),
            arguments=["--reload", "--reload-dir", str(source.parent)],
        )
        event_id = get(f"{server.url}/fail").json()["event_id"]
        source.write_text(HOST.format(version="new"))
        server.wait_until(lambda: answers(server.url, "new"))
        ingest.release()
        ingest.wait_for(1, 20, item_type="event")
        assert ingest.event_ids() == {event_id}


def answers(url: str, version: str) -> bool:
    try:
        return bool(get(f"{url}/health").json() == version)
    except httpx.TransportError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGQUIT, signal.SIGABRT, signal.SIGHUP])
def test_a_signal_that_nobody_handles_loses_no_error(
    start_server: StartServer, tmp_path: Path, signal_number: signal.Signals
) -> None:
    """Case 85: what gunicorn sends to its workers, to a process without a hook for it."""
    with IngestServer() as ingest:
        ingest.hang()
        env = live(ingest, tmp_path / "spool")
        server = start_server("tests.support.stormy_app:app", env=env)
        event_id = get(f"{server.url}/fail").json()["event_id"]
        assert server.stop(signal_number) == -signal_number
        ingest.release()
        start_server("tests.support.stormy_app:app", env=env)
        ingest.wait_for(1, 20, item_type="event")
        assert ingest.event_ids() == {event_id}


class ErrorsOnlyServer(IngestServer):
    """Takes errors and refuses what else Sentry has invented, as small servers do.

    Args:
        status: What it answers to an envelope that does not begin with an error.
    """

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status

    def _receive(self, path, headers, wire):  # type: ignore[no-untyped-def]
        behaviour = super()._receive(path, headers, wire)
        first = ReceivedEnvelope.parse(self.requests[-1].raw).items[0]
        if first.type != "event":
            behaviour = type(behaviour)(self.status)
        return behaviour


@pytest.mark.anyio
@pytest.mark.parametrize("status", [200, 400, 404, 415, 501])
async def test_errors_reach_a_server_that_takes_nothing_else(status: int, tmp_path: Path) -> None:
    """Case 88: an error shares its envelope with nothing that such a server would throw away with it."""
    app = FastAPI()

    @app.get("/fail/{number}")
    async def fail(number: int) -> None:
        raise type(f"Failure{number}Error", (Exception,), {})("lost")

    @app.get("/well")
    async def well() -> None:
        return None

    with ErrorsOnlyServer(status) as ingest:
        handle = init_sentry(
            app,
            settings=ObservabilitySettings(
                enabled=True,
                dsn=ingest.dsn,
                environment="staging",
                traces_sample_rate=1.0,
                enable_logs=True,
                spool_dir=tmp_path,
            ),
        )
        async with client_of(app) as client:
            ids = set()
            for number in range(5):
                await client.get("/well")
                ids.add((await client.get(f"/fail/{number}")).json()["event_id"])
        ingest.wait_for(5, item_type="event")
        handle.flush(2)
        assert ingest.event_ids() == ids
        for envelope in ingest.envelopes:
            if any(item.type == "event" for item in envelope.items):
                assert [item.type for item in envelope.items] == ["event"]
        assert any(item.type == "transaction" for item in ingest.items()), "or nothing was refused"
        assert handle.status()["delivery"]["fates"]["error"] == {"accepted": 5}
