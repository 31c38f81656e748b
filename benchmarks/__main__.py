"""`python -m benchmarks [--full]`: measure what the module costs beside bare sentry-sdk and other modules.

Writes tables (Markdown, JSON) and a chart (SVG) to `benchmarks/results/` and prints the tables. The short form takes
less than three minutes on two processors. To compare with OpenTelemetry, logfire and elastic-apm as well:
`pip install -r benchmarks/rivals.txt`.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from .chart import draw
from .fleet import Fleet
from .goals import Verdict, judge
from .load import measure_load
from .measure import ON_POSTGRES, QUERY, plan, run, run_on_postgres
from .report import Run, to_json, to_markdown
from .results import Figure
from .scale import measure_curves
from .startup import measure_starts
from .variants import NONE, RIVALS, Variant, all_variants, installed

RESULTS = Path(__file__).parent / "results"
MIN_ROUNDS = 7
OURS, BARE = Variant("ours 0.1", "ours", 0.1), Variant("sentry-sdk 0.1", "sentry-sdk", 0.1)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="every work for every variant, more rounds")
    parser.add_argument("--rounds", type=int, help=f"at least {MIN_ROUNDS} to be worth quoting")
    parser.add_argument("--slice", type=float, help="seconds of CPU that one sample takes")
    parser.add_argument("--work", action="append", help="only this work; may be repeated")
    parser.add_argument("--no-load", action="store_true", help="leave out uvicorn and the starts")
    return parser.parse_args()


def measure_all(options: argparse.Namespace) -> Run:
    """Measure everything the options ask for."""
    rounds = options.rounds or (15 if options.full else MIN_ROUNDS)
    slice_s = options.slice or (0.12 if options.full else 0.05)
    command = " ".join(["python -m benchmarks", *sys.argv[1:]])
    load_before = os.getloadavg() if hasattr(os, "getloadavg") else (0.0, 0.0, 0.0)
    started = time.perf_counter()
    variants = all_variants()
    works = plan(variants, full=options.full)
    if options.work:
        works = {work: works[work] for work in works if work in options.work}
    with Fleet(variants) as fleet:
        results = run(fleet, works, rounds=rounds, slice_s=slice_s)
    skipped = [f"{name} is not installed" for name, module in RIVALS.items() if not installed(module)]
    if options.full and not options.work:
        on_postgres = run_on_postgres([v for v in variants if not v.is_sent], rounds=rounds, slice_s=slice_s)
        if on_postgres is None:
            skipped.append("PostgreSQL is not installed")
        else:
            results.take(on_postgres, {QUERY: ON_POSTGRES})
    found = Run(command, rounds, results, list(judge(results)), load_before=load_before)
    found.skipped = skipped
    if options.full and not options.work:
        found.curves = measure_curves()
    if not options.no_load:
        found.starts = measure_starts([OURS, BARE], rounds)
        found.load = measure_load([NONE, OURS, BARE], rounds=rounds, seconds=3.0 if options.full else 1.0)
        found.verdicts += judge_processes(found)
    found.seconds = time.perf_counter() - started
    return found


def judge_processes(found: Run) -> list[Verdict]:
    """Return the verdicts on what is measured of whole processes."""
    verdicts = []
    for title, figure, limit in (
        ("start-up time", "cpu_s", 0.8),
        ("memory after start", "memory_bytes", 1.0),
    ):
        ratio = _paired(found.starts[OURS.name][figure], found.starts[BARE.name][figure])
        verdicts.append(Verdict(title, limit, ratio))
    ratio = _paired(found.load[OURS.name]["requests_per_s"], found.load[BARE.name]["requests_per_s"])
    verdicts.append(Verdict("uvicorn, rate 0.1: throughput against bare", 1.8, ratio, at_least=True))
    return verdicts


def _paired(own: list[float], other: list[float]) -> Figure:
    return Figure.of([a / b for a, b in zip(own, other, strict=True)])


def main() -> None:
    """Measure, write, print."""
    found = measure_all(parse())
    RESULTS.mkdir(exist_ok=True)
    text = to_markdown(found)
    (RESULTS / "results.md").write_text(text)
    (RESULTS / "results.json").write_text(to_json(found))
    (RESULTS / "chart.svg").write_text(draw(found.results))
    print(text)
    print(f"Written to {RESULTS}: results.md, results.json, chart.svg")


if __name__ == "__main__":
    main()
