"""What the transport does with each answer that Sentry may give. Cases 25, 29 and 30."""

import json
import logging
from pathlib import Path

import pytest

from app.observability.delivery import Bounds, Outcome
from tests.support.deliveries import delivery, error, id_of, is_balanced, item, transaction
from tests.support.ingest import IngestServer
from tests.support.virtual_clock import VirtualClock


def pass_time(
    clock: VirtualClock,
    server: IngestServer,
    count: int,
    *,
    seconds: float = 30.0,
    item_type: str | None = None,
) -> None:
    """Let time pass in steps until the server has accepted `count` envelopes, or items of a type."""
    for _ in range(400):
        try:
            server.wait_for(count, 0.05, item_type=item_type)
        except TimeoutError:
            clock.advance(seconds)
        else:
            return
    raise AssertionError(f"{len(server.envelopes)} of {count} were accepted")


def test_an_accepted_error_leaves_the_disk_and_its_outcome_says_so(tmp_path: Path) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        envelope = error()
        asked_before = transport.outcome(id_of(envelope))
        transport.capture_envelope(envelope)
        transport.flush(5)
        assert asked_before.result(0).accepted is True
        assert transport.outcome(id_of(envelope)).result(0).accepted is True
        assert list(tmp_path.rglob("*.envelope")) == []
        assert server.event_ids() == {id_of(envelope)}


def test_a_request_is_what_sentry_expects(tmp_path: Path) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        transport.capture_envelope(error("x" * 2000))
        transport.capture_envelope(error("y" * 2000))
        transport.flush(5)
        first = server.requests[0]
    assert first.path == "/api/42/envelope/"
    assert first.headers["content-encoding"] == "gzip"
    assert first.headers["content-type"] == "application/x-sentry-envelope"
    assert first.headers["user-agent"].startswith("sentry.python/")
    assert first.headers["x-sentry-auth"].startswith("Sentry sentry_key=" + "c" * 32 + ", sentry_version=7")
    assert first.wire_bytes < len(first.raw)


def test_sent_at_is_the_time_of_the_attempt_that_was_accepted(tmp_path: Path) -> None:
    clock = VirtualClock(start=1_700_000_000.0)
    with IngestServer() as server, delivery(server.dsn, tmp_path, clock=clock) as transport:
        server.answer_with(503, times=1)
        transport.capture_envelope(error())
        server.wait_for_requests(1)
        pass_time(clock, server, 1, seconds=3600)
        sent_at = server.envelopes[0].headers["sent_at"]
    assert sent_at > "2023-11-14T23:1"
    assert json.loads(server.requests[0].raw.split(b"\n")[0])["sent_at"] == "2023-11-14T22:13:20.000000Z"


