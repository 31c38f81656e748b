"""A process that fails in many new ways at once and is gone.

`python -m tests.support.crashing_child KINDS HOW [TIMES]` prints the id of every event and how long capturing took,
then ends as it is told: killed by SIGKILL, or in order (`exit`), or when its input is closed (`wait`). Settings come
from SENTRY_* variables.
"""

import os
import signal
import sys
import time

import sentry_sdk

from app.observability import init_sentry


def main(kinds: int, how: str, times: int = 1) -> None:
    init_sentry()
    started = time.perf_counter()
    ids = []
    for number in [*range(kinds)] * times:
        try:
            raise type(f"Failure{number}Error", (Exception,), {})(f"failure {number}")
        except Exception as failure:  # noqa: BLE001 - the kinds are made up
            ids.append(sentry_sdk.capture_exception(failure))
    took_s = time.perf_counter() - started
    os.write(1, "".join(f"{event_id}\n" for event_id in ids).encode())
    os.write(1, f"took {took_s:.3f} s\n".encode())
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "wait":
        sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))
