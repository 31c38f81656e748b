"""Whatever happens in whatever order: counts are exact, budgets hold, the first of a kind is sent."""

import json
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from app.observability.budget import Budget, FoldKey, Reason
from app.observability.budget.ledger import Ledger, Limits, Month
from tests.unit.budget.clock import MID_MONTH, MONTH_END, FakeClock

Moves: TypeAlias = list[tuple[str, FoldKey, float]]
Sent: TypeAlias = list[tuple[float, FoldKey | None, int, str]]

KEYS = [FoldKey("ValueError", "app:f", f"/{number}") for number in range(12)]
WAITS = [0.0, 0.01, 1.0, 31.0, 61.0, 3600.0, 90_000.0, 700_000.0]
steps = st.lists(
    st.tuples(
        st.sampled_from(["error", "tick", "burst", "restart"]), st.sampled_from(KEYS), st.sampled_from(WAITS)
    ),
    max_size=120,
)


def play(
    budget: Budget, clock: FakeClock, moves: Moves, make: Callable[[], Budget]
) -> tuple[Budget, Sent, int]:
    """Return the events sent, as (time, key, occurrences, reason), and the true count."""
    sent: Sent = []
    happened = 0
    for move, key, wait in moves:
        clock.now += wait
        if move in ("error", "burst"):
            for _ in range(300 if move == "burst" else 1):
                happened += 1
                verdict = budget.judge(key)
                if verdict.admit:
                    sent.append((clock.now, key, verdict.occurrences, verdict.reason))
                else:
                    assert verdict.occurrences == 0
        elif move == "tick":
            sent += [
                (clock.now, tally.key, tally.occurrences, tally.reason) for tally in budget.due_tallies()
            ]
            sent += [(clock.now, None, 0, "alarm") for alarm in budget.alarms() if alarm.category == "error"]
        else:
            state = json.loads(json.dumps(budget.state()))
            budget = make()
            assert budget.restore(state) == 0
    return budget, sent, happened


@settings(max_examples=80, deadline=None)
@given(
    moves=steps,
    limit=st.sampled_from([0, 1, 2, 10, 40, 5000]),
    start=st.sampled_from([MID_MONTH, MONTH_END - 600]),
)
def test_sums_are_exact_and_budgets_hold_also_over_restarts(moves: Moves, limit: int, start: float) -> None:
    clock = FakeClock(start)

    def make() -> Budget:
        return Budget(monthly_errors=limit, clock=clock)

    budget, sent, happened = play(make(), clock, moves, make)
    pending = budget.pending()
    assert sum(occurrences for _, _, occurrences, _ in sent) + pending == happened
    assert all(occurrences > 0 for _, key, occurrences, _ in sent if key is not None)
    finals = budget.final_tallies()
    assert sum(tally.occurrences for tally in finals) + budget.pending() == pending
    if limit == 0:
        assert budget.pending() == 0
    months = [Month.of(moment).name for moment, *_ in sent] + [Month.of(clock.now).name] * len(finals)
    if limit:
        assert all(months.count(month) <= limit for month in months)


@settings(max_examples=60, deadline=None)
@given(moves=steps)
def test_the_first_of_a_kind_is_admitted_at_once_while_the_reserve_lasts(moves: Moves) -> None:
    clock = FakeClock()

    def make() -> Budget:
        return Budget(clock=clock)

    _, sent, _ = play(make(), clock, moves, make)
    failing = [key for move, key, _ in moves if move in ("error", "burst")]
    first = {key: (occurrences, reason) for _, key, occurrences, reason in reversed(sent)}
    assert all(first[key] == (1, Reason.NEW) for key in failing)


