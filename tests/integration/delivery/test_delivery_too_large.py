"""What becomes of what Sentry answers with 413: cut in two, trimmed, and counted where it does not help."""

import json
from pathlib import Path
from typing import Any

import pytest
from sentry_sdk.envelope import Envelope, Item, PayloadRef

from app.observability.delivery.splitting import MOST_SPLITS
from tests.support.deliveries import delivery, error, is_balanced, item
from tests.support.ingest import IngestServer


def logs(count: int) -> Envelope:
    entries = [{"body": f"entry {number}"} for number in range(count)]
    return item("log", {"version": 2, "items": entries}, item_count=count)


def bodies(server: IngestServer) -> list[str]:
    """What arrived of logs, in order; each batch says truly how many it holds."""
    arrived: list[str] = []
    for received in server.items("log"):
        payload: Any = received.payload
        assert payload["version"] == 2
        assert received.headers["item_count"] == len(payload["items"])
        arrived += [entry["body"] for entry in payload["items"]]
    return arrived


def test_a_batch_that_was_too_large_arrives_in_two_parts(tmp_path: Path) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        server.answer_with(413, times=1)
        transport.capture_envelope(logs(7))
        transport.flush(5)
        assert bodies(server) == [f"entry {number}" for number in range(7)]
        assert len(server.requests) == 3
        assert transport.status()["fates"]["log_item"] == {"accepted": 7}
        assert is_balanced(transport.status(), "log_item")


def test_of_a_batch_only_the_entry_is_lost_that_is_too_large_by_itself(tmp_path: Path) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        server.answer_with(413, times=4)
        transport.capture_envelope(logs(8))
        transport.flush(5)
        assert bodies(server) == [f"entry {number}" for number in range(1, 8)]
        assert transport.status()["fates"]["log_item"] == {"accepted": 7, "too_large": 1}
        assert is_balanced(transport.status(), "log_item")
        (report,) = server.events("client_report")
    assert {"reason": "send_error", "category": "log_item", "quantity": 1} in report["discarded_events"]


def test_several_items_that_were_too_large_together_arrive_one_by_one(tmp_path: Path) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        server.answer_with(413, times=2)
        items = [Item(PayloadRef(json={"sid": str(number)}), type="session") for number in range(4)]
        transport.capture_envelope(Envelope(items=items))
        transport.flush(5)
        assert [session["sid"] for session in server.events("session")] == ["0", "1", "2", "3"]
        assert [len(envelope.items) for envelope in server.envelopes] == [1, 1, 2]


def test_a_part_that_meets_an_outage_is_tried_again(tmp_path: Path) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        server.answer_with(413, times=1)
        server.answer_with(503, times=2)
        transport.capture_envelope(logs(4))
        transport.flush(5)
        assert sorted(bodies(server)) == [f"entry {number}" for number in range(4)]
        assert is_balanced(transport.status(), "log_item")


def test_a_batch_from_the_spool_is_cut_as_well_and_leaves_no_file(tmp_path: Path) -> None:
    server = IngestServer()
    server.start()
    server.stop()
    with delivery(server.dsn, tmp_path) as transport:
        transport.capture_envelope(logs(6))
        transport.park()
    assert len(list(tmp_path.rglob("*.envelope"))) == 1
    server.start()
    server.answer_with(413, times=1)
    with server, delivery(server.dsn, tmp_path) as transport:
        server.wait_for(2, item_type="log")
        transport.flush(5)
        assert len(bodies(server)) == 6
        assert transport.status()["fates"]["log_item"] == {"accepted": 6}
        assert is_balanced(transport.status(), "log_item")
        assert list(tmp_path.rglob("*.envelope")) == []


def test_a_server_that_refuses_every_size_is_not_asked_without_end(tmp_path: Path) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        server.answer_with(413)
        transport.capture_envelope(logs(1000))
        transport.flush(30)
        asked = [request for request in server.requests if b'"type":"log"' in request.raw]
        assert len(asked) == 2 ** (MOST_SPLITS + 1) - 1
        assert transport.status()["fates"]["log_item"] == {"too_large": 1000}


@pytest.mark.parametrize("size", [100, 3_000_000])
def test_what_an_event_leaves_behind_to_be_small_enough_is_counted(size: int, tmp_path: Path) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        if size == 100:
            server.answer_with(413, times=1)
        envelope = error("m" * size)
        envelope.add_item(Item(b"x" * 1000, type="attachment"))
        transport.capture_envelope(envelope)
        transport.flush(5)
        assert len(server.events()) == 1
        assert server.items("attachment") == []
        fates = transport.status()["fates"]
    assert fates["error"] == {"accepted": 1}
    assert fates["attachment"] == {"too_large": 1000}


def test_a_transaction_that_is_too_large_keeps_its_spans_without_data(tmp_path: Path) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        server.answer_with(413, times=1)
        transport.capture_envelope(
            item("transaction", {"type": "transaction", "spans": [{"op": "db", "data": {"k": "v"}}]})
        )
        transport.flush(5)
        (sent,) = server.events("transaction")
        assert json.loads(server.requests[0].raw.split(b"\n")[2])["spans"] == [
            {"op": "db", "data": {"k": "v"}}
        ]
        assert transport.status()["fates"] == {"span": {"accepted": 2}, "transaction": {"accepted": 1}}
    assert sent["spans"] == [{"op": "db"}]