def test_errors_of_an_outage_arrive_afterwards_and_one_warning_says_that_they_wait(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Case 29."""
    clock = VirtualClock()
    server = IngestServer()
    server.start()
    server.stop()
    with caplog.at_level(logging.INFO), delivery(server.dsn, tmp_path, clock=clock) as transport:
        envelopes = [error(str(n)) for n in range(20)]
        outcome = transport.outcome(id_of(envelopes[0]))
        for envelope in envelopes:
            transport.capture_envelope(envelope)
            clock.advance(3)
        assert outcome.result(5).accepted is None
        assert outcome.result(0).spooled
        server.start()
        pass_time(clock, server, 20, item_type="event")
        transport.flush(5)
        assert server.event_ids() == {id_of(envelope) for envelope in envelopes}
        assert is_balanced(transport.status())
        assert transport.status()["healthy"]
    server.stop()
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "cannot be reached" in warnings[0]


@pytest.mark.parametrize("status", [500, 502, 503, 408])
def test_a_fault_of_the_server_is_tried_again(status: int, tmp_path: Path) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        server.answer_with(status, times=2)
        transport.capture_envelope(error())
        transport.flush(5)
        assert len(server.events()) == 1
        assert len(server.requests) >= 3
        assert is_balanced(transport.status())


def test_a_flush_waits_for_what_failed_before_it_began(tmp_path: Path) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        server.answer_with(503, times=1)
        envelope = error()
        outcome = transport.outcome(id_of(envelope))
        transport.capture_envelope(envelope)
        assert outcome.result(5).reason == "HTTP 503"
        transport.flush(10)
        assert server.event_ids() == {id_of(envelope)}


def test_one_envelope_that_the_server_cannot_take_does_not_hold_up_the_others(tmp_path: Path) -> None:
    clock = VirtualClock()
    with IngestServer() as server, delivery(server.dsn, tmp_path, clock=clock) as transport:
        server.answer_with(500, times=1)
        poison, fine = error("poison"), error("fine")
        transport.capture_envelope(poison)
        server.wait_for_requests(1)
        server.answer_with(500, times=0)
        transport.capture_envelope(fine)
        pass_time(clock, server, 2, item_type="event")
        assert server.event_ids() == {id_of(poison), id_of(fine)}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 301])
def test_a_refusal_for_good_is_not_tried_again_but_counted_and_logged_once(
    status: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        server.answer_with(status)
        for _ in range(3):
            transport.capture_envelope(error())
        transport.flush(2)
        assert transport.status()["fates"]["error"] == {"send_error": 3}
        assert [r.raw.count(b'"type":"event"') for r in server.requests].count(1) == 3
        assert list(tmp_path.rglob("*.envelope")) == []
    assert len([record for record in caplog.records if str(status) in record.getMessage()]) == 1
    assert "c" * 32 not in caplog.text


@pytest.mark.parametrize(
    ("header", "limit_s"),
    [("60:error;transaction:organization", 60), ("0090.50:error;transaction:key:quota", 90.5)],
)
def test_a_rate_limit_is_obeyed_errors_wait_for_its_end_and_traces_are_dropped(
    header: str, limit_s: float, tmp_path: Path
) -> None:
    """Case 30."""
    clock = VirtualClock()
    with IngestServer() as server, delivery(server.dsn, tmp_path, clock=clock) as transport:
        server.answer_with(429, {"X-Sentry-Rate-Limits": header}, times=1)
        first = error()
        outcome = transport.outcome(id_of(first))
        transport.capture_envelope(first)
        assert outcome.result(5) == Outcome(None, "ratelimit_backoff", spooled=True)
        for _ in range(4):
            transport.capture_envelope(error())
            transport.capture_envelope(transaction())
        clock.advance(limit_s - 1)
        transport.capture_envelope(item("session", {"sid": "1"}))
        server.wait_for(1)
        assert server.events() == []
        assert 0 < transport.status()["rate_limits"]["error"] <= 1
        pass_time(clock, server, 5, seconds=2, item_type="event")
        status = transport.status()
        assert len(server.event_ids()) == 5
        assert status["fates"]["transaction"] == {"ratelimit_backoff": 4}
        assert status["fates"]["span"] == {"ratelimit_backoff": 12}
        assert is_balanced(status)


def test_a_rate_limit_may_come_with_an_accepted_event_and_holds_for_its_category_only(tmp_path: Path) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        server.answer_with(200, {"X-Sentry-Rate-Limits": "60:feedback:key"}, times=1)
        transport.capture_envelope(error())
        transport.flush(5)
        transport.capture_envelope(item("feedback", {"contexts": {}}))
        transport.capture_envelope(error())
        transport.flush(5)
        assert (len(server.events()), len(server.events("feedback"))) == (2, 0)
        assert transport.status()["spooled"] == 1
        assert not transport.status()["fates"].get("feedback")


def test_a_server_that_answers_429_without_a_pause_is_not_hammered(tmp_path: Path) -> None:
    clock = VirtualClock()
    with IngestServer() as server, delivery(server.dsn, tmp_path, clock=clock) as transport:
        server.answer_with(429, {"Retry-After": "0"})
        for _ in range(3):
            transport.capture_envelope(error())
        server.wait_for_requests(3)
        transport.capture_envelope(item("session", {"sid": "1"}))
        server.wait_for_requests(4)
        assert len(server.requests) == 4


def test_what_was_dropped_in_a_429_is_not_reported_for_sentry_has_counted_it(tmp_path: Path) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        server.answer_with(429, {"X-Sentry-Rate-Limits": "60:transaction:key"}, times=1)
        transport.capture_envelope(transaction())
        transport.flush(5)
        transport.capture_envelope(transaction())
        transport.flush(5)
        assert transport.status()["fates"]["transaction"] == {"rate_limited": 1, "ratelimit_backoff": 1}
        (report,) = server.events("client_report")
    assert report["discarded_events"] == [
        {"reason": "ratelimit_backoff", "category": "span", "quantity": 3},
        {"reason": "ratelimit_backoff", "category": "transaction", "quantity": 1},
    ]


def test_an_event_that_was_too_large_arrives_trimmed_at_the_second_try(tmp_path: Path) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        server.answer_with(413, times=1)
        frame = {"function": "f", "vars": {"a": "v" * 50_000}, "context_line": "x"}
        value = {"type": "ValueError", "value": "v" * 5000, "stacktrace": {"frames": [frame]}}
        transport.capture_envelope(error(exception={"values": [value]}, extra={"k": "v" * 9000}))
        transport.flush(5)
        (event,) = server.events()
        assert transport.status()["fates"]["error"] == {"accepted": 1}
    assert event["tags"]["delivery.trimmed"] == "true"
    assert event["exception"]["values"][0]["stacktrace"]["frames"] == [{"function": "f"}]
    assert len(json.dumps(event)) < 5000


def test_an_event_that_is_too_large_even_trimmed_is_dropped_after_two_tries(tmp_path: Path) -> None:
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        server.answer_with(413, times=2)
        transport.capture_envelope(error())
        transport.flush(5)
        assert transport.status()["fates"]["error"] == {"too_large": 1}
        assert server.events("client_report")[0]["discarded_events"][0]["reason"] == "send_error"


def test_an_event_over_sentrys_size_is_trimmed_before_it_is_written_or_sent(tmp_path: Path) -> None:
    """Case 25."""
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        transport.capture_envelope(error("m" * 3_000_000))
        transport.flush(5)
        assert len(server.requests) == 1
        assert len(server.requests[0].raw) < 10_000


def test_a_transaction_does_not_wait_behind_a_backlog_of_errors(tmp_path: Path) -> None:
    clock = VirtualClock()
    server = IngestServer()
    server.start()
    server.stop()
    with delivery(server.dsn, tmp_path, clock=clock) as transport:
        for _ in range(50):
            transport.capture_envelope(error())
        transport.capture_envelope(transaction())
        server.start()
        pass_time(clock, server, 51)
        kinds = [envelope.items[0].type for envelope in server.envelopes]
        assert kinds.index("transaction") < 10
    server.stop()


def test_a_burst_of_ten_thousand_errors_is_accounted_for_to_the_last_event(tmp_path: Path) -> None:
    with IngestServer() as server:
        bounds = Bounds(max_spool_bytes=500 * 4096)
        with delivery(server.dsn, tmp_path, bounds=bounds) as transport:
            server.hang()
            for _ in range(10_000):
                transport.capture_envelope(error())
            status = transport.status()
            assert status["captured"] == {"error": 10_000}
            assert is_balanced(status)
            assert status["queued"] == 0
            assert 500 <= status["spooled"] <= 501
            server.release()
            transport.flush(30)
            fates = transport.status()["fates"]["error"]
            assert set(fates) == {"accepted", "cache_overflow"}
            assert sum(fates.values()) == 10_000
            assert len(server.event_ids()) == fates["accepted"] == status["spooled"]
    assert list(tmp_path.iterdir()) == []


def test_a_burst_of_ten_thousand_traces_is_accounted_for_to_the_last_one() -> None:
    bounds = Bounds(max_queued=200)
    with IngestServer() as server, delivery(server.dsn, bounds=bounds) as transport:
        server.hang()
        for _ in range(10_000):
            transport.capture_envelope(transaction(0))
        status = transport.status()
        assert status["queued"] <= 201
        assert is_balanced(status, "transaction")
        server.release()
        transport.flush(20)
        fates = transport.status()["fates"]["transaction"]
        assert sum(fates.values()) == 10_000
        assert fates["accepted"] >= 200
        assert len(server.event_ids("transaction")) == fates["accepted"]


def test_when_memory_is_full_the_oldest_traces_go_first_and_errors_last() -> None:
    with IngestServer() as server, delivery(server.dsn, bounds=Bounds(max_queued=6)) as transport:
        server.hang()
        transport.capture_envelope(item("session", {"sid": "0"}))
        server.wait_for_requests(1)
        errors = [error() for _ in range(3)]
        for envelope in (errors[0], *[transaction(0) for _ in range(8)], *errors[1:]):
            transport.capture_envelope(envelope)
        server.release()
        transport.flush(10)
        assert server.event_ids() == {id_of(envelope) for envelope in errors}
        assert transport.status()["fates"]["transaction"]["queue_overflow"] == 6


def test_the_spool_keeps_its_size_and_lets_the_oldest_errors_go(tmp_path: Path) -> None:
    server = IngestServer()
    server.start()
    server.stop()
    with delivery(
        server.dsn, tmp_path, bounds=Bounds(max_spool_bytes=10 * 4096), clock=VirtualClock()
    ) as transport:
        for _ in range(25):
            transport.capture_envelope(error())
        assert len(list(tmp_path.rglob("*.envelope"))) == 10
        status = transport.status()
        assert status["fates"]["error"] == {"cache_overflow": 15}
        assert is_balanced(status)


def test_what_is_older_than_sentry_takes_is_dropped(tmp_path: Path) -> None:
    clock = VirtualClock()
    server = IngestServer()
    server.start()
    server.stop()
    with delivery(server.dsn, tmp_path, clock=clock) as transport:
        transport.capture_envelope(error())
        outcome = transport.outcome(next(iter([path.name[-41:-9] for path in tmp_path.rglob("*.envelope")])))
        assert outcome.result(5).accepted is None
        clock.advance(31 * 86400)
        for _ in range(200):
            if transport.status()["fates"]:
                break
            clock.advance(61)
            transport.flush(0.01)
        assert transport.status()["fates"]["error"] == {"expired": 1}
    assert list(tmp_path.rglob("*.envelope")) == []


def test_discards_are_reported_to_sentry_once_a_minute_and_again_if_the_report_is_lost(
    tmp_path: Path,
) -> None:
    clock = VirtualClock()
    with IngestServer() as server, delivery(server.dsn, tmp_path, clock=clock) as transport:
        transport.record_lost_event("sample_rate", "transaction", quantity=5)
        transport.record_lost_event("before_send", "error")
        transport.capture_envelope(error())
        server.wait_for(1)
        assert server.events("client_report") == []
        server.answer_with(503, times=1)
        pass_time(clock, server, 1, seconds=61, item_type="client_report")
        (report,) = server.events("client_report")
    assert report["discarded_events"] == [{"reason": "sample_rate", "category": "transaction", "quantity": 5}]


@pytest.mark.parametrize(
    ("kind", "counted", "measured"),
    [("log", "log_item", "log_byte"), ("trace_metric", "trace_metric", "trace_metric_byte")],
)
def test_discarded_logs_and_metrics_are_reported_with_their_bytes(
    kind: str, counted: str, measured: str, tmp_path: Path
) -> None:
    payload = {"version": 2, "items": [{"body": "x" * 50}, {"body": "y" * 50}]}
    size = len(json.dumps(payload, separators=(",", ":")))
    with IngestServer() as server, delivery(server.dsn, tmp_path) as transport:
        server.answer_with(200, {"X-Sentry-Rate-Limits": f"60:{counted}:organization"}, times=1)
        transport.capture_envelope(error())
        server.wait_for(1)
        transport.flush(5)
        transport.capture_envelope(item(kind, payload, item_count=2))
        (lost,) = item(kind, payload, item_count=2).items
        transport.record_lost_event("queue_overflow", counted, lost)
        transport.flush(5)
        reported = [each for report in server.events("client_report") for each in report["discarded_events"]]
        assert transport.status()["fates"][counted] == {"queue_overflow": 2, "ratelimit_backoff": 2}
    assert {(each["reason"], each["category"]): each["quantity"] for each in reported} == {
        ("queue_overflow", counted): 2,
        ("queue_overflow", measured): size,
        ("ratelimit_backoff", counted): 2,
        ("ratelimit_backoff", measured): size,
    }


def test_bytes_of_logs_that_were_left_on_disk_are_reported_too(tmp_path: Path) -> None:
    server = IngestServer()
    server.start()
    server.stop()
    with delivery(server.dsn, tmp_path) as transport:
        transport.capture_envelope(item("log", {"items": []}, item_count=3))
    server.start()
    server.answer_with(400, times=1)
    with server, delivery(server.dsn, tmp_path) as heir:
        server.wait_for_requests(1)
        heir.flush(5)
        (report,) = server.events("client_report")
    assert {each["category"] for each in report["discarded_events"]} == {"log_item", "log_byte"}
