"""Turns the figures of a run into Markdown and JSON."""

import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .goals import Verdict
from .results import Figure, Results
from .variants import NONE

PACKAGES = (
    "fastapi", "starlette", "uvicorn", "sqlalchemy", "sentry-sdk", "opentelemetry-sdk", "logfire", "elastic-apm"
)  # fmt: skip


@dataclass
class Run:
    """All that one run found out."""

    command: str
    rounds: int
    results: Results
    verdicts: list[Verdict] = field(default_factory=list)
    starts: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    load: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    load_before: tuple[float, float, float] = (0.0, 0.0, 0.0)
    seconds: float = 0.0
    skipped: list[str] = field(default_factory=list)
    curves: list[str] = field(default_factory=list)


def versions() -> dict[str, str]:
    """Return what was compared, by package; what is not installed is left out."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def to_json(run: Run) -> str:
    """Every sample, so that anyone can do the sums again."""
    document: dict[str, Any] = {
        "command": run.command,
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "python": sys.version.split()[0],
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "load_average_before": run.load_before,
        "seconds": round(run.seconds),
        "rounds": run.rounds,
        "versions": versions(),
        "skipped": run.skipped,
        "goals": [
            {
                "goal": each.goal,
                "limit": each.limit,
                "median": each.figure.median,
                "quartiles": [each.figure.low, each.figure.high],
                "met": each.is_met,
            }
            for each in run.verdicts
        ],
        "cpu_us": run.results.cpu_us,
        "wall_us": run.results.wall_us,
        "starts": run.starts,
        "load": run.load,
    }
    return json.dumps(document, indent=1) + "\n"


def to_markdown(run: Run) -> str:
    """The tables, as they are printed."""
    load = ", ".join(f"{each:.1f}" for each in run.load_before)
    packages = ", ".join(f"{name} {number}" for name, number in versions().items())
    lines = [
        "# What the module costs",
        "",
        f"`{run.command}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {sys.version.split()[0]}, {packages}.",
        f"{run.rounds} interleaved rounds in {run.seconds:.0f} s on {os.cpu_count()} processors, load before: {load}.",
        *(f"Left out: {line}." for line in run.skipped),
        "",
        *_goals(run.verdicts),
        *_added(run.results),
        *_starts(run.starts),
        *_load(run.load),
        *run.curves,
    ]
    return "\n".join(lines).rstrip() + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Return the lines of a Markdown table, first column left, the others right, and an empty line."""
    columns = list(head)
    yield f"| {' | '.join(columns)} |"
    yield f"|---|{'---:|' * (len(columns) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _goals(verdicts: list[Verdict]) -> Iterator[str]:
    yield "## What it must show"
    yield ""
    yield "Added CPU as a part of what the rival adds at the same rate, median of paired rounds (quartiles)."
    yield ""
    rows = []
    for each in verdicts:
        figure = each.figure
        bound = f"{'at least' if each.at_least else 'at most'} {each.limit:.2f}"
        spread = f"{figure.median:.2f} ({figure.low:.2f} to {figure.high:.2f})"
        rows.append((each.goal, bound, spread, "met" if each.is_met else "**not met**"))
    yield from table(("work", "goal", "measured", ""), rows)


def _added(results: Results) -> Iterator[str]:
    yield "## Added CPU"
    yield ""
    yield "Microseconds of CPU a unit, all threads, added to none (quartiles); none: what the unit itself takes."
    yield ""
    works = list(results.cpu_us)
    names = list(dict.fromkeys(name for work in works for name in results.cpu_us[work]))
    rows = []
    for name in names:
        row = [name]
        for work in works:
            if not results.has(work, name):
                row.append("")
            elif name == NONE.name:
                row.append(f"{Figure.of(results.cpu_us[work][name]).median:,.0f}")
            else:
                added = Figure.of(results.added(work, name))
                row.append(f"{added.median:+,.0f} ({added.low:,.0f} to {added.high:,.0f})")
        rows.append(row)
    yield from table(("variant", *works), rows)


def _starts(starts: dict[str, dict[str, list[float]]]) -> Iterator[str]:
    if not starts:
        return
    yield "## Start"
    yield ""
    yield "Added from the finished application to the end of its first request."
    yield ""
    rows = []
    for name, samples in starts.items():
        cpu, memory = Figure.of(samples["cpu_s"]), Figure.of(samples["memory_bytes"])
        rows.append((name, f"{cpu.median * 1000:,.0f} ms", f"{memory.median / 2**20:.1f} MiB"))
    yield from table(("variant", "CPU", "memory"), rows)


def _load(load: dict[str, dict[str, list[float]]]) -> Iterator[str]:
    if not load:
        return
    yield "## Under uvicorn, eight connections"
    yield ""
    rows = []
    for name, samples in load.items():
        rate = Figure.of(samples["requests_per_s"])
        p50, p99 = Figure.of(samples["p50_ms"]), Figure.of(samples["p99_ms"])
        spread = f"{rate.median:,.0f} ({rate.low:,.0f} to {rate.high:,.0f})"
        rows.append((name, spread, f"{p50.median:.2f} ms", f"{p99.median:.2f} ms"))
    yield from table(("variant", "requests a second", "p50", "p99"), rows)
