"""What `tasks.py` reads of `asyncio.Future`: a failure that nobody asked for can be told, and told without asking."""

import asyncio
import contextvars
import gc
import threading
from typing import Any

import uvloop


async def fail() -> None:
    raise KeyError("lost")


def test_a_failed_task_shows_its_exception_until_somebody_asks() -> None:
    async def main() -> None:
        task = asyncio.create_task(fail())
        await asyncio.wait([task])
        assert isinstance(task._exception, KeyError)
        assert task._log_traceback is True
        assert task.exception() is task._exception
        assert task._log_traceback is False

    for run in (asyncio.run, uvloop.run):
        run(main())


def test_a_task_that_ended_well_or_was_cancelled_has_no_exception() -> None:
    async def main() -> None:
        done, cancelled = asyncio.create_task(asyncio.sleep(0)), asyncio.create_task(asyncio.sleep(60))
        cancelled.cancel()
        await asyncio.wait([done, cancelled])
        assert (done._exception, cancelled._exception) == (None, None)

    asyncio.run(main())


def test_gather_and_task_groups_ask_so_their_children_are_not_reported() -> None:
    async def main() -> None:
        first, second = asyncio.create_task(fail()), asyncio.create_task(fail())
        await asyncio.gather(first, return_exceptions=True)
        await asyncio.wait([second])
        assert (first._log_traceback, second._log_traceback) == (False, True)
        second.exception()

    asyncio.run(main())


def test_the_loop_reports_a_lost_task_with_the_same_exception_object() -> None:
    seen: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: seen.append(context))
        task = asyncio.create_task(fail())
        await asyncio.wait([task])
        error = id(task._exception)
        del task
        gc.collect()
        assert id(seen[0]["exception"]) == error

    asyncio.run(main())


def test_a_done_callback_runs_in_the_context_of_whoever_added_it() -> None:
    from contextvars import ContextVar

    name: ContextVar[str] = ContextVar("name", default="nobody")
    seen: list[str] = []

    async def main() -> None:
        name.set("creator")
        task = asyncio.create_task(asyncio.sleep(0))
        task.add_done_callback(lambda task: seen.append(name.get()))
        name.set("later")
        await task
        await asyncio.sleep(0)

    for run in (asyncio.run, uvloop.run):
        run(main())
    assert seen == ["creator", "creator"]


def test_a_thread_tells_what_it_will_run() -> None:
    """`threads.py` reads it to tell the service's threads from those of libraries."""
    assert getattr(threading.Thread(target=int), "_target", None) is int
    assert getattr(threading.Thread(), "_target", int) is None


def test_a_callback_that_fails_shows_the_context_it_was_called_in() -> None:
    seen: list[Any] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: seen.append(context["handle"]._context))
        context = contextvars.copy_context()
        loop.call_soon(int, "no number", context=context)
        seen.append(context)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert seen[0] is seen[1]
