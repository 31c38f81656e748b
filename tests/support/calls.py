"""Counts what a piece of work calls: functions of the SDK and of the module, by file and name.

A count is the same on every machine, under every load, so a limit on it fails when somebody makes the module dearer
and never because a machine is slow. It counts the calling thread only.
"""

import re
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from app import observability

_OWN = str(observability.__file__).removesuffix("__init__.py")
_SDK = re.compile(r"[/\\]sentry_sdk[/\\]")


class Calls:
    """How often each function was called, as `sdk/scope.py:Scope.fork` or `own/request.py:HttpFlow.send`."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def note(self, frame: FrameType, event: str, argument: Any) -> None:
        """Be the profile function."""
        if event != "call":
            return
        path = frame.f_code.co_filename
        if path.startswith(_OWN):
            name = f"own/{path.removeprefix(_OWN)}"
        elif _SDK.search(path):
            name = f"sdk/{_SDK.split(path, maxsplit=1)[1]}"
        else:
            return
        self.counts[f"{name}:{frame.f_code.co_qualname}".replace("\\", "/")] += 1

    def of(self, start: str) -> int:
        """Return the number of calls of functions whose name starts so."""
        return sum(count for name, count in self.counts.items() if name.startswith(start))


@contextmanager
def counting() -> Iterator[Calls]:
    """Count the calls inside the block."""
    calls = Calls()
    before = sys.getprofile()
    sys.setprofile(calls.note)
    try:
        yield calls
    finally:
        sys.setprofile(before)


async def calls_of(step: Callable[[], Awaitable[object]], *, warm_up: int = 2) -> Calls:
    """Do the step a few times, until its caches are filled, and count the calls of one more."""
    for _ in range(warm_up):
        await step()
    with counting() as calls:
        await step()
    return calls
