"""Delivery over the life and death of processes. Cases 22, 36 and 85, and issue 6's SIGKILL."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.deliveries import delivery, error, is_balanced, item, transaction
from tests.support.ingest import IngestServer

PROJECT = Path(__file__).parents[3]


def start(mode: str, dsn: str, spool: Path | str, count: int, *more: float) -> subprocess.Popen[str]:
    arguments = [mode, dsn, str(spool), *map(str, (count, *more))]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.delivery_child", *arguments],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
    )


def read_ids(child: subprocess.Popen[str], count: int) -> set[str]:
    assert child.stdout is not None
    return {line for _ in range(count) if len(line := child.stdout.readline().strip()) == 32}


def finish(child: subprocess.Popen[str]) -> tuple[set[str], dict[str, Any]]:
    out, _ = child.communicate(timeout=60)
    lines = out.split()
    ids = {line for line in lines if len(line) == 32}
    status: dict[str, Any] = next((json.loads(line) for line in out.splitlines() if line.startswith("{")), {})
    return ids, status


def test_no_error_of_an_outage_is_lost_when_the_process_is_killed_in_the_middle(tmp_path: Path) -> None:
    """Case 85: however a worker dies."""
    server = IngestServer()
    server.start()
    server.stop()
    killed = start("wait", server.dsn, tmp_path, 2000)
    ids = read_ids(killed, 600)
    killed.kill()
    rest, _ = finish(killed)
    ids |= rest
    server.start()
    with server:
        restarted = start("flush", server.dsn, tmp_path, 400)
        more, status = finish(restarted)
        ids |= more
        assert len(ids) >= 1000
        assert server.event_ids() >= ids
        # A few more may have been on their way into the pipe when the process died.
        assert len(server.event_ids()) <= len(ids) + 5
    assert restarted.returncode == 0
    assert is_balanced(status)
    assert list(tmp_path.iterdir()) == []


def test_a_thousand_errors_of_an_outage_of_a_minute_survive_sigkill_in_the_middle(tmp_path: Path) -> None:
    """Issue 6: an error each 0.06 s of simulated time; killed after 30 s, restarted, Sentry back after 60 s."""
    began = 1_800_000_000.0
    server = IngestServer()
    server.start()
    server.stop()
    killed = start("outage", server.dsn, tmp_path, 500, began)
    ids = read_ids(killed, 500)
    killed.kill()
    finish(killed)
    restarted = start("outage", server.dsn, tmp_path, 500, began + 30)
    ids |= read_ids(restarted, 500)
    assert len(ids) == 1000
    assert restarted.stdin is not None
    with server:
        server.start()
        for minute in range(200):
            if server.event_ids() >= ids:
                break
            restarted.stdin.write("\n")
            restarted.stdin.flush()
            with contextlib.suppress(TimeoutError):
                server.wait_for(1000 + minute, 0.2, item_type="event")
        _, status = finish(restarted)
        assert server.event_ids() == ids
    assert killed.returncode == -signal.SIGKILL
    assert restarted.returncode == 0
    assert (status["captured"], status["adopted"]) == ({"error": 500}, {"error": 500})
    assert status["fates"] == {"error": {"accepted": 1000}}
    assert status["threads"] == ["MainThread"]
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_loses_nothing_while_sentry_hangs(tmp_path: Path) -> None:
    with IngestServer() as server:
        server.hang()
        killed = start("wait", server.dsn, tmp_path, 50)
        ids = read_ids(killed, 50)
        server.wait_for_requests(1)
        killed.kill()
        finish(killed)
        server.release()
        finish(start("flush", server.dsn, tmp_path, 0))
        assert server.event_ids() == ids
        assert len(ids) == 50


def test_an_idle_process_sends_what_a_dead_one_left_without_capturing_anything_itself(tmp_path: Path) -> None:
    server = IngestServer()
    server.start()
    server.stop()
    dead = start("wait", server.dsn, tmp_path, 5)
    ids = read_ids(dead, 5)
    dead.kill()
    finish(dead)
    server.start()
    with server, delivery(server.dsn, tmp_path):
        server.wait_for(5)
        assert server.event_ids() == ids


def test_two_processes_on_one_folder_deliver_everything_once(tmp_path: Path) -> None:
    with IngestServer() as server:
        children = [start("flush", server.dsn, tmp_path, 200) for _ in range(2)]
        results = [finish(child) for child in children]
        ids = results[0][0] | results[1][0]
        assert len(ids) == 400
        assert server.event_ids() == ids
        assert len(server.events()) == 400
    for _, status in results:
        assert is_balanced(status)
        assert status["threads"] == ["MainThread"]
    assert list(tmp_path.iterdir()) == []


def test_eight_threads_and_two_processes_deliver_everything_after_a_fork(tmp_path: Path) -> None:
    """Case 36."""
    with IngestServer() as server:
        ids, status = finish(start("fork", server.dsn, tmp_path, 160))
        assert len(ids) == 480
        assert server.event_ids() == ids
        assert len(server.events()) == 480
    assert status["child"] == 0
    assert status["fates"] == {"error": {"accepted": 320}}
    assert status["threads"] == ["MainThread"]
    assert list(tmp_path.iterdir()) == []


def test_closing_leaves_traces_on_disk_for_the_next_process_and_no_thread(tmp_path: Path) -> None:
    server = IngestServer()
    server.start()
    server.stop()
    with delivery(server.dsn, tmp_path) as transport:
        transport.capture_envelope(transaction(3))
        transport.capture_envelope(item("log", {"items": []}, item_count=2))
        transport.flush(0.3)
    assert len(list(tmp_path.rglob("*.envelope"))) == 2
    server.start()
    with server, delivery(server.dsn, tmp_path) as heir:
        server.wait_for(2)
        heir.flush(5)
        status = heir.status()
        assert status["fates"] == {
            "log_item": {"accepted": 2},
            "span": {"accepted": 4},
            "transaction": {"accepted": 1},
        }
        assert status["adopted"] == {"log_item": 2, "span": 4, "transaction": 1}
    assert list(tmp_path.iterdir()) == []


def test_closing_while_sentry_hangs_is_quick_and_loses_nothing(tmp_path: Path) -> None:
    with IngestServer() as server:
        server.hang()
        with delivery(server.dsn, tmp_path) as transport:
            transport.capture_envelope(error())
            transport.capture_envelope(transaction())
            server.wait_for_requests(1)
        assert "sentry-delivery" not in [thread.name for thread in threading.enumerate()]
        assert len(list(tmp_path.rglob("*.envelope"))) == 2


def test_flush_returns_when_all_is_sent_or_when_its_time_is_over(tmp_path: Path) -> None:
    told: list[tuple[int, float]] = []
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        for _ in range(200):
            transport.capture_envelope(error())
        transport.flush(20, callback=lambda *said: told.append(said))
        assert len(server.events()) == 200
        server.hang()
        transport.capture_envelope(error())
        transport.flush(0.3, callback=lambda *said: told.append(said))
        assert told[-1] == (1, 0.3)
        assert transport.status()["spooled"] == 1


def test_nothing_is_taken_after_closing_and_that_is_counted(tmp_path: Path) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        transport.kill()
        transport.capture_envelope(error())
        transport.flush(1)
        assert transport.status()["fates"] == {"error": {"network_error": 1}}
    assert list(tmp_path.rglob("*.envelope")) == []


def test_capturing_does_not_wait_for_a_server_that_hangs(tmp_path: Path) -> None:
    """It cannot: the server answers nothing until the end of the test, and yet all is captured."""
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        server.hang()
        for _ in range(300):
            transport.capture_envelope(error())
            transport.capture_envelope(transaction())
        status = transport.status()
        assert (status["spooled"], status["queued"]) == (300, 300)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_forked_while_the_condition_is_held_can_capture_and_leaves_the_parents_events_alone(
    tmp_path: Path,
) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        server.hang()
        transport.capture_envelope(error("parent"))
        server.wait_for_requests(1)
        transport._sender._schedule._changed.acquire()
        child = os.fork()
        if child == 0:
            transport.capture_envelope(error("child"))
            status = transport.status()
            os._exit(0 if status["captured"] == {"error": 1} and status["spooled"] == 1 else 1)
        transport._sender._schedule._changed.release()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        server.release()
        transport.flush(5)
        assert [event["message"] for event in server.events()] == ["parent"]
    with IngestServer(server.port) as again, delivery(again.dsn, tmp_path):
        again.wait_for(1, item_type="event")
        assert [event["message"] for event in again.events()] == ["child"]