@settings(max_examples=60, deadline=None)
@given(moves=steps)
def test_a_state_that_is_read_back_is_the_same_state(moves: Moves) -> None:
    clock = FakeClock()

    def make() -> Budget:
        return Budget(clock=clock)

    budget, _, _ = play(make(), clock, [move for move in moves if move[0] != "restart"], make)
    state = budget.state()
    again = make()
    again.restore(json.loads(json.dumps(state)))
    by_key = {tuple(entry["key"]): entry for entry in state["kinds"]}
    assert {tuple(entry["key"]): entry for entry in again.state()["kinds"]} == by_key
    assert again.pending() == budget.pending()
    assert again.forecast().errors_sent == budget.forecast().errors_sent


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["key", "pending", "since"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(entries=st.lists(JUNK, max_size=5), ledger=JUNK)
def test_a_damaged_state_is_counted_and_the_budget_still_works(entries: list[Any], ledger: Any) -> None:
    budget = Budget(clock=FakeClock())
    budget.restore({"kinds": entries, "ledger": ledger})
    assert budget.judge(FoldKey("a", "b", "c")).admit
    budget.state()


holders = st.lists(
    st.tuples(
        st.sampled_from("abcd"), st.sampled_from(["spend", "settle", "lose", "leave"]), st.integers(1, 40)
    ),
    max_size=80,
)


@settings(max_examples=80, deadline=None)
@given(
    moves=holders,
    waits=st.lists(st.sampled_from([0.0, 1.0, 60.0, 400.0, 90_000.0]), min_size=80, max_size=80),
)
def test_replicas_that_come_go_and_die_never_exceed_a_shared_budget(
    moves: list[tuple[str, str, int]], waits: list[float]
) -> None:
    clock = FakeClock()
    ledger = Ledger(Limits(60, 500), clock.now)
    budgets: dict[str, Budget] = {}
    events: list[float] = []
    spans: list[tuple[float, int]] = []
    for (name, move, amount), wait in zip(moves, waits, strict=False):
        clock.now += wait
        budget = budgets.setdefault(
            name, Budget(monthly_errors=60, monthly_spans=500, clock=clock, is_shared=True)
        )
        if move == "spend":
            events += [
                clock.now for number in range(amount) if budget.judge(FoldKey("E", name, str(number))).admit
            ]
            if budget.spend_spans(amount):
                spans.append((clock.now, amount))
        elif move == "settle":
            budget.accept(ledger.settle(budget.request(), clock.now))
            events += [clock.now for _ in budget.due_tallies()]
            ledger = Ledger.load(Limits(60, 500), json.loads(json.dumps(ledger.dump())), clock.now)
        elif move == "leave":
            ledger.settle(budget.request(leaving=True), clock.now)
            del budgets[name]
        else:
            del budgets[name]
    months = {Month.of(moment).name for moment in events} | {Month.of(moment).name for moment, _ in spans}
    for month in months:
        assert sum(1 for moment in events if Month.of(moment).name == month) <= 60
        assert sum(count for moment, count in spans if Month.of(moment).name == month) <= 500


def test_8_threads_count_exactly() -> None:
    budget = Budget(monthly_errors=0)
    sums, stop = [0] * 9, threading.Event()
    ready = threading.Barrier(9)

    def fail(place: int) -> None:
        ready.wait()
        for number in range(4000):
            sums[place] += budget.judge(KEYS[(number + place) % len(KEYS)], sample={"n": number}).occurrences

    def tick() -> None:
        ready.wait()
        while not stop.is_set():
            sums[8] += sum(tally.occurrences for tally in budget.due_tallies(budget._clock() + 3600))
            budget.state()

    ticker = threading.Thread(target=tick)
    workers = [threading.Thread(target=fail, args=(place,)) for place in range(8)]
    for thread in [ticker, *workers]:
        thread.start()
    for thread in workers:
        thread.join()
    stop.set()
    ticker.join()
    assert sum(sums) + budget.pending() == 8 * 4000


def test_the_gaps_between_events_of_a_storm_grow() -> None:
    clock = FakeClock()
    budget = Budget(clock=clock)
    carried = [verdict.occurrences for _ in range(3000) if (verdict := budget.judge(KEYS[0])).admit]
    assert all(before <= after for before, after in pairwise(carried))
