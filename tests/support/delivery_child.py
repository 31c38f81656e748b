"""A process that captures errors and can be killed: `python -m tests.support.delivery_child MODE DSN SPOOL COUNT`.

In the mode `outage` the time is a virtual clock's, and START says when it begins.

It prints the id of each event once it was captured, then `ready`, then does what the mode says:

- wait: nothing, until it is killed or its input ends (then it exits without any flush)
- flush: flushes, closes, prints the status as JSON
- fork: a forked child and the process itself have captured as many errors more, from 8 threads each; flushes
- outage: 0.06 s have passed after each error; lets a minute pass for each line of its input, then closes
"""

import json
import os
import sys
import threading
from pathlib import Path

import sentry_sdk

from app.observability.counters import Counters
from app.observability.delivery import DeliveryTransport
from tests.support.virtual_clock import VirtualClock

THREADS = 8
BETWEEN_ERRORS_S = 0.06


def capture(count: int, clock: VirtualClock | None = None) -> None:
    for number in range(count):
        event_id = sentry_sdk.capture_event({"message": f"error {number}", "level": "error"})
        # One write, so that lines of several threads and processes do not mix.
        os.write(1, f"{event_id}\n".encode())
        if clock is not None:
            clock.advance(BETWEEN_ERRORS_S)


def capture_in_threads(count: int) -> None:
    threads = [threading.Thread(target=capture, args=(count // THREADS,)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def names_of_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def main(mode: str, dsn: str, spool: str, count: int, start: float = 0.0) -> None:
    clock = VirtualClock(start) if mode == "outage" else None
    transport = DeliveryTransport(
        dsn,
        gate=lambda envelope: envelope,
        counters=Counters(),
        spool_dir=Path(spool) if spool else None,
        clock=clock,
    )
    sentry_sdk.init(
        dsn=dsn, transport=transport, default_integrations=False, auto_enabling_integrations=False
    )
    capture(count, clock)
    child = 0
    if mode == "fork":
        child = os.fork()
        if child == 0:
            capture_in_threads(count)
            sentry_sdk.flush(20)
            sentry_sdk.get_client().close(1)
            os._exit(0 if names_of_threads() == ["MainThread"] else 1)
        capture_in_threads(count)
    os.write(1, b"ready\n")
    if mode == "wait":
        sys.stdin.read()
        os._exit(0)
    if clock is not None:
        for _ in sys.stdin:
            clock.advance(60)
    else:
        sentry_sdk.flush(20)
    status = transport.status()
    sentry_sdk.get_client().close(1)
    if child:
        status["child"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status["threads"] = names_of_threads()
    os.write(1, f"{json.dumps(status)}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), *map(float, sys.argv[5:]))
