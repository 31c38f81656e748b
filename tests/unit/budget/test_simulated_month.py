from dataclasses import replace

import pytest

from benchmarks.simulate_month import BLOCK, README, Outcome, Plan, Simulation, is_good, table, with_table

PLAN = Plan(
    requests=1_000_000, errors=10_000, kinds=60, deploys=3, days=3, monthly_errors=1000, monthly_spans=40_000
)

VARYING = ("Events for the reason", "Alarm")
NOT_IN_EVERY_MONTH = (*VARYING, "Events of the storm")


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return Simulation(PLAN).run()


def test_a_short_month_of_four_replicas_keeps_every_promise(outcome: Outcome) -> None:
    assert is_good(PLAN, outcome), table(PLAN, outcome)
    assert outcome.spans > 0
    assert outcome.reasons["new"] >= PLAN.kinds


def test_a_broken_promise_is_noticed() -> None:
    outcome = Outcome()
    assert not is_good(PLAN, outcome)
    assert not is_good(replace(PLAN, errors=0, kinds=0), Outcome(occurrences=1, first_seen={}, events=0))


def rows_of(text: str) -> dict[str, tuple[str, str]]:
    """Return the cells of a Markdown table by their first one."""
    found = {}
    for line in text.splitlines()[2:]:
        name, measured, promise = (cell.strip() for cell in line.strip("|").split("|"))
        found[name] = measured, promise
    return found


def number(cell: str) -> float:
    return float(cell.replace(",", "").removesuffix(" s"))


def test_the_month_that_the_readme_shows_is_the_planned_one_and_adds_up(outcome: Outcome) -> None:
    block = BLOCK.search(README.read_text("utf-8"))
    assert block is not None
    shown = rows_of(block[0].removeprefix(block[1]).removesuffix(block[2]))
    plan = Plan()
    measured = {name: number(cells[0]) for name, cells in shown.items() if " / " not in cells[0]}
    assert measured["Requests"] == plan.requests
    assert measured["Error events sent, alarms included"] <= plan.monthly_errors
    assert measured["Kinds reported"] == plan.kinds
    assert measured["Longest wait for a kind's first event"] <= 60
    assert measured["Sum of `occurrences`"] == plan.errors
    assert measured["Spans sent"] <= plan.monthly_spans
    reasons = [count for name, count in measured.items() if name.startswith(VARYING)]
    assert sum(reasons) == measured["Error events sent, alarms included"]
    assert sum(name.startswith("Events of the storm") for name in measured) == 3
    always = {name for name in rows_of(table(PLAN, outcome)) if not name.startswith(NOT_IN_EVERY_MONTH)}
    assert always == {name for name in shown if not name.startswith(NOT_IN_EVERY_MONTH)}


def test_writing_the_table_changes_nothing_else_of_the_readme() -> None:
    before = "above\n<!-- table: month -->\nold\n<!-- /table -->\nbelow \\1\n"
    assert with_table(before, "new") == "above\n<!-- table: month -->\nnew\n<!-- /table -->\nbelow \\1\n"
    with pytest.raises(ValueError, match="exactly one"):
        with_table("no place", "new")
