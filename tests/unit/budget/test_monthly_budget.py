import pytest

from app.observability.budget import Budget, FoldKey, Reason
from app.observability.budget.ledger import Month
from tests.unit.budget.clock import DAY_S, MID_MONTH, MONTH_END, FakeClock


def key(number: int | str) -> FoldKey:
    return FoldKey("ValueError", "app:f", f"/{number}")


def hammer(budget: Budget, clock: FakeClock, *, days: int, per_day: int, kinds: int) -> int:
    """Cause errors evenly; return the events sent."""
    events = 0
    for number in range(days * per_day):
        events += budget.judge(key(number % kinds)).admit
        events += len(budget.due_tallies())
        clock.now += DAY_S / per_day
    return events


def test_the_budget_is_never_exceeded_and_lasts_to_the_end_of_the_month() -> None:
    clock = FakeClock(Month.of(MID_MONTH).start)
    budget = Budget(monthly_errors=100, clock=clock)
    first_half = hammer(budget, clock, days=15, per_day=200, kinds=60)
    second_half = hammer(budget, clock, days=15, per_day=200, kinds=60)
    clock.now = MONTH_END - 1
    assert first_half + second_half + len(budget.alarms()) + len(budget.final_tallies()) <= 100
    assert second_half >= 25


def test_new_kinds_get_through_after_a_flood_has_used_up_what_the_month_released() -> None:
    clock = FakeClock()
    budget = Budget(monthly_errors=5000, clock=clock)
    for number in range(40_000):
        budget.judge(key(number % 400))
    assert [budget.judge(key(f"new{number}")).reason for number in range(500)] == [Reason.NEW] * 500


def test_a_new_kind_without_a_unit_left_is_sent_as_soon_as_there_is_one() -> None:
    clock = FakeClock()
    budget = Budget(monthly_errors=5, clock=clock)
    verdicts = [budget.judge(key(number)) for number in range(10)]
    assert not all(verdict.admit for verdict in verdicts)
    assert verdicts[-1].reason is Reason.BUDGET
    clock.now = MONTH_END + 1
    assert budget.due_tallies()


def test_0_is_unlimited_but_still_folds() -> None:
    budget = Budget(monthly_errors=0, monthly_spans=0, clock=FakeClock())
    assert sum(budget.judge(key(number)).admit for number in range(20_000)) == 20_000
    assert sum(budget.judge(key(0)).admit for _ in range(1000)) < 20
    assert budget.span_rate(1.0) == 1.0
    assert budget.spend_spans(10**9)
    assert budget.alarms() == []


def test_the_last_counts_fit_into_one_event_if_there_is_no_room_for_each() -> None:
    clock = FakeClock()
    budget = Budget(monthly_errors=20, clock=clock)
    sent = sum(budget.judge(key(number % 50)).occurrences for number in range(5000))
    tallies = budget.final_tallies()
    assert sent + sum(tally.occurrences for tally in tallies) == 5000


def test_a_budget_warns_once_at_80_and_once_at_100_percent_each_month() -> None:
    clock = FakeClock(Month.of(MID_MONTH).start)
    budget = Budget(monthly_errors=0, monthly_spans=1000, clock=clock)
    found = []
    while clock.now < MONTH_END + 10 * DAY_S:
        budget.spend_spans(1)
        found += [(alarm.category, alarm.percent, alarm.month) for alarm in budget.alarms()]
        clock.now += 600
    assert found == [("span", 80, "2026-11"), ("span", 100, "2026-11")]


def test_an_alarm_is_paid_from_the_budget_it_is_about() -> None:
    clock = FakeClock(Month.of(MID_MONTH).start)
    budget = Budget(monthly_errors=50, clock=clock)
    events = 0
    alarms = []
    while clock.now < MONTH_END - 3600:
        events += budget.judge(key(int(clock.now) // 3600 % 37)).admit + len(budget.due_tallies())
        alarms += budget.alarms()
        clock.now += 3600
    events += len(budget.final_tallies())
    assert [alarm.percent for alarm in alarms] == [80, 100]
    assert events + len(alarms) <= 50


def test_the_sample_rate_falls_so_that_the_months_spans_last() -> None:
    clock = FakeClock(Month.of(MID_MONTH).start)
    budget = Budget(monthly_spans=30_000, clock=clock)
    spent = [0, 0]
    while clock.now < MONTH_END - 1:
        rate = budget.span_rate(0.5)
        # 10 spans a second if every request were sampled: 26 million a month.
        count = round(6000 * rate)
        if count and budget.spend_spans(count):
            spent[clock.now > Month.of(MID_MONTH).start + 15 * DAY_S] += count
        clock.now += 600
    assert sum(spent) <= 30_000
    assert min(spent) >= 10_000


def test_the_set_rate_is_kept_while_the_budget_has_room() -> None:
    clock = FakeClock()
    budget = Budget(monthly_spans=5_000_000, clock=clock)
    for _ in range(600):
        assert budget.span_rate(0.1) == 0.1
        budget.spend_spans(5)
        clock.now += 60


def test_a_transaction_that_the_month_has_no_room_for_is_refused() -> None:
    clock = FakeClock(Month.of(MID_MONTH).start)
    budget = Budget(monthly_spans=100, clock=clock)
    assert budget.spend_spans(2)
    assert not budget.spend_spans(50)
    assert [budget.spend_spans(1) for _ in range(10)].count(True) <= 1
    clock.now = MONTH_END - 1
    assert budget.spend_spans(50)


def test_the_forecast_says_what_todays_volume_costs_and_which_rate_fits() -> None:
    clock = FakeClock()
    budget = Budget(monthly_spans=1_000_000, clock=clock)
    for _ in range(3600):
        count = round(1000 * budget.span_rate(1.0))
        if count:
            budget.spend_spans(count)
        clock.now += 1
    forecast = budget.forecast()
    assert forecast.month == "2026-11"
    assert forecast.sample_rate_within_budget is not None
    left_s = MONTH_END - clock.now
    assert forecast.spans_by_month_end_at_set_rate == pytest.approx(1000 * left_s, rel=0.5)
    assert forecast.sample_rate_within_budget * 1000 * left_s == pytest.approx(1_000_000, rel=0.5)
    assert forecast.errors_sent == 0


def test_every_second_month_starts_with_a_full_reserve() -> None:
    clock = FakeClock()
    budget = Budget(monthly_errors=10, clock=clock)
    for number in range(100):
        budget.judge(key(number))
    clock.now = MONTH_END + 1
    budget.alarms()
    assert budget.judge(key("fresh")).reason in (Reason.NEW, Reason.BUDGET)
    assert budget.forecast().errors_sent <= 10
