"""A service that starts again and again: counts stay true, and the month is not spent on it."""

import json
import os
import shutil
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.observability.budget import Budget, BudgetFile, FoldKey, Reason
from app.observability.budget.samples import MOST_FILES, Samples
from tests.unit.budget.clock import FakeClock

KEY = FoldKey("ValueError", "app:f", "/")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class Life:
    """One process with its budget; `kill` lets it vanish with its locks, as SIGKILL does."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self.budget = Budget(clock=clock, is_shared=True)
        self.store = BudgetFile(folder / "budget.json", self.budget, clock=clock)
        self.store.open()
        self.events = self.occurrences = 0

    def fail(self, times: int, key: FoldKey = KEY) -> None:
        for _ in range(times):
            verdict = self.budget.judge(key)
            self.events += verdict.admit
            self.occurrences += verdict.occurrences

    def tick(self) -> None:
        for tally in self.budget.due_tallies():
            self.events += 1
            self.occurrences += tally.occurrences
        self.store.save_if_due()

    def leave(self) -> None:
        for tally in self.store.close(tallies=True):
            self.events += 1
            self.occurrences += tally.occurrences

    def kill(self) -> None:
        del self.budget, self.store


def live(folder: Path, clock: FakeClock, lives: int, *, is_killed: bool) -> tuple[int, int]:
    """Go through many lives of five seconds with 20 failures each; return events and occurrences."""
    events = occurrences = 0
    for _ in range(lives):
        life = Life(folder, clock)
        for _ in range(2):
            life.fail(10)
            clock.now += 2.5
            life.tick()
        if is_killed:
            life.kill()
        else:
            life.leave()
        events += life.events
        occurrences += life.occurrences
    return events, occurrences


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_crash_loop_makes_few_events_and_loses_no_count(
    tmp_path: Path, clock: FakeClock, is_killed: bool
) -> None:
    events, occurrences = live(tmp_path, clock, 40, is_killed=is_killed)
    assert events < 60
    calm = Life(tmp_path, clock)
    assert occurrences + calm.budget.pending() == 40 * 20
    clock.now += 3600
    calm.leave()
    assert occurrences + calm.occurrences == 40 * 20
    assert not list(tmp_path.glob("counts-*"))


def test_a_deployment_now_and_then_still_shows_what_is_known(tmp_path: Path, clock: FakeClock) -> None:
    for _ in range(3):
        life = Life(tmp_path, clock)
        assert life.budget.judge(KEY).admit
        life.leave()
        clock.now += 100


def test_workers_of_one_start_are_one_start(tmp_path: Path, clock: FakeClock) -> None:
    workers = [Life(tmp_path, clock) for _ in range(20)]
    assert not any(worker.budget.is_crash_loop for worker in workers)


def test_what_was_counted_before_and_after_a_save_is_taken_over_at_once(
    tmp_path: Path, clock: FakeClock
) -> None:
    first = Life(tmp_path, clock)
    first.fail(10)
    clock.now += 6
    first.tick()
    first.fail(10)
    told = first.occurrences
    first.kill()
    heir = Life(tmp_path, clock)
    assert heir.budget.pending() + told == 20
    heir.fail(1)
    assert heir.budget.pending() + heir.occurrences + told == 21


def test_counts_of_a_living_process_are_left_to_it(tmp_path: Path, clock: FakeClock) -> None:
    first, second = Life(tmp_path, clock), Life(tmp_path, clock)
    first.fail(10)
    clock.now += 6
    second.fail(1)
    second.tick()
    assert second.budget.pending() + second.occurrences == 1
    assert first.budget.pending() + first.occurrences == 10


def test_a_journal_whose_counts_were_saved_is_never_counted_again(tmp_path: Path, clock: FakeClock) -> None:
    first = Life(tmp_path, clock)
    first.fail(10)
    told = first.occurrences
    (journal,) = tmp_path.glob("counts-*")
    shutil.copy(journal, tmp_path / "kept")
    first.kill()
    heir = Life(tmp_path, clock)
    shutil.copy(tmp_path / "kept", journal)  # as if the heir had died before it removed it
    clock.now += 6
    heir.store.close()
    again = Life(tmp_path, clock)
    assert again.budget.pending() + told == 10


def test_eight_threads_are_counted_to_the_last_one(tmp_path: Path, clock: FakeClock) -> None:
    first = Life(tmp_path, clock)
    told: list[int] = []

    def work() -> None:
        told.append(sum(first.budget.judge(KEY).occurrences for _ in range(200)))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first.kill()
    heir = Life(tmp_path, clock)
    assert heir.budget.pending() + sum(told) == 1600


def test_a_line_that_overtook_the_one_that_names_its_kind_is_counted(
    tmp_path: Path, clock: FakeClock
) -> None:
    first = Life(tmp_path, clock)
    told = sum(first.budget.judge(KEY).occurrences for _ in range(10))
    first.kill()
    (journal,) = tmp_path.glob("counts-*.log")
    journal.write_bytes(b"".join(reversed(journal.read_bytes().splitlines(keepends=True))))
    assert Life(tmp_path, clock).budget.pending() + told == 10


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    folder = tmp_path_factory.mktemp("dead")
    clock = FakeClock()
    life = Life(folder, clock)
    life.fail(9)
    life.fail(9, KEY._replace(route="/other"))
    (journal,) = folder.glob("counts-*")
    content = journal.read_bytes()
    life.kill()
    return journal, content


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_journal_torn_anywhere_costs_what_is_torn_and_is_never_fatal(
    dead: tuple[Path, bytes], data: st.DataObject
) -> None:
    journal, whole = dead
    place = data.draw(st.integers(0, len(whole)))
    alien = data.draw(
        st.sampled_from([b"", b"\xff", b"[]\n", b'["x",1]\n', b'["x",1,3,4,5]\n', b"{}\n", b"null\n"])
    )
    for path in journal.parent.iterdir():
        if path.is_file():
            path.unlink()
    journal.write_bytes(whole[:place] + alien)
    heir = Life(journal.parent, FakeClock())
    assert 0 <= heir.budget.pending() <= 18
    assert heir.budget.judge(FoldKey("New", "new", "new")).reason is Reason.NEW
    heir.store.close()


def test_journals_and_samples_are_private_and_say_nothing_unscrubbed(
    tmp_path: Path, clock: FakeClock
) -> None:
    life = Life(tmp_path, clock)
    life.budget.judge(KEY, sample={"message": "raw"})
    life.budget.remember(KEY, {"message": "scrubbed"})
    life.fail(9)
    clock.now += 6
    life.tick()
    life.fail(1)
    files = [*tmp_path.glob("counts-*"), *tmp_path.glob("samples/*")]
    assert len(files) == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "samples").stat().st_mode) == 0o700
    assert not any(b"raw" in path.read_bytes() for path in files)


def test_a_count_that_outlived_its_process_looks_like_an_event_of_its_kind(
    tmp_path: Path, clock: FakeClock
) -> None:
    life = Life(tmp_path, clock)
    life.fail(1)
    life.budget.remember(KEY, {"message": "scrubbed"})
    clock.now += 1
    life.tick()
    life.fail(9)
    life.kill()
    heir = Life(tmp_path, clock)
    assert heir.store.sample_of(KEY) == {"message": "scrubbed"}
    assert heir.store.sample_of(KEY._replace(route="/other")) is None


def test_samples_are_bounded_and_one_that_is_no_json_costs_only_itself(tmp_path: Path) -> None:
    samples = Samples(tmp_path / "samples")
    for number in range(MOST_FILES + 10):
        samples.save({f"{number:016x}": {"number": number}})
    assert len(list((tmp_path / "samples").iterdir())) <= MOST_FILES + 1
    samples.save({"bad": {"no": object()}})
    samples.save({"big": {"much": "x" * 100_000}})
    assert samples.load("bad") is samples.load("big") is None
    assert samples.load(f"{MOST_FILES + 9:016x}") == {"number": MOST_FILES + 9}
    (tmp_path / "samples" / "torn.json").write_text('{"a":')
    assert samples.load("torn") is None


def test_without_a_disk_for_journals_counting_goes_on(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "file").write_text("")
    life = Life(tmp_path / "file", clock)
    life.fail(10)
    assert life.occurrences + life.budget.pending() == 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_neither_writes_into_nor_frees_the_journal_of_its_parent(
    tmp_path: Path, clock: FakeClock
) -> None:
    life = Life(tmp_path, clock)
    life.fail(10)
    (journal,) = tmp_path.glob("counts-*")
    before = journal.read_bytes()
    child = os.fork()
    if child == 0:
        life.fail(5)
        life.store.save_if_due()
        clock.now += 60
        life.store.save_if_due()
        os._exit(0)
    os.waitpid(child, 0)
    assert journal.read_bytes() == before
    other = Life(tmp_path, clock)
    taken = json.loads((tmp_path / "budget.json").read_text())["taken"]
    assert (len(taken), life.budget.holder in taken) == (1, False)
    assert other.budget.pending() == 5
