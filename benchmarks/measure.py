"""Runs the rounds: every work, every variant, in an order that turns with each round."""

import sys
import time
from collections.abc import Iterable

from .fleet import Fleet
from .results import Results
from .variants import CONTROL, NONE, OFF, Variant

MIN_UNITS = 3
MAX_UNITS = 4000
MAX_CRASHES = 40
"""A slice: an uninstrumented crash costs next to nothing, and each needs an exception type of its own."""
WARM_UNITS = 3

BASICS = ("GET", "GET with a query", "POST, 2 KB body", "100 ws messages", "crash", "crash, repeated")
EXTRAS = ("GET, sync endpoint", "200 concurrent GETs")
BY_HAND = "100 ws messages, by hand"
QUERY = "GET with a query"
ON_POSTGRES = "GET with a query, PostgreSQL"
COMMON = ("GET", "100 ws messages")


def plan(variants: Iterable[Variant], *, full: bool) -> dict[str, list[Variant]]:
    """Return which variants do which work. The short form leaves out what no goal is about."""
    works: dict[str, list[Variant]] = {name: [] for name in (*BASICS, BY_HAND, *EXTRAS)}
    for variant in variants:
        for work in works:
            if _is_wanted(work, variant, full=full):
                works[work].append(variant)
    return works


def _is_wanted(work: str, variant: Variant, *, full: bool) -> bool:
    if work == BY_HAND:
        return variant.family == "sentry-sdk" and variant.rate > 0 and not variant.is_sent
    if full or variant in (NONE, CONTROL):
        return True
    if work in EXTRAS:
        return variant == OFF or (variant.family in ("ours", "sentry-sdk") and variant.rate == 0.1)
    if variant.family not in ("off", "ours", "sentry-sdk"):
        return work in COMMON
    if work.startswith("crash"):
        return variant.family == "off" or variant.rate == (1.0 if variant.is_sent else 0.1)
    return not variant.is_sent or work == "GET"


def run(fleet: Fleet, works: dict[str, list[Variant]], *, rounds: int, slice_s: float) -> Results:
    """Measure, with a line of progress a round on stderr."""
    results = Results()
    units = _warm_up(fleet, works, slice_s)
    for number in range(rounds):
        started = time.perf_counter()
        for work, variants in works.items():
            shift = number % len(variants)
            for variant in variants[shift:] + variants[:shift]:
                answer = fleet.workers[variant].ask(work=work, units=units[work, variant.name])
                results.add(work, variant.name, answer)
        seconds = time.perf_counter() - started
        print(f"round {number + 1} of {rounds}: {seconds:.1f} s", file=sys.stderr, flush=True)
    return results


def run_on_postgres(variants: list[Variant], *, rounds: int, slice_s: float) -> Results | None:
    """Measure the query on a PostgreSQL of our own; None where there is no server to start."""
    from tests.support.postgres import PostgresServer, find_programs

    programs = find_programs()
    if programs is None:
        return None
    server = PostgresServer(programs)
    try:
        with Fleet(variants, server.url(scheme="postgresql+asyncpg")) as fleet:
            return run(fleet, {QUERY: variants}, rounds=rounds, slice_s=slice_s)
    finally:
        server.close()


def _warm_up(fleet: Fleet, works: dict[str, list[Variant]], slice_s: float) -> dict[tuple[str, str], int]:
    """Fill caches and find out how many units make a slice."""
    units = {}
    for work, variants in works.items():
        for variant in variants:
            worker = fleet.workers[variant]
            first = worker.ask(work=work, units=WARM_UNITS)
            most = MAX_CRASHES if work == "crash" else MAX_UNITS
            again = worker.ask(work=work, units=_fit(slice_s / 4, first["cpu_us"], most))
            units[work, variant.name] = _fit(slice_s, again["cpu_us"], most)
    return units


def _fit(slice_s: float, unit_us: float, most: int) -> int:
    return min(most, max(MIN_UNITS, round(slice_s * 1e6 / unit_us)))
