"""How the cost grows: with routes, spans, breadcrumbs, the size of an event, open WebSockets and a full spool.

`python -m benchmarks.scale` prints the tables; `make bench-full` includes them. Each point is a process of its own and
measures itself several times; the median of its samples stands in the table.
"""

import asyncio
import gc
import json
import logging
import os
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from . import curves
from .fleet import WORKER_CPU, read_line, start, stop
from .report import table
from .variants import NONE, Place, Running, Variant, instrument

OURS = Variant("ours", "ours", 1.0)
BARE = Variant("sentry-sdk", "sentry-sdk", 1.0)
SENT = Variant("ours, Sentry unreachable", "ours", 0.0, is_sent=True)
CLOSED_PORT = 9
SLICE_S = 0.03
SAMPLES = 5
MOST_UNITS = 400
SOCKETS = "open WebSockets"
SPOOL = "envelopes in the spool"


@dataclass(frozen=True)
class Curve:
    """What grows, its sizes, and who is measured."""

    title: str
    unit: str
    sizes: tuple[int, ...]
    variants: tuple[Variant, ...]


CURVES = (
    Curve("routes", "us a GET of the last of N routes, rate 1.0", (1, 10, 100, 1000), (NONE, OURS, BARE)),
    Curve("spans", "us a GET with N spans, rate 1.0", (1, 10, 100, 1000), (OURS, BARE)),
    Curve("breadcrumbs", "us a crash with N breadcrumbs", (0, 10, 50, 100), (OURS, BARE)),
    Curve("event_kilobytes", "us a crash with N KB in a context", (1, 10, 100, 500), (OURS, BARE)),
    Curve(SOCKETS, "bytes of memory for each of N", (10, 100, 1000, 5000), (NONE, OURS, BARE)),
    Curve(SPOOL, "us to capture one more while Sentry is unreachable", (0, 100, 1000), (SENT,)),
)


def measure_curves(only: Iterable[str] = ()) -> list[str]:
    """Measure every curve and return Markdown lines."""
    lines = ["## How the cost grows", ""]
    wanted = set(only)
    for curve in CURVES:
        if wanted and curve.title not in wanted:
            continue
        print(f"curve: {curve.title}", file=sys.stderr, flush=True)
        lines += [f"**{curve.title.replace('_', ' ')}**: {curve.unit}.", ""]
        rows = []
        for variant in curve.variants:
            points = (_point(curve, variant, size) for size in curve.sizes)
            rows.append([variant.name, *(f"{value:,.0f}" for value in points)])
        lines += table(("N", *(f"{size:,}" for size in curve.sizes)), rows)
    return lines


def _point(curve: Curve, variant: Variant, size: int) -> float:
    spec = {"curve": curve.title, "variant": asdict(variant), "size": size}
    process = start("scale", json.dumps(spec))
    try:
        return float(read_line(process))
    finally:
        stop(process)


async def measure_point(curve: str, variant: Variant, size: int, folder: Path) -> float:
    """Measure one point in this process."""
    app = FastAPI()
    if curve == SOCKETS:
        return await _bytes_a_socket(app, variant, size, folder)
    running = instrument(variant, app, None, Place(CLOSED_PORT, folder))
    if running.handle is not None:
        running.handle.pipeline.folding = None  # the crashes of a curve are all alike
    if curve == SPOOL:
        return await _capture_us(app, running, size)
    unit = getattr(curves, curve)(app, size)
    return await _cpu_us(unit)


async def _cpu_us(unit: curves.Unit) -> float:
    await unit()
    before = time.process_time()
    await unit()
    units = min(MOST_UNITS, max(1, round(SLICE_S / max(time.process_time() - before, 1e-6))))
    samples = []
    for _ in range(SAMPLES):
        before = time.process_time()
        for _ in range(units):
            await unit()
        samples.append((time.process_time() - before) / units * 1e6)
    return statistics.median(samples)


async def _capture_us(app: FastAPI, running: Running, size: int) -> float:
    """CPU of the loop's own thread: the sender works beside it."""
    unit = curves.breadcrumbs(app, 10)
    for _ in range(size):
        await unit()
    samples = []
    for _ in range(20):
        before = time.thread_time()
        await unit()
        samples.append((time.thread_time() - before) * 1e6)
    running.handle.transport.kill()
    return statistics.median(samples)


async def _bytes_a_socket(app: FastAPI, variant: Variant, size: int, folder: Path) -> float:
    instrument(variant, app, None, Place(CLOSED_PORT, folder))
    await curves.open_sockets(app, 1)  # builds what is built once
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tasks = await curves.open_sockets(app, size)
    assert not any(task.done() for task in tasks)
    gc.collect()
    return (tracemalloc.get_traced_memory()[0] - before) / size


async def _tell_point(spec: dict[str, Any], folder: Path) -> None:
    """Print the figure before the loop ends: closing thousands of connections takes longer than opening them."""
    variant = Variant(**spec["variant"])
    print(await measure_point(spec["curve"], variant, spec["size"], folder), flush=True)


def main() -> None:
    """Print the tables, or, given a point, its figure."""
    if len(sys.argv) < 2 or not sys.argv[1].startswith("{"):
        print("\n".join(measure_curves(sys.argv[1:])))
        return
    logging.disable(logging.ERROR)
    spec: dict[str, Any] = json.loads(sys.argv[1])
    if WORKER_CPU is not None:
        os.sched_setaffinity(0, {WORKER_CPU})
    with tempfile.TemporaryDirectory(prefix="streamapi-bench-", ignore_cleanup_errors=True) as folder:
        asyncio.run(_tell_point(spec, Path(folder)))


if __name__ == "__main__":
    main()
