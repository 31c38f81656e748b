"""Throughput and latency under uvicorn, with eight kept-alive connections that ask again as soon as they are answered.

The server runs on one processor, the generator on the other. `python -m benchmarks.load SPEC` is one server.
"""

import asyncio
import json
import logging
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .fleet import IN_MEMORY, WORKER_CPU, pin_here, read_line, start, stop
from .subject import make_app
from .variants import Place, Variant, instrument

CONNECTIONS = 8
REQUEST = (
    b"GET /ping HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: load\r\naccept: */*\r\n"
    b"accept-encoding: gzip\r\nconnection: keep-alive\r\n\r\n"
)
MAX_ANSWER_BYTES = 65_536


class Connection(asyncio.Protocol):
    """Asks, reads the answer, asks again; the answers are small and arrive in one piece or two."""

    def __init__(self, latencies_s: list[float]) -> None:
        self.latencies_s = latencies_s
        self.received = b""
        self.is_over = False

    def connection_made(self, transport: Any) -> None:
        """Ask for the first time."""
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self.asked_s = time.perf_counter()
        self.transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        """Ask again once the whole answer is there."""
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            self.received = b""
            self.latencies_s.append(time.perf_counter() - self.asked_s)
            if not self.is_over:
                self._ask()


async def generate(port: int, seconds: float) -> dict[str, float]:
    """Load one server and return requests a second and latencies in milliseconds."""
    loop = asyncio.get_running_loop()
    latencies_s: list[float] = []
    started = time.perf_counter()
    made = [
        await loop.create_connection(lambda: Connection(latencies_s), "127.0.0.1", port)
        for _ in range(CONNECTIONS)
    ]
    await asyncio.sleep(seconds)
    elapsed_s = time.perf_counter() - started
    count = len(latencies_s)
    for transport, connection in made:
        connection.is_over = True
        transport.close()
    ordered = sorted(latencies_s[:count])
    return {
        "requests_per_s": count / elapsed_s,
        "p50_ms": ordered[count // 2] * 1000,
        "p99_ms": ordered[count * 99 // 100] * 1000,
    }


def measure_load(
    variants: list[Variant], *, rounds: int, seconds: float, sink_port: int = 9
) -> dict[str, dict[str, list[float]]]:
    """Return samples by variant and figure; all servers run, one is loaded at a time."""
    samples: dict[str, dict[str, list[float]]] = {variant.name: {} for variant in variants}
    with tempfile.TemporaryDirectory(prefix="streamapi-bench-", ignore_cleanup_errors=True) as folder:
        servers = {}
        try:
            for number, variant in enumerate(variants):
                own = Path(folder) / str(number)
                own.mkdir()
                spec = {"variant": asdict(variant), "folder": str(own), "cpu": WORKER_CPU, "sink": sink_port}
                servers[variant] = start("load", json.dumps(spec))
            ports = {variant: int(read_line(server)) for variant, server in servers.items()}
            pin_here()
            for number in range(-1, rounds):
                for variant, port in ports.items():
                    answer = asyncio.run(generate(port, seconds if number >= 0 else 0.3))
                    for figure, value in answer.items() if number >= 0 else ():
                        samples[variant.name].setdefault(figure, []).append(value)
        finally:
            for server in servers.values():
                stop(server)
    return samples


async def serve(spec: dict[str, Any]) -> None:
    """Run one server and print its port."""
    import uvicorn

    app, engine = make_app(IN_MEMORY)
    instrument(Variant(**spec["variant"]), app, engine, Place(spec["sink"], Path(spec["folder"])))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn offers nothing to wait for
        await asyncio.sleep(0.01)
    if spec["cpu"] is not None:
        os.sched_setaffinity(0, {spec["cpu"]})
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await running


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    asyncio.run(serve(json.loads(sys.argv[1])))
