"""The budget shared through a real database: SQLite on disk, and PostgreSQL."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import create_async_engine

from app.observability.budget import Budget, FoldKey, Reason, Tally, Verdict
from app.observability.budget.fund import OutageFund
from app.observability.budget.leases import SharedLeases, is_own_work
from tests.support.postgres import PostgresServer
from tests.unit.budget.clock import DAY_S, MONTH_END, FakeClock

pytestmark = pytest.mark.anyio
KEY = FoldKey("ValueError", "app:f", "/")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'service.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url(server.create_database(), scheme="postgresql+asyncpg")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class Replica:
    """One process of the service: its own engine, budget and leases."""

    def __init__(
        self,
        url: str,
        clock: FakeClock,
        *,
        destination: str = "one",
        fund: Path | None = None,
        monthly_errors: int = 5000,
        monthly_spans: int = 5_000_000,
    ) -> None:
        self.engine = create_async_engine(url)
        self.budget = Budget(
            clock=clock, is_shared=True, monthly_errors=monthly_errors, monthly_spans=monthly_spans
        )
        money = OutageFund(fund, self.budget, clock=clock) if fund else None
        self.leases = SharedLeases(self.engine, self.budget, destination=destination, fund=money, clock=clock)
        self.events = 0
        self.occurrences = 0

    def fail(self, key: FoldKey = KEY) -> Verdict:
        verdict = self.budget.judge(key)
        self.events += verdict.admit
        self.occurrences += verdict.occurrences
        return verdict

    def send(self, tallies: list[Tally]) -> None:
        self.events += len(tallies)
        self.occurrences += sum(tally.occurrences for tally in tallies)


Start: TypeAlias = Callable[..., Awaitable[Replica]]


@pytest.fixture
async def start(url: str, clock: FakeClock) -> AsyncIterator["Start"]:
    replicas: list[Replica] = []

    async def start(**options: Any) -> Replica:
        replica = Replica(options.pop("url", url), clock, **options)
        replicas.append(replica)
        await replica.leases.settle()
        return replica

    yield start
    for replica in replicas:
        await replica.engine.dispose()


async def test_two_replicas_with_a_budget_of_10_send_at_most_10(start: Start, clock: FakeClock) -> None:
    """Case 87."""
    pair = [await start(monthly_errors=10) for _ in range(2)]
    for number in range(100):
        for replica in pair:
            replica.fail(KEY._replace(route=str(number)))
            await replica.leases.settle()
            replica.send(replica.budget.due_tallies())
            replica.events += len(replica.budget.alarms())
        clock.now += DAY_S / 8
    assert 2 <= sum(replica.events for replica in pair) <= 10


async def test_replicas_that_settle_at_the_same_time_stay_inside_the_budget_and_count_exactly(
    start: Start, clock: FakeClock
) -> None:
    draw = random.Random(1)
    replicas = await asyncio.gather(*(start(monthly_errors=150, monthly_spans=4000) for _ in range(4)))
    happened = spans = 0
    for _ in range(25):
        for replica in replicas:
            for _ in range(40):
                replica.fail(KEY._replace(route=str(draw.randrange(60))))
                spans += 7 * replica.budget.spend_spans(7)
                happened += 1
        clock.now += 600
        await asyncio.gather(*(replica.leases.settle() for replica in replicas))
        for replica in replicas:
            replica.send(replica.budget.due_tallies())
    *others, last = replicas
    await asyncio.gather(*(replica.leases.close() for replica in others))
    await last.leases.settle()
    assert all(replica.budget.pending() == 0 for replica in others)
    last.send(await last.leases.close(tallies=True))
    assert sum(replica.events for replica in replicas) <= 150
    assert 0 < spans <= 4000
    reported = sum(replica.occurrences for replica in replicas)
    heir = await start(monthly_errors=150)
    assert reported + heir.budget.pending() == happened


async def test_a_kind_that_one_replica_reported_is_no_news_for_the_others(
    start: Start, clock: FakeClock
) -> None:
    first, second = await start(), await start()
    assert first.fail().reason is Reason.NEW
    await first.leases.settle()
    await second.leases.settle()
    assert second.fail().reason is not Reason.NEW


async def test_services_that_send_to_different_projects_share_a_database_and_nothing_else(
    start: Start,
) -> None:
    staging, production = await start(destination="staging"), await start(destination="production")
    for _ in range(9):
        staging.fail()
    assert staging.budget.pending() > 0
    await staging.leases.settle()
    await production.leases.settle()
    assert production.budget.forecast().errors_sent == 0
    assert production.fail().reason is Reason.NEW
    await staging.leases.close()
    await production.leases.settle()
    assert production.budget.pending() == 0
    heir = await start(destination="staging")
    await heir.leases.settle()
    assert heir.budget.pending() + staging.occurrences == 9
    assert heir.budget.forecast().errors_sent == staging.events


async def test_a_lease_is_taken_ahead_so_judging_needs_no_database(start: Start) -> None:
    replica = await start()
    await replica.engine.dispose()
    assert [replica.fail(KEY._replace(route=str(number))).admit for number in range(5)] == [True] * 5


async def test_an_unused_lease_is_given_back(start: Start) -> None:
    first = await start(monthly_errors=10)
    await first.leases.close()
    second = await start(monthly_errors=10)
    assert second.fail().reason is Reason.NEW


async def test_counts_of_a_replica_that_left_come_with_its_sample(start: Start, clock: FakeClock) -> None:
    first = await start()
    for _ in range(9):
        first.fail()
    first.budget.remember(KEY, {"message": "scrubbed"})
    await first.leases.close()
    second = await start()
    clock.now += DAY_S
    (tally,) = second.budget.due_tallies()
    assert first.occurrences + tally.occurrences == 9
    assert tally.sample == {"message": "scrubbed"}


async def test_the_counts_of_a_killed_replica_are_reported_by_another(start: Start, clock: FakeClock) -> None:
    killed = await start()
    for _ in range(9):
        killed.fail()
    clock.now += 11
    await killed.leases.settle()
    other = await start()
    for _ in range(7):
        clock.now += 60
        await other.leases.settle()
    assert killed.occurrences + other.budget.pending() == 9


async def test_after_an_outage_of_the_database_no_living_replica_counts_as_dead(
    start: Start, clock: FakeClock
) -> None:
    pair = [await start() for _ in range(2)]
    for replica in pair:
        for _ in range(9):
            replica.fail()
    clock.now += 31
    for replica in pair:
        await replica.leases.settle()
    clock.now += 3600
    for replica in pair:
        await replica.leases.settle()
    assert sum(replica.occurrences + replica.budget.pending() for replica in pair) == 18


async def test_an_alarm_is_said_by_one_replica_only(start: Start, clock: FakeClock) -> None:
    pair = [await start(monthly_errors=0, monthly_spans=100) for _ in range(2)]
    clock.now = MONTH_END - 60
    alarms: list[int] = []
    for _ in range(200):
        for replica in pair:
            replica.budget.spend_spans(1)
            await replica.leases.settle()
            alarms += [alarm.percent for alarm in replica.budget.alarms()]
    assert alarms == [80, 100]


async def test_queries_of_the_budget_can_be_told_from_the_services_own(start: Start) -> None:
    replica = await start()
    seen: list[bool] = []
    event.listen(
        replica.engine.sync_engine,
        "before_cursor_execute",
        lambda *_: seen.append(is_own_work()),
        retval=False,
    )
    await replica.leases.settle()
    async with replica.engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    assert seen[:-1]
    assert all(seen[:-1])
    assert seen[-1] is False


async def test_a_damaged_ledger_starts_anew(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    replica = await start()
    async with replica.engine.begin() as connection:
        await connection.execute(text("UPDATE streamapi_observability_budget SET document = '[1'"))
    assert await replica.leases.settle()
    assert (await start()).fail().admit
    assert await replica.leases.settle()


async def test_without_a_database_the_lease_in_hand_goes_on_then_the_fund_then_counts_only(
    clock: FakeClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    replica = Replica("postgresql+asyncpg://127.0.0.1:1/none", clock, fund=tmp_path / "fund.json")
    assert not await replica.leases.settle()
    happened = 0
    for number in range(100):
        happened += 1
        replica.fail(KEY._replace(route=str(number)))
        clock.now += 2
        replica.leases.draw_if_away()
        replica.send(replica.budget.due_tallies())
    assert 5 <= replica.events <= 50
    assert replica.occurrences + replica.budget.pending() == happened
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
    await replica.engine.dispose()


async def test_restarting_while_the_database_is_away_does_not_renew_the_fund(
    clock: FakeClock, tmp_path: Path
) -> None:
    events = 0
    for number in range(60):
        replica = Replica("postgresql+asyncpg://127.0.0.1:1/none", clock, fund=tmp_path / "fund.json")
        await replica.leases.settle()
        for attempt in range(5):
            replica.fail(KEY._replace(route=f"{number}/{attempt}"))
            clock.now += 2
            replica.leases.draw_if_away()
            replica.send(replica.budget.due_tallies())
        events += replica.events
        await replica.engine.dispose()
    assert 5 <= events <= 50


async def test_what_was_spent_without_the_database_is_charged_when_it_is_back(
    start: Start, clock: FakeClock, tmp_path: Path
) -> None:
    away = await start(url="postgresql+asyncpg://127.0.0.1:1/none", fund=tmp_path / "fund.json")
    for number in range(40):
        away.fail(KEY._replace(route=str(number)))
        clock.now += 2
        away.leases.draw_if_away()
        away.send(away.budget.due_tallies())
    assert away.events
    back = await start()
    back.budget, back.leases._budget = away.budget, away.budget
    await back.leases.settle()
    assert away.budget.forecast().errors_sent == away.events


@pytest.mark.postgres
async def test_an_outage_and_a_return_of_postgresql_lose_no_count(
    fresh_postgres: PostgresServer, clock: FakeClock
) -> None:
    url = fresh_postgres.url(fresh_postgres.create_database(), scheme="postgresql+asyncpg")
    replica = Replica(url, clock)
    assert await replica.leases.settle()
    fresh_postgres.stop()
    happened = 200
    for number in range(happened):
        replica.fail(KEY._replace(route=str(number % 100)))
    assert not await replica.leases.settle()
    assert replica.events
    assert replica.budget.pending()
    fresh_postgres.start()
    clock.now += 700
    assert await replica.leases.settle()
    replica.send(replica.budget.due_tallies())
    assert replica.occurrences + replica.budget.pending() == happened
    assert {
        key for key in replica.budget._memory.kinds if not replica.budget._memory.kinds[key].known
    } == set()
    await replica.engine.dispose()
