from dataclasses import replace

from benchmarks.simulate_month import Outcome, Plan, Simulation, is_good, table

PLAN = Plan(
    requests=1_000_000, errors=10_000, kinds=60, deploys=3, days=3, monthly_errors=1000, monthly_spans=40_000
)


def test_a_short_month_of_four_replicas_keeps_every_promise() -> None:
    outcome = Simulation(PLAN).run()
    assert is_good(PLAN, outcome), table(PLAN, outcome)
    assert outcome.spans > 0
    assert outcome.reasons["new"] >= PLAN.kinds


def test_a_broken_promise_is_noticed() -> None:
    outcome = Outcome()
    assert not is_good(PLAN, outcome)
    assert not is_good(replace(PLAN, errors=0, kinds=0), Outcome(occurrences=1, first_seen={}, events=0))
