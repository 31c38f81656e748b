import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from app.observability.budget import Budget, BudgetFile, FoldKey
from tests.unit.budget.clock import MID_MONTH

KEY = FoldKey("ValueError", "app:f", "/")


def start(path: Path, clock: Callable[[], float], monthly_errors: int) -> tuple[Budget, BudgetFile]:
    budget = Budget(clock=clock, is_shared=True, monthly_errors=monthly_errors)
    store = BudgetFile(path, budget, clock=clock)
    store.open()
    return budget, store


class FastClock:
    """Sixty times as fast as the real one, the same in every process."""

    def __init__(self) -> None:
        self.started = time.time()

    def __call__(self) -> float:
        return MID_MONTH + (time.time() - self.started) * 60


def _work(
    path: Path,
    clock: Callable[[], float],
    start_together: Barrier,
    sent: "multiprocessing.Queue[tuple[int, int]]",
) -> None:
    budget, store = start(path, clock, monthly_errors=200)
    start_together.wait()
    count = events = 0
    for number in range(3000):
        verdict = budget.judge(KEY._replace(route=str(number % 80)))
        events += verdict.admit
        count += verdict.occurrences
        if number % 30 == 0:
            tallies = budget.due_tallies()
            events += len(tallies)
            count += sum(tally.occurrences for tally in tallies)
            store.save_if_due()
    store.close()
    sent.put((events, count))


def test_two_real_processes_on_one_file_stay_inside_the_budget_and_lose_no_count(tmp_path: Path) -> None:
    """Case 87."""
    path = tmp_path / "budget.json"
    context = multiprocessing.get_context("spawn")
    clock, barrier = FastClock(), context.Barrier(2)
    results: multiprocessing.Queue[tuple[int, int]] = context.Queue()
    workers = [context.Process(target=_work, args=(path, clock, barrier, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    reported = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(30)
    heir, _ = start(path, clock, monthly_errors=200)
    assert sum(events for events, _ in reported) <= 200
    assert sum(count for _, count in reported) + heir.pending() == 6000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_no_units_and_counts_of_its_parent(tmp_path: Path) -> None:
    budget, _ = start(tmp_path / "budget.json", time.time, 5000)
    for _ in range(10):
        budget.judge(KEY)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, f"{budget.holder} {budget.pending()} {budget.judge(KEY).admit}".encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    holder, pending, admitted = os.read(reader, 200).decode().split()
    os.close(reader)
    os.close(writer)
    assert (holder != budget.holder, pending, admitted) == (True, "0", "False")
