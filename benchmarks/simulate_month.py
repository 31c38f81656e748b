"""Simulate a month of four replicas with a virtual clock and print what the budget let through.

Requests go in bulk, errors one by one. The replicas share a ledger as they would through a database, here in memory.
Nothing in it depends on the speed of the machine: the same seed gives the same table.
"""

import argparse
import math
import random
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from app.observability.budget import OTHERS, Budget, FoldKey, Reason
from app.observability.budget.ledger import Ledger, Limits
from app.observability.budget.memory import Report

MINUTE_S = 60.0
HOUR_S = 3600.0
DAY_S = 86_400.0
START = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
SPANS_A_TRACE = 8
README = Path(__file__).resolve().parent.parent / "README.md"
BLOCK = re.compile(r"(<!-- table: month -->\n).*?(<!-- /table -->)", re.DOTALL)
"""Where the README shows the table."""
SETTLE_EVERY_S = 60.0
"""Real replicas settle every ten seconds while something happens; a minute is harder and quicker to simulate."""


@dataclass(frozen=True)
class Plan:
    """What happens in the month."""

    requests: int = 100_000_000
    errors: int = 1_000_000
    kinds: int = 500
    replicas: int = 4
    deploys: int = 30
    days: int = 30
    monthly_errors: int = 5000
    monthly_spans: int = 5_000_000
    sample_rate: float = 0.1
    seed: int = 6


