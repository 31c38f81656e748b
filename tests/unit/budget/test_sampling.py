import math

import pytest

from app.observability.sampling import effective_rate, make_traces_sampler


@pytest.mark.parametrize(
    ("set_rate", "cap", "rate"),
    [
        (0.1, 1.0, 0.1),
        (0.5, 0.2, 0.2),
        (2.0, 5.0, 1.0),
        (-1.0, 1.0, 0.0),
        (math.nan, 1.0, 0.0),
        (0.5, 0.0, 0.0),
    ],
)
def test_the_rate_is_the_set_rate_capped_by_the_budget_and_never_outside_0_and_1(
    set_rate: float, cap: float, rate: float
) -> None:
    assert effective_rate(set_rate, cap) == rate


def test_an_incoming_decision_changes_nothing() -> None:
    sampler = make_traces_sampler(0.2, lambda rate: rate)
    assert sampler({"parent_sampled": True}) == sampler({"parent_sampled": False}) == sampler({}) == 0.2


def test_untraced_transactions_do_not_ask_the_budget() -> None:
    asked: list[float] = []

    def span_rate(rate: float) -> float:
        asked.append(rate)
        return rate

    sampler = make_traces_sampler(0.2, span_rate, is_untraced=lambda context: context["path"] == "/health")
    assert sampler({"path": "/health"}) == 0.0
    assert not asked
    assert sampler({"path": "/orders"}) == 0.2
