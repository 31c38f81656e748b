from app.observability.budget import OTHERS, Budget, FoldKey, Reason
from tests.unit.budget.clock import DAY_S, FakeClock

KEY = FoldKey("ValueError", "app.orders:price", "/orders/{id}")


def test_the_first_event_of_a_kind_goes_out_at_once() -> None:
    verdict = Budget(clock=FakeClock()).judge(KEY)
    assert (verdict.admit, verdict.occurrences, verdict.reason) == (True, 1, Reason.NEW)


def test_a_storm_of_20000_identical_errors_makes_few_events_that_carry_the_true_count() -> None:
    clock = FakeClock()
    budget = Budget(clock=clock)
    carried = []
    for _ in range(20_000):
        verdict = budget.judge(KEY)
        if verdict.admit:
            carried.append(verdict.occurrences)
        clock.now += 0.001
    clock.now += 60
    carried += [tally.occurrences for tally in budget.due_tallies()]
    assert sum(carried) == 20_000
    assert carried[:3] == [1, 1, 1]
    assert len(carried) < 20


def test_a_trickle_is_reported_about_once_a_day_with_its_count() -> None:
    clock = FakeClock()
    budget = Budget(monthly_errors=0, clock=clock)
    carried = []
    for _ in range(10 * 24):
        carried.append(budget.judge(KEY).occurrences)
        carried += [tally.occurrences for tally in budget.due_tallies()]
        clock.now += 3600
    assert sum(carried) == 10 * 24 - budget.pending()
    assert 10 <= sum(1 for count in carried if count) <= 25


def test_a_kind_that_returns_after_a_silent_day_is_reported_at_once() -> None:
    clock = FakeClock()
    budget = Budget(clock=clock)
    for _ in range(4):
        budget.judge(KEY)
    clock.now += 2 * DAY_S
    verdict = budget.judge(KEY)
    assert (verdict.reason, verdict.occurrences) == (Reason.RETURNED, 2)


def test_routes_frames_and_types_are_kinds_of_their_own() -> None:
    budget = Budget(clock=FakeClock())
    keys = [KEY, KEY._replace(route="/"), KEY._replace(frame="app:f"), KEY._replace(exception="KeyError")]
    assert [budget.judge(key).reason for key in keys] == [Reason.NEW] * 4
    assert len({key.digest for key in keys}) == 4


def test_a_tally_carries_the_latest_sample_and_says_whether_it_is_scrubbed() -> None:
    clock = FakeClock()
    budget = Budget(clock=clock)
    for number in range(5):
        budget.judge(KEY, sample={"number": number})
    clock.now += 120
    (tally,) = budget.due_tallies()
    assert (tally.sample, tally.is_scrubbed, tally.occurrences) == ({"number": 4}, False, 2)
    budget.judge(KEY)
    budget.remember(KEY, {"number": "scrubbed"})
    (tally,) = budget.final_tallies()
    assert (tally.sample, tally.is_scrubbed) == ({"number": "scrubbed"}, True)


def test_nothing_is_sent_twice_and_nothing_is_due_when_all_is_reported() -> None:
    clock = FakeClock()
    budget = Budget(clock=clock)
    budget.judge(KEY)
    clock.now += 10 * DAY_S
    assert budget.due_tallies() == []
    assert budget.final_tallies() == []


def test_more_kinds_than_fit_in_memory_lose_no_count() -> None:
    clock = FakeClock()
    budget = Budget(monthly_errors=0, clock=clock, max_kinds=10)
    sent = 0
    for number in range(1000):
        for _ in range(5):
            sent += budget.judge(KEY._replace(route=str(number))).occurrences
    tallies = budget.final_tallies()
    assert sent + sum(tally.occurrences for tally in tallies) == 5000
    assert OTHERS in {tally.key for tally in tallies}
    assert len(tallies) <= 11


def test_only_some_hundred_kinds_keep_a_sample() -> None:
    budget = Budget(monthly_errors=0, clock=FakeClock())
    for number in range(2000):
        for _ in range(4):
            budget.judge(KEY._replace(route=str(number)), sample={"n": number})
    samples = [tally.sample for tally in budget.final_tallies() if tally.sample is not None]
    assert len(samples) == 512
