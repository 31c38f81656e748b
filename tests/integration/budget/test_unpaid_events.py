"""Events that are due before the budget has a unit for them wait on disk, and go out under their own ids."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope

from app.observability.budget import Budget, BudgetFile, FoldKey
from app.observability.counters import Counters
from app.observability.delivery import Bounds, DeliveryTransport
from app.observability.delivery import unpaid as unpaid_files
from app.observability.folding import ErrorFolding, fold_key
from app.observability.pipeline import Pipeline
from app.observability.scrubbing import Scrubber
from tests.support.deliveries import error
from tests.support.ingest import IngestServer

PROJECT = Path(__file__).parents[3]
KINDS = 200


def start(spool: Path, dsn: str, kinds: int, how: str, times: int = 1) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SENTRY_", "RAILWAY_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.crashing_child", str(kinds), how, str(times)],
        cwd=PROJECT,
        env=kept
        | {
            "SENTRY_ENABLED": "true",
            "SENTRY_DSN": dsn,
            "SENTRY_ENVIRONMENT": "production",
            "SENTRY_SPOOL_DIR": str(spool),
            "SENTRY_FLUSH_TIMEOUT_S": "0.2",
            "NO_PROXY": "127.0.0.1",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ids_on_disk(spool: Path, category: str = "") -> set[str]:
    return {path.name[-41:-9] for path in spool.rglob(f"*-{category}*.envelope")}


def wait_for_ids(server: IngestServer, ids: set[str]) -> None:
    """Wait until all have come. What was being paid for when a process died may be sent twice, under one id."""
    for sent in range(len(ids), len(ids) + 20):
        if not ids <= server.event_ids():
            server.wait_for(sent, timeout=60, item_type="event")


def types_of(events: list[Any]) -> set[str]:
    return {event["exception"]["values"][-1]["type"] for event in events}


@pytest.mark.parametrize("how", ["kill", "exit"])
def test_200_new_kinds_at_once_are_all_accepted_after_a_restart(tmp_path: Path, how: str) -> None:
    with IngestServer() as server:
        server.answer_with(503)
        start(tmp_path, server.dsn, KINDS, how).communicate(timeout=60)
        ids = ids_on_disk(tmp_path)
        assert len(ids) == KINDS
        assert how != "kill" or ids_on_disk(tmp_path, "unpaid")
        server.answer_with()
        heir = start(tmp_path, server.dsn, 0, "wait")
        wait_for_ids(server, ids)
        heir.communicate("", timeout=60)
        events = {event["event_id"]: event for event in server.events()}
    assert set(events) == ids
    assert types_of(list(events.values())) == {f"Failure{number}Error" for number in range(KINDS)}
    assert sum(event["extra"]["occurrences"] for event in events.values()) == KINDS
    assert ids_on_disk(tmp_path) == set()


class Process:
    """What a live process has, with a budget that gets units only when the test settles."""

    def __init__(self, server: IngestServer, spool: Path, bounds: Bounds | None = None) -> None:
        self.counters = Counters()
        self.budget = Budget(is_shared=True)
        self.store = BudgetFile(spool / "budget.json", self.budget)
        self.folding = ErrorFolding(self.budget, self.counters)  # without its thread
        self.pipeline = Pipeline(scrubber=Scrubber(), counters=self.counters, folding=self.folding)
        self.transport = DeliveryTransport(
            server.dsn,
            gate=self.pipeline.gate,
            counters=self.counters,
            spool_dir=spool / "envelopes",
            on_unpaid=self.folding.take_over,
            bounds=bounds,
        )
        sentry_sdk.init(
            dsn=server.dsn,
            transport=self.transport,
            before_send=self.pipeline.before_send,  # type: ignore[arg-type]
            default_integrations=False,
            auto_enabling_integrations=False,
        )

    def settle(self) -> None:
        self.store.open()
        self.folding.tick()
        self.transport.flush(5)

    def fail(self, message: str = "no answer from the partner") -> None:
        sentry_sdk.capture_event({"level": "error", "message": message})

    @property
    def unpaid(self) -> int:
        waiting: int = self.transport.status()["unpaid"]
        return waiting


@contextmanager
def process(server: IngestServer, spool: Path, bounds: Bounds | None = None) -> Iterator[Process]:
    made = Process(server, spool, bounds)
    try:
        yield made
    finally:
        sentry_sdk.get_client().close(0)
        sentry_sdk.get_global_scope().set_client(None)


def test_units_that_come_while_an_event_is_being_written_pay_for_it_when_it_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with IngestServer() as server, process(server, tmp_path) as one:
        keep, paid = one.transport.keep_unpaid, []

        def keep_slowly(event: dict[str, Any], key: Any) -> bool:
            is_kept = keep(event, key)
            one.store.open()
            paid.extend(one.budget.due_tallies())
            return is_kept

        monkeypatch.setattr(one.transport, "keep_unpaid", keep_slowly)
        one.fail()
        (waiting,) = ids_on_disk(tmp_path)  # a process that is killed here loses nothing
        assert paid == []
        one.settle()
        (event,) = server.events()
        assert (event["event_id"], event["extra"]["occurrences"]) == (waiting, 1)


def test_an_event_of_which_only_the_count_was_taken_over_so_far_is_waited_for() -> None:
    now = [1_800_000_000.0]
    key = FoldKey("ValueError", "app:f", "/")
    dead = Budget(clock=lambda: now[0], is_shared=True)
    dead.judge(key)
    dead.wait(key, "a" * 32)
    now[0] += 10
    left = dead.state()

    def heir() -> Budget:
        made = Budget(clock=lambda: now[0], monthly_errors=0)
        made.restore(left)
        return made

    first, second = heir(), heir()
    assert first.due_tallies() == []
    assert first.state()["kinds"][0]["unpaid"] == "a" * 32
    assert first.take_over(key, "a" * 32, {"message": "m"}, now[0] - 10)
    (tally,) = first.due_tallies()
    assert (tally.unpaid, tally.occurrences) == ("a" * 32, 1)
    now[0] += 91  # the file is gone: the count is sent by itself
    (tally,) = second.due_tallies()
    assert (tally.unpaid, tally.occurrences) == ("", 1)


def test_an_event_that_waited_has_one_fate_and_leaves_no_file(tmp_path: Path) -> None:
    with IngestServer() as server, process(server, tmp_path) as one:
        one.fail()
        one.fail()
        (waiting,) = ids_on_disk(tmp_path)
        assert (one.unpaid, one.counters.snapshot()) == (1, {"error": {"budget": 1}})
        one.settle()
        (event,) = server.events()
        assert (event["event_id"], event["extra"]["occurrences"]) == (waiting, 2)
        assert one.counters.snapshot() == {"error": {"accepted": 1, "budget": 1}}
        assert (one.unpaid, ids_on_disk(tmp_path)) == (0, set())


def test_a_later_occurrence_that_can_be_paid_for_lets_the_one_that_waited_go_out(tmp_path: Path) -> None:
    with IngestServer() as server, process(server, tmp_path) as one:
        one.fail()
        (waiting,) = ids_on_disk(tmp_path)
        one.store.open()
        one.fail()
        one.folding.tick()
        one.transport.flush(5)
        (event,) = server.events()
        assert (event["event_id"], event["extra"]["occurrences"]) == (waiting, 2)
        assert one.budget.pending() == 0
        one.fail()
        one.transport.flush(5)
        assert len(server.event_ids()) == 2


def test_a_burst_of_ten_thousand_through_the_hooks_is_accounted_for_to_the_last_event(tmp_path: Path) -> None:
    with IngestServer() as server, process(server, tmp_path) as one:
        one.store.open()
        captured = {f"{number:032x}" for number in range(10_000)}
        for number, event_id in enumerate(captured):
            sentry_sdk.capture_event(
                {"event_id": event_id, "level": "error", "message": f"kind {number % 50}"}
            )
        for _ in range(3):
            one.settle()
        events = server.events()
        own = [event for event in events if event["event_id"] in captured]
        fates = one.counters.snapshot()["error"]
        assert len(own) >= 50
        assert sum(event["extra"]["occurrences"] for event in events) + one.budget.pending() == 10_000
        # A tally is one more event than was captured, under an id of its own.
        assert sum(fates.values()) == 10_000 + len(events) - len(own)
        assert fates["accepted"] == len(events) < 1_000
        assert fates.keys() <= {"accepted", "folded", "budget"}
        assert one.unpaid == 0


def test_what_waits_is_scrubbed_on_disk_and_its_kind_says_nothing_of_the_message(tmp_path: Path) -> None:
    secret = "sk_" + "live_" + "4eC39HqLyjWDarjtT1zdp7dc"
    with IngestServer() as server, process(server, tmp_path) as one:
        one.fail(f"the partner refused {secret}")
        one.store.close()
        written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
        assert ids_on_disk(tmp_path, "unpaid")
    assert not any(secret.encode() in content for content in written)


def test_what_a_dead_process_left_is_scrubbed_again_and_counted_once(tmp_path: Path) -> None:
    secret = "sk_" + "live_" + "4eC39HqLyjWDarjtT1zdp7dc"
    with IngestServer() as server:
        with process(server, tmp_path) as dead:
            (item,) = error(f"the partner refused {secret}").items
            event = item.payload.json
            assert event is not None
            key = fold_key(event, None)
            dead.budget.judge(key)
            dead.transport.keep_unpaid(event, key)
            dead.budget.wait(key, event["event_id"])
            dead.store.close()  # its count is in the budget's file, its event on disk
        with process(server, tmp_path) as heir:
            heir.store.open()
            assert heir.budget.pending() == 1
            heir.transport.flush(5)
            assert (heir.unpaid, heir.budget.pending()) == (1, 1)
            heir.settle()
            assert server.events()[0]["extra"]["occurrences"] == 1
            assert server.event_ids() == {event["event_id"]}
            assert heir.unpaid == 0
        assert secret.encode() not in server.raw()


def test_without_room_on_disk_the_first_of_a_kind_waits_in_memory_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpaid_files, "MOST_FILES", 2)
    with IngestServer() as server, process(server, tmp_path) as one:
        for number in range(4):
            one.fail(f"failure {number}")
        assert (one.unpaid, len(ids_on_disk(tmp_path))) == (2, 2)
        one.settle()
        assert {event["message"] for event in server.events()} == {f"failure {number}" for number in range(4)}
        assert sum(event["extra"]["occurrences"] for event in server.events()) == 4


def test_what_waits_takes_no_more_than_its_share_of_the_spool(tmp_path: Path) -> None:
    bounds = Bounds(max_spool_bytes=40_000)
    with IngestServer() as server, process(server, tmp_path, bounds) as one:
        for number in range(20):
            one.fail(f"failure {number}")
        assert 0 < one.unpaid < 5


def test_one_that_cannot_be_read_or_scrubbed_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with IngestServer() as server:
        with process(server, tmp_path) as dead:
            for number in range(3):
                dead.fail(f"failure {number}")
        torn, hard, whole = sorted(tmp_path.rglob("*-unpaid-*.envelope"))
        torn.write_bytes(torn.read_bytes()[:-5])
        hard_id, whole_id = hard.name[-41:-9], whole.name[-41:-9]
        gate = Pipeline.gate

        def fails_once(self: Pipeline, envelope: Envelope) -> Envelope | None:
            if envelope.headers.get("event_id") == hard_id:
                raise TypeError("made up")
            return gate(self, envelope)

        monkeypatch.setattr(Pipeline, "gate", fails_once)
        with process(server, tmp_path) as heir:
            heir.transport.flush(5)
            heir.settle()
            assert server.event_ids() == {whole_id}
        assert ids_on_disk(tmp_path) == {hard_id}  # for the next version


def test_a_transport_without_a_budget_sends_what_waits(tmp_path: Path) -> None:
    with IngestServer() as server:
        with process(server, tmp_path) as dead:
            dead.fail()
        (waiting,) = ids_on_disk(tmp_path)
        plain = DeliveryTransport(
            server.dsn, gate=lambda each: each, counters=Counters(), spool_dir=tmp_path / "envelopes"
        )
        server.wait_for(1)
        plain.flush(5)
        plain.kill()
        assert server.event_ids() == {waiting}


def test_one_older_than_sentry_takes_is_dropped(tmp_path: Path) -> None:
    with IngestServer() as server:
        with process(server, tmp_path) as dead:
            dead.fail()
        (path,) = tmp_path.rglob("*.envelope")
        old = int((time.time() - 31 * 86400) * 1000)
        path.rename(path.with_name(f"{old:015d}{path.name[15:]}"))
        with process(server, tmp_path) as heir:
            heir.transport.flush(5)
            assert heir.unpaid == 0
        assert ids_on_disk(tmp_path) == set()


def test_a_forked_child_leaves_what_waits_to_the_parent(tmp_path: Path) -> None:
    with IngestServer() as server, process(server, tmp_path) as one:
        one.fail()
        child = os.fork()
        if child == 0:
            os._exit(0 if (one.unpaid, one.budget.pending()) == (0, 0) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert (one.unpaid, len(ids_on_disk(tmp_path))) == (1, 1)
