"""What `/observability` and `status()` say of the month: its cost at today's volume, and the rate that fits."""

import re

import pytest
from fastapi import FastAPI

from app.observability.budget import Budget
from tests.support.observability import client_of, local_sentry
from tests.unit.budget.clock import MONTH_END, FakeClock

pytestmark = pytest.mark.anyio


def make_app() -> FastAPI:
    app = FastAPI()

    @app.get("/well")
    async def well() -> None:
        return None

    @app.get("/fail")
    async def fail() -> None:
        raise ValueError("made up")

    return app


async def test_the_page_shows_the_months_cost_at_todays_volume_and_the_rate_that_fits() -> None:
    app, clock = make_app(), FakeClock()
    with local_sentry(app, traces_sample_rate=1.0) as recorder:
        assert recorder.handle.folding is not None
        recorder.handle.folding.budget = Budget(monthly_errors=70, monthly_spans=1_000, clock=clock)
        async with client_of(app) as client:
            for path in ["/well"] * 20 + ["/fail"] * 9:
                await client.get(path)
                clock.now += 3
            page = (await client.get("/observability")).text
            budget = (await client.get("/observability/status")).json()["budget"]
    assert (budget["month"], budget["errors_limit"], budget["spans_limit"]) == ("2026-11", 70, 1_000)
    assert (budget["errors_sent"], budget["occurrences_today"]) == (len(recorder.events), 9)
    assert budget["errors_sent"] < budget["errors_by_month_end"] <= 70
    assert 20 <= budget["spans_sent"] <= budget["spans_by_month_end"]
    # One request in three seconds, to the end of the month: the set rate cannot last.
    left_s = MONTH_END - clock.now
    assert budget["spans_by_month_end_at_set_rate"] == pytest.approx(left_s / 3, rel=0.2)
    rate = budget["sample_rate_within_budget"]
    assert rate * left_s / 3 == pytest.approx(1_000, rel=0.3)
    for shown in (
        "Budget of 2026-11",
        "Errors that happened today: 9",
        f"A sample rate of {rate:.4f} keeps the month's spans inside the budget.",
    ):
        assert shown in page
    for name in ("errors_sent", "errors_by_month_end", "spans_sent", "spans_by_month_end"):
        digits = str(budget[name])
        assert digits in re.sub(r"(?<=\d)\D(?=\d{3}\b)", "", page)


async def test_a_page_before_the_first_trace_names_no_rate() -> None:
    app = make_app()
    with local_sentry(app, monthly_errors=0):
        async with client_of(app) as client:
            page = (await client.get("/observability")).text
            budget = (await client.get("/observability/status")).json()["budget"]
    assert budget["sample_rate_within_budget"] is None
    assert "A sample rate of" not in page
    assert "unlimited" in page
