"""Sees failures of tasks that nobody awaits, with the user and route of whoever started them.

asyncio reports such a failure only when the task is thrown away, in whatever context that happens; a task that stays
referenced is never reported. A task factory therefore looks at tasks that failed: if nobody asked for the exception
within `GRACE_S`, it is reported. Tasks made by the loop's own callbacks (a server's request tasks) are not watched.
Reads two private fields of `asyncio.Future` and one of `asyncio.Handle`; contract test `test_python_facts.py`.
"""

import asyncio
import contextvars
import sys
import weakref
from typing import Any

from .capture import capture_error
from .state import renew_mark

GRACE_S = 5.0
MECHANISM = "asyncio"

_watches: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, TaskWatch]" = weakref.WeakKeyDictionary()


class TaskWatch:
    """Factory and exception handler of one loop; what was set before goes on working."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._earlier_factory = loop.get_task_factory()
        self._earlier_handler = loop.get_exception_handler()
        self._failed: dict[int, tuple[weakref.ref[asyncio.Future[Any]], contextvars.Context]] = {}
        loop.set_task_factory(self.make_task)
        loop.set_exception_handler(self.handle)

    def make_task(self, loop: asyncio.AbstractEventLoop, coro: Any, **kwargs: Any) -> Any:
        """Make the task as it would have been made, and look at it when it is done."""
        earlier: Any = self._earlier_factory
        task = asyncio.Task(coro, loop=loop, **kwargs) if earlier is None else earlier(loop, coro, **kwargs)
        if asyncio.current_task(loop) is not None:
            task.add_done_callback(self.ended)  # runs in a copy of the context of whoever made the task
        return task

    def ended(self, task: "asyncio.Future[Any]") -> None:
        """Note a failure that nobody has asked for yet; `exception()` would count as asking."""
        error = task._exception  # noqa: SLF001 - see the module's first lines
        if isinstance(error, Exception) and task._log_traceback:  # noqa: SLF001
            key = id(error)
            self._failed[key] = (weakref.ref(task), contextvars.copy_context())
            task.get_loop().call_later(GRACE_S, self.judge, key)

    def judge(self, key: int) -> None:
        """Report the failure unless somebody asked for it, or it was reported, in the meantime."""
        reference, context = self._failed.pop(key, (None, None))
        task = reference() if reference is not None else None
        error = task._exception if task is not None and task._log_traceback else None  # noqa: SLF001
        if context is not None and isinstance(error, Exception):
            context.run(report, error)

    def judge_all(self) -> None:
        """Report what is still waiting: the loop is about to end."""
        for key in list(self._failed):
            self.judge(key)

    def handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Report what the loop reports, in the context of the task it belongs to, and let it be logged as before."""
        error = context.get("exception")
        _, creator = self._failed.pop(id(error), (None, None))
        if creator is None and sys.version_info < (3, 12):
            # newer loops call this in the context it belongs to; here it is that of whatever happened to run now,
            # and of a callback of `call_soon` or `call_later` its own, which uvloop does not show
            creator = getattr(context.get("handle"), "_context", None) or contextvars.Context()
        if creator is None:
            self._handle(loop, context, error)
        else:
            creator.run(self._handle, loop, context, error)

    def _handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any], error: object) -> None:
        if isinstance(error, Exception) and not renew_mark(
            error
        ):  # reported long ago, if it waited in `judge`
            report(error)
        if self._earlier_handler is not None:
            self._earlier_handler(loop, context)
        else:
            loop.default_exception_handler(context)


def report(error: Exception) -> None:
    """Capture a failure that nobody awaits."""
    capture_error(error, handled=False, mechanism=MECHANISM)


def watch_tasks(loop: asyncio.AbstractEventLoop) -> TaskWatch:
    """Watch a loop's tasks; the second call for a loop changes nothing."""
    watch = _watches.get(loop)
    if watch is None:
        watch = _watches[loop] = TaskWatch(loop)
    return watch