@dataclass
class Outcome:
    """What was sent, and whether it was the truth."""

    events: int = 0
    occurrences: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    first_event: dict[FoldKey, float] = field(default_factory=dict)
    first_seen: dict[FoldKey, float] = field(default_factory=dict)
    storm_events: Counter[str] = field(default_factory=Counter)
    traces: int = 0
    spans: int = 0
    spans_refused: int = 0
    spans_by_day: Counter[int] = field(default_factory=Counter)
    events_by_day: Counter[int] = field(default_factory=Counter)
    alarms: list[str] = field(default_factory=list)

    def longest_wait_s(self) -> float:
        """Return the longest time between a kind's first occurrence and its first event."""
        return max(self.first_event.get(key, math.inf) - seen for key, seen in self.first_seen.items())

    def send(self, key: FoldKey, occurrences: int, reason: Reason, now: float) -> None:
        """Note one event at the server."""
        self.events += 1
        self.occurrences += occurrences
        self.reasons[reason.value] += 1
        self.first_event.setdefault(key, now)
        self.events_by_day[int((now - START) // DAY_S)] += 1


class SharedMonth:
    """What the database holds: ledger, reports, and the counts of replicas that left."""

    def __init__(self, limits: Limits) -> None:
        self.ledger = Ledger(limits, START)
        self.reports: list[tuple[str, Report]] = []
        self.left: list[dict[str, object]] = []

    def settle(self, replica: "Replica", now: float, *, leaving: bool = False, closing: bool = False) -> None:
        """Do what `SharedLeases` does in one transaction."""
        budget = replica.budget
        budget.learn(dict(self.reports[replica.read :]))
        budget.accept(self.ledger.settle(budget.request(leaving=leaving, closing=closing), now))
        told = budget.reports()
        self.reports.extend(told.items())
        replica.read = len(self.reports)
        budget.told(told)
        if leaving:
            self.left.append(budget.open_state(samples=False))
        else:
            while self.left:
                budget.restore(self.left.pop(), now)


class Replica:
    """One process of the service."""

    def __init__(self, plan: Plan, clock: "Clock", shared: SharedMonth) -> None:
        self.budget = Budget(
            monthly_errors=plan.monthly_errors, monthly_spans=plan.monthly_spans, clock=clock, is_shared=True
        )
        self.read = 0
        shared.settle(self, clock())


class Clock:
    """The time is what it was set to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Storm:
    """Many errors of some kinds in a short time."""

    name: str
    start_day: float
    length_s: float
    share: float
    kinds: range
    is_new: bool = False


def make_storms(plan: Plan) -> tuple[Storm, ...]:
    """Return three storms: an old error that explodes, an outage that hits many routes, a new bug on a deploy."""
    tenth = plan.kinds // 10
    return (
        Storm("crash loop of a known kind", plan.days * 0.21, 20 * MINUTE_S, 0.30, range(1)),
        Storm("outage on many routes", plan.days * 0.47, 2 * HOUR_S, 0.15, range(1, 1 + tenth)),
        Storm(
            "new bug after a deploy",
            plan.days * 0.8,
            5 * MINUTE_S,
            0.05,
            range(plan.kinds - 1, plan.kinds),
            True,
        ),
    )


def make_errors(plan: Plan, storms: Iterable[Storm]) -> list[tuple[float, int, int]]:
    """Return (time, kind, replica), in order; two fifths of the kinds are there from the start, others come later."""
    draw = random.Random(plan.seed)  # noqa: S311 - a simulation
    month_s = plan.days * DAY_S
    births = [
        draw.random() * (HOUR_S if kind < plan.kinds * 2 // 5 else month_s * 0.97)
        for kind in range(plan.kinds)
    ]
    errors: list[tuple[float, int, int]] = []
    for storm in storms:
        start_s = storm.start_day * DAY_S
        for kind in storm.kinds:
            births[kind] = start_s if storm.is_new else min(births[kind], start_s)
        for _ in range(round(plan.errors * storm.share)):
            kind = draw.choice(storm.kinds)
            errors.append(
                (START + start_s + draw.random() * storm.length_s, kind, draw.randrange(plan.replicas))
            )
    for kind, birth in enumerate(births):
        errors.append((START + birth, kind, draw.randrange(plan.replicas)))
    weights = [1.0 / (place + 1) for place in range(plan.kinds)]
    draw.shuffle(weights)
    for kind in draw.choices(range(plan.kinds), weights, k=plan.errors - len(errors)):
        moment = births[kind] + draw.random() * (month_s - births[kind])
        errors.append((START + moment, kind, draw.randrange(plan.replicas)))
    errors.sort()
    return errors


def requests_by_minute(plan: Plan) -> Iterator[int]:
    """Yield the requests of each minute for one replica: more by day than by night, a peak on one evening."""
    minutes = plan.days * 1440
    load = [
        1.0
        + 0.8 * math.sin(2 * math.pi * (minute % 1440) / 1440 - 2.2)
        + (4.0 if 28_000 <= minute < 28_240 else 0.0)
        for minute in range(minutes)
    ]
    each = plan.requests / plan.replicas / sum(load)
    carry = 0.0
    for weight in load:
        carry += weight * each
        yield int(carry)
        carry -= int(carry)


class Simulation:
    """Runs a plan minute by minute, errors in between at their own times."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.clock = Clock()
        limits = Limits(plan.monthly_errors, plan.monthly_spans)
        self.shared = SharedMonth(replace(limits, share=0.95))
        self.replicas = [Replica(plan, self.clock, self.shared) for _ in range(plan.replicas)]
        self.outcome = Outcome()
        self.keys = [
            FoldKey(f"Error{kind % 40}", f"app.part{kind % 70}:work", f"/route/{kind}")
            for kind in range(plan.kinds)
        ]
        self.draw = random.Random(plan.seed + 1)  # noqa: S311 - a simulation
        self.storms = make_storms(plan)

    def run(self) -> Outcome:
        """Return what came of the month."""
        errors = iter(make_errors(self.plan, self.storms))
        upcoming = next(errors, None)
        deploys = {
            round((number + 0.5) * self.plan.days * 1440 / self.plan.deploys)
            for number in range(self.plan.deploys)
        }
        for minute, requests in enumerate(requests_by_minute(self.plan)):
            end = START + (minute + 1) * MINUTE_S
            while upcoming is not None and upcoming[0] < end:
                self._fail(*upcoming)
                upcoming = next(errors, None)
            self.clock.now = end
            for replica in self.replicas:
                self._serve(replica, requests, end)
                self._tick(replica, end)
            if minute in deploys:
                self._deploy(end)
        self._retire()
        return self.outcome

    def _fail(self, moment: float, kind: int, place: int) -> None:
        self.clock.now = moment
        key, replica = self.keys[kind], self.replicas[place]
        self.outcome.first_seen.setdefault(key, moment)
        verdict = replica.budget.judge(key, now=moment)
        if verdict.admit:
            self.outcome.send(key, verdict.occurrences, verdict.reason, moment)
            self._note_storm(kind, moment)
        if replica.budget.is_urgent:
            # The background settles within a second.
            self.clock.now = moment + 1.0
            self._tick(replica, self.clock.now)

    def _note_storm(self, kind: int, moment: float) -> None:
        for storm in self.storms:
            since_s = moment - START - storm.start_day * DAY_S
            if kind in storm.kinds and 0.0 <= since_s < storm.length_s:
                self.outcome.storm_events[storm.name] += 1

    def _serve(self, replica: Replica, requests: int, now: float) -> None:
        rate = replica.budget.span_rate(self.plan.sample_rate, now)
        expected = requests * rate
        sampled = max(0, min(requests, round(self.draw.gauss(expected, math.sqrt(expected))))) if rate else 0
        for _ in range(sampled):
            spans = self.draw.randint(1, 2 * SPANS_A_TRACE - 1)
            if replica.budget.spend_spans(spans, now=now):
                self.outcome.traces += 1
                self.outcome.spans += spans
                self.outcome.spans_by_day[int((now - START - 1.0) // DAY_S)] += spans
            else:
                self.outcome.spans_refused += spans

    def _tick(self, replica: Replica, now: float) -> None:
        self.shared.settle(replica, now)
        for tally in replica.budget.due_tallies(now):
            self.outcome.send(tally.key, tally.occurrences, tally.reason, now)
        for alarm in replica.budget.alarms(now):
            self.outcome.alarms.append(
                f"{alarm.category} {alarm.percent} % on day {(now - START) / DAY_S:.1f}"
            )
            self.outcome.events += 1

    def _deploy(self, now: float) -> None:
        old, self.replicas = (
            self.replicas,
            [Replica(self.plan, self.clock, self.shared) for _ in self.replicas],
        )
        for replica in old:
            self.shared.settle(replica, now, leaving=True)

    def _retire(self) -> None:
        now = self.clock.now = self.clock.now - 0.5
        *others, last = self.replicas
        for replica in others:
            self.shared.settle(replica, now, leaving=True)
        self.shared.settle(last, now)
        self.shared.settle(last, now, closing=True)
        for tally in last.budget.final_tallies(now):
            self.outcome.send(tally.key, tally.occurrences, tally.reason, now)


def table(plan: Plan, outcome: Outcome) -> str:
    """Return the result as Markdown."""
    reported = sum(1 for key in outcome.first_event if key != OTHERS)
    rows = [
        ("Requests", f"{plan.requests:,}", ""),
        ("Error events sent, alarms included", f"{outcome.events:,}", f"at most {plan.monthly_errors:,}"),
        ("Kinds reported", f"{reported}", f"all {plan.kinds}"),
        ("Longest wait for a kind's first event", f"{outcome.longest_wait_s():.1f} s", "at most 60 s"),
        ("Sum of `occurrences`", f"{outcome.occurrences:,}", f"exactly {plan.errors:,}"),
        ("Spans sent", f"{outcome.spans:,}", f"at most {plan.monthly_spans:,}"),
        ("Traces sent", f"{outcome.traces:,}", ""),
        (
            "Most and fewest spans in a day",
            f"{max(outcome.spans_by_day.values()):,} / {min(outcome.spans_by_day.values()):,}",
            "",
        ),
        ("Spans not sent after they were sampled", f"{outcome.spans_refused:,}", ""),
        *(
            (f"Events of the storm: {name}", str(count), "")
            for name, count in sorted(outcome.storm_events.items())
        ),
        *(
            (f"Events for the reason: {name}", f"{count:,}", "")
            for name, count in outcome.reasons.most_common()
        ),
        *((f"Alarm: {alarm}", "1", "") for alarm in outcome.alarms),
    ]
    return "\n".join(
        ["| | measured | must be |", "|---|---:|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    )


def is_good(plan: Plan, outcome: Outcome) -> bool:
    """Say whether the month kept every promise."""
    return (
        outcome.events <= plan.monthly_errors
        and outcome.occurrences == plan.errors
        and outcome.spans <= plan.monthly_spans
        and outcome.longest_wait_s() <= MINUTE_S
        and len(outcome.first_seen) == plan.kinds
    )


def with_table(readme: str, text: str) -> str:
    """Return the README with a new table in the place of the old one.

    Raises:
        ValueError: it has no place for one.
    """
    changed, count = BLOCK.subn(lambda found: f"{found[1]}{text}\n{found[2]}", readme)
    if count != 1:
        raise ValueError("the README must have exactly one <!-- table: month --> ... <!-- /table -->")
    return changed


def main() -> int:
    """Run the README's month and print its table, or write it there if every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=Plan.seed)
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    options = parser.parse_args()
    plan = replace(Plan(), seed=options.seed)
    started = time.perf_counter()
    outcome = Simulation(plan).run()
    print(table(plan, outcome))
    print(f"\nSimulated in {time.perf_counter() - started:.0f} s.")
    if not is_good(plan, outcome):
        return 1
    if options.write:
        README.write_text(with_table(README.read_text("utf-8"), table(plan, outcome)), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
