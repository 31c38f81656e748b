"""Test errors: never folded, paid for like any other event, and no more than fifty a day."""

from pathlib import Path

from app.observability.budget import MAX_TESTS_A_DAY, Budget, BudgetFile, FoldKey, Payment
from tests.unit.budget.clock import DAY_S, MONTH_END, FakeClock


def start(path: Path, clock: FakeClock, monthly_errors: int = 5000) -> tuple[Budget, BudgetFile]:
    budget = Budget(clock=clock, is_shared=True, monthly_errors=monthly_errors)
    store = BudgetFile(path, budget, clock=clock)
    store.open()
    return budget, store


def test_they_cost_the_month_and_are_refused_after_fifty_until_the_next_day() -> None:
    clock = FakeClock()
    budget = Budget(clock=clock)
    paid = [budget.pay_test() for _ in range(MAX_TESTS_A_DAY + 5)]
    assert paid == [Payment.PAID] * MAX_TESTS_A_DAY + [Payment.DAY_IS_FULL] * 5
    assert budget.forecast().errors_sent == budget.forecast().occurrences_today == MAX_TESTS_A_DAY
    clock.now += DAY_S
    assert budget.pay_test() is Payment.PAID


def test_they_never_exceed_the_month() -> None:
    clock = FakeClock(MONTH_END - 1)
    budget = Budget(monthly_errors=20, clock=clock)
    events = sum(budget.judge(FoldKey("ValueError", "app:f", str(kind))).admit for kind in range(10))
    paid = [budget.pay_test() for _ in range(40)]
    assert events == 10
    assert 0 < paid.count(Payment.PAID) <= 10
    assert paid[-1] is Payment.NO_ROOM
    assert budget.forecast().errors_sent <= 20


def test_without_a_limit_of_errors_only_the_day_counts() -> None:
    budget = Budget(monthly_errors=0, clock=FakeClock())
    paid = [budget.pay_test() for _ in range(MAX_TESTS_A_DAY + 1)]
    assert paid == [Payment.PAID] * MAX_TESTS_A_DAY + [Payment.DAY_IS_FULL]


def test_processes_of_one_disk_share_the_day_also_over_a_restart(tmp_path: Path) -> None:
    clock = FakeClock()
    (one, first), (two, second) = (start(tmp_path / "budget.json", clock) for _ in range(2))
    for _ in range(MAX_TESTS_A_DAY // 2):
        for budget, store in ((one, first), (two, second)):
            assert budget.pay_test() is Payment.PAID
            clock.now += 1
            assert store.save_if_due()
    first.close()
    second.close()
    again, _ = start(tmp_path / "budget.json", clock)
    assert again.pay_test() is Payment.DAY_IS_FULL
    assert again.forecast().errors_sent == MAX_TESTS_A_DAY
