"""The processes of one run: a sink and a worker for each variant, all alive at once, one at work at a time.

Workers share one processor, this process and the sink another, where the system can pin. Nothing of the caller's
SENTRY_* or OTEL_* variables reaches them.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .variants import Variant

ROOT = Path(__file__).resolve().parent.parent
IN_MEMORY = "sqlite+aiosqlite://"


def processors() -> tuple[int | None, int | None]:
    """Return the processor of the workers and the one of everything else; None where nothing is pinned."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[-1], allowed[0]) if len(allowed) > 1 else (None, None)


WORKER_CPU, OTHER_CPU = processors()


def pin_here() -> None:
    """Leave the workers' processor to them."""
    if OTHER_CPU is not None:
        os.sched_setaffinity(0, {OTHER_CPU})


def clean_environment() -> dict[str, str]:
    """Return the environment without what would configure a variant behind our back."""
    unwanted = ("SENTRY_", "OTEL_", "LOGFIRE_", "ELASTIC_", "RAILWAY_")
    return {key: value for key, value in os.environ.items() if not key.startswith(unwanted)}


def start(module: str, *arguments: str) -> "subprocess.Popen[str]":
    """Start a module of this package with pipes for stdin and stdout."""
    return subprocess.Popen(
        [sys.executable, "-m", f"{__package__}.{module}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=clean_environment(),
        text=True,
    )


def read_line(process: "subprocess.Popen[str]") -> str:
    """Return one line of the child; its error output is on the terminal already if it died."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended with status {process.wait()}")
    return line


def stop(process: "subprocess.Popen[str]") -> None:
    """End a child that may be waiting for us."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


class Worker:
    """One variant, ready to work."""

    def __init__(self, variant: Variant, folder: Path, sink_port: int, database_url: str) -> None:
        folder.mkdir(parents=True)
        spec = {
            "variant": asdict(variant),
            "folder": str(folder),
            "sink_port": sink_port,
            "database_url": database_url,
            "cpu": WORKER_CPU,
        }
        self.process = start("worker", json.dumps(spec))

    def wait_until_ready(self) -> None:
        """Wait for the end of its start."""
        read_line(self.process)

    def ask(self, **question: Any) -> dict[str, Any]:
        """Put a question and wait for its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(read_line(self.process))
        return answer


class Fleet:
    """Everything that runs; a context manager that leaves nothing behind."""

    def __init__(self, variants: list[Variant], database_url: str = IN_MEMORY) -> None:
        self.variants = variants
        self.database_url = database_url
        self.workers: dict[Variant, Worker] = {}

    def __enter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="streamapi-bench-", ignore_cleanup_errors=True)
        self._sink = start("sink", str(OTHER_CPU))
        self.sink_port = int(read_line(self._sink))
        try:
            for number, variant in enumerate(self.variants):
                folder = Path(self._temporary.name) / str(number)
                self.workers[variant] = Worker(variant, folder, self.sink_port, self.database_url)
            for worker in self.workers.values():
                worker.wait_until_ready()
            pin_here()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop every process and remove the folder."""
        for worker in self.workers.values():
            stop(worker.process)
        stop(self._sink)
        self._temporary.cleanup()
