import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.observability.budget import Budget, BudgetFile, FoldKey, Reason, Verdict
from tests.unit.budget.clock import DAY_S, FakeClock

KEY = FoldKey("ValueError", "app:f", "/")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "budget.json"


def start(path: Path, clock: Callable[[], float], monthly_errors: int = 5000) -> tuple[Budget, BudgetFile]:
    budget = Budget(clock=clock, is_shared=True, monthly_errors=monthly_errors)
    store = BudgetFile(path, budget, clock=clock)
    store.open()
    return budget, store


def test_counts_and_kinds_outlive_a_restart(path: Path, clock: FakeClock) -> None:
    budget, store = start(path, clock)
    sent = sum(budget.judge(KEY).occurrences for _ in range(10))
    budget.remember(KEY, {"message": "scrubbed"})
    store.close()
    assert budget.pending() == 0
    again, _ = start(path, clock)
    assert again.pending() == 10 - sent
    assert again.judge(KEY) == Verdict(True, 11 - sent, Reason.RESTARTED)


def test_a_tally_after_a_restart_looks_like_the_last_event(path: Path, clock: FakeClock) -> None:
    budget, store = start(path, clock)
    sent = sum(budget.judge(KEY).occurrences for _ in range(10))
    budget.remember(KEY, {"message": "scrubbed"})
    store.close()
    again, _ = start(path, clock)
    clock.now += DAY_S
    (tally,) = again.due_tallies()
    assert (tally.occurrences, tally.sample, tally.is_scrubbed) == (10 - sent, {"message": "scrubbed"}, True)


def test_only_scrubbed_samples_reach_the_disk(path: Path, clock: FakeClock) -> None:
    budget, store = start(path, clock)
    for _ in range(6):
        budget.judge(KEY, sample={"message": "raw"})
    budget.judge(KEY)
    store.close()
    assert "raw" not in path.read_text()


def test_judging_and_spending_write_nothing(path: Path, clock: FakeClock) -> None:
    budget, store = start(path, clock)
    before = path.read_bytes()
    budget.judge(KEY)
    budget.spend_spans(3)
    assert path.read_bytes() == before
    clock.now += 1
    assert store.save_if_due()
    assert path.read_bytes() != before


def test_it_is_saved_at_once_for_a_new_kind_and_every_few_seconds_else(path: Path, clock: FakeClock) -> None:
    budget, store = start(path, clock)
    assert not store.save_if_due()
    budget.judge(KEY)
    clock.now += 0.6
    assert store.save_if_due()
    budget.judge(KEY)
    clock.now += 0.6
    assert not store.save_if_due()
    clock.now += 5
    assert store.save_if_due()


def test_a_process_that_is_killed_again_and_again_gets_no_fresh_allowance(
    path: Path, clock: FakeClock
) -> None:
    sent = 0
    for _ in range(100):
        budget, store = start(path, clock, monthly_errors=1000)
        for _ in range(20):
            sent += budget.judge(KEY).admit
            clock.now += 0.1
        clock.now += 3
        store.save_if_due()
    assert sent < 50
    budget, _ = start(path, clock, monthly_errors=1000)
    clock.now += DAY_S
    sent += len(budget.due_tallies())
    assert sent < 60


def test_a_crash_loop_that_never_gets_to_save_leaves_most_of_the_reserve(
    path: Path, clock: FakeClock
) -> None:
    sent = 0
    for number in range(150):
        budget, _ = start(path, clock)
        sent += budget.judge(KEY._replace(route=str(number))).admit
        clock.now += 5
    clock.now += 3600
    budget, _ = start(path, clock)
    assert budget.judge(KEY._replace(route="after")).reason is Reason.NEW
    content = json.loads(path.read_text())
    assert sent < 200
    assert content["ledger"]["gone"]["new"] < 400


def test_the_counts_of_a_killed_process_go_to_another_after_five_minutes(
    path: Path, clock: FakeClock
) -> None:
    budget, store = start(path, clock)
    sent = sum(budget.judge(KEY).occurrences for _ in range(10))
    clock.now += 6
    store.save_if_due()
    other, other_store = start(path, clock)
    assert other.pending() == 0
    for _ in range(7):
        clock.now += 61
        other_store.save_if_due()
    assert other.pending() == 10 - sent


