"""How long a process that ends waits for Sentry."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sentry_sdk

from app.observability import Observability, ObservabilitySettings, init_sentry
from app.observability.delivery import DeliveryTransport
from tests.support.ingest import IngestServer

WAIT_S = 0.3


@pytest.fixture
def ingest() -> Iterator[IngestServer]:
    with IngestServer() as server:
        yield server


@pytest.fixture
def handle(ingest: IngestServer, tmp_path: Path) -> Iterator[Observability]:
    made = start(ingest, tmp_path)
    yield made
    made.end()
    sentry_sdk.get_global_scope().set_client(None)


def start(ingest: IngestServer, folder: Path, flush_timeout_s: float = WAIT_S) -> Observability:
    settings = ObservabilitySettings(
        enabled=True,
        dsn=ingest.dsn,
        environment="staging",
        release="streamapi@1.0.0",
        spool_dir=folder,
        flush_timeout_s=flush_timeout_s,
    )
    return init_sentry(settings=settings)


@pytest.fixture
def waits(handle: Observability, monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """How long the transport was asked to wait, each time."""
    transport = handle.transport
    assert isinstance(transport, DeliveryTransport)
    asked: list[float | None] = []
    flush = transport.flush

    def counting(timeout: float | None = None, callback: object = None) -> None:
        asked.append(timeout)
        flush(timeout)

    monkeypatch.setattr(transport, "flush", counting)
    return asked


def test_a_sentry_that_does_not_answer_is_waited_for_once(
    handle: Observability, ingest: IngestServer, waits: list[float | None], tmp_path: Path
) -> None:
    """A server closes in its lifespan, then at exit, and so does the SDK: that would be three times."""
    ingest.hang()
    event_id = sentry_sdk.capture_message("still here")
    handle.close()
    handle.end()
    sentry_sdk.get_client().close()
    assert waits == [WAIT_S, 0]

    ingest.release()
    start(ingest, tmp_path, flush_timeout_s=10.0).close()
    ingest.wait_for(1, item_type="event")
    assert ingest.event_ids() == {event_id}


def test_one_that_answers_is_waited_for_again(
    handle: Observability, ingest: IngestServer, waits: list[float | None]
) -> None:
    event_id = sentry_sdk.capture_message("there it goes")
    ingest.wait_for(1, item_type="event")
    handle.close()
    handle.end()
    assert waits == [WAIT_S, WAIT_S, 0]
    assert ingest.event_ids() == {event_id}
