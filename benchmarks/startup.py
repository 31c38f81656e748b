"""What starting costs: CPU and memory from the finished application to the end of its first request.

`python -m benchmarks.startup SPEC` is one start in a process of its own; `measure_starts` runs many, interleaved. The
application imports what this service needs anyway, so what a variant adds is its own.
"""

import asyncio
import json
import logging
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from .fleet import IN_MEMORY, read_line, start, stop
from .subject import Caller, make_app
from .variants import NONE, Place, Variant, instrument
from .worker import resident_bytes


def start_once(variant: Variant, folder: Path) -> dict[str, float]:
    """Instrument and answer one request; return seconds of CPU and bytes."""
    import httpx  # noqa: F401 - the service calls others
    import pydantic_settings  # noqa: F401 - the service has settings of its own

    app, engine = make_app(IN_MEMORY)
    cpu, memory = time.process_time(), resident_bytes()
    instrument(variant, app, engine, Place(9, folder))
    asyncio.run(Caller(app).request("GET", "/ping"))
    return {"cpu_s": time.process_time() - cpu, "memory_bytes": resident_bytes() - memory}


def measure_starts(variants: list[Variant], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return samples by variant and figure, what "none" needs for its first request already taken off."""
    samples: dict[str, dict[str, list[float]]] = {
        variant.name: {"cpu_s": [], "memory_bytes": []} for variant in variants
    }
    for _ in range(rounds):
        answers = {variant: _start(variant) for variant in (NONE, *variants)}
        for variant in variants:
            for figure, value in answers[variant].items():
                samples[variant.name][figure].append(value - answers[NONE][figure])
    return samples


def _start(variant: Variant) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="streamapi-bench-", ignore_cleanup_errors=True) as folder:
        process = start("startup", json.dumps({"variant": asdict(variant), "folder": folder}))
        try:
            answer: dict[str, float] = json.loads(read_line(process))
        finally:
            stop(process)
    return answer


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    spec = json.loads(sys.argv[1])
    print(json.dumps(start_once(Variant(**spec["variant"]), Path(spec["folder"]))), flush=True)