def test_a_process_that_was_only_asleep_gives_up_what_another_took_over(path: Path, clock: FakeClock) -> None:
    budget, store = start(path, clock)
    sent = sum(budget.judge(KEY).occurrences for _ in range(10))
    clock.now += 6
    store.save_if_due()
    other, other_store = start(path, clock)
    for _ in range(7):
        clock.now += 61
        other_store.save_if_due()
    store.save_if_due()
    assert budget.pending() + other.pending() + sent == 10


def test_a_kind_reported_by_one_process_is_no_news_for_the_next(path: Path, clock: FakeClock) -> None:
    first, first_store = start(path, clock)
    second, second_store = start(path, clock)
    assert first.judge(KEY).reason is Reason.NEW
    clock.now += 1
    first_store.save_if_due()
    clock.now += 60
    second_store.save_if_due()
    assert second.judge(KEY).reason is not Reason.NEW


def test_two_processes_share_a_budget_of_10(path: Path, clock: FakeClock) -> None:
    pair = [start(path, clock, monthly_errors=10) for _ in range(2)]
    sent = 0
    for number in range(120):
        for budget, store in pair:
            sent += budget.judge(KEY._replace(route=str(number))).admit + len(budget.due_tallies())
            clock.now += 330
            store.save_if_due()
            sent += len(budget.alarms())
    assert 2 <= sent <= 10


def test_tallies_are_sent_at_the_end_if_the_disk_will_not_outlive_the_process(
    path: Path, clock: FakeClock
) -> None:
    budget, store = start(path, clock)
    sent = sum(budget.judge(KEY._replace(route=str(number % 30))).occurrences for number in range(2000))
    tallies = store.close(tallies=True)
    assert sent + sum(tally.occurrences for tally in tallies) == 2000


def test_folder_and_file_are_private(path: Path, clock: FakeClock) -> None:
    start(path, clock)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_a_usable_disk_the_month_goes_on_in_memory_with_one_warning(
    tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    budget, store = start(tmp_path / "file" / "budget.json", clock)
    assert budget.judge(KEY).admit
    for _ in range(5):
        clock.now += 10
        budget.judge(KEY)
        store.save_if_due()
    assert len([record for record in caplog.records if "budget file" in record.message]) == 1
    assert sum(tally.occurrences for tally in store.close()) + 3 == 6 or budget.pending() == 0


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp("torn") / "budget.json"
    clock = FakeClock()
    budget, store = start(path, clock)
    for number in range(6):
        budget.judge(KEY._replace(route=str(number % 2)))
    store.close()
    return path, path.read_bytes()


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_torn_or_alien_file_is_set_aside_and_never_fatal(
    saved: tuple[Path, bytes], data: st.DataObject
) -> None:
    path, whole = saved
    place = data.draw(st.integers(0, len(whole)))
    content = data.draw(
        st.sampled_from(
            [whole[:place], whole[:place] + b"\xff", b"[]", b'{"format":1,"kinds":3}', b'{"format":2}']
        )
    )
    path.write_bytes(content)
    budget, store = start(path, FakeClock())
    budget.judge(FoldKey("New", "new", "new"))
    store.close()
    assert json.loads(path.read_bytes())["format"] == 1


def test_a_process_that_left_twice_is_taken_over_twice(path: Path, clock: FakeClock) -> None:
    sleeper, sleeper_store = start(path, clock)
    for _ in range(10):
        sleeper.judge(KEY)
    clock.now += 6
    sleeper_store.save_if_due()
    other, other_store = start(path, clock)
    for _ in range(7):
        clock.now += 61
        other_store.save_if_due()
    reported = 3 + 3 + sum(sleeper.judge(KEY).occurrences for _ in range(5))
    sleeper_store.close()
    clock.now += 61
    other_store.save_if_due()
    assert other.pending() + reported == 15
