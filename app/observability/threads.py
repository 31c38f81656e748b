"""Threads that a request starts work for that request: route, user and tier, as a task that it starts has them.

Context variables do not flow into plain threads, nor into jobs of an executor; the SDK's integration carries its
scopes there, this one carries the flow as well. Only where the thread runs the service's own code: a thread that a
library starts on first use, such as a pool's, serves everybody after this request and belongs to nobody. A thread
keeps its request as long as it runs, so what runs for ever is started in the lifespan.
"""

import functools
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import Any

import sentry_sdk
from sentry_sdk import Scope
from sentry_sdk.integrations import threading as sdk
from sentry_sdk.scope import ScopeType

from .capture import is_in_app
from .state import Flow, current_flow, enter_flow


class ThreadingIntegration(sdk.ThreadingIntegration):
    """The SDK's, which reports crashes of threads, with the flow of whoever started them."""

    @staticmethod
    def setup_once() -> None:
        """Wrap what the SDK has wrapped."""
        sdk.ThreadingIntegration.setup_once()
        Thread.start = _wrap_start(Thread.start)  # type: ignore[method-assign,assignment]
        ThreadPoolExecutor.submit = _wrap_submit(ThreadPoolExecutor.submit)  # type: ignore[method-assign]


def _is_active() -> bool:
    return sentry_sdk.get_client().get_integration(ThreadingIntegration) is not None


def _wrap_start(start: Callable[[Thread], None]) -> Callable[[Thread], None]:
    @functools.wraps(start)
    def start_in_flow(thread: Thread) -> None:
        flow = current_flow()
        if flow is None or not _is_active():
            start(thread)
        elif _is_of_a_library(thread):
            _start_for_nobody(start, thread)
        else:
            run = getattr(thread.run, "__func__", None)
            if run is not None:  # else somebody has replaced it on the instance
                thread.run = _in_flow(flow, run)  # type: ignore[method-assign,assignment]
            start(thread)

    return start_in_flow


def _is_of_a_library(thread: Thread) -> bool:
    """Whether the thread's first function comes from an installed package or from this module."""
    work: Any = getattr(thread, "_target", None) or type(thread).run
    while isinstance(work, functools.partial):
        work = work.func
    code = getattr(getattr(work, "__func__", work), "__code__", None)
    top = (getattr(work, "__module__", None) or "").partition(".")[0]
    return code is not None and top not in sys.stdlib_module_names and not is_in_app(code.co_filename)


def _start_for_nobody(start: Callable[[Thread], None], thread: Thread) -> None:
    scopes = (Scope.get_isolation_scope(), Scope.get_current_scope(), enter_flow(None))
    Scope.set_isolation_scope(Scope(ty=ScopeType.ISOLATION))
    Scope.set_current_scope(Scope(ty=ScopeType.CURRENT))
    try:
        start(thread)
    finally:
        Scope.set_isolation_scope(scopes[0])
        Scope.set_current_scope(scopes[1])
        enter_flow(scopes[2])


def _in_flow(flow: Flow, run: Callable[[Thread], None]) -> Callable[[Thread], None]:
    flows = [flow]  # a thread object may be kept long after its thread has ended

    @functools.wraps(run)
    def run_in_flow(thread: Thread) -> None:
        enter_flow(
            flows.pop()
        )  # never left: the SDK reports a crash after `run`, and the context ends with the thread
        run(thread)

    return run_in_flow


def _wrap_submit(submit: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(submit)
    def submit_in_flow(
        executor: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        if not _is_active():
            return submit(executor, fn, *args, **kwargs)
        flow = enter_flow(None)  # a worker that has to be started is nobody's

        def job(*args: Any, **kwargs: Any) -> Any:
            enter_flow(flow)
            try:
                return fn(*args, **kwargs)
            finally:
                enter_flow(None)

        try:
            return submit(executor, job, *args, **kwargs)
        finally:
            enter_flow(flow)

    return submit_in_flow
