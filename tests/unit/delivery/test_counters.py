import os
import threading

import pytest

from app.observability.counters import REPORTED_AS, Counters, Fate

SENTRYS_REASONS = {
    "before_send",
    "cache_overflow",
    "event_processor",
    "internal_sdk_error",
    "network_error",
    "queue_overflow",
    "ratelimit_backoff",
    "sample_rate",
    "send_error",
}


def test_every_fate_is_reported_in_a_word_that_sentry_knows_or_not_at_all() -> None:
    reasons = {REPORTED_AS.get(fate, str(fate)) for fate in Fate} - {None}
    assert reasons == SENTRYS_REASONS


def test_accepted_and_refused_by_quota_are_counted_but_not_reported() -> None:
    counters = Counters()
    counters.count(Fate.ACCEPTED)
    counters.count(Fate.REFUSED_BY_QUOTA, "transaction")
    assert counters.snapshot() == {"error": {"accepted": 1}, "transaction": {"rate_limited": 1}}
    assert counters.drain_discarded() == []


def test_draining_takes_each_discard_once_and_the_snapshot_keeps_it() -> None:
    counters = Counters()
    counters.count(Fate.FOLDED, quantity=3)
    counters.count(Fate.BUDGET, quantity=2)
    counters.count(Fate.QUEUE_OVERFLOW, "transaction")
    assert counters.drain_discarded() == [("before_send", "error", 5), ("queue_overflow", "transaction", 1)]
    assert not counters.has_discarded()
    assert counters.snapshot()["error"] == {"budget": 2, "folded": 3}


def test_discards_of_a_report_that_failed_are_reported_with_the_next() -> None:
    counters = Counters()
    counters.count(Fate.FOLDED)
    counters.restore_discarded(counters.drain_discarded())
    counters.count(Fate.FOLDED)
    assert counters.drain_discarded() == [("before_send", "error", 2)]


def test_a_reason_that_only_a_newer_sdk_knows_is_counted_under_its_own_name() -> None:
    counters = Counters()
    counters.count("no_parent_span", "span", 4)
    assert counters.drain_discarded() == [("no_parent_span", "span", 4)]


def test_nothing_is_lost_when_many_threads_count() -> None:
    counters = Counters()

    def count_many() -> None:
        for _ in range(1000):
            counters.count(Fate.ACCEPTED)

    threads = [threading.Thread(target=count_many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters.snapshot() == {"error": {"accepted": 8000}}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_counts_from_zero_so_that_nothing_is_reported_twice() -> None:
    counters = Counters()
    counters.count(Fate.FOLDED, quantity=7)
    counters._lock.acquire()
    child = os.fork()
    if child == 0:
        counters.count(Fate.FOLDED)
        os._exit(0 if counters.drain_discarded() == [("before_send", "error", 1)] else 1)
    counters._lock.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert counters.drain_discarded() == [("before_send", "error", 7)]


def test_the_size_of_a_discard_is_reported_beside_its_number_and_is_no_fate() -> None:
    counters = Counters()
    counters.count(Fate.QUEUE_OVERFLOW, "log_item", 2)
    counters.measure(Fate.QUEUE_OVERFLOW, "log_byte", 340)
    counters.measure(Fate.REFUSED_BY_QUOTA, "log_byte", 5)
    assert counters.snapshot() == {"log_item": {"queue_overflow": 2}}
    assert counters.drain_discarded() == [
        ("queue_overflow", "log_byte", 340),
        ("queue_overflow", "log_item", 2),
    ]
