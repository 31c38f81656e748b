"""One variant in a process of its own: reads questions as JSON lines on stdin, answers on stdout.

    {"work": "GET", "units": 500}  ->  {"cpu_us": 91.2, "wall_us": 91.9}      a unit; CPU of all threads

Waiting until everything was sent is part of the measured time. Started by `fleet.py`.
"""

import asyncio
import contextlib
import gc
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

from .subject import Caller, make_app
from .variants import Place, Running, Variant, instrument

CHUNK = 25
"""Units between two waits for delivery: the SDK's queue holds 100 envelopes and drops the rest, unsent and cheap."""


async def measure(caller: Caller, running: Running, work: str, units: int, chunk: int) -> dict[str, float]:
    """Do the work `units` times and return microseconds a unit."""
    step = caller.steps[work]
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    for number in range(1, units + 1):
        await step()
        if number % chunk == 0:
            running.flush()
    running.flush()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu_us": cpu / units * 1e6, "wall_us": wall / units * 1e6}


def resident_bytes() -> int:
    """Return what the process holds in memory now; 0 where the system does not say."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


async def serve(caller: Caller, running: Running, chunk: int) -> None:
    """Answer questions until stdin ends."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        question: dict[str, Any] = json.loads(line)
        print(
            json.dumps(await measure(caller, running, question["work"], question["units"], chunk)), flush=True
        )


async def main() -> None:
    """Instrument, say that it is ready, serve."""
    spec = json.loads(sys.argv[1])
    logging.disable(logging.WARNING)
    variant = Variant(**spec["variant"])
    app, engine = make_app(spec["database_url"])
    running = instrument(variant, app, engine, Place(spec["sink_port"], Path(spec["folder"])))
    if spec["cpu"] is not None:
        os.sched_setaffinity(0, {spec["cpu"]})  # only now: the workers start side by side
    print(json.dumps({"ready": True}), flush=True)
    await serve(Caller(app), running, CHUNK if variant.is_sent else sys.maxsize)


if __name__ == "__main__":
    asyncio.run(main())
