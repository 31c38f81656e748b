"""A process that captures errors and can be killed: `python -m tests.support.delivery_child MODE DSN SPOOL COUNT`.

It prints the id of each event once it was captured, then `ready`, then does what the mode says:

- wait: nothing, until it is killed or its input ends (then it exits without any flush)
- flush: flushes, closes, prints the status as JSON
- fork: flushes; a forked child has captured as many errors more, from 8 threads
"""

import json
import os
import sys
import threading
from pathlib import Path

import sentry_sdk

from app.observability.counters import Counters
from app.observability.delivery import DeliveryTransport

THREADS = 8


def capture(count: int) -> None:
    for number in range(count):
        event_id = sentry_sdk.capture_event({"message": f"error {number}", "level": "error"})
        # One write, so that lines of several threads and processes do not mix.
        os.write(1, f"{event_id}\n".encode())


def capture_in_threads(count: int) -> None:
    threads = [threading.Thread(target=capture, args=(count // THREADS,)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main(mode: str, dsn: str, spool: str, count: int) -> None:
    transport = DeliveryTransport(
        dsn, gate=lambda envelope: envelope, counters=Counters(), spool_dir=Path(spool) if spool else None
    )
    sentry_sdk.init(
        dsn=dsn, transport=transport, default_integrations=False, auto_enabling_integrations=False
    )
    capture(count)
    child = 0
    if mode == "fork":
        child = os.fork()
        if child == 0:
            capture_in_threads(count)
            sentry_sdk.flush(20)
            sentry_sdk.get_client().close(1)
            os._exit(0)
    os.write(1, b"ready\n")
    if mode == "wait":
        sys.stdin.read()
        os._exit(0)
    sentry_sdk.flush(20)
    status = transport.status()
    sentry_sdk.get_client().close(1)
    if child:
        status["child"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status["threads"] = [thread.name for thread in threading.enumerate()]
    os.write(1, f"{json.dumps(status)}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
