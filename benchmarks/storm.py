"""What a storm of errors does to a healthy route, with the module and without: `python -m benchmarks.storm`.

Both services run at the same time under uvicorn, and take turns: while one process hammers a route that always
fails, another measures a route that is well. Prints p50 and p99 of the healthy route and their ratios.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.support.ingest import IngestServer
from tests.support.load import hammer
from tests.support.uvicorn_server import UvicornServer

APP = "tests.support.stormy_app:app"
QUIET = ["--log-level", "critical"]


def main() -> int:
    """Measure and print; the exit code says whether p99 stayed within twice that without the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--errors", type=int, default=600, help="failing requests a round")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, IngestServer() as ingest:
        live = {"SENTRY_ENABLED": "true", "SENTRY_DSN": ingest.dsn, "SENTRY_ENVIRONMENT": "production"}
        off = {"SENTRY_ENABLED": "false", "SENTRY_ENVIRONMENT": "production"}
        servers = {
            "with": UvicornServer(Path(folder) / "with", APP, env=live, arguments=QUIET),
            "without": UvicornServer(Path(folder) / "without", APP, env=off, arguments=QUIET),
        }
        try:
            figures = measure(servers, options.rounds, options.errors)
        finally:
            for server in servers.values():
                server.stop()
        occurrences = sum(event["extra"]["occurrences"] for event in ingest.events())
        print(f"{len(ingest.events())} events for {occurrences} errors")
    return report(figures)


def measure(servers: dict[str, UvicornServer], rounds: int, errors: int) -> dict[str, list[list[float]]]:
    """Latencies of the healthy route in seconds, by variant and round; the variants take turns."""
    figures: dict[str, list[list[float]]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, server in servers.items():
            figures[name].append(asyncio.run(one_round(server.port, errors)))
    return figures


async def one_round(port: int, errors: int) -> list[float]:
    """Latencies of the healthy route while `errors` requests fail, eight at a time."""
    storm = asyncio.create_task(hammer(port, ["/fail"] * errors, at_once=8))
    latencies: list[float] = []
    while not storm.done():
        started = time.perf_counter()
        await hammer(port, ["/well"], at_once=1)
        latencies.append(time.perf_counter() - started)
    assert await storm == {500: errors}
    return latencies


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of all lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def report(figures: dict[str, list[list[float]]]) -> int:
    """Print a table of medians over the rounds and say whether the promise holds."""
    print("| healthy route during a storm | with | without | ratio by round, median |\n|---|---:|---:|---:|")
    ratio = 0.0
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        by = {variant: [percentile(each, share) for each in rounds] for variant, rounds in figures.items()}
        ratio = statistics.median(a / b for a, b in zip(by["with"], by["without"], strict=True))
        with_ms, without_ms = (statistics.median(by[variant]) * 1000 for variant in ("with", "without"))
        print(f"| {name} | {with_ms:.1f} ms | {without_ms:.1f} ms | {ratio:.2f} |")
    print(f"p99 at most twice that without: {'met' if ratio <= 2 else 'NOT MET'}")
    return 0 if ratio <= 2 else 1


if __name__ == "__main__":
    sys.exit(main())
