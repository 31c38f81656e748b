"""Scrubbing before the disk, and disks that fail."""

import errno
import json
import logging
import os
import resource
from pathlib import Path

import pytest
from sentry_sdk.envelope import Envelope

from tests.support.deliveries import delivery, error, id_of, is_balanced, transaction
from tests.support.ingest import IngestServer
from tests.support.virtual_clock import VirtualClock

SECRET = "hun" + "ter2"


def hide(envelope: Envelope) -> Envelope | None:
    for item in envelope.items:
        item.payload.json = json.loads(item.get_bytes().replace(SECRET.encode(), b"[Filtered]"))
        item.payload.bytes = None
    return envelope


def broken(envelope: Envelope) -> Envelope | None:
    raise ValueError(f"cannot scrub {SECRET}")


def unreachable() -> IngestServer:
    server = IngestServer()
    server.start()
    server.stop()
    return server


def test_only_gated_bytes_touch_the_disk(tmp_path: Path) -> None:
    server = unreachable()
    with delivery(server.dsn, tmp_path, gate=hide) as transport:
        transport.capture_envelope(error(SECRET))
        (file,) = tmp_path.rglob("*.envelope")
        assert SECRET.encode() not in file.read_bytes()
        assert b"[Filtered]" in file.read_bytes()


def test_a_file_of_an_older_version_with_weaker_rules_is_scrubbed_again_before_it_is_sent(
    tmp_path: Path,
) -> None:
    server = unreachable()
    with delivery(server.dsn, tmp_path) as weaker:
        weaker.capture_envelope(error(SECRET))
    server.start()
    with server, delivery(server.dsn, tmp_path, gate=hide):
        server.wait_for(1)
        assert SECRET.encode() not in server.raw()
        assert server.events()[0]["message"] == "[Filtered]"


@pytest.mark.parametrize("kind", ["new", "left by another process"])
def test_what_the_gate_cannot_pass_is_counted_and_never_sent_or_written(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if kind != "new":
        with delivery(unreachable().dsn, tmp_path):
            pass
    server = unreachable()
    if kind != "new":
        with delivery(server.dsn, tmp_path) as before:
            before.capture_envelope(error(SECRET))
    server.start()
    with server, delivery(server.dsn, tmp_path, gate=broken) as transport:
        if kind == "new":
            envelope = error(SECRET)
            outcome = transport.outcome(id_of(envelope))
            transport.capture_envelope(envelope)
            assert outcome.result(0).accepted is False
        transport.flush(5)
        status = transport.status()
        assert status["fates"]["error"] == {"internal_sdk_error": 1}
        assert is_balanced(status)
        assert SECRET.encode() not in server.raw()
    assert list(tmp_path.rglob("*.envelope")) == []
    assert SECRET not in caplog.text


def test_what_the_gate_keeps_back_has_an_outcome(tmp_path: Path) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path, gate=lambda _: None) as transport:
        envelope = error()
        outcome = transport.outcome(id_of(envelope))
        transport.capture_envelope(envelope)
        transport.flush(5)
        assert (outcome.result(0).accepted, outcome.result(0).reason) == (False, "before_send")
        assert server.requests == []


def test_a_value_that_is_no_json_costs_only_itself(tmp_path: Path) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        transport.capture_envelope(error(extra={"nan": float("nan"), "odd": object(), 3: "three", b"k": 1}))
        transport.flush(5)
        assert server.events()[0]["extra"] == {
            "nan": "nan",
            "odd": "<object>",
            "<int>": "three",
            "<bytes>": 1,
        }


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_full_or_read_only_disk_means_memory_and_one_warning(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    clock = VirtualClock()
    server = unreachable()
    with caplog.at_level(logging.WARNING), delivery(server.dsn, tmp_path, clock=clock) as transport:
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", fails)
            for _ in range(5):
                transport.capture_envelope(error())
            status = transport.status()
            assert (status["queued"], status["spooled"], status["spool"]) == (5, 0, "unusable")
            clock.advance(61)
            transport.capture_envelope(error())
        clock.advance(61)
        transport.capture_envelope(error())
        assert transport.status()["spooled"] == 1
        with server:
            server.start()
            for _ in range(100):
                clock.advance(60)
                try:
                    server.wait_for(7, 0.1, item_type="event")
                    break
                except TimeoutError:
                    continue
            assert len(server.event_ids()) == 7
    assert len([record for record in caplog.records if "spool folder" in record.getMessage()]) == 1


def test_a_file_that_outgrows_the_process_limit_falls_back_to_memory(tmp_path: Path) -> None:
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        server.hang()
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, usual[1]))
        try:
            transport.capture_envelope(error("x" * 5000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        server.release()
        transport.flush(5)
        assert len(server.events()) == 1
    assert list(tmp_path.rglob("*.tmp")) == []


def test_a_file_where_the_folder_should_be_means_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "spool"
    blocked.write_text("")
    with IngestServer() as server, delivery(server.dsn, blocked) as transport:
        transport.capture_envelope(error())
        transport.capture_envelope(transaction())
        transport.flush(5)
        assert len(server.envelopes) == 2
        assert is_balanced(transport.status())
    assert "SENTRY_SPOOL_DIR" in caplog.text


def test_a_file_that_somebody_tore_or_removed_is_counted_and_the_others_arrive(tmp_path: Path) -> None:
    clock = VirtualClock()
    server = unreachable()
    with delivery(server.dsn, tmp_path, clock=clock) as transport:
        for number in range(4):
            transport.capture_envelope(error(str(number)))
            clock.advance(0.01)
        torn, removed, *_ = sorted(tmp_path.rglob("*.envelope"))
        torn.write_bytes(torn.read_bytes()[:-5])
        removed.unlink()
        with server:
            server.start()
            for _ in range(100):
                clock.advance(60)
                try:
                    server.wait_for(2, 0.1, item_type="event")
                    break
                except TimeoutError:
                    continue
            transport.flush(5)
            assert sorted(event["message"] for event in server.events()) == ["2", "3"]
            status = transport.status()
            assert status["fates"]["error"] == {"accepted": 2, "cache_overflow": 2}
            assert is_balanced(status)


def test_of_files_torn_at_every_byte_none_stops_the_start_and_no_other_event_is_lost(tmp_path: Path) -> None:
    server = unreachable()
    with delivery(server.dsn, tmp_path) as dead:
        dead.capture_envelope(error())
        (first,) = tmp_path.rglob("*.envelope")
        size = first.stat().st_size
        for _ in range(size + 4):
            dead.capture_envelope(error())
    files = sorted(tmp_path.rglob("*.envelope"))
    whole = {path.name[-41:-9] for path in files[size:]}
    for length, path in enumerate(files[:size]):
        path.write_bytes(path.read_bytes()[:length])
    with server:
        server.start()
        with delivery(server.dsn, tmp_path) as heir:
            heir.flush(30)
            assert server.event_ids() == whole
            status = heir.status()
    assert len(whole) == 5
    assert status["fates"]["error"] == {"accepted": 5, "cache_overflow": size}
    assert is_balanced(status)
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"]


def test_without_a_folder_everything_waits_in_memory_and_arrives(tmp_path: Path) -> None:
    with IngestServer() as server, delivery(server.dsn, None) as transport:
        transport.capture_envelope(error())
        transport.flush(5)
        assert len(server.events()) == 1
        assert transport.status()["spool"] == "off"
